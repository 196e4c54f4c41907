//! key-client: a machine enrols in its domain, stores and retrieves secrets, and keeps some of its own.

mod args;
mod cryptstore;
mod enroll;
mod out;
mod peer;
mod renew;
mod requests;
mod retrieve;
mod status;
mod store;
mod trace;

use std::process::ExitCode;

use args::{Cli, Command};
use claviger_client::cli::{self, Failure, OutputMode};

fn main() -> ExitCode {
    let Cli { output, command } = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match run(command, output.mode) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit(output.mode),
    }
}

fn run(command: Command, mode: OutputMode) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new("system", 1, error.to_string(), "free some of the system's resources")
    })?;
    runtime.block_on(async {
        match command {
            Command::Enroll(args) => enroll::run(&args, mode).await,
            Command::Renew(args) => renew::run(&args, mode).await,
            Command::Status(args) => status::run(&args, mode),
            Command::Peer(command) => peer::run(&command, mode).await,
            Command::Trace(args) => trace::run(&args, mode).await,
            Command::Store(args) => store::run(&args, mode).await,
            Command::Retrieve(args) => retrieve::run(&args, mode).await,
            Command::Generate(args) => requests::generate(&args, mode).await,
            Command::Rotate(args) => requests::rotate(&args, mode).await,
            Command::List(args) => requests::list(&args, mode).await,
            Command::Versions(args) => requests::versions(&args, mode).await,
            Command::Show(args) => requests::show(&args, mode).await,
            Command::Delete(args) => requests::delete(&args, mode).await,
            Command::Undelete(args) => requests::undelete(&args, mode).await,
            Command::Destroy(args) => requests::destroy(&args, mode).await,
            Command::Cryptstore(command) => cryptstore::run(&command, mode),
            Command::Manual(manual) => manual.run::<Cli>(),
        }
    })
}
