//! What can go wrong with stored things, and what a peer is told.

use std::sync::Arc;

use claviger_proto::{DomainName, ErrorCode, Version};

use crate::engine::EngineError;
use crate::seal::SealError;

/// Why the store didn't do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No such domain, name or version; or the entry may not leave. One answer for all.
    #[error("not found, or not allowed")]
    NotFound,
    /// The version asked for is taken by something else, or isn't the next one.
    #[error("version {asked} can't be stored; the next version of this name is {next}")]
    Conflict {
        /// The version asked for.
        asked: Version,
        /// The one that would be taken.
        next: Version,
    },
    /// The latest version isn't the one that the put was to follow.
    #[error(
        "the latest version isn't the one that was expected, it is {}; look at it and try again",
        .latest.map_or_else(|| "none".to_owned(), |latest| latest.to_string())
    )]
    NotLatest {
        /// The latest there is, in whatever state.
        latest: Option<Version>,
    },
    /// What is asked of a version can't be done any more.
    #[error("this version was destroyed, which can't be undone; store or rotate to make a new one")]
    Destroyed,
    /// A launch ticket that can't be taken back any more.
    #[error(
        "the ticket was used, so there is nothing to revoke; `key-admin ticket list` shows by which machine"
    )]
    TicketUsed,
    /// A name has had its last version.
    #[error("this name has used up its versions; choose another name")]
    VersionsExhausted,
    /// A name has as many versions as this store keeps of one.
    #[error("this name has {limit} versions, the most that are kept of one here; choose another name")]
    VersionsLimit {
        /// How many versions of a name there may be.
        limit: u32,
    },
    /// A domain has as many names as it may.
    #[error(
        "this domain has {limit} names, all that it may have here, and no name is given back; the broker's operator can give \
         it more (key-admin quota set)"
    )]
    NamesQuota {
        /// How many it may have.
        limit: u64,
    },
    /// A domain takes up as much as it may.
    #[error(
        "this domain has {used} of its {limit} bytes here, too many for this secret; destroy versions that aren't needed any \
         more, or have the broker's operator give it more (key-admin quota set)"
    )]
    BytesQuota {
        /// What it takes up.
        used: u64,
        /// What it may.
        limit: u64,
    },
    /// A new name is longer than this store takes.
    #[error("a new name has at most {limit} bytes here; choose a shorter one")]
    NameLength {
        /// In bytes.
        limit: usize,
    },
    /// What another broker gave of a domain is older than what it gave before, or of another domain.
    #[error("what the home broker gave is older than what it gave before; nothing was changed")]
    HomeBehind,
    /// The secret is within the wire's limit, and above this store's.
    #[error("a secret has at most {limit} bytes here")]
    SecretLimit {
        /// In bytes.
        limit: usize,
    },
    /// The secret is empty, or above the limit.
    #[error("a secret has 1 to 1048576 bytes")]
    BlobSize,
    /// A domain of that name exists.
    #[error("the domain {0} exists already; choose another name, or delete it first")]
    DomainExists(DomainName),
    /// A permit of another domain or for another action: a mistake of the caller, answered as "not found".
    #[error("the permit isn't for this domain and action")]
    WrongPermit,
    /// A record was altered, swapped, put back from an older state, or lost.
    #[error(
        "a stored record is damaged ({what} at {place}); run `key-admin audit verify`, restore a back-up"
    )]
    Damaged {
        /// What kind of record.
        what: &'static str,
        /// Where in the engine: the first bytes of its key, hex.
        place: String,
    },
    /// A record in a format that this version doesn't know.
    #[error(
        "a stored record has format {found}, which this version doesn't know; use the version that wrote it"
    )]
    UnknownFormat {
        /// The format byte found.
        found: u8,
    },
    /// The engine holds another broker's records, or the root key isn't the one they are sealed under.
    #[error(
        "this store belongs to another broker, or to another root key; check the data directory and the key slot"
    )]
    OtherBroker,
    /// The engine has records already, so it can't be made a new store.
    #[error("there is a store here already; choose an empty directory")]
    NotEmpty,
    /// The engine failed. Nothing of the batch was done, and the writer does nothing more.
    #[error("nothing was stored: {0}")]
    Engine(Arc<EngineError>),
    /// The engine failed earlier, or somebody else writes to it; the writer does nothing more.
    #[error("nothing was stored: the store takes no more writes since one failed; start the broker again")]
    Stopped,
    /// There is a writer for this store already.
    #[error("this store has its one writer already")]
    WriterTaken,
    /// The system gives no randomness.
    #[error("the system gives no randomness; nothing was stored")]
    Randomness,
    /// The checkpoint couldn't be signed.
    #[error("the checkpoint couldn't be signed; check the domain's broker certificate")]
    Signing,
}

impl StoreError {
    /// What the peer is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound | Self::WrongPermit => ErrorCode::NotFound,
            Self::Conflict { .. }
            | Self::NotLatest { .. }
            | Self::Destroyed
            | Self::TicketUsed
            | Self::HomeBehind
            | Self::DomainExists(_) => ErrorCode::Conflict,
            Self::VersionsExhausted => ErrorCode::Refused,
            Self::VersionsLimit { .. } | Self::NamesQuota { .. } | Self::BytesQuota { .. } => {
                ErrorCode::QuotaExceeded
            }
            Self::NameLength { .. } => ErrorCode::InvalidName,
            Self::BlobSize | Self::SecretLimit { .. } => ErrorCode::TooLarge,
            Self::Damaged { .. }
            | Self::UnknownFormat { .. }
            | Self::OtherBroker
            | Self::NotEmpty
            | Self::Engine(_)
            | Self::Stopped
            | Self::WriterTaken
            | Self::Randomness
            | Self::Signing => ErrorCode::Unavailable,
        }
    }

    /// Whether the broker must stop rather than go on: what is stored can no longer be written.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Engine(_) | Self::Stopped)
    }
}

impl From<EngineError> for StoreError {
    fn from(error: EngineError) -> Self {
        Self::Engine(Arc::new(error))
    }
}

/// A failed seal or open, with the record it was about.
pub(crate) fn sealed(error: SealError, what: &'static str, key: &crate::engine::Key) -> StoreError {
    match error {
        SealError::UnknownFormat { found } => StoreError::UnknownFormat { found },
        SealError::Damaged => damaged(what, key),
        SealError::Randomness => StoreError::Randomness,
    }
}

/// A record that isn't what it should be.
pub(crate) fn damaged(what: &'static str, key: &crate::engine::Key) -> StoreError {
    let shown = key.bytes.len().min(24);
    StoreError::Damaged { what, place: hex::encode(&key.bytes[..shown]) }
}
