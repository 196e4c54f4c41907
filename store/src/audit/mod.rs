//! The audit trail of a domain: hash-chained records, sealed under the domain's key.
//!
//! Each shard appends to a chain of its own in files (`audit/<digest>/<start>-<shard>.seg`), records that come
//! together in one block; what is stored is recorded in a chain in the engine, in the same commit. Checkpoints join the heads of all chains and are
//! signed.
//!
//! A record opens only after exactly the records before it, so without the domain's key none can be changed,
//! removed from the middle, inserted or moved. Without the key it is still possible to cut off the end of
//! a chain, but not what a checkpoint covers. With the key and the disk everything after the last checkpoint
//! that somebody else keeps can be rewritten.

mod chain;
mod checkpoint;
mod engine_chain;
mod error;
mod facts;
mod report;
mod segment_file;
mod segment_writer;
mod verify;

pub(crate) use checkpoint::Checkpoint;
pub(crate) use engine_chain::{TrailHead, load_head};
pub use error::AuditError;
pub use facts::AuditFacts;
pub use report::{ChainId, Finding, FindingKind, Report, SegmentReport};
pub use segment_writer::{BlockNumber, SegmentHead, SegmentWriter};
pub use verify::{AuditRecord, read, verify};
