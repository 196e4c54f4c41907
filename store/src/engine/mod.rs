//! Engines: where sealed records lie.
//!
//! An engine is a map from [`Key`]s to bytes. A [`Txn`] changes several keys at once, in any trees, if its
//! conditions hold; [`Engine::commit`] takes many and makes them durable with one flush. Every change gets an
//! engine-wide [`Revision`], and nobody sees one before it is durable. An engine is never the boundary
//! between tenants: all that it holds is sealed.
//!
//! To add one: a file here, a variant of [`AnyEngine`], a line in `tests/conformance.rs`.

mod any;
mod error;
mod feed;
mod memory;
mod plan;
mod sled;

pub use self::sled::SledEngine;
pub use any::AnyEngine;
pub use error::EngineError;
pub use feed::{Change, Event, Watch, WatchError};
pub use memory::{Faults, MemoryEngine};

/// Longest key, in bytes: keys are ids and digests of fixed sizes, and sled's index pages must stay small.
pub const MAX_KEY: usize = 128;

/// Largest value, in bytes: the largest secret of the wire with room for its seal.
pub const MAX_VALUE: usize = (1 << 20) + (64 << 10);

/// Which tree a key is in. What the broker itself owns has a tree of its own, which no key made from a
/// resource's name is ever in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tree {
    /// The broker's own: its identity, policy keys, the keys of its certificates.
    Broker,
    /// Domains: their keys and what describes them.
    Domain,
    /// Entries.
    Entry,
    /// The audit trail of stores, and checkpoints.
    Audit,
}

impl Tree {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Broker, Self::Domain, Self::Entry, Self::Audit];
}

/// Where a value lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// In which tree.
    pub tree: Tree,
    /// Under which bytes, at most [`MAX_KEY`].
    pub bytes: Vec<u8>,
}

impl Key {
    /// A key.
    pub fn new(tree: Tree, bytes: impl Into<Vec<u8>>) -> Self {
        Self { tree, bytes: bytes.into() }
    }
}

/// The number of a change; engine-wide, rising, 0 before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A change of several keys that happens wholly or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// What must hold: the key's value has this revision, or (`None`) there is none.
    pub require: Vec<(Key, Option<Revision>)>,
    /// Values to put; a key that is also deleted is put.
    pub put: Vec<(Key, Vec<u8>)>,
    /// Keys to delete; one that isn't there is no error.
    pub delete: Vec<Key>,
}

/// A transaction that didn't happen, because this key's condition didn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: Key,
}

/// One result of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// Its revision.
    pub revision: Revision,
}

/// A map that keeps what it has acknowledged. All methods may be called from many threads at once; reads
/// never wait for the disk, `commit` does (so it is called from a thread of its own).
pub trait Engine: Send + Sync {
    /// The value of a key and the revision that put it there.
    fn get(&self, key: &Key) -> Result<Option<(Vec<u8>, Revision)>, EngineError>;

    /// Applies transactions in order, each atomically, conditions also against earlier ones of the same call;
    /// durable and visible when this returns. One result each: the revision it got, or which condition failed.
    ///
    /// After an error nothing of this call is visible, and the engine takes no further commit until it is
    /// opened again: a disk that failed to flush once can't be asked whether it did after all.
    fn commit(&self, txns: Vec<Txn>) -> Result<Vec<Result<Revision, Conflict>>, EngineError>;

    /// Up to `limit` values whose keys start with `prefix` and come after `after`, in order.
    fn scan(
        &self,
        tree: Tree,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Found>, EngineError>;

    /// The newest revision that readers can see.
    fn revision(&self) -> Revision;

    /// What changes after revision `from`. A watcher that is too slow, or asks for what is long gone, is told
    /// that it [`WatchError::Lagged`]; it never holds up a commit.
    fn watch(&self, from: Revision) -> Watch;
}
