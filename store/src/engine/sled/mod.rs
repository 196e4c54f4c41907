//! The engine in files, with sled 0.34.
//!
//! What sled does, and what is done about it:
//! - Its `flush` writes, but doesn't make durable (`sync_file_range` leaves the disk's cache and the file's
//!   size alone). One committer applies, flushes, and then calls fdatasync on the database file, once per
//!   commit. Nobody else flushes; `flush_async` and the periodic flusher are never used.
//! - It shows writes before they are durable. The committer first puts the old values of the keys in
//!   flight aside ([`pending`]); readers see those until the fdatasync is done.
//! - Whatever its log doesn't hold inline goes to files of its own, which it never syncs. The limit of
//!   128 KiB is for a *page*, that is up to 18 neighbouring keys with their values, not for one value; so
//!   values above 6 KiB are cut into chunks ([`value`]).
//! - Its watch makes the writer wait for slow watchers; the engine's own feed doesn't.
//!
//! What remains: within one commit sled may write over a segment of its file whose content it has written
//! elsewhere before, but that only the fdatasync at the end makes durable. A disk that keeps writes in a
//! volatile cache, reorders them, and loses power just then can lose both. Disks with a protected cache can't.

mod commit;
mod open;
mod pending;
mod value;

use std::fs::File;
use std::io;
use std::ops::Bound;

use parking_lot::{Mutex, RwLock};

use crate::engine::feed::Feed;
use crate::engine::{Conflict, Engine, EngineError, Found, Key, Revision, Tree, Txn, Watch};
use commit::Committer;
use pending::Pending;
use value::Stored;

/// How the database file is made durable; an argument, so that tests can hold it up or make it fail.
type SyncData = Box<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// The engine in files, with sled. Held by one process at a time.
pub struct SledEngine {
    trees: Trees,
    /// The database file, for fdatasync: sled's own handle can't be had, but a file is synced as a whole.
    file: File,
    sync_data: SyncData,
    committer: Mutex<Committer>,
    pending: RwLock<Pending>,
    feed: Feed,
}

/// Sled's trees: one for each of ours, one for chunks of large values, one for what the engine itself notes.
struct Trees {
    db: ::sled::Db,
    /// In the order of [`Tree::ALL`], then chunks, then meta: the order of a transaction's views.
    all: [::sled::Tree; Tree::ALL.len() + 2],
}

impl Trees {
    const CHUNKS: usize = Tree::ALL.len();
    const META: usize = Tree::ALL.len() + 1;

    fn of(&self, tree: Tree) -> &::sled::Tree {
        &self.all[index(tree)]
    }

    /// What sled has under a key, pending or not.
    fn load(&self, key: &Key) -> Result<Option<Stored>, EngineError> {
        let raw = self.of(key.tree).get(&key.bytes).map_err(|e| from_sled("read", e))?;
        raw.map(|raw| Stored::read(self, key, &raw)).transpose()
    }
}

fn index(tree: Tree) -> usize {
    match tree {
        Tree::Broker => 0,
        Tree::Domain => 1,
        Tree::Entry => 2,
        Tree::Audit => 3,
    }
}

/// Sled's error in our terms.
fn from_sled(what: &'static str, error: ::sled::Error) -> EngineError {
    match error {
        ::sled::Error::Io(error) => EngineError::Io { what, error },
        other => EngineError::Broken(other.to_string()),
    }
}

impl Engine for SledEngine {
    fn get(&self, key: &Key) -> Result<Option<(Vec<u8>, Revision)>, EngineError> {
        // Held for the whole read: the committer can neither begin nor publish in the middle of it.
        let pending = self.pending.read();
        if let Some(old) = pending.old(key) {
            return Ok(old.clone());
        }
        Ok(self.trees.load(key)?.map(|stored| (stored.value, stored.revision)))
    }

    fn commit(&self, txns: Vec<Txn>) -> Result<Vec<Result<Revision, Conflict>>, EngineError> {
        self.commit_all(txns)
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
        let pending = self.pending.read();
        let mut olds = pending.olds_from(tree, &start, prefix).peekable();
        let mut found = Vec::new();
        for item in self.trees.of(tree).range((start.clone(), Bound::Unbounded)) {
            let (bytes, raw) = item.map_err(|e| from_sled("read", e))?;
            if !bytes.starts_with(prefix) || found.len() >= limit {
                break;
            }
            while let Some(old) = olds.next_if(|old| old.key.as_slice() < &*bytes) {
                found.push(old);
            }
            let key = Key::new(tree, bytes.to_vec());
            // A key in flight is shown as it was, or not at all; that comes from `olds`.
            if pending.old(&key).is_none() {
                let Stored { value, revision, .. } = Stored::read(&self.trees, &key, &raw)?;
                found.push(Found { key: key.bytes, value, revision });
            }
        }
        found.extend(olds);
        found.truncate(limit);
        Ok(found)
    }

    fn revision(&self) -> Revision {
        self.pending.read().published()
    }

    fn watch(&self, from: Revision) -> Watch {
        self.feed.watch(from)
    }
}

#[cfg(test)]
mod tests;
