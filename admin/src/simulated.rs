//! `key-admin simulated`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_attest::{Measurement, SigningKey, SimulatedPlatform};
use claviger_client::cli::{Failure, Report, clock};
use claviger_client::evidence::SIMULATED_ROOT;
use claviger_proto::Secret;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::files::{NewFile, write_all_new};
use crate::keys;

#[derive(Subcommand)]
pub(crate) enum Simulated {
    /// Make a simulated platform: an attestation key, a measurement, an endorsement, under stock file names
    Init(Init),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin simulated init machine-1
  key-admin simulated init machine-2 --platform-key machine-1/platform_key_file.bin

For trying things out only: whoever has these files can say that anything runs. A domain trusts them only if
its owner names their root.")]
pub(crate) struct Init {
    /// Where to write its files; made if it isn't there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// What it says that it runs, 64 or 96 hex digits; without it, a random measurement
    #[arg(long, value_name = "HEX")]
    measurement: Option<Measurement>,
    /// The private platform key to be endorsed by, so that several platforms share a root; without it, a new one
    #[arg(long, value_name = "FILE")]
    platform_key: Option<PathBuf>,
}

const PLATFORM_KEY: &str = "platform_key_file.bin";
const MEASUREMENT_FILE: &str = "cf_utility.measurement";

#[derive(Serialize)]
struct Made {
    dir: PathBuf,
    measurement: String,
    /// The file for `trust add --attest-root`.
    attest_root: PathBuf,
}

impl Report for Made {
    fn text(&self) -> String {
        format!(
            "made a simulated platform in {}\n  measurement {}\n  root {}",
            self.dir.display(),
            self.measurement,
            self.attest_root.display()
        )
    }
}

pub(crate) fn run(context: &Context, command: &Simulated) -> Result<(), Failure> {
    let Simulated::Init(args) = command;
    let measurement = match args.measurement {
        Some(measurement) => measurement,
        None => random_measurement()?,
    };
    let root = args.platform_key.as_deref().map(keys::read_key).transpose()?;
    let root = root.map(|(key, _)| SigningKey::from_private(&key)).transpose().map_err(keys::broken)?;
    let platform =
        SimulatedPlatform::generate(measurement, root, clock::unix_time()).map_err(keys::broken)?;
    let files = platform.files().map_err(keys::broken)?;
    let derived = derived_root()?;
    let derived = NewFile { name: SIMULATED_ROOT, bytes: derived.expose(), private: true };
    let files: Vec<_> = files
        .iter()
        // A root that several platforms share stays where it is.
        .filter(|(name, _)| args.platform_key.is_none() || *name != PLATFORM_KEY)
        .map(|(name, bytes)| NewFile { name, bytes: bytes.expose(), private: *name != MEASUREMENT_FILE })
        .chain([derived])
        .collect();
    write_all_new(&args.dir, &files)?;
    context.tell(&Made {
        dir: args.dir.clone(),
        measurement: measurement.to_string(),
        attest_root: args.platform_key.clone().unwrap_or_else(|| args.dir.join(PLATFORM_KEY)),
    })
}

/// What the platform derives its keys from.
fn derived_root() -> Result<Secret, Failure> {
    let mut bytes = Zeroizing::new(vec![0; 32]);
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::new("system", 1, "the system gives no randomness", "try again"))?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

fn random_measurement() -> Result<Measurement, Failure> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::new("system", 1, "the system gives no randomness", "try again"))?;
    Ok(Measurement::from_bytes(&bytes).expect("32 bytes are a measurement"))
}
