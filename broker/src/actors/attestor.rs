//! Attestors do the slow public-key work of admission, on threads of their own.

use std::sync::Arc;

use actix::{Actor, Handler, Message, SyncContext};
use claviger_attest::{
    AttestError, Attested, Expected, IssueError, Measurement, Principal, PrincipalError, check_possession,
    verify,
};
use claviger_proto::error::ErrorCode;
use claviger_proto::key::PublicKey;
use claviger_proto::key_service::{Proof, Refusal};
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

/// Judge this answer to the challenge of an open channel.
#[derive(Message)]
#[rtype(result = "Result<Judged, Rejected>")]
pub struct Judge {
    /// Whose policy counts.
    pub domain: Arc<Domain>,
    /// The answer.
    pub proof: Proof,
    /// What it has to be bound to.
    pub binding: [u8; 64],
    /// The channel's own key, SPKI DER, which evidence has to be about.
    pub spki: Vec<u8>,
    /// Now.
    pub now: UnixTime,
}

/// What an answer proves.
pub enum Judged {
    /// What the machine at the other end runs.
    Machine(Box<Attested>),
    /// Who is behind it.
    Principals(Vec<Principal>),
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
    /// The credentials don't hold.
    #[error(transparent)]
    Principal(#[from] PrincipalError),
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
            Rejected::Principal(error) => error.code(),
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

impl Handler<Judge> for Attestor {
    type Result = Result<Judged, Rejected>;

    fn handle(&mut self, judge: Judge, _: &mut SyncContext<Self>) -> Self::Result {
        panics::contain("attestor", || self::judge(&judge)).unwrap_or(Err(Rejected::Internal))
    }
}

fn judge(judge: &Judge) -> Result<Judged, Rejected> {
    let Judge { domain, proof, binding, spki, now } = judge;
    match proof {
        Proof::Freshness(fresh) => {
            let expected = Expected { binding, spki };
            let attested = verify(&fresh.submitted, &fresh.evidence, &domain.references, &expected, *now)?;
            Ok(Judged::Machine(Box::new(attested)))
        }
        Proof::Principal(credentials) => {
            let known = &domain.access.principals;
            let found = known.prove(&credentials.chain, binding, &credentials.signature, *now)?;
            Ok(Judged::Principals(found))
        }
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
