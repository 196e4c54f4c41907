//! `key-broker init`.

use std::path::PathBuf;
use std::process::ExitCode;

use claviger_client::cli::{Failure, OutputMode, Report};
use claviger_store::{DataDir, SlotSpec};

/// Make a data directory, with a new root key in one key slot.
///
/// With `file:PATH`, the root key is sealed under the raw bytes of PATH (at least 32). If PATH isn't there, it
/// is made, with mode 0600. Without that file the data directory can't be read: keep a copy elsewhere.
#[derive(clap::Args)]
#[command(after_help = "Example:
  key-broker init --data-dir /var/lib/claviger --key-slot file:/etc/claviger/root.key")]
pub(crate) struct Args {
    /// The directory to make; it must be empty, or not be there.
    #[arg(long, env = "CLAVIGER_DATA_DIR")]
    data_dir: PathBuf,
    /// Where the root key's seal comes from.
    #[arg(long, value_name = "file:PATH")]
    key_slot: SlotSpec,
}

#[derive(serde::Serialize)]
struct Made {
    broker_id: String,
    data_dir: String,
    key_slot: String,
}

impl Report for Made {
    fn text(&self) -> String {
        let Self { broker_id, data_dir, key_slot } = self;
        format!(
            "made broker {broker_id} in {data_dir}, its root key sealed by {key_slot}\n\
             next: keep a copy of the key file elsewhere, then key-broker serve --data-dir {data_dir}"
        )
    }
}

pub(crate) fn run(args: &Args, output: OutputMode) -> ExitCode {
    let made = DataDir::create(&args.data_dir, &args.key_slot).map(|data_dir| Made {
        broker_id: data_dir.id().to_string(),
        data_dir: args.data_dir.display().to_string(),
        key_slot: args.key_slot.to_string(),
    });
    let next = "choose an empty directory and a key file of your own; nothing was changed";
    let result = made.map_err(|error| Failure::new("refused", 3, error.to_string(), next));
    match result.and_then(|made| output.tell(&made)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit(output),
    }
}
