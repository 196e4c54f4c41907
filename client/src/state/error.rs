//! What can be wrong with the local cryptstore.

use std::path::PathBuf;

use claviger_proto::{DomainName, ErrorCode, Version};
use claviger_store::seal::SealError;
use claviger_store::slot::SlotError;

use crate::files::FileError;

/// Why the local cryptstore can't be used, or doesn't take something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Nothing was kept there yet.
    #[error("this machine isn't enrolled: there is no cryptstore in {}", dir.display())]
    NotEnrolled {
        /// The state directory.
        dir: PathBuf,
    },
    /// Something is kept there already.
    #[error("this machine is enrolled already: there is a cryptstore of domain {domain} in {}", dir.display())]
    AlreadyEnrolled {
        /// The state directory.
        dir: PathBuf,
        /// The domain that it is of.
        domain: DomainName,
    },
    /// A state directory belongs to one domain.
    #[error("the cryptstore in {} belongs to domain {found}, not {asked}", dir.display())]
    OtherDomain {
        /// The state directory.
        dir: PathBuf,
        /// The domain that it is of.
        found: DomainName,
        /// The domain that was named.
        asked: DomainName,
    },
    /// Another writer is at it.
    #[error("another command is writing to {}", dir.display())]
    InUse {
        /// The state directory.
        dir: PathBuf,
    },
    /// The file isn't what was written.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// A newer version's file.
    #[error("{} has format {found}, which this version doesn't know", path.display())]
    UnknownFormat {
        /// Which file.
        path: PathBuf,
        /// The format found.
        found: u8,
    },
    /// It would grow over its limit.
    #[error("{} would be larger than {limit} bytes", path.display())]
    Full {
        /// Which file.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// A version that is taken by something else.
    #[error("the cryptstore has another entry as version {version} of {tag}")]
    Taken {
        /// The tag.
        tag: String,
        /// The version.
        version: Version,
    },
    /// A tag of the machine's own identity.
    #[error("the tag {tag} is reserved for this machine's own identity")]
    Reserved {
        /// The tag.
        tag: String,
    },
    /// The key slot doesn't give the root key.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The file doesn't open under the root key.
    #[error("{}: {error}", path.display())]
    Seal {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: SealError,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// The system refused a file operation.
    #[error(transparent)]
    File(#[from] FileError),
}

impl StateError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotEnrolled { .. } => "not-enrolled",
            Self::AlreadyEnrolled { .. } => "already-enrolled",
            Self::OtherDomain { .. } => "other-domain",
            Self::InUse { .. } => "in-use",
            Self::Damaged { .. } | Self::Seal { .. } => "damaged",
            Self::UnknownFormat { .. } => "unknown-format",
            Self::Full { .. } => "full",
            Self::Taken { .. } => ErrorCode::Conflict.as_str(),
            Self::Reserved { .. } => ErrorCode::ReservedName.as_str(),
            Self::Slot(_) => "key-slot",
            Self::Randomness => "system",
            Self::File(_) => "file",
        }
    }

    /// The exit status: 3 refused, 5 conflict, 1 other.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::AlreadyEnrolled { .. } | Self::OtherDomain { .. } | Self::Reserved { .. } => 3,
            Self::InUse { .. } | Self::Taken { .. } => 5,
            _ => 1,
        }
    }

    /// What to do next, as a sentence without its full stop.
    pub fn next(&self) -> String {
        match self {
            Self::NotEnrolled { .. } => "enroll it first (key-client enroll), or name its --state-dir".into(),
            Self::AlreadyEnrolled { .. } => {
                "to keep this identity, renew it (key-client renew); to make a new one, enroll with --replace"
                    .into()
            }
            Self::OtherDomain { .. } => "use a --state-dir of its own for each domain".into(),
            Self::InUse { .. } => "try again when it has ended".into(),
            Self::Damaged { .. } | Self::Seal { .. } => {
                "restore the directory from a back-up, or move it away and enroll again".into()
            }
            Self::UnknownFormat { .. } => "use the version of key-client that wrote it".into(),
            Self::Full { .. } => "write large entries to files with --out".into(),
            Self::Taken { .. } => "keep it under another tag (--into-cryptstore TAG)".into(),
            Self::Reserved { .. } => "choose another tag (--into-cryptstore TAG)".into(),
            Self::Slot(_) => "if the key is lost, move the directory away and enroll again".into(),
            Self::Randomness => "try again".into(),
            Self::File(error) => error.next().into(),
        }
    }
}
