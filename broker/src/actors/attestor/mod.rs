//! Attestors do the slow public-key work of admission, on threads of their own. Evidence comes to them twice: to be
//! screened, which costs no signature, and, when what it lacks was found, to be verified. They never wait for a network.

mod elsewhere;
mod evidence;
mod rejected;
mod stock;

use std::sync::Arc;

use actix::{Actor, Handler, Message, SyncContext};
use claviger_attest::{
    AdmissionIssuer, Attested, Identified, Measurement, Peer, Principal, Renews, check_possession, sha256,
};
use claviger_proto::key::PublicKey;
use claviger_proto::key_service::Credentials;
use claviger_store::{
    AuditFacts, Command, Done, StoreError, Ticket, TicketChange, TicketFault, TicketId, Tickets,
};
use rustls::pki_types::UnixTime;

use crate::actors::audit::seconds;
use crate::domain::{Domain, counted};
use crate::runtime::panics;

pub use elsewhere::{Grant, Granted, Wanted};
pub use evidence::{Claim, Endorsed, Passed, Screen, StockClaim, Verifier};
pub use rejected::Rejected;
pub use stock::{AdmitStock, StockAdmitted, StockArtifact};

/// Verify this evidence and, if it holds, admit the key that it was screened for.
#[derive(Message)]
#[rtype(result = "Result<Pending, Rejected>")]
pub struct Admit {
    /// Whose policy counts.
    pub domain: Arc<Domain>,
    /// What was submitted.
    pub evidence: Endorsed,
    /// What the evidence is bound to.
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
    pub answer: Answer,
    /// Now.
    pub now: UnixTime,
}

/// An answer to a challenge.
pub enum Answer {
    /// Evidence, screened for this challenge.
    Fresh(Box<Endorsed>),
    /// Somebody's credentials, and what their signature has to be bound to.
    Principal(Credentials, [u8; 64]),
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
    pub fn renews(&self) -> Option<&Peer> {
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
    /// The delegated issuer that it came by, DER; `None` where the policy key signed it.
    pub issuer: Option<Vec<u8>>,
    /// What it runs.
    pub measurement: Measurement,
    /// The enrolment that it renews, if it does.
    pub enrolment: Option<[u8; 32]>,
}

/// One of the attestors. All share what they verify with.
pub struct Attestor(pub Verifier);

impl Actor for Attestor {
    type Context = SyncContext<Self>;
}

impl<S: Passed> Handler<Screen<S>> for Attestor {
    type Result = Result<S, Rejected>;

    fn handle(&mut self, screen: Screen<S>, _: &mut SyncContext<Self>) -> Self::Result {
        // A SyncArbiter never replaces a thread that panicked.
        panics::contain("attestor", || screen.run()).unwrap_or(Err(Rejected::Internal))
    }
}

impl Handler<Admit> for Attestor {
    type Result = Result<Pending, Rejected>;

    fn handle(&mut self, admit: Admit, _: &mut SyncContext<Self>) -> Self::Result {
        panics::contain("attestor", || self::admit(&self.0, admit)).unwrap_or(Err(Rejected::Internal))
    }
}

impl Handler<Judge> for Attestor {
    type Result = Result<Judged, Rejected>;

