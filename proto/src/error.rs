//! Errors of the wire: stable codes, whose fault each is, and the exit status it maps to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a parse in this crate can find wrong with its input. Never carries the input: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not a domain name.
    #[error(
        "a domain name is one label of [a-z0-9_-], at most 63 long, starting with a letter, not ending in a hyphen"
    )]
    DomainName,
    /// Not a resource name.
    #[error("a resource name is segments of [A-Za-z0-9._-] joined by '/', none of them empty, '.' or '..'")]
    ResourceName,
    /// A resource name over 255 bytes.
    #[error("a resource name has at most 255 bytes")]
    ResourceNameTooLong,
    /// Not an entry type.
    #[error("an entry type is 1 to 64 printable ASCII characters without spaces")]
    EntryType,
    /// A version below zero.
    #[error("a version is 1 or more; 0 stands for the latest or the next")]
    NegativeVersion,
    /// Bytes that are not the protobuf message expected.
    #[error("the message is not a well-formed {0}")]
    Message(&'static str),
    /// A message with more in it than is known of it.
    #[error("the {0} has something in it, or after it, that isn't understood")]
    NotExact(&'static str),
    /// A message that lacks something it must have.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// A time of expiry that is no time.
    #[error("an expiry is a time after 1970, in seconds; leave it out for none")]
    Expiry,
    /// A page of nothing.
    #[error("a page has at least one item")]
    PageSize,
    /// A frame whose length is above the limit.
    #[error("the message is larger than the limit")]
    FrameTooLarge,
    /// An empty frame (or a negative length, which stock programs read as empty).
    #[error("the frame is empty")]
    EmptyFrame,
    /// A request type that this version doesn't know.
    #[error("this request type is not known")]
    UnknownRequest,
    /// A key in a format or of a kind that isn't supported.
    #[error("the key is not usable: {0}")]
    Key(&'static str),
    /// A private key that is encrypted.
    #[error(
        "the private key is encrypted; decrypt a copy first (openssl pkey -in FILE -out PLAIN; an OpenSSH key: ssh-keygen -p -N '' -f COPY)"
    )]
    EncryptedKey,
    /// A certificate that isn't there, or isn't one.
    #[error("the certificate is not usable: {0}")]
    Certificate(&'static str),
    /// A PEM file that isn't one.
    #[error("the file isn't well-formed PEM (RFC 7468)")]
    Pem,
    /// A time string that isn't one.
    #[error("a time is written as 2026-11-24T05:42:42.00000Z")]
    Time,
}

/// A stable, machine-readable name of a refusal. The text form is kebab-case and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The peer sent something that can't be understood.
    Malformed,
    /// The peer sent more than the limit.
    TooLarge,
    /// The request type isn't known.
    UnknownRequest,
    /// The name isn't a resource name.
    InvalidName,
    /// The name is reserved for a machine's own identity.
    ReservedName,
    /// There is no such thing, or the peer may not have it; one answer for both.
    NotFound,
    /// The version is taken by something else, or isn't the next one.
    Conflict,
    /// The peer's certificate, or the domain's policy certificate, isn't valid (any more).
    CertificateRefused,
    /// The evidence doesn't satisfy the domain's policy.
    AttestationRefused,
    /// The broker is sealed.
    Sealed,
    /// The broker, or the domain, is at a limit for now; try again later.
    Busy,
    /// The domain has used up what it may have of this broker; waiting won't help.
    QuotaExceeded,
    /// The broker couldn't do it, through no fault of the peer; nothing was changed.
    Unavailable,
    /// The peer took too long.
    Deadline,
    /// It may be allowed to who proves more on this channel: fresh evidence, or a principal.
    ProofNeeded,
    /// The domain is suspended: it answers nobody until it is resumed.
    Suspended,
    /// The request is understood and refused for another reason, which the message says.
    Refused,
}

impl ErrorCode {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::UnknownRequest => "unknown-request",
            Self::InvalidName => "invalid-name",
            Self::ReservedName => "reserved-name",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::CertificateRefused => "certificate-refused",
            Self::AttestationRefused => "attestation-refused",
            Self::Sealed => "sealed",
            Self::Busy => "busy",
            Self::QuotaExceeded => "quota-exceeded",
            Self::Unavailable => "unavailable",
            Self::Deadline => "deadline",
            Self::ProofNeeded => "proof-needed",
            Self::Suspended => "suspended",
            Self::Refused => "refused",
        }
    }

    /// Reads the stable text.
    pub fn from_text(text: &str) -> Option<Self> {
        const ALL: [ErrorCode; 17] = [
            ErrorCode::Malformed,
            ErrorCode::TooLarge,
            ErrorCode::UnknownRequest,
            ErrorCode::InvalidName,
            ErrorCode::ReservedName,
            ErrorCode::NotFound,
            ErrorCode::Conflict,
            ErrorCode::CertificateRefused,
            ErrorCode::AttestationRefused,
            ErrorCode::Sealed,
            ErrorCode::Busy,
            ErrorCode::QuotaExceeded,
            ErrorCode::Unavailable,
            ErrorCode::Deadline,
            ErrorCode::ProofNeeded,
            ErrorCode::Suspended,
            ErrorCode::Refused,
        ];
        ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// The exit status of a command that ends with this code: 3 refused, 4 not found or not allowed,
    /// 5 conflict, 6 attestation refused, 7 sealed, 8 unreachable, 1 other.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Malformed
            | Self::TooLarge
            | Self::UnknownRequest
            | Self::InvalidName
            | Self::ReservedName
            | Self::CertificateRefused
            | Self::ProofNeeded
            | Self::QuotaExceeded
            | Self::Suspended
            | Self::Refused => 3,
            Self::NotFound => 4,
            Self::Conflict => 5,
            Self::AttestationRefused => 6,
            Self::Sealed => 7,
            Self::Busy | Self::Deadline => 8,
            Self::Unavailable => 1,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<ParseError> for ErrorCode {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::DomainName | ParseError::ResourceName | ParseError::ResourceNameTooLong => {
                Self::InvalidName
            }
            ParseError::FrameTooLarge => Self::TooLarge,
            ParseError::UnknownRequest => Self::UnknownRequest,
            _ => Self::Malformed,
        }
    }
}
