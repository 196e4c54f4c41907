//! What a machine keeps: a directory with its sealed cryptstore.
//!
//! | file | what it is |
//! |---|---|
//! | `cryptstore` | format byte, 16-byte store id, then everything else sealed under the root key |
//! | `slots.json` | the root key, sealed in a key slot |
//! | `slot.key` | the key of the default slot: whoever reads it and the rest reads the secrets |
//! | `evidence` | where this machine's evidence came from when it enrolled, as `--evidence` takes it; no secret |
//! | `peer` | there where the requests go to a stock server: its fingerprints, sealed like the cryptstore |
//!
//! The directory is 0700 and its files are 0600. A write replaces `cryptstore` whole (a new file beside it is
//! written, synced and renamed over it, then the directory is synced), so readers need no lock, and a crash or a full
//! disk leaves the old or the new. Writers hold a lock on the directory itself (`flock`), which leaves nothing behind.
//! What nobody sees is an older `cryptstore` put back in its place.

mod error;
mod lock;
mod peer;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use claviger_store::seal::{Aad, RecordKind};
use claviger_store::slot::{Factor, NewSlot, SlotContext, SlotKind, Slots};
use claviger_store::{RootKey, StoreId};

pub use crate::cryptstore::Cryptstore;
pub use error::StateError;
pub use lock::StateLock;

use crate::evidence::Collector;
use crate::files::{self, FileError};
use crate::identity::Identity;

const CRYPTSTORE: &str = "cryptstore";
const SLOTS: &str = "slots.json";
const SLOT_KEY: &str = "slot.key";
const EVIDENCE: &str = "evidence";
/// Longest name of a place that evidence comes from, in bytes: a path.
const MAX_EVIDENCE: usize = 8 << 10;

/// What is written, first byte of the file.
const FORMAT: u8 = 2;
/// What is read, too: a cryptstore that always has an identity and forgets which versions were deleted.
const OLDER: u8 = 1;
const HEAD: usize = 17;
/// A key file is never shorter, in bytes.
const SHORTEST_KEY: u64 = 32;
/// Purpose of the slots and of the sealing key, so that a broker's are never taken for an agent's.
const PURPOSE: &str = "agent";

/// Largest cryptstore file, in bytes: a machine keeps dozens of entries of at most 1 MiB, and all of them
/// are in memory while it is open.
const MAX_CRYPTSTORE: usize = 64 << 20;

/// A machine's state directory.
#[derive(Clone)]
pub struct StateDir {
    path: PathBuf,
    /// What opens its slot.
    factor: Arc<Factor>,
}

impl fmt::Debug for StateDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDir").field("path", &self.path).finish_non_exhaustive()
    }
}

