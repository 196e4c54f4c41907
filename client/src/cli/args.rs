//! Reading the command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use super::color;
use super::failure::{self, Failure};
use super::output::OutputMode;

/// The exit status of a command line that can't be understood.
pub const USAGE: u8 = 2;

/// What to do about it.
const NEXT: &str = "see --help";

/// How the line begins in which clap says that, before any colours in it.
const POINTER: &str = "For more information, try ";

/// Reads the command line. On `--help` and `--version`, and on a mistake, everything is printed already and
/// the exit code is returned. A mistake is told in JSON to who asked for JSON.
pub fn parse<T: Parser>() -> Result<T, ExitCode> {
    parse_from(std::env::args_os().collect())
}

fn parse_from<T: Parser>(args: Vec<OsString>) -> Result<T, ExitCode> {
    let json = wants_json(&args);
    T::try_parse_from(args).map_err(|error| {
        let told = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        if told {
            // Nowhere is left to report a failure to print.
            let _ = error.print();
        } else if json {
            usage(&error).print(OutputMode::Json);
        } else {
            let text = error.render();
            let text = if color::on_stderr() { text.ansi().to_string() } else { text.to_string() };
            let _ = std::io::stderr().write_all(with_next(&text).as_bytes());
        }
        if told { ExitCode::SUCCESS } else { ExitCode::from(USAGE) }
    })
}

/// Clap's last line in the words of our own errors: what to do next.
fn with_next(text: &str) -> String {
    match text.rfind(POINTER).map(|at| text.split_at(at)) {
        Some((said, _)) => format!("{}\n{}", said.trim_end(), failure::next_line(NEXT)),
        // Where it prints the help itself, there is nothing to point to.
        None => text.to_owned(),
    }
}

fn usage(error: &clap::Error) -> Failure {
    let text = error.to_string();
    // Everything before the usage, on one line: what is missing is listed on lines of its own.
    let said = text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim);
    let said: Vec<&str> = said.filter(|line| !line.is_empty()).collect();
    Failure::new("usage", USAGE, said.join(" ").trim_start_matches("error: "), NEXT)
}

/// Whether `--output json` was asked for, found without understanding the rest.
fn wants_json(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--output=json")
        || args.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_in_a_line_that_is_wrong_elsewhere() {
        let line = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(&line("x frobnicate --output json")));
        assert!(wants_json(&line("x --output=json")));
        assert!(!wants_json(&line("x --output text json")));
    }
}
