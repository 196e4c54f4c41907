//! Challenges on an open channel of the key service: what is outstanding, and what answers have proven. All of it is
//! the connection's own and ends with it.

use std::net::SocketAddr;
use std::sync::Arc;

use claviger_attest::{Moment, Peer, Proofs, Purpose, certificate_spki};
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::{Challenge, Needs, Outcome, Proof, Refusal};
use claviger_proto::trust::NONCE;
use rustls::pki_types::UnixTime;
use tokio::time::Instant;

use super::Shard;
use super::binding::{bind, channels_key, nonce};
use super::evidence::{Asker, examine, place};
use super::handshake::Channel;
use super::permits::Places;
use crate::actors::attestor::{Answer, Claim, Judge, Judged, Rejected};
use crate::actors::audit;
use crate::domain::Domain;
use crate::request_id::RequestId;

/// What of challenges and proofs a connection has.
#[derive(Default)]
pub struct Proving {
    outstanding: Option<Outstanding>,
    proofs: Option<Arc<Proofs>>,
}

/// A challenge that waits for its answer.
struct Outstanding {
    nonce: [u8; NONCE],
    made: Moment,
}

/// Who answers, and where.
pub struct Answerer<'a> {
    /// The channel.
    pub channel: &'a Channel,
    /// Who is on its other end.
    pub peer: &'a Arc<Peer>,
    /// From where, as records have it.
    pub origin: &'a Arc<str>,
    /// The same for the log.
    pub source: SocketAddr,
    /// The shard's tools.
    pub shard: &'a Shard,
}

/// Why an answer proves nothing: what the peer is told, and what the record says.
struct Unproven {
    refusal: Refusal,
    reason: String,
}

impl Proving {
    /// What was proven so far.
    pub fn proofs(&self) -> Option<Arc<Proofs>> {
        self.proofs.clone()
    }

    /// A challenge that was asked for, before any request needed it.
    pub fn challenge() -> Outcome {
        let text = "answer with fresh evidence or a principal's signature";
        Outcome::Refused(challenge(Needs::default(), text))
    }

    /// Notes the challenge of an answer that is about to be sent. There is only one: a new one ends the one before.
    pub fn note(&mut self, outcome: &Outcome) {
        let Outcome::Refused(Refusal { challenge: Some(challenge), .. }) = outcome else { return };
        self.outstanding = Some(Outstanding { nonce: challenge.nonce, made: now() });
    }

    /// Judges an answer, and records what came of it before it can be told.
    pub async fn prove(&mut self, proof: Proof, by: &Answerer<'_>, id: RequestId) -> Outcome {
        let kind = proof.kind();
        // Used up by the first answer, whatever becomes of that.
        let outstanding = self.outstanding.take();
        let judged = self.judge(proof, outstanding, id, by).await;
        let (result, name, reason) = match &judged {
            Ok((_, names)) => ("ok", names.clone(), None),
            Err(unproven) => (unproven.refusal.code.as_str(), None, Some(unproven.reason.clone())),
        };
        metrics::counter!("claviger_proofs_total", "kind" => kind, "result" => result).increment(1);
        let domain = &by.channel.domain;
        tracing::info!(%id, source = %by.source, domain = %domain.name, kind, result, reason, "a proof on a channel");
        let action = if kind == "freshness" { "prove-freshness" } else { "prove-principal" };
        let mut event = audit::event(by.peer, by.origin, id, action, UnixTime::now());
        (event.outcome, event.name, event.reason) = (result.into(), name, reason);
        event.policy_version = Some(domain.serial);
        if let Err(error) = by.shard.segments.append(domain, &event).await {
            tracing::error!(%id, %error, "a proof could not be recorded");
            let text = "the broker can't keep its audit; try again later";
            return Outcome::Refused(Refusal::new(ErrorCode::Unavailable, text));
        }
        match judged {
            Ok((proofs, _)) => {
                self.proofs = Some(Arc::new(proofs));
                Outcome::Proven
            }
            Err(unproven) => Outcome::Refused(unproven.refusal),
        }
    }

