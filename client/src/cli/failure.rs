//! A command's failure, as it is told.

use std::borrow::Cow;
use std::io::Write as _;
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Style};
use claviger_proto::ErrorCode;
use claviger_proto::admin::Problem;
use serde_json::json;

use super::color;
use super::output::OutputMode;
use crate::error::Error;

/// Why a command failed: a stable code for machines, a sentence and a next step for people, an exit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: Cow<'static, str>,
    exit_status: u8,
    message: String,
    next: String,
}

impl Failure {
    /// A failure from its parts. Sentences come without their full stop.
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        exit_status: u8,
        message: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { code: code.into(), exit_status, message: message.into(), next: next.into() }
    }

    /// A failure with one of the wire's codes and the exit status that belongs to it.
    pub fn coded(code: ErrorCode, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(code.as_str(), code.exit_status(), message, next)
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The exit status.
    pub fn exit_status(&self) -> u8 {
        self.exit_status
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub fn next(&self) -> &str {
        &self.next
    }

    /// The same failure with another next step, where the command knows better.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// As a JSON object: `{"error":{"code","message","next"}}`.
    pub fn to_json(&self) -> serde_json::Value {
        json!({"error": {"code": self.code, "message": self.message, "next": self.next}})
    }

    /// Prints it to stderr.
    pub fn print(&self, mode: OutputMode) {
        let text = match mode {
            OutputMode::Text => {
                let (error, _) = styles();
                format!("{error}error:{error:#} {}\n{}", self.message, next_line(&self.next))
            }
            OutputMode::Json => format!("{}\n", self.to_json()),
        };
        // Nowhere is left to report a failure to print.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// Prints it to stderr and gives the exit code.
    pub fn exit(&self, mode: OutputMode) -> ExitCode {
        self.print(mode);
        ExitCode::from(self.exit_status)
    }
}

/// The line that says what to do next.
pub(super) fn next_line(next: &str) -> String {
    let (_, style) = styles();
    format!("  {style}next:{style:#} {next}\n")
}

/// The same as clap's own for what is wrong in a command line.
fn styles() -> (Style, Style) {
    if color::on_stderr() {
        (AnsiColor::Red.on_default().bold(), AnsiColor::Green.on_default())
    } else {
        (Style::new(), Style::new())
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self::new(error.code(), error.exit_status(), error.to_string(), error.next())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let next = match problem.code {
            ErrorCode::NotFound => "check the names (key-admin domain list, key-admin trust list)",
            ErrorCode::Conflict => {
                "change what stands in the way; a domain that was pulled is changed at its home broker"
            }
            ErrorCode::Sealed => "unseal the broker: key-admin unseal",
            ErrorCode::QuotaExceeded => {
                "have versions destroyed that aren't needed any more, or give it more (key-admin quota set)"
            }
            ErrorCode::Busy | ErrorCode::Deadline => "try again in a moment",
            ErrorCode::Unavailable => "look at the broker's log",
            _ => "correct it and try again",
        };
        // The detail says what happened here; the title only of which kind it is.
        let message = if problem.detail.is_empty() { problem.title } else { problem.detail };
        Self::coded(problem.code, message, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_the_wire_s_code_and_exit_status() {
        let failure = Failure::coded(ErrorCode::Conflict, "taken", "look");
        assert_eq!((failure.code(), failure.exit_status()), ("conflict", 5));
        assert_eq!(
            failure.to_json().to_string(),
            r#"{"error":{"code":"conflict","message":"taken","next":"look"}}"#
        );
    }
}
