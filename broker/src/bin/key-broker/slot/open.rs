//! Opening the root key by a slot that is there.

use std::path::{Path, PathBuf};

use claviger_client::cli::{Failure, input, passphrase, slot};
use claviger_store::slot::{Factor, Gathering, Opened, Passphrase, SlotError, SlotKind};
use claviger_store::{DataDir, DataDirError};

/// Largest file with shares in it, in bytes: 255 lines below 120 each.
const MAX_SHARES: usize = 64 << 10;

const PROMPT: &str = "Passphrase of the root key";

/// What to open the root key with. Without an option, with the key files that the slots name; if none opens one,
/// with a passphrase: systemd's credential claviger-passphrase, or the terminal's.
#[derive(clap::Args)]
pub(super) struct OpenBy {
    /// Open by the passphrase in this file, or - for standard input.
    #[arg(long, value_name = "FILE|-", conflicts_with = "share_file")]
    passphrase_file: Option<PathBuf>,
    /// Open by shares: a file with one or more of them, a line each, or - for standard input; may be repeated.
    #[arg(long, value_name = "FILE|-")]
    share_file: Vec<PathBuf>,
}

impl OpenBy {
    pub(super) fn open(&self, data_dir: &DataDir) -> Result<Opened, Failure> {
        if let Some(file) = &self.passphrase_file {
            return by_passphrase(data_dir, passphrase::read(file)?);
        }
        if !self.share_file.is_empty() {
            return by_shares(data_dir, &self.share_file);
        }
        let by_files =
            data_dir.open_slot(&Factor::KeyFiles).or_else(|error| by_derived(data_dir).ok_or(error));
        match by_files {
            Ok(opened) => Ok(opened),
            Err(_) if takes_passphrases(data_dir)? => {
                by_passphrase(data_dir, passphrase::existing(None, PROMPT)?)
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// The same, asking for a passphrase first where nothing is said: it is the one to be changed.
    pub(super) fn open_for_passphrase(&self, data_dir: &DataDir) -> Result<Opened, Failure> {
        let is_said = self.passphrase_file.is_some() || !self.share_file.is_empty();
        if is_said || !takes_passphrases(data_dir)? || !passphrase::can_ask() {
            return self.open(data_dir);
        }
        by_passphrase(data_dir, passphrase::existing(None, PROMPT)?)
    }
}

/// Opens by what this machine's platform derives, where a slot asks for that and it is the same.
fn by_derived(data_dir: &DataDir) -> Option<Opened> {
    let kinds: Vec<_> = data_dir.slots().ok()?.list().into_iter().map(|slot| slot.kind).collect();
    data_dir.open_slot(&slot::derived(&kinds)?.ok()?).ok()
}

fn takes_passphrases(data_dir: &DataDir) -> Result<bool, Failure> {
    let slots = data_dir.slots().map_err(|error| failure(&error))?;
    Ok(slots.list().iter().any(|slot| matches!(slot.kind, SlotKind::Passphrase { .. })))
}

fn by_passphrase(data_dir: &DataDir, passphrase: Passphrase) -> Result<Opened, Failure> {
    data_dir.open_slot(&Factor::Passphrase(passphrase)).map_err(|error| failure(&error))
}

/// Opens by the shares in these files.
pub(super) fn by_shares(data_dir: &DataDir, files: &[PathBuf]) -> Result<Opened, Failure> {
    let mut gathering = Gathering::default();
    for file in files {
        gather(data_dir, &mut gathering, file)?;
    }
    data_dir.open_slot(&Factor::Shares(gathering)).map_err(|error| failure(&error))
}

fn gather(data_dir: &DataDir, gathering: &mut Gathering, file: &Path) -> Result<(), Failure> {
    let bytes = input::read(file, MAX_SHARES)?;
    let lines = bytes.expose().split(|byte| *byte == b'\n');
    for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
        let share = claviger_proto::Secret::copy_from(line);
        data_dir.gather(gathering, &share).map_err(|error| {
            let told = failure(&error);
            let message = format!("{}: {}", input::shown(file), told.message());
            Failure::new(told.code().to_owned(), told.exit_status(), message, told.next())
        })?;
    }
    Ok(())
}

fn next_step(error: &SlotError) -> &'static str {
    match error {
        SlotError::WrongPassphrase | SlotError::WrongKey { .. } | SlotError::NoSlotFor { .. } => {
            "try again, or open by another slot (--passphrase-file, --share-file)"
        }
        SlotError::PassphraseShort | SlotError::PassphraseForm => {
            "choose another passphrase; nothing was changed"
        }
        SlotError::LastSlot | SlotError::TooManySlots(_) => "see key-broker slot list; nothing was changed",
        SlotError::TooFewShares { .. } | SlotError::RepeatedShare { .. } => "add another --share-file",
        _ => "correct it and try again; nothing was changed",
    }
}

/// How a data directory that isn't opened says so.
pub(super) fn failure(error: &DataDirError) -> Failure {
    let (code, status, next) = match error {
        DataDirError::Slot(SlotError::NoSlot { .. }) => {
            ("not-found", 4, "check it with key-broker slot list")
        }
        DataDirError::Slot(SlotError::KeyFileMissing { .. }) => {
            ("sealed", 7, "bring the key file back, or open by another slot: --passphrase-file, --share-file")
        }
        DataDirError::Slot(error) if !error.is_ours() => ("refused", 3, next_step(error)),
        DataDirError::InUse { .. } => ("in-use", 5, "stop the broker, then try again"),
        _ => ("unavailable", 1, "mend what is named; nothing was changed"),
    };
    Failure::new(code, status, error.to_string(), next)
}
