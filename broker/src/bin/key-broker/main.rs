//! `key-broker`: the key broker for confidential VMs.

mod init;
mod quickstart;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use claviger_client::cli::OutputMode;

/// The key broker for confidential VMs: it hands each VM exactly the keys that its domain's policy grants.
#[derive(Parser)]
#[command(name = "key-broker", version, about, after_help = EXAMPLES)]
struct Args {
    /// How results are written to stdout.
    #[arg(long, global = true, value_enum, default_value_t, env = "CLAVIGER_OUTPUT")]
    output: OutputMode,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Args),
    Serve(serve::Args),
    Quickstart(quickstart::Args),
}

const EXAMPLES: &str = "Examples:
  key-broker quickstart --exit
  key-broker init  --data-dir /var/lib/claviger --key-slot file:/etc/claviger/root.key
  key-broker serve --data-dir /var/lib/claviger --listen 0.0.0.0:8120 --admission-listen 0.0.0.0:8123

Exit status: 0 done, 2 usage or configuration, 7 the root key can't be had, 1 other.";

fn main() -> ExitCode {
    let args = Args::parse();
    claviger_broker::runtime::panics::install_hook();
    match args.command {
        Command::Init(init) => init::run(&init, args.output),
        Command::Serve(serve) => serve::run(serve, args.output),
        Command::Quickstart(quickstart) => quickstart::run(&quickstart, args.output),
    }
}
