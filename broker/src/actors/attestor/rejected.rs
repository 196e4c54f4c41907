//! Why evidence, or another proof, isn't taken.

use claviger_attest::{AttestError, IssueError, Measurement, PrincipalError};
use claviger_client::endorsements::EndorsementError;
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::Refusal;
use claviger_store::{StoreError, TicketFault, TicketId};

/// Why one wasn't.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The domain's policy key isn't here.
    #[error(
        "the domain's owner keeps its policy key and signs admissions itself; ask the owner for a certificate"
    )]
    NoIssuer,
    /// A broker elsewhere is certified by the policy key, and that isn't here.
    #[error(
        "the domain's owner keeps its policy key, which brokers elsewhere are certified by; only a domain whose policy key \
         its home broker holds can be pulled"
    )]
    OwnerHeld,
    /// The delegated issuer here is revoked.
    #[error(
        "the domain's owner has revoked this broker's delegated issuer, so it admits nobody until the owner signs \
         another"
    )]
    IssuerRevoked,
    /// A stock program, where the broker has a delegated issuer only.
    #[error(
        "the domain's owner keeps the policy key, and stock programs take no certificate of a delegated issuer; the owner \
         signs theirs (key-admin identity issue)"
    )]
    StockDelegate,
    /// The domain's policy key isn't here, but at home.
    #[error(
        "this broker admits nobody: its home broker does; enrol there (--admission is the home broker's), then come \
         back with that certificate"
    )]
    HomeAdmits,
    /// The policy certificate can't be relied on now.
    #[error(transparent)]
    Certificate(#[from] claviger_attest::CertificateError),
    /// It holds, and what it shows is revoked.
    #[error(transparent)]
    Revoked(claviger_attest::CertificateError),
    /// The evidence doesn't hold.
    #[error(transparent)]
    Evidence(#[from] AttestError),
    /// The certificate of its chip's key came neither with it nor from elsewhere.
    #[error("no certificate of the chip's key: {0}")]
    Endorsement(#[from] EndorsementError),
    /// The launch ticket that it brought is no good.
    #[error("{fault}")]
    Ticket {
        /// Which.
        id: TicketId,
        /// Why.
        fault: TicketFault,
    },
    /// Nobody is admitted, whoever it is. Why is for members.
    #[error("the domain is suspended: it admits nobody until it is resumed")]
    Suspended,
    /// The domain allowed it, and does no longer.
    #[error("stock evidence is not allowed in this domain")]
    StockNotAllowed,
    /// Stock evidence that was shown before.
    #[error("this evidence was used before, and what answers no challenge is good once; make new evidence")]
    Repeated,
    /// Tickets can't be read or written.
    #[error("the broker's store failed; nothing was changed; try again later")]
    Store(#[from] StoreError),
    /// The credentials don't hold.
    #[error(transparent)]
    Principal(#[from] PrincipalError),
    /// Whatever else it may be.
    #[error(
        "measurement {0} isn't listed as a broker's in this domain; its owner adds a [[broker]] to the domain's policy, if it should be"
    )]
    NoBroker(Measurement),
    /// The domain was pulled from another broker.
    #[error("this broker pulled the domain from another; ask that one")]
    NotHome,
    /// The certificate couldn't be made.
    #[error("the admission certificate could not be made")]
    Signing(#[from] IssueError),
    /// There is no place for it.
    #[error("too much evidence is under way; try again in a second")]
    Busy,
    /// The domain went meanwhile.
    #[error("this domain is no longer served here")]
    DomainGone,
    /// A fault of ours, on this evidence.
    #[error("the broker failed on this evidence; nothing was changed")]
    Internal,
}

impl Rejected {
    /// What the operator, or the domain's owner, does next, where the error itself doesn't say it.
    pub fn next(&self) -> Option<&'static str> {
        match self {
            Self::Evidence(error) => Some(error.next()),
            Self::Endorsement(error) => Some(error.next()),
            Self::Ticket { fault: TicketFault::Used, .. } => Some(
                "look at key-admin ticket list, which certificate it became: if that isn't this machine's, somebody else \
                 used it; a machine whose answer was lost gets another (key-admin ticket create)",
            ),
            Self::Ticket { .. } => Some(
                "if the machine is to be admitted, give it a ticket of this domain (key-admin ticket create); if nobody \
                 knows it, somebody tries",
            ),
            Self::NoBroker(_) => Some(
                "if it is a broker of the domain's, add a [[broker]] with this measurement to the policy (key-admin policy \
                 apply)",
            ),
            Self::Repeated => Some(
                "a program that lost its answer makes new evidence; if none did, somebody replays what it saw on the network",
            ),
            Self::Revoked(_) => Some(
                "see when and why it was revoked: key-admin revocation list; if it is to be a member again, take that back \
                 (key-admin revocation remove)",
            ),
            Self::HomeAdmits => {
                Some("to have this broker admit, list it with may-issue = true in [[broker]], at home")
            }
            _ => None,
        }
    }
}

impl From<&Rejected> for Refusal {
    fn from(rejected: &Rejected) -> Self {
        let code = match rejected {
            Rejected::NoIssuer
            | Rejected::OwnerHeld
            | Rejected::IssuerRevoked
            | Rejected::StockDelegate
            | Rejected::HomeAdmits
            | Rejected::NotHome
            | Rejected::StockNotAllowed => ErrorCode::Refused,
            Rejected::Suspended => ErrorCode::Suspended,
            Rejected::Certificate(_) | Rejected::DomainGone => ErrorCode::CertificateRefused,
            Rejected::Evidence(_)
            | Rejected::Revoked(_)
            | Rejected::NoBroker(_)
            | Rejected::Ticket { .. }
            | Rejected::Repeated => ErrorCode::AttestationRefused,
            Rejected::Principal(error) => error.code(),
            Rejected::Endorsement(error) => code_of(error),
            Rejected::Busy => ErrorCode::Busy,
            Rejected::Signing(_) | Rejected::Store(_) | Rejected::Internal => ErrorCode::Unavailable,
        };
        // The log has the whole of it.
        let message = match rejected {
            Rejected::Evidence(error) => error.for_peer(),
            Rejected::Endorsement(_) if code == ErrorCode::AttestationRefused => {
                "the broker has no certificate of this machine's chip; its host should give it with the report, or the \
                 broker's operator puts it into a folder"
                    .to_owned()
            }
            Rejected::Endorsement(_) => {
                "the certificate of this machine's chip can't be had now; try again in a minute, or bring it with the \
                 evidence"
                    .to_owned()
            }
            other => other.to_string(),
        };
        Self::new(code, message)
    }
}

/// What will be no better at the next try is a refusal.
fn code_of(error: &EndorsementError) -> ErrorCode {
    match error {
        EndorsementError::Missing | EndorsementError::Offline => ErrorCode::AttestationRefused,
        EndorsementError::OverBudget | EndorsementError::Busy => ErrorCode::Busy,
        _ => ErrorCode::Unavailable,
    }
}
