//! Appending to a shard's chain.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::audit::chain::ChainHead;
use crate::audit::facts::COMMITMENT;
use crate::audit::segment_file::{FORMAT, HEADER, LONGEST, SegmentName, Tail, block, find_end, header, list};
use crate::audit::{AuditError, AuditFacts, ChainId};
use crate::domain::DomainKeys;
use crate::files;
use crate::seal::OVERHEAD;

/// Size in bytes at which a new segment is begun: some 50 000 records, read in a fraction of a second when the
/// broker starts.
const FULL: u64 = 16 << 20;

/// Most bytes of a block's body.
const BLOCK: usize = LONGEST - OVERHEAD;

/// How far a shard's chain is on the disk, for certain: made only by [`SegmentWriter::sync`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    shard: u16,
    head: ChainHead,
}

impl SegmentHead {
    /// Whose chain.
    pub fn shard(&self) -> u16 {
        self.shard
    }

    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.head.next
    }

    pub(crate) fn chain_head(&self) -> (ChainId, ChainHead) {
        (ChainId::Shard(self.shard), self.head)
    }
}

/// Which block of a chain a record goes into: the promise that [`SegmentWriter::settle`] makes good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[must_use = "the record is in memory only until its block is settled"]
pub struct BlockNumber(u64);

/// Appends to one shard's chain of one domain. Owned by the shard; there is one at a time.
///
/// Records that are entered together share a block: one seal, one write(2).
pub struct SegmentWriter {
    dir: PathBuf,
    keys: Arc<DomainKeys>,
    shard: u16,
    segment: Segment,
    head: ChainHead,
    collecting: Collecting,
    /// The last block that could not be written; 0 when none ever was.
    lost: u64,
    dirty: bool,
    /// Set for good when an append or a flush left the file in doubt.
    stopped: Arc<AtomicBool>,
}

/// The next block.
struct Collecting {
    /// Counted from 1.
    number: u64,
    /// From its first bytes on, which every block has.
    body: Vec<u8>,
    records: u16,
}

/// The segment that is being appended to.
struct Segment {
    path: PathBuf,
    file: File,
    length: u64,
}

impl SegmentWriter {
    /// Goes on with the chain of `shard` under `audit_dir` ([`crate::DataDir::audit_dir`]), or starts it. After
    /// a torn or broken end a new segment is begun; the old one stays as it is, for the verification.
    pub fn open(audit_dir: &Path, keys: Arc<DomainKeys>, shard: u16) -> Result<Self, AuditError> {
        if keys.is_destroyed() {
            return Err(AuditError::Deleted);
        }
        let dir = audit_dir.join(keys.audit_dir_name());
        files::create_dir(&dir).map_err(|error| io("make", &dir, error))?;
        let (segments, _) = list(&dir).map_err(|error| io("list", &dir, error))?;
        let newest = segments.into_iter().rfind(|name| name.shard == shard);
        let (segment, head) = match newest {
            None => {
                let head = ChainHead::empty(&keys, ChainId::Shard(shard));
                (Segment::create(&dir, &keys, shard, &head)?, head)
            }
            Some(name) => Segment::resume(&dir, &keys, name)?,
        };
        let collecting = Collecting { number: 1, body: COMMITMENT.to_vec(), records: 0 };
        let (lost, dirty, stopped) = (0, false, Arc::default());
        Ok(Self { dir, keys, shard, segment, head, collecting, lost, dirty, stopped })
    }

    /// Appends one record: it survives the process, not yet the machine. Returns its number in the chain. After
    /// an error the record isn't there, and the request must fail.
    pub fn append(&mut self, facts: &AuditFacts) -> Result<u64, AuditError> {
        let block = self.enter(facts)?;
        self.settle(block)?;
        Ok(self.head.next - 1)
    }

    /// Enters a record in the next block. It is nowhere but in memory until that is settled, and nothing that
    /// it is about may leave before. After an error it isn't entered, and the request must fail.
    pub fn enter(&mut self, facts: &AuditFacts) -> Result<BlockNumber, AuditError> {
        self.check_open()?;
        let before = self.collecting.body.len();
        facts.add_to_block(&mut self.collecting.body);
        if self.collecting.body.len() > BLOCK {
            let alone = self.collecting.body.split_off(before);
            // Those before it are told by their own settling.
            let _ = self.write_block();
            if COMMITMENT.len() + alone.len() > BLOCK {
                return Err(AuditError::TooLarge);
            }
            self.collecting.body.extend_from_slice(&alone);
        }
        self.collecting.records += 1;
        Ok(BlockNumber(self.collecting.number))
    }

    /// Sees to it that a block is in the file: it survives the process then, not yet the machine. After an error
    /// none of its records is there, and the requests that they are about must fail.
    pub fn settle(&mut self, BlockNumber(number): BlockNumber) -> Result<(), AuditError> {
        if number == self.collecting.number {
            self.write_block()?;
        }
        // Of an earlier block it isn't known any more whether it was lost too; it counts as if.
        if number <= self.lost { Err(AuditError::Lost) } else { Ok(()) }
    }

    /// Writes the block that is being collected, if it has any records, with one write(2).
    fn write_block(&mut self) -> Result<(), AuditError> {
        if self.collecting.records == 0 {
            return Ok(());
        }
        let Collecting { number, records, .. } = self.collecting;
        self.collecting.number += 1;
        self.collecting.records = 0;
        let written = self.write_body(records);
        self.collecting.body.truncate(COMMITMENT.len());
        if written.is_err() {
            self.lost = number;
        }
        written
    }

