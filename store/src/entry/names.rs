//! The names of a domain, in order.
//!
//! Where a name's records lie is a digest of it, so the engine can't list names. They are read from the sealed
//! heads into memory when a domain's names are first asked for, and kept up from then on.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use claviger_proto::ResourceName;
use parking_lot::RwLock;

use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Engine as _, Key, Tree};
use crate::entry::head::Head;
use crate::error::{StoreError, damaged};
use crate::layout::{EntryPlace, Generation};

/// The names of the domains whose names were asked for. Never holds one that a reader couldn't have read.
#[derive(Default)]
pub(crate) struct NameIndex(RwLock<HashMap<Generation, Names>>);

#[derive(Default)]
struct Names {
    names: BTreeSet<ResourceName>,
    /// Whether those that were there before the first question are in it.
    complete: bool,
}

impl NameIndex {
    /// A page of names; `None` while they aren't all known.
    pub(crate) fn page(
        &self,
        generation: &Generation,
        prefix: &str,
        after: Option<&ResourceName>,
        limit: usize,
    ) -> Option<Vec<ResourceName>> {
        let index = self.0.read();
        let Names { names, .. } = index.get(generation).filter(|names| names.complete)?;
        let start = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        let from = names.range::<str, _>((start, Bound::Unbounded));
        Some(from.take_while(|name| name.as_str().starts_with(prefix)).take(limit).cloned().collect())
    }

    /// Reads all names of a domain, unless that was done.
    pub(crate) fn build(&self, engine: &AnyEngine, keys: &DomainKeys) -> Result<(), StoreError> {
        let generation = *keys.generation();
        // From here on new names are added, so that none is missed that comes while the old ones are read.
        if self.0.write().entry(generation).or_default().complete {
            return Ok(());
        }
        let mut found = BTreeSet::new();
        for_each_head(engine, keys, |name| _ = found.insert(name))?;
        let mut index = self.0.write();
        // Forgotten meanwhile: the domain is deleted.
        if let Some(names) = index.get_mut(&generation) {
            names.names.append(&mut found);
            names.complete = true;
        }
        Ok(())
    }

    /// A name's first version is durable.
    pub(crate) fn add(&self, generation: &Generation, new: impl IntoIterator<Item = ResourceName>) {
        if !self.0.read().contains_key(generation) {
            // Whoever begins to read them now finds these in the engine.
            return;
        }
        if let Some(names) = self.0.write().get_mut(generation) {
            names.names.extend(new);
        }
    }

    /// The domain is deleted.
    pub(crate) fn forget(&self, generation: &Generation) {
        self.0.write().remove(generation);
    }
}

/// Visits the name of every head of a domain, from head to head; what lies between isn't read.
fn for_each_head(
    engine: &AnyEngine,
    keys: &DomainKeys,
    mut visit: impl FnMut(ResourceName),
) -> Result<(), StoreError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = engine.scan(Tree::Entry, keys.generation(), after.as_deref(), 1)?;
        let Some(found) = page.into_iter().next() else { return Ok(()) };
        let key = Key::new(Tree::Entry, found.key);
        after = Some(EntryPlace::end_of(&key.bytes).ok_or_else(|| damaged("head", &key))?);
        if keys.is_destroyed() {
            return Err(StoreError::NotFound);
        }
        let head = Head::open(keys, &key, &found.value)?;
        let name: ResourceName = head.name().parse().map_err(|_| damaged("head", &key))?;
        if EntryPlace::new(keys, &name).head() != key {
            return Err(damaged("head", &key));
        }
        visit(name);
    }
}
