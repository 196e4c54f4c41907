//! Heads that were opened before.
//!
//! A head is the same as long as its revision is, so one that is still current needn't be opened and looked
//! into again; that halves what a get costs. Nothing secret is kept: only what heads say, and names.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use claviger_proto::ResourceName;
use parking_lot::Mutex;

use crate::domain::DomainKeys;
use crate::engine::Revision;
use crate::entry::head::Head;
use crate::layout::{EntryPlace, Generation};

/// How many heads are kept, a kilobyte or two each at most. Two names that share a slot displace each other.
const SLOTS: usize = 4096;

/// A head as it was at a revision, and found to be no older one put back.
pub(crate) struct Known {
    generation: Generation,
    name: ResourceName,
    pub(crate) place: EntryPlace,
    pub(crate) revision: Revision,
    pub(crate) head: Head,
}

impl Known {
    pub(crate) fn new(
        keys: &DomainKeys,
        name: &ResourceName,
        place: EntryPlace,
        revision: Revision,
        head: Head,
    ) -> Self {
        Self { generation: *keys.generation(), name: name.clone(), place, revision, head }
    }
}

/// Heads that were opened before. Shared by all threads; each slot is locked for a moment only.
pub(crate) struct HeadCache {
    slots: Box<[Mutex<Option<Arc<Known>>>]>,
    hasher: RandomState,
}

impl HeadCache {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    fn slot(&self, generation: &Generation, name: &ResourceName) -> &Mutex<Option<Arc<Known>>> {
        let hash = self.hasher.hash_one((generation, name.as_str()));
        // Any bits will do, and the low ones fit.
        &self.slots[usize::try_from(hash % SLOTS as u64).unwrap_or_default()]
    }

    pub(crate) fn get(&self, keys: &DomainKeys, name: &ResourceName) -> Option<Arc<Known>> {
        let known = self.slot(keys.generation(), name).lock().clone()?;
        (known.generation == *keys.generation() && known.name == *name).then_some(known)
    }

    pub(crate) fn put(&self, known: Arc<Known>) {
        let slot = self.slot(&known.generation, &known.name);
        *slot.lock() = Some(known);
    }
}
