//! `claviger-bench`: what the broker costs, held against a bare TLS server and a bare engine.
//!
//! Every figure is a ratio of two things measured in turn in one call on one machine, so that it means the
//! same on any machine. The servers run as children of this program, so that what they cost is told apart
//! from what the load costs.

mod acl;
mod compare;
mod domain;
mod domains;
mod error;
mod load;
mod measure;
mod quiet;
mod report;
mod serve;
mod server;
mod setting;
mod snp;
mod start;
mod stats;
mod tenants;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use claviger_client::cli::{Failure, Output, OutputMode, Report, parse};

use error::BenchError;

/// The allocator of `key-broker`, for both sides of every figure.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure what the broker costs, against a bare TLS server and the bare storage engine; what evidence costs; and what
/// one tenant costs another, and thousands of them.
#[derive(Parser)]
#[command(name = "claviger-bench", version, about, after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Start(start::Args),
    Snp(snp::Args),
    Tenants(tenants::Args),
    Domains(domains::Args),
    Acl(acl::Args),
    /// A broker over a data directory that exists; what `start` measures.
    #[command(hide = true)]
    ServeBroker {
        /// The data directory.
        #[arg(long)]
        data_dir: PathBuf,
        /// With the product's limits as they are.
        #[arg(long)]
        as_it_is: bool,
        /// With these rates of one domain, if they aren't the product's: requests, handshakes.
        #[arg(long, num_args = 2)]
        rates: Vec<u32>,
    },
    /// A bare TLS server that is told on stdin what to serve; what `start` holds the broker against.
    #[command(hide = true)]
    ServeBare,
}

const EXAMPLES: &str = "Examples:
  claviger-bench start
  claviger-bench start --output json --rounds 9 --seconds 2
  claviger-bench start --policy-key p256 --dir /var/tmp
  claviger-bench snp --output json
  claviger-bench tenants
  claviger-bench domains
  claviger-bench acl

Build it with --release; docs/benchmarks.md says what each figure means.";

fn main() -> ExitCode {
    let args: Args = match parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let mode = args.output.mode;
    let done = match args.command {
        Command::Start(start) => return tell(start::run(&start), mode),
        Command::Snp(snp) => return tell(snp::run(&snp), mode),
        Command::Tenants(tenants) => return tell(tenants::run(&tenants), mode),
        Command::Acl(acl) => return tell(acl::run(&acl), mode),
        Command::Domains(domains) => return tell(domains::run(&domains), mode),
        Command::ServeBroker { data_dir, as_it_is, rates } => serve::broker::run(data_dir, as_it_is, rates),
        Command::ServeBare => serve::bare::run(),
    };
    done.map_or_else(|error| Failure::from(error).exit(mode), |()| ExitCode::SUCCESS)
}

fn tell(report: Result<impl Report, BenchError>, mode: OutputMode) -> ExitCode {
    match report.map_err(Failure::from).and_then(|report| mode.tell(&report)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit(mode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn rounds_and_seconds_have_limits() {
        let parse = |line: &str| Args::try_parse_from(line.split(' '));
        for good in [
            "b start",
            "b start --rounds 1 --seconds 0.1",
            "b start --policy-key p256 --output json",
            "b snp --rounds 1 --output json",
            "b tenants --rounds 1 --seconds 0.5",
            "b domains --rounds 1 --domains 10",
            "b acl --rounds 1",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["--rounds 0", "--seconds 0", "--seconds nan", "--seconds -1", "--policy-key p521"] {
            assert!(parse(&format!("b start {bad}")).is_err(), "{bad}");
        }
    }
}
