//! Colours on standard error: only where it is a terminal that shows them. `NO_COLOR` takes them away, `CLICOLOR_FORCE`
//! puts them everywhere (<https://no-color.org>, <https://bixense.com/clicolors>). Results have none.

use std::io;

use anstream::{AutoStream, ColorChoice};

/// Whether what goes to standard error may have colours.
pub fn on_stderr() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}
