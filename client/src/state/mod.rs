//! What a machine keeps: a directory with its sealed cryptstore.
//!
//! | file | what it is |
//! |---|---|
//! | `cryptstore` | format byte, 16-byte store id, then everything else sealed under the root key |
//! | `slots.json` | the root key, sealed in key slots |
//! | `slot.key` | the key of the default slot: whoever reads it and the rest reads the secrets |
//!
//! The directory is 0700 and its files are 0600. A write replaces `cryptstore` whole, so readers need no
//! lock and a crash leaves the old or the new. Writers hold a lock on the directory itself (`flock`), which
//! leaves nothing behind.

mod content;
mod error;
mod lock;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use claviger_store::seal::{Aad, RecordKind};
use claviger_store::slot::{NewSlot, SlotContext, Slots};
use claviger_store::{RootKey, StoreId};

pub use content::Cryptstore;
pub use error::StateError;
pub use lock::StateLock;

use crate::files::{self, FileError};
use crate::identity::Identity;

const CRYPTSTORE: &str = "cryptstore";
const SLOTS: &str = "slots.json";
const SLOT_KEY: &str = "slot.key";

/// The only format there is, first byte of the file.
const FORMAT: u8 = 1;
const HEAD: usize = 17;
/// Purpose of the slots and of the sealing key, so that a broker's are never taken for an agent's.
const PURPOSE: &str = "agent";

/// Largest cryptstore file, in bytes: a machine keeps dozens of entries of at most 1 MiB, and all of them
/// are in memory while it is open.
const MAX_CRYPTSTORE: usize = 64 << 20;

/// A machine's state directory.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// The directory at this path, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a machine has enrolled here.
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
        let damaged = || StateError::Damaged { path: self.path.join(CRYPTSTORE) };
        self.load()?.identity().ok_or_else(damaged)
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
        if head[0] != FORMAT {
            return Err(StateError::UnknownFormat { path, found: head[0] });
        }
        let id = StoreId::from_bytes(head[1..].try_into().map_err(|_| damaged())?);
        let root = Slots::read(&self.path.join(SLOTS))?.open(&context(id))?;
        let plain = root
            .seal_key(PURPOSE)
            .open(&aad(id), sealed)
            .map_err(|error| StateError::Seal { path: path.clone(), error })?;
        let content = Cryptstore::decode(plain.expose()).ok_or_else(damaged)?;
        Ok((Keys { id, root }, content))
    }

    fn write(&self, keys: &Keys, content: &Cryptstore) -> Result<(), StateError> {
        let path = self.path.join(CRYPTSTORE);
        let sealed = keys
            .root
            .seal_key(PURPOSE)
            .seal(&aad(keys.id), &content.encode())
            .map_err(|error| StateError::Seal { path: path.clone(), error })?;
        let mut bytes = Vec::with_capacity(HEAD + sealed.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(keys.id.as_bytes());
        bytes.extend_from_slice(&sealed);
        if bytes.len() > MAX_CRYPTSTORE {
            return Err(StateError::Full { path, limit: MAX_CRYPTSTORE });
        }
        Ok(files::write_private(&path, &bytes)?)
    }

    /// A new root key in a new slot. Slots without a cryptstore seal nothing (or what somebody took away):
    /// they are put aside.
    fn make_keys(&self) -> Result<Keys, StateError> {
        let slots = self.path.join(SLOTS);
        match fs::rename(&slots, self.path.join("slots.json.old")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::system("putting aside", &slots, error).into());
            }
            Ok(()) | Err(_) => {}
        }
        let (Some(id), Some(root)) = (StoreId::generate(), RootKey::generate()) else {
            return Err(StateError::Randomness);
        };
        let new = NewSlot::File { path: self.path.join(SLOT_KEY) };
        Slots::create(&slots, &context(id), &root, &new)?;
        Ok(Keys { id, root })
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

fn aad(id: StoreId) -> Aad<'static> {
    Aad { kind: RecordKind::Cryptstore, generation: *id.as_bytes(), name: CRYPTSTORE, ..Aad::default() }
}
