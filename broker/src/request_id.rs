//! Request ids: in every answer of ours, every log line and every audit record.

use std::cell::Cell;
use std::fmt;
use std::io::Write as _;

/// Hex digits of a start, a shard and a count, and the hyphens between them.
const LONGEST: usize = 8 + 1 + 4 + 1 + 16;

/// Unique within a broker: 32 random bits of its start, its shard, and a count, in hex. Kept as text, for it
/// is written several times.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    text: [u8; LONGEST],
    length: usize,
}

impl RequestId {
    fn new(start: u32, shard: u16, count: u64) -> Self {
        let mut text = [0; LONGEST];
        let mut rest = &mut text[..];
        // It is as long as the longest id, so writing can't fail.
        let _ = write!(rest, "{start:08x}-{shard:x}-{count:x}");
        let length = LONGEST - rest.len();
        Self { text, length }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
        RequestId::new(self.start, self.shard, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_start_shard_and_count_and_the_longest_has_room() {
        let ids = RequestIds::new(0xa, 2);
        assert_eq!(ids.next().as_str(), "0000000a-2-1");
        assert_eq!(ids.next().to_string(), "0000000a-2-2");
        assert_eq!(RequestId::new(u32::MAX, u16::MAX, u64::MAX).as_str(), "ffffffff-ffff-ffffffffffffffff");
    }
}
