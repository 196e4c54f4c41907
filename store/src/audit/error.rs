//! What can go wrong with the trail, other than what a verification finds.

use std::io;
use std::path::PathBuf;

use claviger_proto::ErrorCode;

use crate::error::StoreError;

/// Why a record couldn't be appended, or the trail not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The system refused an operation.
    #[error("couldn't {what} the audit file {path} ({error}); check the disk's space, mode and health")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The newest segment isn't one of this domain, or is of an unknown format; nothing is appended after it.
    #[error(
        "the audit file {path} isn't a segment that this version can go on from; move it away and keep it"
    )]
    Unusable {
        /// The segment.
        path: PathBuf,
    },
    /// An earlier append or sync failed in a way that leaves the file's end uncertain.
    #[error("the audit trail takes no more records since one failed; start the broker again")]
    Stopped,
    /// A block of records could not be written, and this record is one of them.
    #[error("the record was lost with others that could not be written; the log says why")]
    Lost,
    /// What a record says is longer than a record may be.
    #[error("what is to be recorded is too long")]
    TooLarge,
    /// The domain was deleted.
    #[error("the domain was deleted")]
    Deleted,
    /// The system gives no randomness.
    #[error("the system gives no randomness; nothing was recorded")]
    Randomness,
    /// The engine's part of the trail.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuditError {
    /// What the peer is told whose request can't be recorded.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Deleted => ErrorCode::NotFound,
            Self::TooLarge => ErrorCode::TooLarge,
            _ => ErrorCode::Unavailable,
        }
    }
}
