//! `key-admin attest`

mod certificates;
mod claims;
mod quote;
mod show;
mod verify;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use claviger_attest::SNP_REPORT_LEN;
use claviger_client::cli::Failure;
use claviger_client::files::FileError;

use crate::context::Context;

#[derive(Subcommand)]
pub(crate) enum Attest {
    /// Verify evidence, and say of every rule what came of it
    Verify(verify::Verify),
    /// Print what evidence says; nothing of it is verified
    Show(show::Show),
}

pub(crate) async fn run(context: &Context, command: &Attest) -> Result<ExitCode, Failure> {
    match command {
        Attest::Verify(args) => verify::run(context, args).await,
        Attest::Show(args) => show::run(context, args).map(|()| ExitCode::SUCCESS),
    }
}

/// Reads a report, or a byte more than one has, which is enough to refuse it.
fn read_report(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let most = SNP_REPORT_LEN as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|source| FileError::system("reading", path, source))?;
    Ok(bytes)
}
