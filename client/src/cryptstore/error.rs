//! What a cryptstore doesn't do.

use claviger_proto::{ErrorCode, ParseError, Version};

use super::ExportError;
use super::certifier::CertifierError;

/// Why a cryptstore doesn't give or take an item.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// The text isn't a tag.
    #[error("{0}")]
    Tag(#[from] ParseError),
    /// There is no such item.
    #[error("the cryptstore has no {}", item(tag, *version))]
    NotFound {
        /// The tag.
        tag: String,
        /// The version; `None` is the latest.
        version: Option<Version>,
    },
    /// It isn't to leave in the clear.
    #[error("{} is not exportable: it doesn't leave this cryptstore in the clear", item(tag, *version))]
    NotExportable {
        /// The tag.
        tag: String,
        /// The version.
        version: Option<Version>,
    },
    /// A version that is taken by something else.
    #[error("the cryptstore has another entry as version {version} of {tag}")]
    Taken {
        /// The tag.
        tag: String,
        /// The version.
        version: Version,
    },
    /// A version that isn't the next one.
    #[error("the next version of {tag} is {next}, not {asked}")]
    NotNext {
        /// The tag.
        tag: String,
        /// The version that was asked for.
        asked: Version,
        /// The one that would be given.
        next: Version,
    },
    /// Every number has been given.
    #[error("{tag} has had every version that there is")]
    NoVersionLeft {
        /// The tag.
        tag: String,
    },
    /// A tag of the machine's own identity.
    #[error("the tag {tag} is reserved for this machine's own identity")]
    Reserved {
        /// The tag.
        tag: String,
    },
    /// What has no public half was asked for it.
    #[error("{} holds {shape}, which has no public key", item(tag, *version))]
    NoPublicKey {
        /// The tag.
        tag: String,
        /// The version.
        version: Option<Version>,
        /// What it holds.
        shape: &'static str,
    },
    /// A key can't be made.
    #[error("a new key can't be made: the system gives no randomness")]
    Randomness,
    /// A sealed export can't be made, or opened.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A stock store isn't opened, taken, or written.
    #[error(transparent)]
    Certifier(#[from] CertifierError),
}

fn item(tag: &str, version: Option<Version>) -> String {
    version.map_or_else(|| tag.to_owned(), |version| format!("version {version} of {tag}"))
}

impl ItemError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tag(error) => ErrorCode::from(*error).as_str(),
            Self::NotFound { .. } => ErrorCode::NotFound.as_str(),
            Self::NotExportable { .. } => "not-exportable",
            Self::Taken { .. } | Self::NotNext { .. } | Self::NoVersionLeft { .. } => {
                ErrorCode::Conflict.as_str()
            }
            Self::Reserved { .. } => ErrorCode::ReservedName.as_str(),
            Self::NoPublicKey { .. } => ErrorCode::Refused.as_str(),
            Self::Randomness => "system",
            Self::Export(error) => error.code(),
            Self::Certifier(error) => error.code(),
        }
    }

    /// The exit status: 3 refused, 4 not found, 5 conflict, 1 other.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Tag(_) | Self::NotExportable { .. } | Self::Reserved { .. } | Self::NoPublicKey { .. } => 3,
            Self::NotFound { .. } => 4,
            Self::Taken { .. } | Self::NotNext { .. } | Self::NoVersionLeft { .. } => 5,
            Self::Randomness => 1,
            Self::Export(error) => error.exit_status(),
            Self::Certifier(error) => error.exit_status(),
        }
    }

    /// What to do next, as a sentence without its full stop.
    pub fn next(&self) -> String {
        match self {
            Self::Tag(_) => "correct the tag".into(),
            Self::NotFound { .. } => "see what is there (key-client cryptstore list)".into(),
            Self::NotExportable { .. } => {
                "seal it for one recipient (key-client cryptstore export --to PUBLIC-KEY)".into()
            }
            Self::Taken { .. } => {
                "keep it under another tag (retrieve --into-cryptstore, import --as), or look at what is there"
                    .into()
            }
            Self::NotNext { .. } => "leave the version out to get the next one".into(),
            Self::NoVersionLeft { .. } => "use another tag".into(),
            Self::Reserved { .. } => "choose another tag; enroll and renew see to these".into(),
            Self::NoPublicKey { .. } => "name an item with a key pair, a public key or a certificate".into(),
            Self::Randomness => "try again".into(),
            Self::Export(error) => error.next().into(),
            Self::Certifier(error) => error.next().into(),
        }
    }
}
