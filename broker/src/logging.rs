//! Logs: on stderr, text on a terminal, JSON lines otherwise. Stdout is for answers.

use std::io::IsTerminal as _;

use claviger_client::cli::color;
use tracing_subscriber::EnvFilter;

/// Installs the process's logger; `CLAVIGER_LOG` sets the filter (such as `info` or
/// `claviger_broker=debug`), `default` when it is unset. A second call does nothing.
pub fn install(default: &str) {
    let filter = EnvFilter::try_from_env("CLAVIGER_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("{default},actix_server=warn")));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(color::on_stderr());
    let installed = if std::io::stderr().is_terminal() {
        logger.try_init()
    } else {
        logger.json().flatten_event(true).try_init()
    };
    // Only a program that embeds a broker has a logger already, and then that one is right.
    drop(installed);
}
