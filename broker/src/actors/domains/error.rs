//! Why an admin call fails.

use claviger_acl::Denied;
use claviger_attest::{
    AttestError, CertificateError, IssueError, KeyError, PolicyError, PrincipalError, ReferenceError,
};
use claviger_proto::error::ErrorCode;
use claviger_proto::{DomainName, ParseError};
use claviger_store::{DataDirError, StoreError, audit::AuditError, audit::export::ExportError};

use crate::domain::BuildError;
use crate::startup::StartError;

/// Why an admin call fails. Says what to do next where the caller can do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// There is no such domain.
    #[error("there is no domain {0}; `key-admin domain list` shows those there are")]
    NoDomain(DomainName),
    /// The broker holds the policy key, so nothing is asked of the owner.
    #[error(
        "this broker holds the policy key of {0} and signs with it itself, so there is nothing for its owner to sign"
    )]
    HoldsPolicyKey(DomainName),
    /// Nothing waits for the owner.
    #[error(
        "nothing of {0} waits for its owner's signature; ask for requests first: key-admin domain requests"
    )]
    NothingAsked(DomainName),
    /// A certificate of another key.
    #[error(
        "the {0} certificate is for another key than the latest request: sign what key-admin domain requests gives now"
    )]
    OtherRequest(&'static str),
    /// There is no such reference value.
    #[error("this measurement is not trusted in {0}, so there is nothing to remove")]
    NoReference(DomainName),
    /// The policy in force isn't the one that the caller meant to change.
    #[error(
        "the policy in force has revision {is}, and only revision {expected} was to be changed, so nothing was: see \
         what it says now (key-admin policy diff), then apply with --if-revision {is}"
    )]
    Revision {
        /// What the caller thought.
        expected: u64,
        /// What it is.
        is: u64,
    },
    /// The rules in force aren't those that the caller meant to change.
    #[error(
        "the rules of {0} were changed meanwhile, so nothing was changed: see what they say now (key-admin acl list), then \
         try again"
    )]
    RulesChanged(DomainName),
    /// There is no such ticket.
    #[error("there is no such ticket in {0}; `key-admin ticket list` shows those there are")]
    NoTicket(DomainName),
    /// A ticket of this id is there.
    #[error("there is a ticket of this id already; make another")]
    TicketTaken,
    /// There is no such principal.
    #[error("this principal is not known in {0}; `key-admin principal list` shows those who are")]
    NoPrincipal(DomainName),
    /// There is no such owner or auditor.
    #[error("this certificate is not registered in {0}; `key-admin owner list` shows those that are")]
    NoPerson(DomainName),
    /// There is no such revocation.
    #[error("this is not revoked in {0}; `key-admin revocation list` shows what is")]
    NoRevocation(DomainName),
    /// The name is taken.
    #[error("there is a domain {0} already; delete it first, or choose another name")]
    Taken(DomainName),
    /// The domain is another broker's.
    #[error("{0} was pulled from its home broker, so it is changed there, and comes here with the next pull")]
    FromHome(DomainName),
    /// The domain is another broker's, and what is known of that one would go with it.
    #[error(
        "{0} was pulled from its home broker, so it isn't deleted here: with it would go what keeps this broker from \
         taking an older state of it; to have it served here no longer, take this broker out of the domain's policy \
         at home, and give it a new data directory (key-broker init)"
    )]
    DeletePulled(DomainName),
    /// A domain of this name was made here.
    #[error("{0} was made on this broker, so it isn't pulled over it; delete it first")]
    MadeHere(DomainName),
    /// What the home broker gave can't be taken.
    #[error("what the home broker gave of {domain} is not taken: {why}")]
    NotTaken {
        /// Which domain.
        domain: DomainName,
        /// Why.
        why: &'static str,
    },
    /// The policy key or subject belongs to another domain.
    #[error("another domain here has this policy {0}; a policy key and a subject belong to one domain")]
    Shared(&'static str),
    /// A value in the call can't be used.
    #[error("{0}")]
    Invalid(String),
    /// The name is one that nobody may put anything under.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The broker has no root key.
    #[error("the broker is sealed; unseal it first: key-admin unseal")]
    Sealed,
    /// There is nothing to unseal.
    #[error("the broker isn't sealed; it serves already")]
    NotSealed,
    /// Somebody else is at it.
    #[error("an unsealing is under way; try again when it has ended")]
    Unsealing,
    /// Another call goes on for too long.
    #[error("another administrative call is under way, so nothing was sealed; try again when it has ended")]
    Occupied,
    /// What was given to unseal with isn't it, or the slots can't be read.
    #[error(transparent)]
    Slots(#[from] DataDirError),
    /// The store can't be opened with its root key.
    #[error(transparent)]
    Start(#[from] Box<StartError>),
    /// The broker is on its way down.
    #[error("the broker is stopping")]
    Stopping,
    /// The store refuses or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit trail can't be read or written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The audit trail can't be written out.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The domain can't be served.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl AdminError {
    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoDomain(_)
            | Self::NoReference(_)
            | Self::NoTicket(_)
            | Self::NoPrincipal(_)
            | Self::NoPerson(_)
            | Self::NoRevocation(_) => ErrorCode::NotFound,
            Self::HoldsPolicyKey(_)
            | Self::NothingAsked(_)
            | Self::Taken(_)
            | Self::Shared(_)
            | Self::FromHome(_)
            | Self::DeletePulled(_)
            | Self::MadeHere(_)
            | Self::NotTaken { .. }
            | Self::NotSealed
            | Self::Revision { .. }
            | Self::RulesChanged(_)
            | Self::TicketTaken => ErrorCode::Conflict,
            Self::Invalid(_) | Self::OtherRequest(_) => ErrorCode::Refused,
            Self::Denied(denied) => denied.code(),
            Self::Sealed => ErrorCode::Sealed,
            Self::Unsealing | Self::Occupied => ErrorCode::Busy,
            Self::Slots(DataDirError::Slot(error)) if !error.is_ours() => ErrorCode::Refused,
            Self::Stopping
            | Self::Audit(_)
            | Self::Export(_)
            | Self::Build(_)
            | Self::Slots(_)
            | Self::Start(_) => ErrorCode::Unavailable,
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

invalid!(
    ParseError,
    PolicyError,
    CertificateError,
    IssueError,
    KeyError,
    ReferenceError,
    AttestError,
    PrincipalError
);
invalid!(claviger_attest::RevocationError, claviger_acl::AclError, claviger_attest::PolicyFileError);
