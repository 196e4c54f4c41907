//! A domain's trail in a file that is checked without the broker and without the domain's key.
//!
//! The file is `"clvx" ‖ version (1)`, then parts of `kind (1) ‖ length (4, big endian) ‖ body`: first the header, then
//! every checkpoint, then every chain, and the end, without which the file was cut short. Bodies are protobuf.
//!
//! Chains hash over what is sealed, so the blocks are exported as they are sealed, each with the key of that one block.
//! A verifier needs no more to compute every hash and read every record, and whoever has a hash alone, a checkpoint's
//! say, has nothing to try names on.

mod reader;
mod verifier;
#[cfg(feature = "engine")]
mod writer;

use std::io;

use claviger_proto::DomainName;

use crate::audit::checkpoint::CheckpointBody;

pub use reader::{Exported, read_exported};
pub use verifier::{ChainSeen, CheckSignature, CheckpointSeen, Verdict, held, verify_export};
#[cfg(feature = "engine")]
pub use writer::{checkpoint, export};

const MAGIC: [u8; 4] = *b"clvx";

/// The only version there is.
const VERSION: u8 = 1;

/// Longest body of a part, in bytes: a block has at most 512 records of some hundred bytes each.
const LONGEST: u32 = 4 << 20;

/// Why a file can't be read as an exported trail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The system's word.
    #[error("the export can't be read or written: {0}")]
    Io(#[from] io::Error),
    /// Something else.
    #[error("the file isn't an exported audit trail or checkpoint")]
    Foreign,
    /// By a newer program.
    #[error("the export has version {found}, which this program doesn't know")]
    UnknownVersion {
        /// The version found.
        found: u8,
    },
    /// It has no end.
    #[error("the export was cut short: its end isn't there")]
    Incomplete,
    /// A part that isn't what it should be, or isn't where it should be.
    #[error("part {part} of the export is malformed, or out of its place")]
    Malformed {
        /// Which, counted from 1.
        part: u64,
    },
    /// What is to be exported can't be read.
    #[cfg(feature = "engine")]
    #[error(transparent)]
    Audit(#[from] crate::audit::AuditError),
}

/// What an export says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Whose trail it is.
    pub domain: DomainName,
    /// Which domain of that name, ever.
    pub generation: [u8; 16],
    /// Which of the domain's keys sealed it.
    pub epoch: u32,
    /// When it was exported, seconds since 1970.
    pub time: i64,
    /// SHA-256 of the domain's policy certificate.
    pub policy: [u8; 32],
    /// Whether the broker said that it holds the policy key, with which it could have signed anything.
    pub holds_policy_key: bool,
}

/// One part of an export.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Header(HeaderPart),
    Checkpoint(CheckpointPart),
    Segment(SegmentPart),
    Block(BlockPart),
    Damage(DamagePart),
    End(EndPart),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct HeaderPart {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(bytes = "vec", tag = "2")]
    generation: Vec<u8>,
    #[prost(uint32, tag = "3")]
    epoch: u32,
    #[prost(int64, tag = "4")]
    time: i64,
    #[prost(bytes = "vec", tag = "5")]
    policy: Vec<u8>,
    #[prost(bool, tag = "6")]
    holds_policy_key: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct CheckpointPart {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    #[prost(message, required, tag = "2")]
    body: CheckpointBody,
}

/// A shard's segment begins.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct SegmentPart {
    #[prost(uint32, tag = "1")]
    shard: u32,
    #[prost(uint64, tag = "2")]
    next: u64,
    #[prost(bytes = "vec", tag = "3")]
    hash: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct BlockPart {
    /// Unset for the chain in the engine.
    #[prost(uint32, optional, tag = "1")]
    shard: Option<u32>,
    /// The number of its first record.
    #[prost(uint64, tag = "2")]
    first: u64,
    #[prost(bytes = "vec", tag = "3")]
    sealed: Vec<u8>,
    /// The key of this block alone.
    #[prost(bytes = "vec", tag = "4")]
    key: Vec<u8>,
}

/// Something on the broker's disk that isn't a part of the trail.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct DamagePart {
    /// In which file, or checkpoint.
    #[prost(string, tag = "1")]
    place: String,
    #[prost(uint32, tag = "2")]
    kind: u32,
    /// Of which shard's chain, where that is known.
    #[prost(uint32, optional, tag = "3")]
    shard: Option<u32>,
    /// The record, or the format that isn't known.
    #[prost(uint64, tag = "4")]
    number: u64,
}

/// Kinds of [`DamagePart`].
const TORN: u32 = 1;
const BROKEN: u32 = 2;
const FOREIGN: u32 = 3;
const UNKNOWN_FORMAT: u32 = 4;
const CHECKPOINT: u32 = 5;
const NEWER_HEAD: u32 = 6;

/// How many there were, so that an export that lost some isn't taken for a trail that did.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct EndPart {
    #[prost(uint64, tag = "1")]
    checkpoints: u64,
    #[prost(uint64, tag = "2")]
    blocks: u64,
}

#[cfg(all(test, feature = "engine"))]
mod tests;
