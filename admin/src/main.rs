//! key-admin: domains, trust, access rules, identities and audit of a Claviger broker.

mod acl;
mod acl_edit;
mod acl_rules;
mod acl_test;
mod api;
mod args;
mod attest;
mod audit;
mod context;
mod domain;
mod entry;
mod files;
mod identity;
mod keys;
mod measure;
mod operator;
mod owner;
mod policy;
mod policy_key;
mod principal;
mod quota;
mod reach;
mod revocation;
mod sealing;
mod simulated;
mod status;
mod ticket;
mod tpm;
mod trust;

use std::process::ExitCode;

use args::{Cli, Command};
use claviger_client::cli::{self, Failure};
use context::Context;

fn main() -> ExitCode {
    let cli: Cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let mode = cli.output.mode;
    match run(cli) {
        Ok(code) => code,
        Err(failure) => failure.exit(mode),
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new("system", 1, error.to_string(), "free some of the system's resources")
    })?;
    let context = Context::new(cli.output.mode, cli.reach);
    runtime.block_on(dispatch(&context, cli.command))
}

async fn dispatch(context: &Context, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::PolicyKey(command) => policy_key::run(context, &command)?,
        Command::Measure(command) => measure::run(context, &command)?,
        Command::Attest(command) => return attest::run(context, &command).await,
        Command::Simulated(command) => simulated::run(context, &command)?,
        Command::Domain(command) => domain::run(context, &command).await?,
        Command::Policy(command) => policy::run(context, &command).await?,
        Command::Ticket(command) => ticket::run(context, &command).await?,
        Command::Tpm(command) => tpm::run(context, &command)?,
        Command::Trust(command) => trust::run(context, &command).await?,
        Command::Acl(command) => return acl::run(context, &command).await,
        Command::Operator(command) => operator::run(context, &command)?,
        Command::Owner(command) => owner::run(context, &command).await?,
        Command::Principal(command) => principal::run(context, &command).await?,
        Command::Quota(command) => quota::run(context, &command).await?,
        Command::Revocation(command) => revocation::run(context, &command).await?,
        Command::Identity(command) => identity::run(context, &command)?,
        Command::Audit(command) => return audit::run(context, &command).await,
        Command::Entry(command) => entry::run(context, &command).await?,
        Command::Unseal(args) => sealing::unseal(context, &args).await?,
        Command::Seal => sealing::seal(context).await?,
        Command::Status => status::run(context).await?,
        Command::Manual(manual) => manual.run::<Cli>()?,
    }
    Ok(ExitCode::SUCCESS)
}
