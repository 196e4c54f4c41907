//! What a verification found.

use std::fmt;

use serde::Serialize;

/// Which chain of a domain's trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainId {
    /// What was stored and changed: the chain in the engine.
    Store,
    /// A shard's: the chain in files.
    Shard(u16),
}

impl ChainId {
    /// Which shard's, if a shard's.
    pub fn shard(self) -> Option<u16> {
        match self {
            Self::Store => None,
            Self::Shard(shard) => Some(shard),
        }
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store => f.write_str("store"),
            Self::Shard(shard) => write!(f, "shard-{shard}"),
        }
    }
}

/// What was found in one segment: a file, or the chain in the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentReport {
    /// The file's name, or `store`.
    pub id: String,
    /// How many whole, good records it has.
    pub records: u64,
    /// Whether nothing is wrong with it.
    pub ok: bool,
}

/// Something that a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In which segment or checkpoint.
    pub place: String,
    /// What.
    pub kind: FindingKind,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind)
    }
}

/// What kinds of things a verification can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FindingKind {
    /// The last record of a segment is cut short, and no checkpoint covers it.
    #[error("the last record is incomplete, as after a loss of power; no checkpoint covers it")]
    TornTail,
    /// A record was altered, removed from the middle, inserted or moved.
    #[error("record {record} was altered, removed, inserted or moved")]
    Broken {
        /// The first record that isn't what it should be.
        record: u64,
    },
    /// A segment doesn't go on where the one before it ended: there are records missing, or too many.
    #[error("record {record} doesn't follow the one before it: a segment is missing or was replaced")]
    Gap {
        /// The first record after the gap.
        record: u64,
    },
    /// The chain ends before what a checkpoint says was there.
    #[error("checkpoint {checkpoint} covers {expected} records of {chain}, but there are {found}")]
    Truncated {
        /// The checkpoint.
        checkpoint: u64,
        /// The chain.
        chain: ChainId,
        /// Records it covers.
        expected: u64,
        /// Records there are.
        found: u64,
    },
    /// The chain has other records than the checkpoint was made over.
    #[error("checkpoint {checkpoint} covers other records of {chain} than there are: they were replaced")]
    Forked {
        /// The checkpoint.
        checkpoint: u64,
        /// The chain.
        chain: ChainId,
    },
    /// The engine's chain doesn't end where it should: records were put back to an older state or removed.
    #[error("the chain's end isn't where the store left it: it was put back to an older state")]
    RolledBack,
    /// A checkpoint that is missing, or doesn't follow the one before it.
    #[error("the checkpoint is missing, altered, or doesn't follow the one before it")]
    CheckpointBroken,
    /// A checkpoint whose signature isn't good.
    #[error("the checkpoint's signature isn't good")]
    CheckpointSignature,
    /// A name has another highest version than the trail says: it was put back to an older state, or removed.
    #[error("an entry has fewer versions than the trail says: it was put back to an older state, or removed")]
    EntryRolledBack,
    /// What is known of a name doesn't open: it was altered or swapped.
    #[error("an entry's record is damaged: it was altered or swapped")]
    EntryDamaged,
    /// Records that could be shown to somebody else as other records, though later ones can't.
    #[error(
        "record {record} isn't bound to its key, though those before it are: it can be shown in two ways"
    )]
    Uncommitted {
        /// The first.
        record: u64,
    },
    /// No checkpoint with a good signature, so that nothing says whose records these are.
    #[error("there is no checkpoint with a good signature: nothing says that this is the domain's trail")]
    NoCheckpoint,
    /// It doesn't reach a checkpoint that the verifier holds.
    #[error(
        "checkpoint {checkpoint}, which you hold, isn't there: the trail was cut back, or is older than that"
    )]
    Regressed {
        /// The one that is held.
        checkpoint: u64,
    },
    /// It has another checkpoint of that number than the verifier holds.
    #[error("checkpoint {checkpoint} isn't the one that you hold: the trail was forked before it")]
    OtherHistory {
        /// The one that is held.
        checkpoint: u64,
    },
    /// It is another domain's, of the same name, than the checkpoint that the verifier holds.
    #[error(
        "the checkpoint that you hold is of another domain, or of one of this name that was made anew since"
    )]
    OtherGeneration,
    /// A header or name of a file that isn't this domain's.
    #[error("the file isn't a segment of this domain")]
    Foreign,
    /// A segment in a format that this version doesn't know.
    #[error("the segment has format {found}, which this version doesn't know")]
    UnknownFormat {
        /// The format byte found.
        found: u8,
    },
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Every segment.
    pub segments: Vec<SegmentReport>,
    /// How many good checkpoints there are.
    pub checkpoints: u64,
    /// What is wrong, or worth knowing.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing speaks of tampering or loss; a torn tail doesn't.
    pub fn is_intact(&self) -> bool {
        self.findings.iter().all(|finding| finding.kind == FindingKind::TornTail)
    }
}
