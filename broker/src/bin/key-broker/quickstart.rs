//! `key-broker quickstart`.

use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;

use claviger_broker::StartError;
use claviger_broker::quickstart::{Step, run as play, what_next};
use claviger_client::cli::OutputMode;
use tokio::signal::unix::{SignalKind, signal};

/// See the whole of it happen: a broker, a domain, two machines, a disk key, and what is refused.
///
/// Everything is real but the machines' hardware, which is simulated; it happens in a new temporary directory
/// and on free ports of 127.0.0.1.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  key-broker quickstart          plays it, then goes on serving until Ctrl-C
  key-broker quickstart --exit   plays it and ends")]
pub(crate) struct Args {
    /// End when the last step is done.
    #[arg(long)]
    exit: bool,
}

pub(crate) fn run(args: &Args, output: OutputMode) -> ExitCode {
    // The refusals in the scenario are the point of it, so the log keeps to what is not expected.
    claviger_broker::logging::install("error");
    match claviger_broker::runtime::block_on(quickstart(args, output)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => super::serve::failure(&error).exit(output),
    }
}

async fn quickstart(args: &Args, output: OutputMode) -> Result<bool, StartError> {
    let dir = tempfile::Builder::new()
        .prefix("claviger-quickstart-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir()
        .map_err(StartError::Socket)?;
    let played = play(dir.path(), |step| tell(step, output)).await?;
    match output {
        OutputMode::Json => super::print(&serde_json::json!({"ok": played.ok}).to_string()),
        OutputMode::Text if played.ok => {
            super::print("all of it happened, and what must be refused was refused\n");
        }
        OutputMode::Text => super::print("the scenario failed at the last step above"),
    }
    if played.ok && !args.exit {
        if output == OutputMode::Text {
            super::print(&what_next(dir.path(), &played.broker));
        }
        asked_to_stop().await.map_err(StartError::Socket)?;
    }
    played.broker.drain().await;
    Ok(played.ok)
}

/// Waits for Ctrl-C or SIGTERM: either has to remove the directory, for there are keys in it.
async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

fn tell(step: &Step, output: OutputMode) {
    match output {
        OutputMode::Json => super::print(&serde_json::to_string(step).unwrap_or_default()),
        OutputMode::Text => {
            let mark = if step.ok { "ok  " } else { "FAIL" };
            super::print(&format!("{mark} {:<28} {:>6} ms  {}", step.step, step.ms, step.detail));
        }
    }
}
