//! Why an admin call fails.

use claviger_attest::{AttestError, CertificateError, IssueError, KeyError, PolicyError, ReferenceError};
use claviger_proto::error::ErrorCode;
use claviger_proto::{DomainName, ParseError};
use claviger_store::{StoreError, audit::AuditError};

use crate::domain::BuildError;

/// Why an admin call fails. Says what to do next where the caller can do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// There is no such domain.
    #[error("there is no domain {0}; `key-admin domain list` shows those there are")]
    NoDomain(DomainName),
    /// There is no such reference value.
    #[error("this measurement is not trusted in {0}, so there is nothing to remove")]
    NoReference(DomainName),
    /// The name is taken.
    #[error("there is a domain {0} already; delete it first, or choose another name")]
    Taken(DomainName),
    /// The policy key or subject belongs to another domain.
    #[error("another domain here has this policy {0}; a policy key and a subject belong to one domain")]
    Shared(&'static str),
    /// A value in the call can't be used.
    #[error("{0}")]
    Invalid(String),
    /// The broker has no root key.
    #[error("the broker is sealed; bring its root key's slot back and start it again")]
    Sealed,
    /// The broker is on its way down.
    #[error("the broker is stopping")]
    Stopping,
    /// The store refuses or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit trail can't be read or written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The domain can't be served.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl AdminError {
    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoDomain(_) | Self::NoReference(_) => ErrorCode::NotFound,
            Self::Taken(_) | Self::Shared(_) => ErrorCode::Conflict,
            Self::Invalid(_) => ErrorCode::Refused,
            Self::Sealed => ErrorCode::Sealed,
            Self::Stopping | Self::Audit(_) | Self::Build(_) => ErrorCode::Unavailable,
            Self::Store(error) => error.code(),
        }
    }
}

macro_rules! invalid {
    ($($error:ty),*) => {$(
        impl From<$error> for AdminError {
            fn from(error: $error) -> Self {
                Self::Invalid(error.to_string())
            }
        }
    )*};
}

invalid!(ParseError, PolicyError, CertificateError, IssueError, KeyError, ReferenceError, AttestError);
invalid!(claviger_acl::AclError);
