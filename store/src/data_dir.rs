//! The broker's data directory.

use std::fs::File;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use claviger_proto::Secret;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::engine::{AnyEngine, EngineError, SledEngine};
use crate::slot::{Factor, Gathering, NewSlot, Opened, Prepared, Progress, SlotContext, SlotError, Slots};
use crate::{RootKey, Store, StoreError, StoreId, files};

const FORMAT: u64 = 1;
const PURPOSE: &str = "broker";

/// What can go wrong with a data directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Something is there already.
    #[error("{path} isn't empty; give a directory that is empty or doesn't exist yet")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A broker's data is there already.
    #[error("{path} is a broker's data directory already; start it with `key-broker serve`")]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// There is no data directory.
    #[error("{path} isn't a data directory; make one with `key-broker init`")]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// A format that this version doesn't know.
    #[error("{path} has format {found}, which this version doesn't know; use the version that wrote it")]
    UnknownFormat {
        /// The directory.
        path: PathBuf,
        /// The format found.
        found: u64,
    },
    /// `broker.json` isn't what was written.
    #[error("{path} is damaged; restore it from a back-up")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Others can get into it.
    #[error("{path} can be used by others (mode {mode:o}); run: chmod 700 {path}")]
    Mode {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process has it.
    #[error("{path} is in use by another broker")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The system refused an operation.
    #[error("couldn't {what} {path}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness; try again")]
    Randomness,
    /// A key slot.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store in it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A broker's data directory, locked for this process while the value lives.
///
/// `broker.json` says whose it is and in which format; `slots.json` has the key slots, `store/` the engine's
/// files, `audit/` the segments; `lock` is held by who uses it. Directories are 0700, files 0600.
pub struct DataDir {
    path: PathBuf,
    audit: PathBuf,
    id: StoreId,
    _lock: File,
}

/// `broker.json`.
#[derive(Serialize, Deserialize)]
struct Marker {
    format: u64,
    broker: String,
}

/// Only the format, to be read before anything that depends on it.
#[derive(Deserialize)]
struct OnlyFormat {
    format: u64,
}

impl DataDir {
    /// Makes a data directory with a root key in one slot and an empty store. The directory must be empty or not
    /// exist. What is left of an attempt that was cut short isn't taken for one.
    pub fn create(path: &Path, new: &NewSlot) -> Result<Self, DataDirError> {
        let is_new = !path.exists();
        files::create_dir(path).map_err(|error| io("make", path, error))?;
        let mut entries = std::fs::read_dir(path).map_err(|error| io("read", path, error))?;
        if path.join("broker.json").exists() {
            return Err(DataDirError::Exists { path: path.to_owned() });
        }
        if entries.next().is_some() {
            return Err(DataDirError::NotEmpty { path: path.to_owned() });
        }
        files::make_private(path).map_err(|error| io("change the mode of", path, error))?;
        let id = StoreId::generate().ok_or(DataDirError::Randomness)?;
        let root = RootKey::generate().ok_or(DataDirError::Randomness)?;
        let dir = Self { path: path.to_owned(), audit: path.join("audit"), id, _lock: lock(path)? };
        if let Err(error) = dir.fill(&root, new) {
            dir.clear(is_new);
            return Err(error);
        }
        Ok(dir)
    }

    fn fill(&self, root: &RootKey, new: &NewSlot) -> Result<(), DataDirError> {
        Slots::create(&self.slots_file(), &self.context(), root, new)?;
        files::create_dir(&self.audit).map_err(|error| io("make", &self.audit, error))?;
        let engine = SledEngine::open(&self.path.join("store"))?;
        Store::create(Arc::new(engine.into()), root, self.id)?;
        // Last, so that only a whole directory has it.
        let marker = Marker { format: FORMAT, broker: self.id.to_string() };
        let marker_path = self.path.join("broker.json");
        let text = serde_json::to_vec(&marker).map_err(|_| DataDirError::Randomness)?;
        files::replace(&marker_path, &text).map_err(|error| io("make", &marker_path, error))
    }

    /// Takes away what a failed `fill` made, so that all is as it was. The error that made it necessary is the one
    /// to tell.
    fn clear(&self, is_new: bool) {
        for made in [self.slots_file(), self.path.join("broker.json.new"), self.path.join("lock")] {
            drop(std::fs::remove_file(made));
        }
        for made in [self.audit.clone(), self.path.join("store")] {
            drop(std::fs::remove_dir_all(made));
        }
        if is_new {
            drop(std::fs::remove_dir(&self.path));
        }
    }

    /// Opens and locks one.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let marker_path = path.join("broker.json");
        let text = std::fs::read(&marker_path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => DataDirError::Missing { path: path.to_owned() },
            _ => io("read", &marker_path, error),
        })?;
        let metadata = std::fs::metadata(path).map_err(|error| io("read", path, error))?;
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(DataDirError::Mode { path: path.to_owned(), mode });
        }
        let damaged = || DataDirError::Damaged { path: marker_path.clone() };
        let OnlyFormat { format } = serde_json::from_slice(&text).map_err(|_| damaged())?;
        if format != FORMAT {
            return Err(DataDirError::UnknownFormat { path: path.to_owned(), found: format });
        }
        let marker: Marker = serde_json::from_slice(&text).map_err(|_| damaged())?;
        let id = marker.broker.parse().map_err(|_| damaged())?;
        Ok(Self { path: path.to_owned(), audit: path.join("audit"), id, _lock: lock(path)? })
    }

    /// The store's id.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// Its key slots, as they are now.
    pub fn slots(&self) -> Result<Slots, DataDirError> {
        Ok(Slots::read(&self.slots_file())?)
    }

    /// Gets the root key out of a slot by the slot's own key file.
    pub fn unlock(&self) -> Result<RootKey, DataDirError> {
        Ok(self.open_slot(&Factor::KeyFiles)?.root)
    }

    /// Gets the root key out of a slot that this factor opens.
    pub fn open_slot(&self, factor: &Factor) -> Result<Opened, DataDirError> {
        Ok(self.slots()?.open_with(&self.context(), factor)?)
    }

    /// Adds a share to those that have come so far.
    pub fn gather(&self, gathering: &mut Gathering, share: &Secret) -> Result<Progress, DataDirError> {
        Ok(self.slots()?.gather(&self.context(), gathering, share)?)
    }

    /// Makes another slot for the root key of an opened one, to be put into [`DataDir::slots`].
    pub fn prepare_slot(&self, opened: &Opened, new: &NewSlot) -> Result<Prepared, DataDirError> {
        Ok(self.slots()?.prepare(&self.context(), &opened.root, new)?)
    }

    /// Opens the engine. To be called once, for an engine has one opener.
    pub fn engine(&self) -> Result<AnyEngine, DataDirError> {
        let store = self.path.join("store");
        if !store.join("db").exists() {
            // Opening it would make an empty one, as if nothing had ever been stored.
            return Err(DataDirError::Damaged { path: store });
        }
        Ok(SledEngine::open(&store)?.into())
    }

    /// Opens the store with the root key from [`DataDir::unlock`]. To be called once.
    pub fn store(&self, root: &RootKey) -> Result<Store, DataDirError> {
        Ok(Store::open(Arc::new(self.engine()?), root, self.id)?)
    }

    /// Where audit segments lie.
    pub fn audit_dir(&self) -> &Path {
        &self.audit
    }

    fn slots_file(&self) -> PathBuf {
        self.path.join("slots.json")
    }

    fn context(&self) -> SlotContext<'static> {
        SlotContext { purpose: PURPOSE, store: self.id }
    }
}

/// Takes the directory for this process; the system lets go of it when the file is closed.
fn lock(path: &Path) -> Result<File, DataDirError> {
    let lock_path = path.join("lock");
    let file = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&lock_path)
        .map_err(|error| io("open", &lock_path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(DataDirError::InUse { path: path.to_owned() }),
        Err(error) => Err(io("lock", &lock_path, error.into())),
    }
}

fn io(what: &'static str, path: &Path, error: io::Error) -> DataDirError {
    DataDirError::Io { what, path: path.to_owned(), error }
}
