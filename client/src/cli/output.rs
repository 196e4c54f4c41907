//! Where results go, and in which shape.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::failure::Failure;

/// The `--output` option, to flatten into a command line.
#[derive(Args, Clone, Copy, Debug)]
pub struct Output {
    /// How results and errors are written
    #[arg(long = "output", value_enum, default_value_t, global = true, value_name = "FORMAT")]
    pub mode: OutputMode,
}

/// For people, or for machines.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputMode {
    /// Tables and sentences
    #[default]
    #[value(name = "table", alias = "text")]
    Text,
    /// One JSON object
    Json,
}

/// A result that can be told in both shapes: its JSON is its `Serialize`, its text is given here.
pub trait Report: Serialize {
    /// For people: lines without the last line's end.
    fn text(&self) -> String;
}

impl OutputMode {
    /// Tells a result on stdout.
    pub fn tell(self, report: &impl Report) -> Result<(), Failure> {
        self.tell_to(report, &mut io::stdout().lock()).map_err(|error| broken_pipe(&error))
    }

    /// Tells a result on stderr, where stdout carries the secret that was asked for.
    pub fn tell_aside(self, report: &impl Report) -> Result<(), Failure> {
        self.tell_to(report, &mut io::stderr().lock()).map_err(|error| broken_pipe(&error))
    }

    fn tell_to(self, report: &impl Report, to: &mut impl Write) -> io::Result<()> {
        let line = match self {
            Self::Text => report.text(),
            Self::Json => serde_json::to_string(report)?,
        };
        match writeln!(to, "{line}").and_then(|()| to.flush()) {
            // Whoever read it has what they wanted, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

fn broken_pipe(error: &io::Error) -> Failure {
    Failure::new("output", 1, format!("the result can't be written: {error}"), "check where the output goes")
}
