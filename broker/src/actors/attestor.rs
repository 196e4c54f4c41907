//! Attestors do the slow public-key work of admission, on threads of their own.

use std::sync::Arc;

use actix::{Actor, Handler, Message, SyncContext};
use claviger_attest::{AttestError, Expected, IssueError, Measurement, verify};
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::Refusal;
use claviger_proto::trust::{EvidencePackage, PURPOSE_AUTHENTICATION, TrustRequest};
use rustls::pki_types::UnixTime;

use crate::domain::Domain;
use crate::runtime::panics;

/// Verify this evidence and, if it holds, admit the key it names.
#[derive(Message)]
#[rtype(result = "Result<Admitted, Rejected>")]
pub struct Admit {
    /// Whose policy counts.
    pub domain: Arc<Domain>,
    /// What was asked.
    pub request: TrustRequest,
    /// What was submitted with it.
    pub evidence: EvidencePackage,
    /// What the evidence has to be bound to.
    pub binding: [u8; 64],
    /// The key of the channel, SPKI DER: the only one that may be certified.
    pub spki: Vec<u8>,
    /// Now.
    pub now: UnixTime,
}

/// An agent that was admitted.
pub struct Admitted {
    /// Its admission certificate, DER.
    pub certificate: Vec<u8>,
    /// What it runs.
    pub measurement: Measurement,
}

/// Why one wasn't.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The agent asked for something else than a certificate.
    #[error("only purpose \"authentication\" is served here")]
    Purpose,
    /// The domain's policy key isn't here.
    #[error(
        "the domain's owner keeps its policy key and signs admissions itself; ask the owner for a certificate"
    )]
    NoIssuer,
    /// The policy certificate can't be relied on now.
    #[error(transparent)]
    Certificate(#[from] claviger_attest::CertificateError),
    /// The evidence doesn't hold.
    #[error(transparent)]
    Evidence(#[from] AttestError),
    /// The certificate couldn't be made.
    #[error("the admission certificate could not be made")]
    Signing(#[from] IssueError),
    /// A fault of ours, on this evidence.
    #[error("the broker failed on this evidence; nothing was changed")]
    Internal,
}

impl From<&Rejected> for Refusal {
    fn from(rejected: &Rejected) -> Self {
        let code = match rejected {
            Rejected::Purpose => ErrorCode::UnknownRequest,
            Rejected::NoIssuer => ErrorCode::Refused,
            Rejected::Certificate(_) => ErrorCode::CertificateRefused,
            Rejected::Evidence(_) => ErrorCode::AttestationRefused,
            Rejected::Signing(_) | Rejected::Internal => ErrorCode::Unavailable,
        };
        Self::new(code, rejected.to_string())
    }
}

/// One of the attestors.
pub struct Attestor;

impl Actor for Attestor {
    type Context = SyncContext<Self>;
}

impl Handler<Admit> for Attestor {
    type Result = Result<Admitted, Rejected>;

    fn handle(&mut self, admit: Admit, _: &mut SyncContext<Self>) -> Self::Result {
        // A SyncArbiter never replaces a thread that panicked.
        panics::contain("attestor", || self::admit(&admit)).unwrap_or(Err(Rejected::Internal))
    }
}

fn admit(admit: &Admit) -> Result<Admitted, Rejected> {
    if admit.request.purpose != PURPOSE_AUTHENTICATION {
        return Err(Rejected::Purpose);
    }
    let issuer = admit.domain.issuer.as_ref().ok_or(Rejected::NoIssuer)?;
    admit.domain.policy.check_dates(admit.now)?;
    let expected = Expected { binding: &admit.binding, spki: &admit.spki };
    let submitted = &admit.request.submitted_evidence_type;
    let attested = verify(submitted, &admit.evidence, &admit.domain.references, &expected, admit.now)?;
    let certificate = issuer.admit(&attested, admit.now)?;
    Ok(Admitted { certificate, measurement: *attested.measurement() })
}
