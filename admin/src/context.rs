//! What every command is given.

use std::io::Write as _;

use claviger_client::cli::{Failure, OutputMode, Report, Spinner};

use crate::api::Api;
use crate::reach::Reach;

/// How results are told, and which broker is meant.
pub(crate) struct Context {
    mode: OutputMode,
    reach: Reach,
}

impl Context {
    pub(crate) fn new(mode: OutputMode, reach: Reach) -> Self {
        Self { mode, reach }
    }

    /// Tells a result.
    pub(crate) fn tell(&self, report: &impl Report) -> Result<(), Failure> {
        self.mode.tell(report)
    }

    /// Tells one of several results, a line each; whether anybody still reads them.
    pub(crate) fn tell_line(&self, report: &impl Report) -> Result<bool, Failure> {
        let line = match self.mode {
            OutputMode::Text => report.text(),
            OutputMode::Json => serde_json::to_string(report).expect("our own types have JSON forms"),
        };
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => {
                let message = format!("standard output can't be written to: {error}");
                Err(Failure::new("output", 1, message, "check where the output goes"))
            }
        }
    }

    /// Says on standard error what may be meant otherwise than it is said; who asked for JSON has it in the result.
    pub(crate) fn warn(&self, warnings: &[String]) {
        if self.mode == OutputMode::Text {
            let mut stderr = std::io::stderr().lock();
            for warning in warnings {
                // Where nobody reads it there is nobody to tell.
                let _ = writeln!(stderr, "warning: {warning}");
            }
        }
    }

    /// Prints text for another program, alone on standard output; who asked for JSON has the result on standard error.
    pub(crate) fn print_beside(&self, text: &str, report: &impl Report) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
            let message = format!("standard output can't be written to: {error}");
            Failure::new("output", 1, message, "check where the output goes")
        })?;
        match self.mode {
            OutputMode::Text => Ok(()),
            OutputMode::Json => self.mode.tell_aside(report),
        }
    }

    /// A sign that this is under way, until it is dropped.
    pub(crate) fn spinner(&self, what: &str) -> Spinner {
        Spinner::start(self.mode, what)
    }

    /// The broker's admin API.
    pub(crate) fn api(&self) -> Result<Api, Failure> {
        Ok(Api::new(self.reach.way()?))
    }
}
