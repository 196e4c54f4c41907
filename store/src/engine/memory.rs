//! An engine in memory: for tests and the quickstart.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::engine::feed::Feed;
use crate::engine::pending::{Olds, Pending};
use crate::engine::plan::{Plan, Write, check_sizes, plan};
use crate::engine::{Applied, Engine, EngineError, Found, Key, Revision, Tree, Txn, Watch};

/// Makes a [`MemoryEngine`]'s next settling fail, as a full or broken disk would.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Option<io::ErrorKind>>>);

impl Faults {
    /// The next commit fails with this, when it has been applied.
    pub fn fail_next_commit(&self, kind: io::ErrorKind) {
        *self.0.lock() = Some(kind);
    }
}

/// An engine in memory. It keeps nothing beyond its own life; in all else it behaves as the others.
pub struct MemoryEngine {
    state: RwLock<State>,
    /// Held while something is settled; whether the engine has stopped.
    settling: Mutex<bool>,
    feed: Feed,
    faults: Faults,
}

struct State {
    /// As the last transaction applied has left them.
    values: BTreeMap<Key, (Vec<u8>, Revision)>,
    last: Revision,
    pending: Pending,
}

impl MemoryEngine {
    /// An empty one.
    pub fn new() -> Self {
        Self::with_faults(Faults::default())
    }

    /// An empty one whose commits can be made to fail.
    pub fn with_faults(faults: Faults) -> Self {
        let none = Revision::default();
        let state = State { values: BTreeMap::new(), last: none, pending: Pending::new(none) };
        Self { state: RwLock::new(state), settling: Mutex::new(false), feed: Feed::new(none), faults }
    }

    fn check_running(stopped: bool) -> Result<(), EngineError> {
        if stopped { Err(EngineError::Stopped) } else { Ok(()) }
    }
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine for MemoryEngine {
    fn get(&self, key: &Key) -> Result<Option<(Vec<u8>, Revision)>, EngineError> {
        let state = self.state.read();
        Ok(state.pending.old(key).cloned().unwrap_or_else(|| state.values.get(key).cloned()))
    }

    fn get_applied(&self, key: &Key) -> Result<Option<(Vec<u8>, Revision)>, EngineError> {
        Ok(self.state.read().values.get(key).cloned())
    }

    fn apply(&self, txns: Vec<Txn>) -> Result<Applied, EngineError> {
        Self::check_running(*self.settling.lock())?;
        check_sizes(&txns)?;
        let state = &mut *self.state.write();
        let current = |key: &Key| Ok(state.values.get(key).map(|(_, revision)| *revision));
        let Plan { outcomes, writes, events, last } = plan(txns, state.last, current)?;
        if events.is_empty() {
            return Ok(Applied { outcomes, last });
        }
        let mut olds = Olds::new();
        for (key, write) in writes {
            let old = match write {
                Write::Put(value, revision) => state.values.insert(key.clone(), (value, revision)),
                Write::Delete => state.values.remove(&key),
            };
            olds.insert(key, old);
        }
        state.pending.hold(last, olds, events);
        state.last = last;
        Ok(Applied { outcomes, last })
    }

    fn settle(&self, last: Revision) -> Result<(), EngineError> {
        let mut stopped = self.settling.lock();
        Self::check_running(*stopped)?;
        if let Some(kind) = self.faults.0.lock().take() {
            *stopped = true;
            return Err(EngineError::Io { what: "write", error: kind.into() });
        }
        let events = self.state.write().pending.publish(last);
        self.feed.publish(events);
        Ok(())
    }

    fn scan(
        &self,
        tree: Tree,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Found>, EngineError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_vec()),
            _ => Bound::Included(prefix.to_vec()),
        };
        let state = self.state.read();
        let olds = state.pending.olds_from(tree, &start, prefix);
        let start = start.map(|bytes| Key::new(tree, bytes));
        let within = state.values.range((start, Bound::Unbounded));
        let within = within.take_while(|(key, _)| key.tree == tree && key.bytes.starts_with(prefix));
        // What is in flight is shown as it was, or not at all.
        let settled = within.filter(|(key, _)| state.pending.old(key).is_none()).take(limit);
        let found = |(key, (value, revision)): (&Key, &(Vec<u8>, Revision))| Found {
            key: key.bytes.clone(),
            value: value.clone(),
            revision: *revision,
        };
        let mut found: Vec<Found> = settled.map(found).chain(olds).collect();
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found.truncate(limit);
        Ok(found)
    }

    fn revision(&self) -> Revision {
        self.state.read().pending.published()
    }

    fn watch(&self, from: Revision) -> Watch {
        self.feed.watch(from)
    }
}
