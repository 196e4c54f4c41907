//! `slots.json`.

use std::io;
use std::path::{Path, PathBuf};

use claviger_proto::Secret;
use serde::{Deserialize, Serialize};

use crate::slot::wrap::{Unwrap, Wrapped};
use crate::slot::{SlotContext, SlotError, SlotSpec, file};
use crate::{RootKey, StoreId, files};

const FORMAT: u64 = 1;

/// The slots of one store, as its `slots.json` has them.
pub struct Slots {
    path: PathBuf,
    table: Table,
}

#[derive(Serialize, Deserialize)]
struct Table {
    format: u64,
    purpose: String,
    store: String,
    slots: Vec<Slot>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Slot {
    File {
        path: PathBuf,
        #[serde(flatten)]
        wrapped: Wrapped,
    },
}

/// Only the format, to be read before anything that depends on it.
#[derive(Deserialize)]
struct OnlyFormat {
    format: u64,
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
        let slot = Slot::create(context, root, spec)?;
        let table = Table {
            format: FORMAT,
            purpose: context.purpose.to_owned(),
            store: context.store.to_string(),
            slots: vec![slot],
        };
        let text = serde_json::to_vec_pretty(&table).map_err(|_| damaged(path))?;
        files::create_new(path, &text).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => SlotError::Exists { path: path.to_owned() },
            _ => SlotError::Io { what: "make", path: path.to_owned(), error },
        })?;
        Ok(Self { path: path.to_owned(), table })
    }

    /// Reads `path`, without opening a slot.
    pub fn read(path: &Path) -> Result<Self, SlotError> {
        let text = std::fs::read(path).map_err(|error| SlotError::Io {
            what: "read",
            path: path.to_owned(),
            error,
        })?;
        let OnlyFormat { format } = serde_json::from_slice(&text).map_err(|_| damaged(path))?;
        if format != FORMAT {
            return Err(SlotError::UnknownFormat { path: path.to_owned(), found: format });
        }
        let table = serde_json::from_slice(&text).map_err(|_| damaged(path))?;
        Ok(Self { path: path.to_owned(), table })
    }

    /// Gets the root key out of the first slot that opens; when none does, the last slot's error.
    pub fn open(&self, context: &SlotContext<'_>) -> Result<RootKey, SlotError> {
        let store: StoreId = self.table.store.parse().map_err(|_| damaged(&self.path))?;
        if store != context.store || self.table.purpose != context.purpose {
            return Err(SlotError::OtherStore { path: self.path.clone() });
        }
        let mut outcome = Err(damaged(&self.path));
        for slot in &self.table.slots {
            outcome = slot.open(&self.path, context);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

impl Slot {
    fn create(context: &SlotContext<'_>, root: &RootKey, spec: &SlotSpec) -> Result<Self, SlotError> {
        match spec {
            SlotSpec::File { path } => {
                // The broker may be started from another directory than this one.
                let path = std::path::absolute(path).map_err(|error| SlotError::Io {
                    what: "find",
                    path: path.clone(),
                    error,
                })?;
                let factor = file::read_or_create(&path)?;
                let wrapped =
                    Wrapped::new(context, "file", &factor, root).map_err(|_| SlotError::Randomness)?;
                Ok(Self::File { path, wrapped })
            }
        }
    }

    fn open(&self, table: &Path, context: &SlotContext<'_>) -> Result<RootKey, SlotError> {
        match self {
            Self::File { path, wrapped } => {
                let factor: Secret = file::read(path)?;
                wrapped.open(context, "file", &factor).map_err(|error| match error {
                    Unwrap::WrongKey => SlotError::WrongKey { path: path.clone() },
                    Unwrap::Damaged => damaged(table),
                })
            }
        }
    }
}

fn damaged(path: &Path) -> SlotError {
    SlotError::Damaged { path: path.to_owned() }
}
