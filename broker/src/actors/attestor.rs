//! Attestors do the slow public-key work of admission, on threads of their own.

use std::sync::Arc;

use actix::{Actor, Handler, Message, SyncContext};
use claviger_attest::{AttestError, Expected, IssueError, Measurement, check_possession, verify};
use claviger_proto::error::ErrorCode;
use claviger_proto::key::PublicKey;
use claviger_proto::key_service::Refusal;
use claviger_proto::trust::EvidencePackage;
use rustls::pki_types::UnixTime;

use crate::domain::Domain;
use crate::runtime::panics;

/// Verify this evidence and, if it holds, admit the key it names.
#[derive(Message)]
#[rtype(result = "Result<Admitted, Rejected>")]
pub struct Admit {
    /// Whose policy counts.
    pub domain: Arc<Domain>,
    /// The type that the evidence is submitted as.
    pub submitted: String,
    /// What was submitted.
    pub evidence: EvidencePackage,
    /// What the evidence has to be bound to.
    pub binding: [u8; 64],
    /// The only key that may be certified.
    pub key: ToCertify,
    /// Now.
    pub now: UnixTime,
}

/// A key to certify, and what says that the peer has it.
pub enum ToCertify {
    /// The channel's own, SPKI DER: the handshake proved it.
    Channels(Vec<u8>),
    /// Another, which has to prove itself by a signature over the binding.
    New {
        /// The key.
        key: PublicKey,
        /// Its signature.
        proof: Vec<u8>,
    },
}

impl ToCertify {
    /// Its `SubjectPublicKeyInfo`, DER.
    pub fn spki(&self) -> &[u8] {
        match self {
            Self::Channels(spki) => spki,
            Self::New { key, .. } => key.spki_der(),
        }
    }
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
            Rejected::NoIssuer => ErrorCode::Refused,
            Rejected::Certificate(_) => ErrorCode::CertificateRefused,
            Rejected::Evidence(_) => ErrorCode::AttestationRefused,
            Rejected::Signing(_) | Rejected::Internal => ErrorCode::Unavailable,
        };
        // The log has the whole of it.
        let message = match rejected {
            Rejected::Evidence(error) => error.for_peer(),
            other => other.to_string(),
        };
        Self::new(code, message)
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
    let issuer = admit.domain.issuer.as_ref().ok_or(Rejected::NoIssuer)?;
    admit.domain.policy.check_dates(admit.now)?;
    let expected = Expected { binding: &admit.binding, spki: admit.key.spki() };
    let attested = verify(&admit.submitted, &admit.evidence, &admit.domain.references, &expected, admit.now)?;
    // Last, for it is a signature that only what is trusted may cost.
    if let ToCertify::New { key, proof } = &admit.key {
        check_possession(key, &admit.binding, proof)?;
    }
    let certificate = issuer.admit(&attested, admit.now)?;
    Ok(Admitted { certificate, measurement: *attested.measurement() })
}