    fn write_body(&mut self, records: u16) -> Result<(), AuditError> {
        self.check_open()?;
        if self.segment.length >= FULL {
            self.roll()?;
        }
        let (chain, body) = (ChainId::Shard(self.shard), &self.collecting.body);
        let sealed = self.head.seal(&self.keys, chain, body).map_err(|_| AuditError::Randomness)?;
        let after = self.head.after(&sealed, u64::from(records));
        let bytes = block(&sealed, records, &after).ok_or(AuditError::TooLarge)?;
        self.dirty = true;
        if let Err(error) = self.segment.write(&bytes) {
            // Without the rest of a partly written block gone, nothing could follow it.
            if self.segment.file.set_len(self.segment.length).is_err() {
                self.stopped.store(true, Ordering::Release);
            }
            return Err(io("append to", &self.segment.path, error));
        }
        self.head = after;
        Ok(())
    }

    /// The last block that is in the file, or was lost: what [`SegmentWriter::begin_sync`] has just covered.
    pub fn last_block(&self) -> BlockNumber {
        BlockNumber(self.collecting.number - 1)
    }

    fn check_open(&self) -> Result<(), AuditError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(AuditError::Stopped);
        }
        if self.keys.is_destroyed() { Err(AuditError::Deleted) } else { Ok(()) }
    }

    /// Whether there are records that [`SegmentWriter::sync`] hasn't made durable.
    pub fn is_dirty(&self) -> bool {
        self.dirty || self.collecting.records > 0
    }

    /// Makes what was appended durable (fdatasync), and says how far that is.
    pub fn sync(&mut self) -> Result<SegmentHead, AuditError> {
        self.begin_sync()?.run()
    }

    /// The same, for a caller that must not wait for the disk: what comes back can be run on another thread,
    /// while more is appended here.
    pub fn begin_sync(&mut self) -> Result<PendingSync, AuditError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(AuditError::Stopped);
        }
        // What is entered and waits for its settling goes with it.
        self.write_block()?;
        self.flush_later()
    }

    fn flush_later(&mut self) -> Result<PendingSync, AuditError> {
        let (path, stopped) = (self.segment.path.clone(), Arc::clone(&self.stopped));
        let file = self.segment.file.try_clone().map_err(|error| io("open", &path, error))?;
        self.dirty = false;
        let head = SegmentHead { shard: self.shard, head: self.head };
        Ok(PendingSync { file, path, head, stopped })
    }

    fn roll(&mut self) -> Result<(), AuditError> {
        self.flush_later()?.run()?;
        self.segment = Segment::create(&self.dir, &self.keys, self.shard, &self.head)?;
        Ok(())
    }
}

/// A flush that was begun ([`SegmentWriter::begin_sync`]).
pub struct PendingSync {
    file: File,
    path: PathBuf,
    head: SegmentHead,
    stopped: Arc<AtomicBool>,
}

impl PendingSync {
    /// Waits for the disk, and says how far it is.
    pub fn run(self) -> Result<SegmentHead, AuditError> {
        self.file.sync_data().map_err(|error| {
            // A disk that failed to flush once can't be asked whether it did after all.
            self.stopped.store(true, Ordering::Release);
            io("flush", &self.path, error)
        })?;
        Ok(self.head)
    }
}

impl Segment {
    fn create(dir: &Path, keys: &DomainKeys, shard: u16, from: &ChainHead) -> Result<Self, AuditError> {
        let path = dir.join(SegmentName { shard, start: from.next }.file_name());
        // Put in place whole, so that a header is never torn.
        files::replace(&path, &header(keys, FORMAT, shard, from))
            .map_err(|error| io("make", &path, error))?;
        Self::reopen(path, HEADER as u64)
    }

    fn reopen(path: PathBuf, length: u64) -> Result<Self, AuditError> {
        let file = OpenOptions::new().append(true).open(&path).map_err(|error| io("open", &path, error))?;
        Ok(Self { path, file, length })
    }

    /// Goes on with the newest segment, or after it.
    fn resume(dir: &Path, keys: &DomainKeys, name: SegmentName) -> Result<(Self, ChainHead), AuditError> {
        let path = dir.join(name.file_name());
        let bytes = std::fs::read(&path).map_err(|error| io("read", &path, error))?;
        let walked = find_end(keys, name, &bytes).map_err(|_| AuditError::Unusable { path: path.clone() })?;
        let mut head = walked.to;
        if walked.tail == Tail::Clean && walked.format != FORMAT {
            // An earlier version's ends here; one without records is replaced.
            return Ok((Self::create(dir, keys, name.shard, &head)?, head));
        }
        if walked.tail == Tail::Clean {
            let length = bytes.len() as u64;
            return Ok((Self::reopen(path, length)?, head));
        }
        // The block that didn't make it keeps its first number, so that the new segment has a name of its own.
        head.next += 1;
        Ok((Self::create(dir, keys, name.shard, &head)?, head))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if written != bytes.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.length += written as u64;
        Ok(())
    }
}

fn io(what: &'static str, path: &Path, error: io::Error) -> AuditError {
    AuditError::Io { what, path: path.to_owned(), error }
}

#[cfg(test)]
mod tests;
