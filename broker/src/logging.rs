//! Logs: on stderr, text on a terminal, JSON lines otherwise. Stdout is for answers.

use std::io::IsTerminal as _;

use claviger_client::cli::color;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use crate::config::LogFormat;

/// The installed logger, to change what it lets through.
#[derive(Clone, Debug)]
pub struct Logs(Handle<EnvFilter, Registry>);

/// Reads a filter, such as `info` or `claviger_broker=debug`.
pub fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    // The HTTP servers' own lines say nothing that ours don't; a filter that names them wins.
    EnvFilter::builder().parse(format!("actix_server=warn,{text}"))
}

/// Installs the process's logger for a program whose log nobody configures but by `CLAVIGER_LOG`. A second call
/// does nothing.
pub fn install(default: &str) {
    let text = std::env::var("CLAVIGER_LOG").unwrap_or_else(|_| default.to_owned());
    start(LogFormat::Auto, filter(&text).unwrap_or_else(|_| EnvFilter::new(default)));
}

/// Installs the process's logger. A second call does nothing.
pub fn start(format: LogFormat, filter: EnvFilter) -> Logs {
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(color::on_stderr());
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    // Only a program that embeds a broker has a logger already, and then that one is right.
    drop(tracing_subscriber::registry().with(filter).with(lines).try_init());
    Logs(handle)
}

impl Logs {
    /// Lets through what this filter says, from now on.
    pub fn set(&self, filter: EnvFilter) {
        // Without a logger of ours there is nothing to change.
        drop(self.0.reload(filter));
    }
}
