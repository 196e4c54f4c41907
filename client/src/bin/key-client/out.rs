//! Bytes that were asked for, on standard output.

use std::io::Write as _;

use claviger_client::cli::Failure;

/// Writes them as they are, and nothing else.
pub(crate) fn to_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| {
        let message = format!("standard output can't be written to: {error}");
        Failure::new("output", 1, message, "check where the output goes")
    })
}
