//! `key-admin simulated`

mod snp;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_attest::{EvidenceKind, Measurement, SigningKey, SimulatedPlatform, SnpProduct};
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
    /// Make a simulated platform: keys, a measurement, what vouches for them; it protects nothing
    Init(Init),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin simulated init machine-1
  key-admin simulated init machine-2 --platform-key machine-1/platform_key_file.bin
  key-admin simulated init machine-3 --kind sev-snp --product genoa

For trying things out only: whoever has these files can say that anything runs. A domain trusts them only if
its owner names their root; AMD's roots never lead to a simulated SEV-SNP platform. What that one says of its guest is in
guest.json, and may be edited; policy.toml beside it is what a domain has to say to trust it.")]
pub(crate) struct Init {
    /// Where to write its files; made if it isn't there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// What it plays: simulated-enclave, with stock file names, or sev-snp
    #[arg(long, value_name = "KIND", default_value_t = EvidenceKind::SimulatedEnclave)]
    kind: EvidenceKind,
    /// Which product's platform an SEV-SNP one is: milan, genoa (without it) or turin
    #[arg(long, value_name = "PRODUCT")]
    product: Option<SnpProduct>,
    /// What it says that it runs, 64 or 96 hex digits (96 for sev-snp); without it, a random measurement
    #[arg(long, value_name = "HEX")]
    measurement: Option<Measurement>,
    /// The private platform key to be endorsed by (for sev-snp another platform's ark-key.pem), so that several platforms
    /// share a root; without it, a new one
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
    match args.kind {
        EvidenceKind::SimulatedEnclave if args.product.is_some() => {
            Err(Failure::new("usage", 2, "a simulated enclave has no product", "add --kind sev-snp"))
        }
        EvidenceKind::SimulatedEnclave => enclave(context, args),
        EvidenceKind::SevSnp => snp::make(context, args),
        EvidenceKind::Tpm => Err(Failure::new(
            "usage",
            2,
            "there is no simulated TPM here",
            "use swtpm, whose quotes are those of any TPM, or make a simulated platform: --kind sev-snp",
        )),
        EvidenceKind::SimulatedSev => Err(Failure::new(
            "usage",
            2,
            "the Certifier Framework's own tools make its simulated SEV-SNP platforms",
            "trust one by its ARK (trust add --kind simulated-sev), or make ours: --kind sev-snp",
        )),
    }
}

fn enclave(context: &Context, args: &Init) -> Result<(), Failure> {
    let measurement = match args.measurement {
        Some(measurement) => measurement,
        None => random_measurement()?,
    };
    let root = args.platform_key.as_deref().map(keys::read_key).transpose()?;
    let root = root.map(|(key, _)| SigningKey::from_private(&key)).transpose().map_err(keys::broken)?;
    let platform =
        SimulatedPlatform::generate(measurement, root, clock::unix_time()).map_err(keys::broken)?;
    let files = platform.files().map_err(keys::broken)?;
    let derived = random(32)?;
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

/// So many random bytes: what the platform derives its keys from, or a measurement.
fn random(length: usize) -> Result<Secret, Failure> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::new("system", 1, "the system gives no randomness", "try again"))?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

fn random_measurement() -> Result<Measurement, Failure> {
    Ok(Measurement::from_bytes(random(32)?.expose()).expect("32 bytes are a measurement"))
}
