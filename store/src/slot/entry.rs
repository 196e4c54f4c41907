//! One slot of a table.

use std::path::{Path, PathBuf};

use claviger_proto::Secret;
use serde::{Deserialize, Serialize};

use crate::RootKey;
use crate::slot::derived::{DerivedFrom, DerivedKey};
use crate::slot::passphrase::Stretch;
use crate::slot::shamir::{Fresh, Split};
use crate::slot::wrap::{Bound, Unwrap, Wrapped};
use crate::slot::{NewSlot, Passphrase, Share, SlotContext, SlotError, SlotId, Unsealed, file};

/// A slot, as it lies in `slots.json`.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Slot {
    File {
        path: PathBuf,
        #[serde(flatten)]
        wrapped: Wrapped,
    },
    Passphrase {
        argon2id: Stretch,
        #[serde(flatten)]
        wrapped: Wrapped,
    },
    Shamir {
        split: Split,
        #[serde(flatten)]
        wrapped: Wrapped,
    },
    Derived {
        from: DerivedFrom,
        #[serde(flatten)]
        wrapped: Wrapped,
    },
}

/// A slot that is made and not in its table yet: whatever belongs to it elsewhere can be put in place first.
/// Dropped, it leaves the table as it was.
pub struct Prepared {
    pub(super) slot: Slot,
    pub(super) id: SlotId,
    shares: Vec<Share>,
}

impl Prepared {
    /// Which slot it is going to be.
    pub fn id(&self) -> SlotId {
        self.id
    }

    /// The shares that open it. They are kept nowhere else; no other kind of slot has any.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }
}

/// What a slot asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotKind {
    /// The bytes of a file.
    File {
        /// Where it is.
        path: PathBuf,
    },
    /// A passphrase, stretched by Argon2id.
    Passphrase {
        /// Memory, KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// Shares.
    Shamir {
        /// How many are needed.
        needed: u8,
        /// How many there are.
        shares: usize,
    },
    /// A key that a platform derives for this machine alone.
    Derived {
        /// With what it has to be asked for.
        from: DerivedFrom,
    },
}

/// A slot, as it may be shown to anybody who may read the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotInfo {
    /// Which.
    pub id: SlotId,
    /// What it asks for.
    pub kind: SlotKind,
}

const FILE: Bound<'_> = Bound { kind: "file", fields: &[] };

