//! Heads that were opened before.
//!
//! A head is the same as long as its revision is, so one that is still current needn't be opened and looked
//! into again; that halves what a get costs. As long as nothing at all changed in the engine, it needn't even be
//! asked for. Nothing secret is kept: only what heads say, names, and what is sealed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_proto::ResourceName;
use parking_lot::Mutex;

use crate::domain::DomainKeys;
use crate::engine::Revision;
use crate::entry::head::Head;
use crate::entry::read::Loaded;
use crate::layout::{EntryPlace, Generation};

/// How many heads are kept, a few kilobytes each at most. Two names that share a slot displace each other.
const SLOTS: usize = 4096;

/// A head as it was at a revision, and found to be no older one put back.
pub(crate) struct Known {
    generation: Generation,
    name: ResourceName,
    pub(crate) place: EntryPlace,
    pub(crate) revision: Revision,
    pub(crate) head: Head,
    /// The head's value in the engine, in which the newest version's record may lie.
    pub(crate) raw: Vec<u8>,
    /// The engine's revision when it was last found to be current.
    current_at: AtomicU64,
}

impl Known {
    pub(crate) fn new(
        keys: &DomainKeys,
        name: &ResourceName,
        place: EntryPlace,
        loaded: Loaded,
        current_at: Revision,
    ) -> Self {
        let Loaded { head, raw, revision } = loaded;
        let (generation, current_at) = (*keys.generation(), AtomicU64::new(current_at.0));
        Self { generation, name: name.clone(), place, revision, head, raw, current_at }
    }

    /// Whether it is current for certain, because the engine has changed nowhere since it last was.
    pub(crate) fn is_current_at(&self, engine: Revision) -> bool {
        self.current_at.load(Ordering::Relaxed) == engine.0
    }

    /// It was found to be current by a read that began when the engine had this revision. Of two that say so at the same
    /// time either may win: both are true.
    pub(crate) fn found_current_at(&self, engine: Revision) {
        self.current_at.store(engine.0, Ordering::Relaxed);
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
