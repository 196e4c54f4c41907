//! `slots.json`.

use std::path::{Path, PathBuf};

use crate::RootKey;
use crate::slot::{SlotContext, SlotError, SlotSpec};

/// The slots of one store, as its `slots.json` has them.
pub struct Slots {
    path: PathBuf,
}

impl Slots {
    /// Writes `path` with one slot that holds `root`. The slot's own key file is made (0600) when it isn't
    /// there. An existing `path` is an error.
    pub fn create(
        path: &Path,
        context: &SlotContext<'_>,
        root: &RootKey,
        spec: &SlotSpec,
    ) -> Result<Self, SlotError> {
        todo!()
    }

    /// Reads `path`, without opening a slot.
    pub fn read(path: &Path) -> Result<Self, SlotError> {
        todo!()
    }

    /// Gets the root key out of the first slot that opens; when none does, the last slot's error.
    pub fn open(&self, context: &SlotContext<'_>) -> Result<RootKey, SlotError> {
        todo!()
    }
}