    fn handle(&mut self, judge: Judge, _: &mut SyncContext<Self>) -> Self::Result {
        panics::contain("attestor", || self::judge(&self.0, judge)).unwrap_or(Err(Rejected::Internal))
    }
}

fn judge(verifier: &Verifier, judge: Judge) -> Result<Judged, Rejected> {
    match judge.answer {
        Answer::Fresh(evidence) => Ok(Judged::Machine(Box::new(verifier.verify(*evidence, judge.now)?))),
        Answer::Principal(Credentials { chain, signature }, binding) => {
            let known = &judge.domain.principals;
            Ok(Judged::Principals(known.prove(&chain, &binding, &signature, judge.now)?))
        }
    }
}

/// The same for stock programs, which take only what the policy key itself signs.
pub fn stock_issuer(domain: &Domain, now: UnixTime) -> Result<&AdmissionIssuer, Rejected> {
    let issuer = issuer(domain, now)?;
    if issuer.delegate().is_some() { Err(Rejected::StockDelegate) } else { Ok(issuer) }
}

/// Who signs admissions here, if anybody does now: to be asked before any work.
pub fn issuer(domain: &Domain, now: UnixTime) -> Result<&AdmissionIssuer, Rejected> {
    if domain.access.suspended.is_some() {
        return Err(Rejected::Suspended);
    }
    let nobody = || if domain.home.is_some() { Rejected::HomeAdmits } else { Rejected::NoIssuer };
    let issuer = domain.issuer.as_ref().ok_or_else(nobody)?;
    domain.policy.check_dates(now)?;
    issuer.check_dates(now)?;
    if let Some(delegate) = issuer.delegate() {
        counted(domain.access.revocations.check_issuer(delegate, now))
            .map_err(|_| Rejected::IssuerRevoked)?;
    }
    Ok(issuer)
}

fn admit(verifier: &Verifier, admit: Admit) -> Result<Pending, Rejected> {
    let issuer = issuer(&admit.domain, admit.now)?;
    let attested = verifier.verify(admit.evidence, admit.now)?;
    let renews = admit.key.renews().map(|peer| renews(&admit.domain, peer)).transpose()?;
    let machine = identify(&admit.domain, attested, renews, admit.now)?;
    // Last, for it is a signature that only what is trusted may cost.
    if let ToCertify::New { key, proof, .. } = &admit.key {
        check_possession(key, &admit.binding, proof)?;
    }
    let (machine, ticket) = with_ticket(&admit.domain, machine, admit.now)?;
    let certificate = issuer.admit(&machine, admit.now)?;
    let (measurement, enrolment) = (*machine.attested().measurement(), machine.enrolment().copied());
    let by = issuer.delegate().map(|issuer| issuer.der().to_vec());
    let admitted = Admitted { certificate, issuer: by, measurement, enrolment };
    Ok(Pending { admitted, ticket })
}

/// Which machine it is, if what it is and runs is not revoked.
fn identify(
    domain: &Domain,
    attested: Attested,
    renews: Option<Renews<'_>>,
    now: UnixTime,
) -> Result<Identified, Rejected> {
    let machine = domain.trust.policy.identify(attested, renews)?;
    counted(domain.access.revocations.check_machine(&machine, now)).map_err(Rejected::Revoked)?;
    Ok(machine)
}

/// The machine with what its launch ticket says of it, if it is one that can be spent.
fn with_ticket(
    domain: &Domain,
    machine: Identified,
    now: UnixTime,
) -> Result<(Identified, Option<TicketId>), Rejected> {
    let Some(id) = machine.spends() else { return Ok((machine, None)) };
    let ticket = usable_ticket(domain, id, seconds(now))?;
    let machine = machine.labelled(ticket.label);
    // By the ticket's label it may be revoked as well.
    counted(domain.access.revocations.check_machine(&machine, now)).map_err(Rejected::Revoked)?;
    Ok((machine, Some(id)))
}

/// Who renews, and whether a ticket of this domain made it the instance that it is.
fn renews<'a>(domain: &Domain, peer: &'a Peer) -> Result<Renews<'a>, Rejected> {
    let id: Option<TicketId> = peer.instance().and_then(|id| id.try_into().ok());
    let ticket = id.map(|id| domain.storage.store.ticket(&domain.keys, &id)).transpose()?.flatten();
    Ok(Renews { peer, by_ticket: ticket.is_some() })
}

/// The ticket as it is now. Whether it can still be spent is decided when that is committed.
fn usable_ticket(domain: &Domain, id: TicketId, now: i64) -> Result<Ticket, Rejected> {
    let rejected = |fault| Rejected::Ticket { id, fault };
    let ticket = domain.storage.store.ticket(&domain.keys, &id)?.ok_or(rejected(TicketFault::Unknown))?;
    ticket.check(now).map_err(rejected)?;
    Ok(ticket)
}
