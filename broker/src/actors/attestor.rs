//! Attestors do the slow public-key work of admission, on threads of their own.

mod elsewhere;

use std::sync::Arc;

use actix::{Actor, Handler, Message, SyncContext};
use claviger_attest::{
    AttestError, Attested, Expected, IssueError, Measurement, Peer, Principal, PrincipalError,
    check_possession, sha256, verify,
};
use claviger_proto::error::ErrorCode;
use claviger_proto::key::PublicKey;
use claviger_proto::key_service::{Proof, Refusal};
use claviger_proto::trust::EvidencePackage;
use claviger_store::{
    AuditFacts, Command, Done, StoreError, Ticket, TicketChange, TicketFault, TicketId, Tickets,
};
use rustls::pki_types::UnixTime;

use crate::actors::audit::seconds;
use crate::domain::Domain;
use crate::runtime::panics;

pub use elsewhere::{Grant, Granted, Wanted};

/// Verify this evidence and, if it holds, admit the key it names.
#[derive(Message)]
#[rtype(result = "Result<Pending, Rejected>")]
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
        /// Who renews, by the certificate of this channel.
        peer: Arc<Peer>,
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

    /// Who renews, if anybody does.
    fn renews(&self) -> Option<&Peer> {
        match self {
            Self::Channels(_) => None,
            Self::New { peer, .. } => Some(peer),
        }
    }
}

/// An agent whose certificate is made, and stays here until the launch ticket that it is for is spent.
pub struct Pending {
    admitted: Admitted,
    ticket: Option<TicketId>,
}

impl Pending {
    /// Spends the ticket, durably and once, if there is one; then the certificate may leave. After a crash in between
    /// the ticket is spent, and nobody has its certificate.
    pub async fn redeem(self, domain: &Domain, facts: AuditFacts, now: i64) -> Result<Admitted, Rejected> {
        let Some(id) = self.ticket else { return Ok(self.admitted) };
        let spend = TicketChange::Spend { id, certificate: sha256(&self.admitted.certificate), now };
        match change(domain, spend, facts).await? {
            Ok(()) => Ok(self.admitted),
            Err(fault) => Err(Rejected::Ticket { id, fault }),
        }
    }
}

/// Writes down that somebody came with a ticket that is no good.
pub async fn report(
    domain: &Domain,
    id: TicketId,
    fault: TicketFault,
    facts: AuditFacts,
    now: i64,
) -> Result<(), Rejected> {
    change(domain, TicketChange::Report { id, fault, now }, facts).await.map(|_| ())
}

async fn change(
    domain: &Domain,
    change: TicketChange,
    audit: AuditFacts,
) -> Result<Result<(), TicketFault>, Rejected> {
    let command = Command::Tickets(Tickets { keys: Arc::clone(&domain.keys), change, audit });
    match domain.storage.commit(command).await {
        Ok(Done::TicketSpent(outcome)) => Ok(outcome),
        // The writer answers a ticket with what became of it.
        Ok(_) => Err(StoreError::Stopped.into()),
        Err(error) => Err(error.into()),
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
    /// The launch ticket that it brought is no good.
    #[error("{fault}")]
    Ticket {
        /// Which.
        id: TicketId,
        /// Why.
        fault: TicketFault,
    },
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
    /// A fault of ours, on this evidence.
    #[error("the broker failed on this evidence; nothing was changed")]
    Internal,
}

impl From<&Rejected> for Refusal {
    fn from(rejected: &Rejected) -> Self {
        let code = match rejected {
            Rejected::NoIssuer | Rejected::NotHome => ErrorCode::Refused,
            Rejected::Certificate(_) => ErrorCode::CertificateRefused,
            Rejected::Evidence(_) | Rejected::NoBroker(_) | Rejected::Ticket { .. } => {
                ErrorCode::AttestationRefused
            }
            Rejected::Principal(error) => error.code(),
            Rejected::Signing(_) | Rejected::Store(_) | Rejected::Internal => ErrorCode::Unavailable,
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
    type Result = Result<Pending, Rejected>;

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
            let references = &domain.trust.policy.references;
            let attested = verify(&fresh.submitted, &fresh.evidence, references, &expected, *now)?;
            Ok(Judged::Machine(Box::new(attested)))
        }
        Proof::Principal(credentials) => {
            let known = &domain.access.principals;
            let found = known.prove(&credentials.chain, binding, &credentials.signature, *now)?;
            Ok(Judged::Principals(found))
        }
    }
}

fn admit(admit: &Admit) -> Result<Pending, Rejected> {
    let trust = &admit.domain.trust.policy;
    let issuer = admit.domain.issuer.as_ref().ok_or(Rejected::NoIssuer)?;
    admit.domain.policy.check_dates(admit.now)?;
    let expected = Expected { binding: &admit.binding, spki: admit.key.spki() };
    let attested = verify(&admit.submitted, &admit.evidence, &trust.references, &expected, admit.now)?;
    let machine = trust.identify(attested, admit.key.renews())?;
    // Last, for it is a signature that only what is trusted may cost.
    if let ToCertify::New { key, proof, .. } = &admit.key {
        check_possession(key, &admit.binding, proof)?;
    }
    let ticket = machine.spends();
    let machine = match ticket {
        Some(id) => machine.labelled(usable_ticket(&admit.domain, id, seconds(admit.now))?.label),
        None => machine,
    };
    let certificate = issuer.admit(&machine, admit.now)?;
    let admitted = Admitted { certificate, measurement: *machine.attested().measurement() };
    Ok(Pending { admitted, ticket })
}

/// The ticket as it is now. Whether it can still be spent is decided when that is committed.
fn usable_ticket(domain: &Domain, id: TicketId, now: i64) -> Result<Ticket, Rejected> {
    let rejected = |fault| Rejected::Ticket { id, fault };
    let ticket = domain.storage.store.ticket(&domain.keys, &id)?.ok_or(rejected(TicketFault::Unknown))?;
    ticket.check(now).map_err(rejected)?;
    Ok(ticket)
}
