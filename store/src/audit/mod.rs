//! The audit trail of a domain: hash-chained records, sealed under the domain's key.
//!
//! Each shard appends to a chain of its own in files (`audit/<digest>/<start>-<shard>.seg`), records that come
//! together in one block; what is stored is recorded in a chain in the engine, in the same commit. Checkpoints join the heads of all chains and are
//! signed. Without the feature `engine` there is only what checks an [`export`].
//!
//! A record opens only after exactly the records before it, so without the domain's key none can be changed,
//! removed from the middle, inserted or moved. Without the key it is still possible to cut off the end of
//! a chain, but not what a checkpoint covers. With the key and the disk everything after the last checkpoint
//! that somebody else keeps can be rewritten.

mod chain;
mod checkpoint;
#[cfg(feature = "engine")]
mod engine_chain;
#[cfg(feature = "engine")]
mod error;
pub mod export;
mod facts;
mod report;
#[cfg(feature = "engine")]
mod segment_file;
#[cfg(feature = "engine")]
mod segment_writer;
#[cfg(feature = "engine")]
mod verify;

pub(crate) use checkpoint::Checkpoint;
pub use facts::AuditFacts;
pub use report::{ChainId, Finding, FindingKind, Report, SegmentReport};

#[cfg(feature = "engine")]
pub(crate) use engine_chain::{TrailHead, load_head};
#[cfg(feature = "engine")]
pub use {
    error::AuditError,
    segment_writer::{BlockNumber, SegmentHead, SegmentWriter},
    verify::{AuditRecord, read, verify},
};
