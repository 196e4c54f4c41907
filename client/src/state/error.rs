//! What can be wrong with the local cryptstore.

use std::path::PathBuf;

use claviger_proto::DomainName;
use claviger_store::seal::SealError;
use claviger_store::slot::SlotError;

use crate::cryptstore::ItemError;
use crate::files::{self, FileError};

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
    /// There is a cryptstore, but the machine hasn't enrolled.
    #[error("this machine isn't enrolled: the cryptstore in {} has no identity", dir.display())]
    NoIdentity {
        /// The state directory.
        dir: PathBuf,
    },
    /// A cryptstore is there, and one was to be made.
    #[error("there is a cryptstore in {} already", dir.display())]
    Exists {
        /// The state directory.
        dir: PathBuf,
    },
    /// A machine has enrolled there already.
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
    /// The identity that was renewed isn't the one that is there any more.
    #[error("the identity in {} is another by now: somebody else renewed it or enrolled anew", dir.display())]
    OtherIdentity {
        /// The state directory.
        dir: PathBuf,
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
    /// What the cryptstore doesn't give or take.
    #[error(transparent)]
    Item(#[from] ItemError),
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
            Self::NotEnrolled { .. } | Self::NoIdentity { .. } => "not-enrolled",
            Self::Exists { .. } => "exists",
            Self::AlreadyEnrolled { .. } => "already-enrolled",
            Self::OtherDomain { .. } => "other-domain",
            Self::OtherIdentity { .. } => "conflict",
            Self::InUse { .. } => "in-use",
            Self::Damaged { .. } | Self::Seal { .. } => "damaged",
            Self::UnknownFormat { .. } => "unknown-format",
            Self::Full { .. } => "full",
            Self::Item(error) => error.code(),
            Self::Slot(_) => "key-slot",
            Self::Randomness => "system",
            Self::File(_) => "file",
        }
    }

    /// The exit status: 3 refused, 4 not found, 5 conflict, 1 other.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::AlreadyEnrolled { .. }
            | Self::OtherDomain { .. }
            | Self::Exists { .. }
            | Self::Slot(
                SlotError::WrongPassphrase
                | SlotError::PassphraseShort
                | SlotError::PassphraseForm
                | SlotError::NoSlotFor { .. },
            ) => 3,
            Self::InUse { .. } | Self::OtherIdentity { .. } => 5,
            Self::Item(error) => error.exit_status(),
            _ => 1,
        }
    }

    /// What to do next, as a sentence without its full stop.
    pub fn next(&self) -> String {
        match self {
            Self::NotEnrolled { .. } => {
                "enroll it first (key-client enroll), make a cryptstore without an identity \
                 (key-client cryptstore init), or name its --state-dir"
                    .into()
            }
            Self::NoIdentity { .. } => "enroll it first (key-client enroll); the entries stay".into(),
            Self::Exists { .. } => "use it (and leave --key-slot out), or name another --state-dir".into(),
            Self::AlreadyEnrolled { .. } => {
                "to keep this identity, renew it (key-client renew); to make a new one, enroll with --replace"
                    .into()
            }
            Self::OtherDomain { .. } => "use a --state-dir of its own for each domain".into(),
            Self::OtherIdentity { .. } => "nothing was changed; look at it with key-client status".into(),
            Self::InUse { .. } => "try again when it has ended".into(),
            Self::Damaged { .. } | Self::Seal { .. } => {
                "restore the directory from a back-up, or move it away and enroll again".into()
            }
            Self::UnknownFormat { .. } => "use the version of key-client that wrote it".into(),
            Self::Full { .. } => {
                "delete what isn't needed (key-client cryptstore delete), or write large entries to files with --out"
                    .into()
            }
            Self::Item(error) => error.next(),
            Self::Slot(SlotError::Io { error, .. }) => files::next_after(error.kind()).into(),
            Self::Slot(SlotError::WrongPassphrase) => "type it again, or name the right --passphrase-file".into(),
            Self::Slot(SlotError::PassphraseShort | SlotError::PassphraseForm) => {
                "take another passphrase; nothing was made".into()
            }
            Self::Slot(SlotError::NoSlotFor { .. }) => "leave --passphrase-file out".into(),
            Self::Slot(_) => "if the key is lost, move the directory away and enroll again".into(),
            Self::Randomness => "try again".into(),
            Self::File(error) => error.next().into(),
        }
    }
}
