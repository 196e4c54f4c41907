//! Reading the command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use super::failure::Failure;
use super::output::OutputMode;

/// The exit status of a command line that can't be understood.
pub const USAGE: u8 = 2;

/// Reads the command line. On `--help` and `--version`, and on a mistake, everything is printed already and
/// the exit code is returned. A mistake is told in JSON to who asked for JSON.
pub fn parse<T: Parser>() -> Result<T, ExitCode> {
    parse_from(std::env::args_os().collect())
}

fn parse_from<T: Parser>(args: Vec<OsString>) -> Result<T, ExitCode> {
    let json = wants_json(&args);
    T::try_parse_from(args).map_err(|error| {
        let told = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        if told || !json {
            // Nowhere is left to report a failure to print.
            let _ = error.print();
        } else {
            usage(&error).print(OutputMode::Json);
        }
        if told { ExitCode::SUCCESS } else { ExitCode::from(USAGE) }
    })
}

fn usage(error: &clap::Error) -> Failure {
    let text = error.to_string();
    // Everything before the usage, on one line: what is missing is listed on lines of its own.
    let said = text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim);
    let said: Vec<&str> = said.filter(|line| !line.is_empty()).collect();
    Failure::new("usage", USAGE, said.join(" ").trim_start_matches("error: "), "see --help")
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
