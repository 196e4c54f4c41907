//! `key-broker init`.

use std::path::PathBuf;
use std::process::ExitCode;

use claviger_client::cli::{OutputMode, print_json, print_line, report};
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

pub(crate) fn run(args: &Args, output: OutputMode) -> ExitCode {
    match DataDir::create(&args.data_dir, &args.key_slot) {
        Ok(data_dir) => {
            let (id, path) = (data_dir.id().to_string(), args.data_dir.display().to_string());
            match output {
                OutputMode::Json => print_json(&serde_json::json!({
                    "broker_id": id, "data_dir": path, "key_slot": args.key_slot.to_string(),
                })),
                OutputMode::Text => print_line(&format!(
                    "made broker {id} in {path}\nnext: key-broker serve --data-dir {path}"
                )),
            }
            ExitCode::SUCCESS
        }
        Err(error) => report(output, "refused", &error.to_string(), 3),
    }
}
