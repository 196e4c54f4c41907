//! `key-broker init`.

use std::path::PathBuf;
use std::process::ExitCode;

use claviger_client::cli::{Failure, OutputMode, Report, passphrase, slot};
use claviger_store::slot::SlotError;
use claviger_store::{DataDir, DataDirError, SlotSpec};

/// Make a data directory, with a new root key in one key slot.
///
/// With `file:PATH`, the root key is sealed under the raw bytes of PATH (at least 32). If PATH isn't there, it
/// is made, with mode 0600. Without that file the data directory can't be read: keep a copy elsewhere. With
/// `passphrase`, it is sealed under a passphrase of at least 8 bytes, which is asked for twice.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  key-broker init --data-dir /var/lib/claviger --key-slot file:/etc/claviger/root.key
  key-broker init --data-dir /var/lib/claviger --key-slot passphrase
  key-broker init --data-dir /var/lib/claviger --key-slot passphrase --passphrase-file FILE")]
pub(crate) struct Args {
    /// The directory to make; it must be empty, or not be there.
    #[arg(long, env = "CLAVIGER_DATA_DIR")]
    data_dir: PathBuf,
    /// Where the root key's seal comes from.
    #[arg(long, value_name = "file:PATH|passphrase|derived:KIND:WHERE")]
    key_slot: SlotSpec,
    /// Take a derived key as the only slot: on another image or another chip everything is lost.
    #[arg(long)]
    no_recovery: bool,
    /// A file that holds the passphrase (- is standard input); without it, systemd's credential
    /// claviger-passphrase, or the terminal.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
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
        let keep = match key_slot.as_str() {
            "passphrase" => "the passphrase safe",
            slot if slot.starts_with("derived:") => {
                "in mind that only this image on this chip opens it (key-broker slot add makes a recovery slot)"
            }
            _ => "a copy of the key file elsewhere",
        };
        format!(
            "made broker {broker_id} in {data_dir}, its root key sealed by {key_slot}\n\
             next: keep {keep}, then key-broker serve --data-dir {data_dir}"
        )
    }
}

pub(crate) fn run(args: &Args, output: OutputMode) -> ExitCode {
    match make(args).and_then(|made| output.tell(&made)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit(output),
    }
}

fn make(args: &Args) -> Result<Made, Failure> {
    slot::check_alone(&args.key_slot, args.no_recovery)?;
    let ask = || passphrase::new(args.passphrase_file.as_deref(), "New passphrase of the root key");
    let slot = slot::new_slot(&args.key_slot, ask)?;
    let data_dir = DataDir::create(&args.data_dir, &slot).map_err(|error| {
        let next = match error {
            DataDirError::Slot(SlotError::PassphraseShort) => "choose a longer one; nothing was changed",
            _ if matches!(args.key_slot, SlotSpec::File { .. }) => {
                "choose an empty directory and a key file of your own; nothing was changed"
            }
            _ => "choose an empty directory, or a path that isn't there yet; nothing was changed",
        };
        Failure::new("refused", 3, error.to_string(), next)
    })?;
    Ok(Made {
        broker_id: data_dir.id().to_string(),
        data_dir: args.data_dir.display().to_string(),
        key_slot: args.key_slot.to_string(),
    })
}
