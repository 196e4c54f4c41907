//! What goes wrong with a stock server alone: mostly, that it keeps something else than it was told.

use claviger_proto::{ErrorCode, Version};

use crate::address::Address;

/// Why a request to a stock server isn't made, or its answer isn't taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertifierError {
    /// The caller's fault: who the server is isn't said.
    #[error(
        "no fingerprint of the Certifier key server's certificate is pinned, so that no server is accepted"
    )]
    NoPin,
    /// The caller's fault: a stock server has no such request.
    #[error("a Certifier server has no {what}")]
    Lacks {
        /// What it lacks.
        what: &'static str,
    },
    /// The service judged the evidence, or couldn't read it; it says no more.
    #[error("the Certifier service at {address} didn't admit this machine, and doesn't say why")]
    NotAdmitted {
        /// Which service.
        address: Address,
    },
    /// The server answered "failed", and says no more.
    #[error("the Certifier key server at {address} answered: failed")]
    Failed {
        /// Which server.
        address: Address,
    },
    /// It has an entry of the name, and returns no other.
    #[error(
        "the Certifier key server returned version {given} of {name}, not version {asked}, which was asked for"
    )]
    OtherVersion {
        /// The resource.
        name: String,
        /// What was asked for.
        asked: Version,
        /// What came; 0 where the entry has none.
        given: u32,
    },
    /// It has an entry of the name, and what is put beside that one would never be returned.
    #[error(
        "the Certifier key server has {name} already, version {there}; a newer one beside it would never be returned"
    )]
    Hidden {
        /// The resource.
        name: String,
        /// The version that it returns.
        there: Version,
    },
    /// It has an entry of the name, and puts what is stored now in its place; that has to be asked for by the next number.
    #[error("the Certifier key server has {name}, version {there}, which version {asked} can't follow")]
    NotNext {
        /// The resource.
        name: String,
        /// The version that it returns.
        there: Version,
        /// What was asked for.
        asked: Version,
    },
    /// It makes version 1 of whatever is the first.
    #[error("a Certifier key server keeps the first version of {name} as version 1, not as version {asked}")]
    NotFirst {
        /// The resource.
        name: String,
        /// What was asked for.
        asked: Version,
    },
    /// It said that it stored it, and returns something else.
    #[error(
        "the Certifier key server said that it stored {name}, and returns something else under that name"
    )]
    NotKept {
        /// The resource.
        name: String,
    },
}

impl CertifierError {
    /// The stable code: `no-pin`, `peer-lacks`, `other-version`, `not-kept`, or one of the broker's.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPin => "no-pin",
            Self::Lacks { .. } => "peer-lacks",
            Self::NotAdmitted { .. } => ErrorCode::AttestationRefused.as_str(),
            Self::Failed { .. } => ErrorCode::NotFound.as_str(),
            Self::OtherVersion { .. } => "other-version",
            Self::Hidden { .. } | Self::NotNext { .. } | Self::NotFirst { .. } => {
                ErrorCode::Conflict.as_str()
            }
            Self::NotKept { .. } => "not-kept",
        }
    }

    /// The exit status.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::NoPin | Self::Lacks { .. } => 3,
            Self::NotAdmitted { .. } => ErrorCode::AttestationRefused.exit_status(),
            Self::Failed { .. } | Self::OtherVersion { .. } => ErrorCode::NotFound.exit_status(),
            Self::Hidden { .. } | Self::NotNext { .. } | Self::NotFirst { .. } | Self::NotKept { .. } => {
                ErrorCode::Conflict.exit_status()
            }
        }
    }

    /// What to do next, as a sentence without its full stop.
    pub fn next(&self) -> String {
        match self {
            Self::NoPin => {
                "find the fingerprint out on the server's machine, and pin it (key-client peer pin FINGERPRINT), or give \
                 it (--server-fingerprint)"
                    .into()
            }
            Self::Lacks { .. } => {
                "leave it out, or have a Claviger broker in the server's place".into()
            }
            Self::NotAdmitted { .. } => {
                "check that its policy has this machine's measurement and its platform's key or root, as \
                 --evidence has them; its log has the rest"
                    .into()
            }
            Self::Failed { .. } => {
                "check the name; a Certifier key server says the same where there is no such entry, where it isn't \
                 exportable, and where it can't store one"
                    .into()
            }
            Self::OtherVersion { .. } => {
                "ask without --version: it has one version of a name to give, whichever is asked for".into()
            }
            Self::Hidden { there, .. } | Self::NotNext { there, .. } => replace_next(*there),
            Self::NotFirst { .. } => "leave out --version, or give --version 1".into(),
            Self::NotKept { .. } => {
                "somebody else may have stored it at the same time, or it has an older entry of the name that isn't \
                 exportable: choose another name, or look into its cryptstore on its machine"
                    .into()
            }
        }
    }
}

/// The only way to what its readers get.
fn replace_next(there: Version) -> String {
    match there.next() {
        Some(next) => format!(
            "to put it in that one's place, which is lost then, give --version {next}; or store it under another name"
        ),
        None => "store it under another name".to_owned(),
    }
}
