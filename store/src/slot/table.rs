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
        let slot = Slot::create(path, context, root, spec)?;
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

    /// Key files that others than their owner can read, with their modes. They are used all the same, for mounts
    /// of secrets often have such modes; who runs the store should be told.
    pub fn exposed_key_files(&self) -> Vec<(PathBuf, u32)> {
        let files = self.table.slots.iter().map(|Slot::File { path, .. }| resolve(&self.path, path));
        files.filter_map(|path| file::exposed_mode(&path).map(|mode| (path, mode))).collect()
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
    fn create(
        table: &Path,
        context: &SlotContext<'_>,
        root: &RootKey,
        spec: &SlotSpec,
    ) -> Result<Self, SlotError> {
        match spec {
            SlotSpec::File { path } => {
                let factor = file::read_or_create(path)?;
                let wrapped =
                    Wrapped::new(context, "file", &factor, root).map_err(|_| SlotError::Randomness)?;
                Ok(Self::File { path: placed(table, path)?, wrapped })
            }
        }
    }

    fn open(&self, table: &Path, context: &SlotContext<'_>) -> Result<RootKey, SlotError> {
        match self {
            Self::File { path, wrapped } => {
                let path = &resolve(table, path);
                let factor: Secret = file::read(path)?;
                wrapped.open(context, "file", &factor).map_err(|error| match error {
                    Unwrap::WrongKey => SlotError::WrongKey { path: path.clone() },
                    Unwrap::Damaged => damaged(table),
                })
            }
        }
    }
}

/// How the table names a key file: one that lies beside it by its name alone, so that the directory can be
/// moved or mounted elsewhere; any other absolutely, for the program may be started from another directory.
fn placed(table: &Path, path: &Path) -> Result<PathBuf, SlotError> {
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(|error| SlotError::Io {
            what: "find",
            path: path.to_owned(),
            error,
        })
    };
    let (table, path) = (absolute(table)?, absolute(path)?);
    match path.file_name() {
        Some(name) if path.parent() == table.parent() => Ok(name.into()),
        _ => Ok(path),
    }
}

fn resolve(table: &Path, path: &Path) -> PathBuf {
    table.parent().unwrap_or(Path::new("")).join(path)
}

fn damaged(path: &Path) -> SlotError {
    SlotError::Damaged { path: path.to_owned() }
}
