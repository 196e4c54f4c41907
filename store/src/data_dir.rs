//! The broker's data directory.

use std::path::Path;

use crate::engine::{AnyEngine, EngineError};
use crate::slot::SlotError;
use crate::{RootKey, SlotSpec, StoreError, StoreId};

/// What can go wrong with a data directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
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
pub struct DataDir {}

impl DataDir {
    /// Makes a data directory with a root key in one slot and an empty store. The directory must be empty or not
    /// exist.
    pub fn create(path: &Path, spec: &SlotSpec) -> Result<Self, DataDirError> {
        todo!()
    }

    /// Opens and locks one.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        todo!()
    }

    /// The store's id.
    pub fn id(&self) -> StoreId {
        todo!()
    }

    /// Gets the root key out of a slot.
    pub fn unlock(&self) -> Result<RootKey, DataDirError> {
        todo!()
    }

    /// Opens the engine.
    pub fn engine(&self) -> Result<AnyEngine, DataDirError> {
        todo!()
    }

    /// Where audit segments lie.
    pub fn audit_dir(&self) -> &Path {
        todo!()
    }
}
