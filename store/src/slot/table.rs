//! `slots.json`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use claviger_proto::Secret;
use serde::{Deserialize, Serialize};

use crate::slot::entry::{Prepared, Slot, SlotInfo, damaged, resolve};
use crate::slot::{
    Factor, Gathering, NewSlot, Progress, Share, SlotContext, SlotError, SlotId, Unsealed, file,
};
use crate::{RootKey, StoreId, files};

const FORMAT: u64 = 1;

/// Most slots of one store: a passphrase is tried on each of its kind, and each takes its time.
const MAX_SLOTS: usize = 16;
/// Largest `slots.json`, in bytes: 16 slots of 255 shares are below half of it.
const MAX_FILE: u64 = 1 << 20;

/// The slots of one store, as its `slots.json` has them. Whoever changes them holds the store's lock.
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

/// Only the format, to be read before anything that depends on it.
#[derive(Deserialize)]
struct OnlyFormat {
    format: u64,
}

/// A slot that was opened.
pub struct Opened {
    /// The root key.
    pub root: RootKey,
    /// Which slot it came from.
    pub slot: SlotId,
}

impl Slots {
    /// Writes `path` with one slot that holds `root`. An existing `path` is an error.
    pub fn create(
        path: &Path,
        context: &SlotContext<'_>,
        root: &RootKey,
        new: &NewSlot,
    ) -> Result<Self, SlotError> {
        let prepared = Slot::prepare(path, context, root, new)?;
        let table = Table {
            format: FORMAT,
            purpose: context.purpose.to_owned(),
            store: context.store.to_string(),
            slots: vec![prepared.slot],
        };
        let slots = Self { path: path.to_owned(), table };
        files::create_new(path, &slots.text()?).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => SlotError::Exists { path: path.to_owned() },
            _ => SlotError::Io { what: "make", path: path.to_owned(), error },
        })?;
        Ok(slots)
    }

    /// Reads `path`, without opening a slot.
    pub fn read(path: &Path) -> Result<Self, SlotError> {
        let reading = |error| SlotError::Io { what: "read", path: path.to_owned(), error };
        let mut text = Vec::new();
        let file = File::open(path).map_err(reading)?;
        file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(reading)?;
        if text.len() as u64 > MAX_FILE {
            return Err(SlotError::TooLarge { path: path.to_owned() });
        }
        let OnlyFormat { format } = serde_json::from_slice(&text).map_err(|_| damaged(path))?;
        if format != FORMAT {
            return Err(SlotError::UnknownFormat { path: path.to_owned(), found: format });
        }
        let table: Table = serde_json::from_slice(&text).map_err(|_| damaged(path))?;
        let slots = Self { path: path.to_owned(), table };
        // Each has a name, and no two the same.
        let named: Vec<_> = slots.table.slots.iter().map_while(Slot::id).collect();
        let distinct = named.iter().enumerate().all(|(at, id)| !named[..at].contains(id));
        let whole = named.len() == slots.table.slots.len() && (1..=MAX_SLOTS).contains(&named.len());
        if whole && distinct { Ok(slots) } else { Err(damaged(path)) }
    }

    /// Each slot, in the order in which they were made.
    pub fn list(&self) -> Vec<SlotInfo> {
        let slots = self.table.slots.iter();
        slots.filter_map(|slot| Some(SlotInfo { id: slot.id()?, kind: slot.kind(&self.path) })).collect()
    }

    /// Key files that others than their owner can read, with their modes. They are used all the same, for mounts
    /// of secrets often have such modes; who runs the store should be told.
    pub fn exposed_key_files(&self) -> Vec<(PathBuf, u32)> {
        let files = self.table.slots.iter().filter_map(|slot| match slot {
            Slot::File { path, .. } => Some(resolve(&self.path, path)),
            _ => None,
        });
        files.filter_map(|path| file::exposed_mode(&path).map(|mode| (path, mode))).collect()
    }

    /// Gets the root key out of the first slot whose own key file opens it.
    pub fn open(&self, context: &SlotContext<'_>) -> Result<RootKey, SlotError> {
        self.open_with(context, &Factor::KeyFiles).map(|opened| opened.root)
    }

    /// Gets the root key out of the first slot that this factor opens. Where none does, the error that says most.
    pub fn open_with(&self, context: &SlotContext<'_>, factor: &Factor) -> Result<Opened, SlotError> {
        self.check(context)?;
        let table = &self.path;
        match factor {
            Factor::KeyFiles => self.first("a key file", |slot| slot.open_by_its_file(table, context)),
            Factor::KeyBytes(key) => self.first("a key file", |slot| slot.open_by_key(table, context, key)),
            Factor::Passphrase(passphrase) => {
                self.first("a passphrase", |slot| slot.open_by_passphrase(table, context, passphrase))
            }
            Factor::Derived(derived) => {
                self.first("a derived key", |slot| slot.open_by_derived_key(table, context, derived))
            }
            Factor::Shares(shares) => {
                let key = shares.factor()?;
                let theirs = |slot: &Slot| slot.id() == shares.slot();
                self.first("shares", |slot| {
                    if theirs(slot) { slot.open_by_split_key(table, context, &key) } else { None }
                })
            }
        }
    }

    fn first(
        &self,
        what: &'static str,
        open: impl Fn(&Slot) -> Option<Unsealed>,
    ) -> Result<Opened, SlotError> {
        let mut told = SlotError::NoSlotFor { what };
        for slot in &self.table.slots {
            match (open(slot), slot.id()) {
                (Some(Ok(root)), Some(slot)) => return Ok(Opened { root, slot }),
                // A file that is there and wrong says more than one that isn't there.
                (Some(Err(error)), _) if !matches!(told, SlotError::WrongKey { .. }) => told = error,
                _ => {}
            }
        }
        Err(told)
    }

    /// Adds a share to those that have come so far, if it is one of this store.
    pub fn gather(
        &self,
        context: &SlotContext<'_>,
        gathering: &mut Gathering,
        share: &Secret,
    ) -> Result<Progress, SlotError> {
        self.check(context)?;
        let share = Share::from_text(share)?;
        let foreign = SlotError::ForeignShare { number: share.number(), slot: share.slot() };
        let split = self.table.slots.iter().find_map(|slot| match slot {
            Slot::Shamir { split, .. } if slot.id() == Some(share.slot()) => Some(split),
            _ => None,
        });
        gathering.add(share, split.ok_or(foreign)?)
    }

    /// Makes a slot for `root`, which came out of another. Nothing is changed before it is put into the table.
    pub fn prepare(
        &self,
        context: &SlotContext<'_>,
        root: &RootKey,
        new: &NewSlot,
    ) -> Result<Prepared, SlotError> {
        self.check(context)?;
        let prepared = Slot::prepare(&self.path, context, root, new)?;
        // Once in four thousand million times.
        if self.position(prepared.id).is_ok() { Err(SlotError::Randomness) } else { Ok(prepared) }
    }

    /// Adds a slot, durably.
    pub fn add(&mut self, prepared: Prepared) -> Result<(), SlotError> {
        if self.table.slots.len() >= MAX_SLOTS {
            return Err(SlotError::TooManySlots(MAX_SLOTS));
        }
        self.table.slots.push(prepared.slot);
        self.write().inspect_err(|_| _ = self.table.slots.pop())
    }

    /// Puts a slot in the place of another, durably and in one step: there is no moment without either.
    pub fn replace(&mut self, slot: SlotId, prepared: Prepared) -> Result<(), SlotError> {
        let at = self.position(slot)?;
        let old = std::mem::replace(&mut self.table.slots[at], prepared.slot);
        self.write().inspect_err(|_| {
            self.table.slots[at] = old;
        })
    }

    /// Removes a slot, durably. The last one stays.
    pub fn remove(&mut self, slot: SlotId) -> Result<(), SlotError> {
        let at = self.position(slot)?;
        if self.table.slots.len() == 1 {
            return Err(SlotError::LastSlot);
        }
        let old = self.table.slots.remove(at);
        self.write().inspect_err(|_| {
            self.table.slots.insert(at, old);
        })
    }

    fn position(&self, slot: SlotId) -> Result<usize, SlotError> {
        let found = self.table.slots.iter().position(|known| known.id() == Some(slot));
        found.ok_or(SlotError::NoSlot { slot })
    }

    fn check(&self, context: &SlotContext<'_>) -> Result<(), SlotError> {
        let store: StoreId = self.table.store.parse().map_err(|_| damaged(&self.path))?;
        if store != context.store || self.table.purpose != context.purpose {
            return Err(SlotError::OtherStore { path: self.path.clone() });
        }
        Ok(())
    }

    fn text(&self) -> Result<Vec<u8>, SlotError> {
        serde_json::to_vec_pretty(&self.table).map_err(|_| damaged(&self.path))
    }

    fn write(&self) -> Result<(), SlotError> {
        files::replace(&self.path, &self.text()?).map_err(|error| SlotError::Io {
            what: "replace",
            path: self.path.clone(),
            error,
        })
    }
}
