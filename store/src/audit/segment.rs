//! Segments in files.

use std::path::Path;
use std::sync::Arc;

use crate::audit::AuditFacts;
use crate::domain::DomainKeys;

/// What can go wrong with audit files.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {}

/// How far a shard's chain is on the disk, for certain: made only by [`SegmentWriter::sync`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    shard: u16,
    next: u64,
    chain: [u8; 32],
}

/// Appends to one shard's chain of one domain.
pub struct SegmentWriter {}

impl SegmentWriter {
    /// Goes on with the chain of `shard` under `audit_dir` ([`crate::DataDir::audit_dir`]), or starts it.
    pub fn open(audit_dir: &Path, keys: Arc<DomainKeys>, shard: u16) -> Result<Self, AuditError> {
        todo!()
    }

    /// Appends one record with one write(2): it survives the process, not yet the machine. Returns its number.
    /// After an error the record isn't there, and the request must fail.
    pub fn append(&mut self, facts: &AuditFacts) -> Result<u64, AuditError> {
        todo!()
    }

    /// Whether there are records that [`SegmentWriter::sync`] hasn't made durable.
    pub fn is_dirty(&self) -> bool {
        todo!()
    }

    /// Makes what was appended durable (fdatasync), and says how far that is.
    pub fn sync(&mut self) -> Result<SegmentHead, AuditError> {
        todo!()
    }
}
