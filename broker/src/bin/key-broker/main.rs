//! `key-broker`: the key broker for confidential VMs.

mod config;
mod init;
mod quickstart;
mod serve;
mod slot;
mod systemd;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use claviger_client::cli::{Manual, Output, parse};

/// A store moves a few hundred small allocations between threads, which the C library's allocator is slow at (ADR 0008).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The key broker for confidential VMs: it hands each VM exactly the keys that its domain's policy grants.
#[derive(Parser)]
#[command(name = "key-broker", version, after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Args),
    Serve(Box<serve::Args>),
    Config(config::Args),
    Slot(slot::Args),
    Quickstart(quickstart::Args),
    #[command(flatten)]
    Manual(Manual),
}

const EXAMPLES: &str = "Examples:
  key-broker quickstart --exit
  key-broker init  --data-dir /var/lib/claviger --key-slot file:/etc/claviger/root.key
  key-broker serve --data-dir /var/lib/claviger --listen 0.0.0.0:8120 \\
      --admission-listen 0.0.0.0:8123
  key-broker config check --config /etc/claviger/broker.toml
  key-broker slot add --data-dir /var/lib/claviger --key-slot passphrase

Exit status: 0 done, 2 usage or configuration, 3 refused, 4 not found, 7 the root key can't be had, 1 other.";

fn main() -> ExitCode {
    let args: Args = match parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    claviger_broker::runtime::panics::install_hook();
    let output = args.output.mode;
    match args.command {
        Command::Init(init) => init::run(&init, output),
        Command::Serve(serve) => serve::run(*serve, output),
        Command::Config(config) => config::run(config, output),
        Command::Slot(slot) => slot::run(&slot, output),
        Command::Quickstart(quickstart) => quickstart::run(&quickstart, output),
        Command::Manual(manual) => {
            manual.run::<Args>().map_or_else(|failure| failure.exit(output), |()| ExitCode::SUCCESS)
        }
    }
}

/// Prints a line on stdout, at once: whoever waits for it reads a pipe.
fn print(line: &str) {
    use std::io::Write as _;
    let mut stdout = std::io::stdout().lock();
    // Whoever asked for it may have stopped reading; the work goes on.
    drop(writeln!(stdout, "{line}").and_then(|()| stdout.flush()));
}
