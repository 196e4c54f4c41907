//! What all of Claviger's command lines share: how results and errors are printed, exit codes, and files
//! that hold secrets.
//!
//! - Results go to stdout, as tables and sentences for people or, with `--output json`, as one JSON object.
//! - Errors go to stderr: what happened and what to do next, as two lines or one JSON object. Colours only there, and only on a
//!   terminal ([`color`]).
//! - Exit codes: 0 done, 2 usage, 3 refused, 4 not found or not allowed, 5 conflict, 6 attestation refused,
//!   7 sealed, 8 unreachable, 1 other.

pub mod args;
pub mod certificates;
pub mod clock;
pub mod color;
pub mod failure;
pub mod formats;
pub mod input;
pub mod manual;
pub mod output;
pub mod passphrase;
pub mod progress;
pub mod slot;
pub mod state;
pub mod table;

pub use args::parse;
pub use failure::Failure;
pub use manual::Manual;
pub use output::{Output, OutputMode, Report};
pub use progress::Spinner;
pub use state::StateArgs;
pub use table::Table;
