//! Request ids: in every answer of ours, every log line and every audit record.

use std::cell::Cell;
use std::fmt;

/// Unique within a broker: 32 random bits of its start, its shard, and a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    start: u32,
    shard: u16,
    count: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}-{:x}", self.start, self.shard, self.count)
    }
}

/// Gives out a shard's request ids.
#[derive(Debug)]
pub struct RequestIds {
    start: u32,
    shard: u16,
    count: Cell<u64>,
}

impl RequestIds {
    /// Ids of one shard; `start` is random and the same for all shards of a process.
    pub fn new(start: u32, shard: u16) -> Self {
        Self { start, shard, count: Cell::new(0) }
    }

    /// The next id.
    pub fn next(&self) -> RequestId {
        let count = self.count.get() + 1;
        self.count.set(count);
        RequestId { start: self.start, shard: self.shard, count }
    }
}
