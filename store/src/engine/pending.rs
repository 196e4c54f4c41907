//! What is applied and isn't durable yet: what readers see instead.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::engine::feed::Event;
use crate::engine::{Found, Key, Revision, Tree};

/// What keys had before they were overwritten; `None` for one that wasn't there.
pub(super) type Olds = BTreeMap<Key, Option<(Vec<u8>, Revision)>>;

/// The transactions in flight, the oldest first.
pub(super) struct Pending {
    flights: VecDeque<Flight>,
    published: Revision,
}

/// What one [`super::Engine::apply`] did.
struct Flight {
    last: Revision,
    olds: Olds,
    events: Vec<Event>,
}

impl Pending {
    pub(super) fn new(published: Revision) -> Self {
        Self { flights: VecDeque::new(), published }
    }

    /// Puts old values aside, before they are overwritten by what ends with the revision `last`.
    pub(super) fn hold(&mut self, last: Revision, olds: Olds, events: Vec<Event>) {
        self.flights.push_back(Flight { last, olds, events });
    }

    /// Lets readers see everything up to `last`, which is durable now; gives what watchers are to be told.
    pub(super) fn publish(&mut self, last: Revision) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(flight) = self.flights.pop_front_if(|flight| flight.last <= last) {
            events.extend(flight.events);
        }
        self.published = self.published.max(last);
        events
    }

    pub(super) fn published(&self) -> Revision {
        self.published
    }

    /// `Some` when the key is in flight: what it was before the first that has it.
    pub(super) fn old(&self, key: &Key) -> Option<&Option<(Vec<u8>, Revision)>> {
        self.flights.iter().find_map(|flight| flight.olds.get(key))
    }

    /// The keys in flight of one tree that had a value, from `start`, with this prefix, in order.
    pub(super) fn olds_from(&self, tree: Tree, start: &Bound<Vec<u8>>, prefix: &[u8]) -> Vec<Found> {
        let start = match start {
            Bound::Included(bytes) => Bound::Included(Key::new(tree, bytes.clone())),
            Bound::Excluded(bytes) => Bound::Excluded(Key::new(tree, bytes.clone())),
            Bound::Unbounded => Bound::Included(Key::new(tree, prefix)),
        };
        let mut first = BTreeMap::new();
        // The oldest last, for that is what counts.
        for flight in self.flights.iter().rev() {
            let within = flight.olds.range((start.clone(), Bound::Unbounded));
            first.extend(within.take_while(|(key, _)| key.tree == tree && key.bytes.starts_with(prefix)));
        }
        let found = |(key, old): (&Key, &Option<(Vec<u8>, Revision)>)| {
            let (value, revision) = old.clone()?;
            Some(Found { key: key.bytes.clone(), value, revision })
        };
        first.into_iter().filter_map(found).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new(Tree::Entry, name)
    }

    fn olds(names: &[(&str, Option<u64>)]) -> Olds {
        let old = |revision: u64| (revision.to_be_bytes().to_vec(), Revision(revision));
        names.iter().map(|(name, revision)| (key(name), revision.map(old))).collect()
    }

    fn seen(pending: &Pending, name: &str) -> Option<Option<u64>> {
        pending.old(&key(name)).map(|old| old.as_ref().map(|(_, revision)| revision.0))
    }

    #[test]
    fn what_several_in_flight_have_changed_is_as_it_was_before_the_first_of_them() {
        let mut pending = Pending::new(Revision(5));
        pending.hold(Revision(6), olds(&[("a", Some(1)), ("b", None)]), Vec::new());
        pending.hold(Revision(7), olds(&[("a", Some(6)), ("b", Some(6)), ("c", Some(2))]), Vec::new());
        assert_eq!(seen(&pending, "a"), Some(Some(1)));
        assert_eq!(seen(&pending, "b"), Some(None));
        let all = pending.olds_from(Tree::Entry, &Bound::Unbounded, b"");
        let all: Vec<_> = all.iter().map(|found| (found.key.as_slice(), found.revision.0)).collect();
        assert_eq!(all, [(&b"a"[..], 1), (b"c", 2)]);

        pending.publish(Revision(6));
        assert_eq!((seen(&pending, "a"), seen(&pending, "b")), (Some(Some(6)), Some(Some(6))));
        assert_eq!(pending.published(), Revision(6));
        pending.publish(Revision(7));
        assert_eq!((seen(&pending, "a"), seen(&pending, "c")), (None, None));
    }

    #[test]
    fn what_is_published_takes_all_before_it_along_and_never_goes_back() {
        let mut pending = Pending::new(Revision(0));
        for last in 1..=3 {
            pending.hold(Revision(last), olds(&[("a", None)]), Vec::new());
        }
        pending.publish(Revision(2));
        assert_eq!(seen(&pending, "a"), Some(None));
        pending.publish(Revision(1));
        assert_eq!(pending.published(), Revision(2));
    }
}