    /// What is proven with this answer, and the principals' names among it.
    async fn judge(
        &self,
        proof: Proof,
        outstanding: Option<Outstanding>,
        id: RequestId,
        by: &Answerer<'_>,
    ) -> Result<(Proofs, Option<String>), Unproven> {
        let Outstanding { nonce, made } = outstanding.ok_or_else(|| {
            refused(
                ErrorCode::Refused,
                "no challenge is outstanding on this channel; ask again, and answer that one",
            )
        })?;
        let limit = by.channel.limits.evidence;
        if made.age(now()) > limit {
            let why = "the challenge was answered too late; ask again, and answer sooner";
            return Err(refused(ErrorCode::Deadline, why));
        }
        let judged = attest(proof, &nonce, id, by).await?;
        let mut proofs = self.proofs.as_deref().cloned().unwrap_or_default();
        match judged {
            Judged::Machine(attested) => {
                let proven = proofs.prove_fresh(&attested, by.peer, made);
                proven.map_err(|error| Unproven::from(&Rejected::from(error)))?;
                Ok((proofs, None))
            }
            Judged::Principals(principals) => {
                let names: Vec<_> = principals.iter().map(|principal| principal.name().as_str()).collect();
                let names = names.join(",");
                proofs.prove_principals(principals);
                Ok((proofs, Some(names)))
            }
        }
    }
}

/// A refusal with a new challenge in it.
pub fn challenge(needs: Needs, message: impl Into<String>) -> Refusal {
    match nonce() {
        Some(nonce) => Refusal::challenge(Challenge { nonce, needs }, message),
        None => Refusal::new(ErrorCode::Unavailable, "the broker has no randomness; try another, or later"),
    }
}

/// By both clocks.
pub fn now() -> Moment {
    Moment { steady: std::time::Instant::now(), wall: UnixTime::now() }
}

/// The domain as it is now, in which the peer is a member still.
fn current(by: &Answerer<'_>) -> Result<Arc<Domain>, Rejected> {
    let domains = by.shard.view.domains();
    let domain = domains.current(&by.channel.domain).ok_or(Rejected::DomainGone)?;
    domain.agents.check(by.peer, UnixTime::now())?;
    Ok(Arc::clone(domain))
}

/// Has an attestor judge, for it is public-key work; as at admission, there are only so many places for that.
async fn attest(
    proof: Proof,
    nonce: &[u8; NONCE],
    id: RequestId,
    by: &Answerer<'_>,
) -> Result<Judged, Unproven> {
    let internal = || refused(ErrorCode::Unavailable, "the broker failed on this proof");
    let binding = |purpose, of: Option<&[u8]>| bind(by.channel, nonce, purpose, of).ok_or_else(internal);
    let limit = by.channel.limits.evidence;
    let asker = Asker { id, source: by.source, places: Places::Proofs };
    let (domain, answer, _place) = match proof {
        Proof::Freshness(fresh) => {
            let claim = Claim {
                submitted: fresh.submitted,
                evidence: fresh.evidence,
                binding: binding(Purpose::Freshness, None)?,
                spki: channels_key(by.channel).ok_or_else(internal)?,
            };
            let examined = examine(claim, || current(by), limit, asker, by.shard).await?;
            (examined.domain, Answer::Fresh(Box::new(examined.evidence)), examined.place)
        }
        Proof::Principal(credentials) => {
            let unread = || refused(ErrorCode::Malformed, "the principal's certificate can't be read");
            let leaf = credentials.chain.first().ok_or_else(unread)?;
            let of = certificate_spki(leaf).map_err(|_| unread())?;
            let binding = binding(Purpose::Principal, Some(&of))?;
            let place = place(Places::Proofs, &by.channel.domain, by.shard, Instant::now() + limit).await?;
            (current(by)?, Answer::Principal(credentials, binding), place)
        }
    };
    let judge = Judge { domain, answer, now: UnixTime::now() };
    Ok(by.shard.attestor.send(judge).await.unwrap_or(Err(Rejected::Internal))?)
}

fn refused(code: ErrorCode, why: &str) -> Unproven {
    Unproven { refusal: Refusal::new(code, why), reason: why.to_owned() }
}

impl From<Rejected> for Unproven {
    fn from(rejected: Rejected) -> Self {
        (&rejected).into()
    }
}

impl From<&Rejected> for Unproven {
    fn from(rejected: &Rejected) -> Self {
        Self { refusal: rejected.into(), reason: rejected.to_string() }
    }
}
