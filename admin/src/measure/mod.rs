//! `key-admin measure`

mod digest;
mod policy;
mod simulated;
mod snp;

use clap::Subcommand;
use claviger_client::cli::Failure;

use crate::context::Context;

#[derive(Subcommand)]
pub(crate) enum Measure {
    /// Calculate the launch digest of an SEV-SNP machine before it is started
    Snp(snp::Snp),
    /// Calculate the measurement of a program for simulated platforms
    Simulated(simulated::Simulated),
}

pub(crate) fn run(context: &Context, command: &Measure) -> Result<(), Failure> {
    match command {
        Measure::Snp(args) => snp::run(context, args),
        Measure::Simulated(args) => simulated::run(context, args),
    }
}