impl StateDir {
    /// The directory at this path, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), factor: Arc::new(Factor::KeyFiles) }
    }

    /// The same, whose slot is opened with this and not with the key file that it names.
    #[must_use]
    pub fn opened_with(self, factor: Factor) -> Self {
        Self { factor: Arc::new(factor), ..self }
    }

    /// What its slots ask for; none where there is no cryptstore yet.
    pub fn slots(&self) -> Result<Vec<SlotKind>, StateError> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        let slots = Slots::read(&self.path.join(SLOTS))?;
        Ok(slots.list().into_iter().map(|slot| slot.kind).collect())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a cryptstore here.
    pub fn exists(&self) -> Result<bool, StateError> {
        let path = self.path.join(CRYPTSTORE);
        match fs::symlink_metadata(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(FileError::system("looking for", &path, source).into()),
        }
    }

    /// Opens the cryptstore for reading, as it was last written.
    pub fn load(&self) -> Result<Cryptstore, StateError> {
        Ok(self.open()?.1)
    }

    /// This machine's identity, out of the cryptstore.
    pub fn identity(&self) -> Result<Identity, StateError> {
        let cryptstore = self.load()?;
        if cryptstore.domain().is_none() {
            return Err(StateError::NoIdentity { dir: self.path.clone() });
        }
        cryptstore.identity().ok_or_else(|| StateError::Damaged { path: self.path.join(CRYPTSTORE) })
    }

    /// Where this machine's evidence came from when it enrolled or renewed; `None` where that isn't remembered, or no
    /// longer understood. Who changes it has this machine show other evidence, which proves nothing about it.
    pub fn evidence(&self) -> Option<Collector> {
        let text = files::read_bounded(&self.path.join(EVIDENCE), MAX_EVIDENCE).ok()?;
        std::str::from_utf8(text.expose()).ok()?.trim_end().parse().ok()
    }

    /// Takes the writer's lock, waiting for at most 5 s for another writer.
    pub fn lock(&self) -> Result<StateLock, StateError> {
        if !self.exists()? {
            return Err(StateError::NotEnrolled { dir: self.path.clone() });
        }
        StateLock::take(self.clone(), false)
    }

    /// The same, and makes the directory if it isn't there. It goes again with the lock if nothing was put
    /// into it.
    pub fn lock_or_make(&self) -> Result<StateLock, StateError> {
        StateLock::take(self.clone(), true)
    }

    fn open(&self) -> Result<(Keys, Cryptstore), StateError> {
        if !self.exists()? {
            return Err(StateError::NotEnrolled { dir: self.path.clone() });
        }
        let path = self.path.join(CRYPTSTORE);
        let damaged = || StateError::Damaged { path: path.clone() };
        let bytes = files::read_bounded(&path, MAX_CRYPTSTORE)?;
        let (head, sealed) = bytes.expose().split_at_checked(HEAD).ok_or_else(damaged)?;
        let format = head[0];
        if !(OLDER..=FORMAT).contains(&format) {
            return Err(StateError::UnknownFormat { path, found: format });
        }
        let id = StoreId::from_bytes(head[1..].try_into().map_err(|_| damaged())?);
        let slots = Slots::read(&self.path.join(SLOTS))?;
        let root = slots.open_with(&context(id), &self.factor)?.root;
        let plain = root
            .seal_key(PURPOSE)
            .open(&aad(id, format), sealed)
            .map_err(|error| StateError::Seal { path: path.clone(), error })?;
        let content = Cryptstore::decode(plain.expose()).ok_or_else(damaged)?;
        Ok((Keys { id, root }, content))
    }

    fn write(&self, keys: &Keys, content: &Cryptstore) -> Result<(), StateError> {
        let path = self.path.join(CRYPTSTORE);
        let sealed = keys
            .root
            .seal_key(PURPOSE)
            .seal(&aad(keys.id, FORMAT), &content.encode())
            .map_err(|error| StateError::Seal { path: path.clone(), error })?;
        let mut bytes = Vec::with_capacity(HEAD + sealed.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(keys.id.as_bytes());
        bytes.extend_from_slice(&sealed);
        if bytes.len() > MAX_CRYPTSTORE {
            return Err(StateError::Full { path, limit: MAX_CRYPTSTORE });
        }
        self.sweep();
        Ok(files::write_private(&path, &bytes)?)
    }

    /// Takes away what writers that were killed left beside the cryptstore; the lock says that none is at work.
    fn sweep(&self) {
        let Ok(listed) = fs::read_dir(&self.path) else { return };
        for file in listed.flatten() {
            if [CRYPTSTORE, peer::PEER].iter().any(|name| files::is_temporary_of(&file.file_name(), name)) {
                // It is in nobody's way; the next writer tries again.
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// A new root key in a new slot; without one named, that of a key file beside the cryptstore. Slots without a
    /// cryptstore seal nothing (or what somebody took away): they are put aside.
    fn make_keys(&self, slot: Option<&NewSlot>) -> Result<Keys, StateError> {
        let slots = self.path.join(SLOTS);
        self.put_aside(SLOTS)?;
        let (Some(id), Some(root)) = (StoreId::generate(), RootKey::generate()) else {
            return Err(StateError::Randomness);
        };
        let beside = NewSlot::File { path: self.path.join(SLOT_KEY) };
        if slot.is_none() && fs::metadata(self.path.join(SLOT_KEY)).is_ok_and(|key| key.len() < SHORTEST_KEY)
        {
            // Who made it was killed before it was written.
            self.put_aside(SLOT_KEY)?;
        }
        Slots::create(&slots, &context(id), &root, slot.unwrap_or(&beside))?;
        Ok(Keys { id, root })
    }

    /// Takes away what an attempt that failed left in a directory of its own.
    fn clear(&self) {
        for file in [SLOTS, SLOT_KEY] {
            let _ = fs::remove_file(self.path.join(file));
        }
    }

    fn put_aside(&self, file: &str) -> Result<(), StateError> {
        let path = self.path.join(file);
        match fs::rename(&path, self.path.join(format!("{file}.old"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::system("putting aside", &path, error).into())
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// What seals one directory's cryptstore.
struct Keys {
    id: StoreId,
    root: RootKey,
}

fn context(id: StoreId) -> SlotContext<'static> {
    SlotContext { purpose: PURPOSE, store: id }
}

/// The format is part of it, so that no file can be made to be read as another; format 1 had none there.
fn aad(id: StoreId, format: u8) -> Aad<'static> {
    let version = if format == OLDER { 0 } else { u32::from(format) };
    Aad {
        kind: RecordKind::Cryptstore,
        generation: *id.as_bytes(),
        name: CRYPTSTORE,
        version,
        ..Aad::default()
    }
}