impl Slot {
    /// Makes a slot of the table that lies at `table`.
    pub(super) fn prepare(
        table: &Path,
        context: &SlotContext<'_>,
        root: &RootKey,
        new: &NewSlot,
    ) -> Result<Prepared, SlotError> {
        let wrap = |bound: Bound<'_>, factor: &Secret| {
            Wrapped::new(context, bound, factor, root).map_err(|_| SlotError::Randomness)
        };
        let mut fresh = None;
        let slot = match new {
            NewSlot::File { path } => {
                let factor = file::read_or_create(path)?;
                Self::File { path: placed(table, path)?, wrapped: wrap(FILE, &factor)? }
            }
            NewSlot::Passphrase(passphrase) => {
                passphrase.check_new()?;
                let argon2id = Stretch::new()?;
                let factor = argon2id.factor(passphrase)?.ok_or_else(|| damaged(table))?;
                let wrapped = wrap(Bound { kind: "passphrase", fields: &argon2id.bound_to() }, &factor)?;
                Self::Passphrase { argon2id, wrapped }
            }
            NewSlot::Shares(plan) => {
                let made = fresh.insert(Fresh::new(*plan)?);
                let split = made.split();
                let wrapped = wrap(Bound { kind: "shamir", fields: &split.bound_to() }, &made.key)?;
                Self::Shamir { split, wrapped }
            }
            NewSlot::Derived(derived) => {
                derived.check()?;
                let from = derived.from.clone();
                let wrapped = wrap(Bound { kind: "derived", fields: &from.bound_to() }, &derived.key)?;
                Self::Derived { from, wrapped }
            }
        };
        let id = slot.id().ok_or(SlotError::Randomness)?;
        let shares = fresh.map_or_else(Vec::new, |fresh| fresh.into_shares(id));
        Ok(Prepared { slot, id, shares })
    }

    pub(super) fn id(&self) -> Option<SlotId> {
        let (Self::File { wrapped, .. }
        | Self::Passphrase { wrapped, .. }
        | Self::Shamir { wrapped, .. }
        | Self::Derived { wrapped, .. }) = self;
        wrapped.id()
    }

    pub(super) fn kind(&self, table: &Path) -> SlotKind {
        match self {
            Self::File { path, .. } => SlotKind::File { path: resolve(table, path) },
            Self::Passphrase { argon2id, .. } => SlotKind::Passphrase {
                memory_kib: argon2id.cost.memory_kib,
                passes: argon2id.cost.passes,
                lanes: argon2id.cost.lanes,
            },
            Self::Shamir { split, .. } => {
                SlotKind::Shamir { needed: split.needed, shares: split.digests.len() }
            }
            Self::Derived { from, .. } => SlotKind::Derived { from: from.clone() },
        }
    }

    /// Opens a slot of files with the file that it names.
    pub(super) fn open_by_its_file(&self, table: &Path, context: &SlotContext<'_>) -> Option<Unsealed> {
        let Self::File { path, wrapped } = self else { return None };
        let path = resolve(table, path);
        Some(file::read(&path).and_then(|factor| {
            wrapped.open(context, FILE, &factor).map_err(|error| match error {
                Unwrap::WrongKey => SlotError::WrongKey { path: path.clone() },
                Unwrap::Damaged => damaged(table),
            })
        }))
    }

    /// Opens a slot of files with bytes that came another way.
    pub(super) fn open_by_key(
        &self,
        table: &Path,
        context: &SlotContext<'_>,
        key: &Secret,
    ) -> Option<Unsealed> {
        let Self::File { wrapped, .. } = self else { return None };
        Some(wrapped.open(context, FILE, key).map_err(|error| match error {
            Unwrap::WrongKey => SlotError::WrongKeyBytes,
            Unwrap::Damaged => damaged(table),
        }))
    }

    pub(super) fn open_by_passphrase(
        &self,
        table: &Path,
        context: &SlotContext<'_>,
        passphrase: &Passphrase,
    ) -> Option<Unsealed> {
        let Self::Passphrase { argon2id, wrapped } = self else { return None };
        let open = || {
            let factor = argon2id.factor(passphrase)?.ok_or_else(|| damaged(table))?;
            let bound = Bound { kind: "passphrase", fields: &argon2id.bound_to() };
            wrapped.open(context, bound, &factor).map_err(|error| match error {
                Unwrap::WrongKey => SlotError::WrongPassphrase,
                Unwrap::Damaged => damaged(table),
            })
        };
        Some(open())
    }

    pub(super) fn open_by_derived_key(
        &self,
        table: &Path,
        context: &SlotContext<'_>,
        derived: &DerivedKey,
    ) -> Option<Unsealed> {
        let Self::Derived { from, wrapped } = self else { return None };
        if *from != derived.from {
            return None;
        }
        let bound = Bound { kind: "derived", fields: &from.bound_to() };
        Some(wrapped.open(context, bound, &derived.key).map_err(|error| match error {
            Unwrap::WrongKey => SlotError::WrongDerivedKey,
            Unwrap::Damaged => damaged(table),
        }))
    }

    pub(super) fn open_by_split_key(
        &self,
        table: &Path,
        context: &SlotContext<'_>,
        key: &Secret,
    ) -> Option<Unsealed> {
        let Self::Shamir { split, wrapped } = self else { return None };
        // Every share was checked, so a key that doesn't fit is no holder's fault.
        let bound = Bound { kind: "shamir", fields: &split.bound_to() };
        Some(wrapped.open(context, bound, key).map_err(|_| damaged(table)))
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

pub(super) fn resolve(table: &Path, path: &Path) -> PathBuf {
    table.parent().unwrap_or(Path::new("")).join(path)
}

pub(super) fn damaged(table: &Path) -> SlotError {
    SlotError::Damaged { path: table.to_owned() }
}
