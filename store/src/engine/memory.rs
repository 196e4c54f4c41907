//! An engine in memory: for tests and the quickstart.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::engine::feed::Feed;
use crate::engine::plan::{Write, check_sizes, plan};
use crate::engine::{Conflict, Engine, EngineError, Found, Key, Revision, Tree, Txn, Watch};

/// Makes a [`MemoryEngine`]'s next commit fail, as a full or broken disk would.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Option<io::ErrorKind>>>);

impl Faults {
    /// The next commit fails with this.
    pub fn fail_next_commit(&self, kind: io::ErrorKind) {
        *self.0.lock() = Some(kind);
    }
}

/// An engine in memory. It keeps nothing beyond its own life; in all else it behaves as the others.
pub struct MemoryEngine {
    visible: RwLock<Visible>,
    /// Held for a whole commit; whether commits have stopped.
    committer: Mutex<bool>,
    feed: Feed,
    faults: Faults,
}

#[derive(Default)]
struct Visible {
    values: BTreeMap<Key, (Vec<u8>, Revision)>,
    revision: Revision,
}

impl MemoryEngine {
    /// An empty one.
    pub fn new() -> Self {
        Self::with_faults(Faults::default())
    }

    /// An empty one whose commits can be made to fail.
    pub fn with_faults(faults: Faults) -> Self {
        Self {
            visible: RwLock::default(),
            committer: Mutex::new(false),
            feed: Feed::new(Revision::default()),
            faults,
        }
    }
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine for MemoryEngine {
    fn get(&self, key: &Key) -> Result<Option<(Vec<u8>, Revision)>, EngineError> {
        Ok(self.visible.read().values.get(key).cloned())
    }

    fn commit(&self, txns: Vec<Txn>) -> Result<Vec<Result<Revision, Conflict>>, EngineError> {
        let mut stopped = self.committer.lock();
        if *stopped {
            return Err(EngineError::Stopped);
        }
        check_sizes(&txns)?;
        let plan = {
            let visible = self.visible.read();
            let current = |key: &Key| Ok(visible.values.get(key).map(|(_, revision)| *revision));
            plan(txns, visible.revision, current)?
        };
        if let Some(kind) = self.faults.0.lock().take() {
            *stopped = true;
            return Err(EngineError::Io { what: "write", error: kind.into() });
        }
        let mut visible = self.visible.write();
        for (key, write) in plan.writes {
            match write {
                Write::Put(value, revision) => visible.values.insert(key, (value, revision)),
                Write::Delete => visible.values.remove(&key),
            };
        }
        visible.revision = plan.last;
        drop(visible);
        self.feed.publish(plan.events);
        Ok(plan.outcomes)
    }

    fn scan(
        &self,
        tree: Tree,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Found>, EngineError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(Key::new(tree, after)),
            _ => Bound::Included(Key::new(tree, prefix)),
        };
        let visible = self.visible.read();
        let found = visible.values.range((start, Bound::Unbounded));
        let within =
            found.take_while(|(key, _)| key.tree == tree && key.bytes.starts_with(prefix)).take(limit);
        let found = |(key, (value, revision)): (&Key, &(Vec<u8>, Revision))| Found {
            key: key.bytes.clone(),
            value: value.clone(),
            revision: *revision,
        };
        Ok(within.map(found).collect())
    }

    fn revision(&self) -> Revision {
        self.visible.read().revision
    }

    fn watch(&self, from: Revision) -> Watch {
        self.feed.watch(from)
    }
}
