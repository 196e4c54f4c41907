//! `key-broker config`.

use std::process::ExitCode;

use claviger_broker::config::{Config, reference};
use claviger_client::cli::{Failure, OutputMode, Report};
use serde_json::{Map, Value};

use super::serve::{Settings, failure};

/// Check a configuration, or print all that there is to set.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  key-broker config check   --config /etc/claviger/broker.toml
  key-broker config default > broker.toml")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Check the file and the flags as `serve` would, without starting anything; exit status 2 says what is wrong.
    #[command(after_help = "Example:
  key-broker config check --config /etc/claviger/broker.toml --listen 0.0.0.0:8120")]
    Check(Box<Settings>),
    /// Print every setting with its default and its meaning, as a configuration file (TOML).
    #[command(after_help = "Example:
  key-broker config default > broker.toml")]
    Default,
}

/// What would be in force.
struct Checked(Vec<(&'static str, String)>);

impl serde::Serialize for Checked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let settings = self.0.iter().map(|(key, value)| ((*key).to_owned(), Value::String(value.clone())));
        let settings: Map<_, _> = settings.collect();
        serde_json::json!({"ok": true, "settings": settings}).serialize(serializer)
    }
}

impl Report for Checked {
    fn text(&self) -> String {
        let lines = self.0.iter().filter(|(_, value)| !value.is_empty());
        let lines: Vec<_> = lines.map(|(key, value)| format!("  {key} = {value}")).collect();
        format!("the configuration can be used; in force would be\n{}", lines.join("\n"))
    }
}

/// The reference, as one text.
#[derive(serde::Serialize)]
struct Reference {
    toml: String,
}

impl Report for Reference {
    fn text(&self) -> String {
        self.toml.trim_end().to_owned()
    }
}

pub(crate) fn run(args: Args, output: OutputMode) -> ExitCode {
    match args.command {
        Command::Check(settings) => check(*settings, output),
        Command::Default => tell(output.tell(&Reference { toml: reference() }), output),
    }
}

fn tell(told: Result<(), Failure>, output: OutputMode) -> ExitCode {
    told.map_or_else(|failure| failure.exit(output), |()| ExitCode::SUCCESS)
}

/// Checks, and says what is wrong or what would be in force.
pub(crate) fn check(settings: Settings, output: OutputMode) -> ExitCode {
    tell(in_force(settings).and_then(|checked| output.tell(&checked)), output)
}

fn in_force(settings: Settings) -> Result<Checked, Failure> {
    let (path, flags) = settings.parts();
    let config = Config::load(path.as_deref(), flags).map_err(|error| failure(&error.into()))?;
    Ok(Checked(config.settings().collect()))
}
