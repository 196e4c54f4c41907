//! The old values of the keys that a commit has in flight.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::engine::{Found, Key, Revision, Tree};

/// What readers see instead of what sled shows too early.
pub(super) struct Pending {
    olds: BTreeMap<Key, Option<(Vec<u8>, Revision)>>,
    published: Revision,
}

impl Pending {
    pub(super) fn new(published: Revision) -> Self {
        Self { olds: BTreeMap::new(), published }
    }

    /// Puts old values aside, before they are overwritten.
    pub(super) fn hold(&mut self, olds: BTreeMap<Key, Option<(Vec<u8>, Revision)>>) {
        self.olds = olds;
    }

    /// Lets readers see what is durable now.
    pub(super) fn publish(&mut self, revision: Revision) {
        self.olds.clear();
        self.published = revision;
    }

    pub(super) fn published(&self) -> Revision {
        self.published
    }

    /// `Some` when the key is in flight: what it was.
    pub(super) fn old(&self, key: &Key) -> Option<&Option<(Vec<u8>, Revision)>> {
        self.olds.get(key)
    }

    /// The keys in flight of one tree that had a value, from `start`, with this prefix.
    pub(super) fn olds_from<'a>(
        &'a self,
        tree: Tree,
        start: &Bound<Vec<u8>>,
        prefix: &'a [u8],
    ) -> impl Iterator<Item = Found> + 'a {
        let start = match start {
            Bound::Included(bytes) => Bound::Included(Key::new(tree, bytes.clone())),
            Bound::Excluded(bytes) => Bound::Excluded(Key::new(tree, bytes.clone())),
            Bound::Unbounded => Bound::Included(Key::new(tree, prefix)),
        };
        self.olds
            .range((start, Bound::Unbounded))
            .take_while(move |(key, _)| key.tree == tree && key.bytes.starts_with(prefix))
            .filter_map(|(key, old)| {
                let (value, revision) = old.clone()?;
                Some(Found { key: key.bytes.clone(), value, revision })
            })
    }
}
