//! What can be wrong with a stock store.

use claviger_attest::{CertificateError, Measurement};
use claviger_proto::key::KeyKind;
use claviger_proto::stock_store::MAX_STOCK_CONTENT;
use claviger_proto::{DomainName, ErrorCode, ParseError};

use super::Flawed;
use crate::identity::diagnose;

/// Longest part of an unknown algorithm's name that is told, in characters.
const SHOWN: usize = 40;

/// Why a stock store isn't opened, taken, or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertifierError {
    /// It isn't such a file: something else, cut short, or with something behind it.
    #[error("it isn't a stock encrypted store: {0}")]
    NotOne(ParseError),
    /// The store's key doesn't open under the seal.
    #[error("the store's key doesn't open under this seal: it is another enclave's, or was altered")]
    OtherSeal,
    /// A simulated enclave with another measurement sealed it.
    #[error("the store is sealed by a simulated enclave with another measurement{}", shown(*found))]
    OtherMeasurement {
        /// Whose it is, where there is as much there.
        found: Option<Measurement>,
    },
    /// What was sealed isn't a key.
    #[error("what is sealed in the store isn't a key that opens it: {0}")]
    Key(ParseError),
    /// A key of an algorithm that isn't known.
    #[error("the store is encrypted with {name}, which isn't known here")]
    Algorithm {
        /// What the store calls it.
        name: String,
    },
    /// The content was altered.
    #[error("the store is damaged: its content doesn't open under its own key")]
    Damaged,
    /// What is inside isn't a cryptstore or a policy store.
    #[error("what is in the store isn't understood: {0}")]
    Content(ParseError),
    /// Entries that can't be kept.
    #[error("the store has entries that can't be kept: {}", listed(flawed))]
    Flawed {
        /// Which, and why.
        flawed: Vec<Flawed>,
    },
    /// A tag that was asked for isn't there.
    #[error("the store has no entry {tag}")]
    NoSuchTag {
        /// The tag.
        tag: String,
    },
    /// There is no identity in it that the policy certificate is for.
    #[error("the store has no identity in the policy certificate's domain")]
    NoIdentity,
    /// The identity in it can't be used.
    #[error("the store's identity in {domain} can't be used: {why}")]
    BadIdentity {
        /// In which domain.
        domain: String,
        /// Why.
        why: &'static str,
    },
    /// The admission certificate in it isn't valid.
    #[error("the store's admission certificate in {domain} isn't valid: {error}")]
    Certificate {
        /// In which domain.
        domain: DomainName,
        /// Why.
        error: CertificateError,
    },
    /// The machine is a member of a domain already.
    #[error("this machine has an identity already, in domain {domain}")]
    Member {
        /// In which domain.
        domain: DomainName,
    },
    /// An item that isn't to leave in the clear, under a seal that keeps nothing secret.
    #[error(
        "{tag} is not exportable: a simulated enclave's seal keeps nothing secret, for everybody has its key"
    )]
    InTheClear {
        /// The tag.
        tag: String,
    },
    /// There is no identity to be written.
    #[error("this machine has no identity")]
    NotMember,
    /// An identity that stock programs can't load.
    #[error("this machine's identity has a {} key; stock programs only load RSA identities", kind.as_str())]
    NotRsa {
        /// What kind of key it is.
        kind: KeyKind,
    },
    /// More than the stock programs can open.
    #[error("the store would be larger than {MAX_STOCK_CONTENT} bytes, which stock programs die of")]
    TooLarge,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

fn shown(measurement: Option<Measurement>) -> String {
    measurement.map(|found| format!(": {found}")).unwrap_or_default()
}

fn listed(flawed: &[Flawed]) -> String {
    flawed.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl CertifierError {
    pub(super) fn algorithm(name: &str) -> Self {
        Self::Algorithm { name: name.escape_debug().take(SHOWN).collect() }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOne(_) | Self::Key(_) | Self::Content(_) | Self::Flawed { .. } => {
                ErrorCode::Malformed.as_str()
            }
            Self::OtherSeal => "other-seal",
            Self::OtherMeasurement { .. } => "other-measurement",
            Self::Algorithm { .. } => "unknown-algorithm",
            Self::Damaged => "damaged",
            Self::NoSuchTag { .. } => ErrorCode::NotFound.as_str(),
            Self::NoIdentity | Self::BadIdentity { .. } | Self::NotRsa { .. } => ErrorCode::Refused.as_str(),
            Self::Certificate { error, .. } => diagnose(error).0,
            Self::Member { .. } => "already-enrolled",
            Self::InTheClear { .. } => "not-exportable",
            Self::NotMember => "not-enrolled",
            Self::TooLarge => ErrorCode::TooLarge.as_str(),
            Self::Randomness => "system",
        }
    }

    /// The exit status: 3 refused, 4 not found, 1 other.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::NoSuchTag { .. } => 4,
            Self::Damaged | Self::NotMember | Self::Randomness => 1,
            _ => 3,
        }
    }

    /// What to do next, as a sentence without its full stop.
    pub fn next(&self) -> &'static str {
        match self {
            Self::NotOne(_) | Self::Content(_) | Self::Key(_) => {
                "give the file that cf_utility keeps (its --encrypted_cryptstore_filename or --policy_store_filename)"
            }
            Self::OtherSeal => {
                "name the seal of the enclave that the store belongs to; if it is, fetch the file again"
            }
            Self::OtherMeasurement { .. } => {
                "give the measurement that cf_utility ran with (its --measurement_file)"
            }
            Self::Algorithm { .. } => {
                "have cf_utility write the store with aes-256-gcm or aes-256-cbc-hmac-sha256"
            }
            Self::Damaged => {
                "fetch the file again; one in aes-256-cbc-hmac-sha384 opens only where the program that wrote it had \
                 zeros behind its key"
            }
            Self::Flawed { .. } => "leave them out (--salvage), or name the ones to import (--tag)",
            Self::NoSuchTag { .. } => "leave --tag out to import all that is there",
            Self::NoIdentity | Self::BadIdentity { .. } => {
                "leave --policy-cert out to import the other items, and enroll this machine (key-client enroll)"
            }
            Self::Certificate { .. } => {
                "check --policy-cert and the clock; or leave --policy-cert out and enroll this machine"
            }
            Self::Member { .. } => {
                "leave --policy-cert out to import the other items, or name another --state-dir"
            }
            Self::InTheClear { .. } => {
                "leave it out, name another seal, or seal it for one recipient (export --to PUBLIC-KEY)"
            }
            Self::NotMember => "leave --with-identity out, or enroll this machine (key-client enroll)",
            Self::NotRsa { .. } => {
                "leave --with-identity out, or enroll with an RSA key (key-client enroll --key rsa-2048)"
            }
            Self::TooLarge => "export fewer items at a time",
            Self::Randomness => "try again",
        }
    }
}
