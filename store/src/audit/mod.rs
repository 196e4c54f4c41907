//! The audit trail of a domain: hash-chained records, sealed under the domain's key.
//!
//! Each shard appends to a chain of its own in files (`audit/<digest>/<start>-<shard>.seg`); what is stored is
//! recorded in a chain in the engine, in the same commit. Checkpoints join the heads of all chains and are
//! signed.

mod facts;
mod report;
mod segment;
mod verify;

pub use facts::AuditFacts;
pub use report::{ChainId, Finding, FindingKind, Report, SegmentReport};
pub use segment::{AuditError, SegmentHead, SegmentWriter};
pub use verify::verify;
