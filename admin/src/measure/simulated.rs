//! `key-admin measure simulated`

use std::path::PathBuf;

use clap::Args;
use claviger_client::cli::{Failure, Report};
use serde::Serialize;

use super::digest::sha256_of;
use crate::context::Context;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin measure simulated ./app
  key-admin simulated init machine-1 \\
      --measurement $(key-admin measure simulated ./app --output json | jq -r .measurement)

It is the SHA-256 of the file, as the stock programs measure one.")]
pub(crate) struct Simulated {
    /// The program
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Measured {
    file: PathBuf,
    measurement: String,
}

impl Report for Measured {
    fn text(&self) -> String {
        format!("{}  {}", self.measurement, self.file.display())
    }
}

pub(super) fn run(context: &Context, args: &Simulated) -> Result<(), Failure> {
    let spinner = context.spinner("measuring the program");
    let measurement = hex::encode(sha256_of(&args.file)?);
    drop(spinner);
    context.tell(&Measured { file: args.file.clone(), measurement })
}
