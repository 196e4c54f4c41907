//! Challenges on an open channel of the key service: what is outstanding, and what answers have proven. All of it is
//! the connection's own and ends with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use claviger_attest::{Moment, Peer, Proofs, Purpose, certificate_spki};
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::{Challenge, Needs, Outcome, Proof, Refusal};
use claviger_proto::trust::NONCE;
use rustls::pki_types::UnixTime;
use tokio::time::timeout;

use super::Shard;
use super::binding::{bind, channels_key, nonce};
use super::handshake::Channel;
use crate::actors::attestor::{Judge, Judged, Rejected};
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
        let judged = self.judge(proof, outstanding, by).await;
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
        if let Err(error) = by.shard.segments.append(domain, &event) {
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
        let domain = current(by)?;
        let judge = judgement(proof, &nonce, domain, by.channel)?;
        let judged = attest(judge, limit, by.shard).await?;
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
fn current(by: &Answerer<'_>) -> Result<Arc<Domain>, Unproven> {
    let domains = by.shard.view.domains();
    let Some(domain) = domains.current(&by.channel.domain) else {
        return Err(refused(ErrorCode::CertificateRefused, "this domain is no longer served here"));
    };
    let now = UnixTime::now();
    let dates = domain.policy.check_dates(now).and_then(|()| by.peer.check_dates(now));
    dates.map_err(|error| refused(ErrorCode::CertificateRefused, &error.to_string()))?;
    Ok(Arc::clone(domain))
}

fn judgement(
    proof: Proof,
    nonce: &[u8; NONCE],
    domain: Arc<Domain>,
    channel: &Channel,
) -> Result<Judge, Unproven> {
    let unread = || refused(ErrorCode::Malformed, "the principal's certificate can't be read");
    let (purpose, of) = match &proof {
        Proof::Freshness(_) => (Purpose::Freshness, None),
        Proof::Principal(credentials) => {
            let leaf = credentials.chain.first().ok_or_else(unread)?;
            (Purpose::Principal, Some(certificate_spki(leaf).map_err(|_| unread())?))
        }
    };
    let internal = || refused(ErrorCode::Unavailable, "the broker failed on this proof");
    let binding = bind(channel, nonce, purpose, of.as_deref()).ok_or_else(internal)?;
    let spki = channels_key(channel).ok_or_else(internal)?;
    Ok(Judge { domain, proof, binding, spki, now: UnixTime::now() })
}

/// Has an attestor judge, for it is public-key work; as at admission, there are only so many places for that.
async fn attest(judge: Judge, limit: Duration, shard: &Shard) -> Result<Judged, Unproven> {
    let Ok(Ok(_place)) = timeout(limit, shard.permits.admissions.acquire()).await else {
        return Err(refused(ErrorCode::Busy, "too much evidence is under way; try again in a second"));
    };
    let judged = shard.attestor.send(judge).await.unwrap_or(Err(Rejected::Internal));
    judged.map_err(|rejected| (&rejected).into())
}

fn refused(code: ErrorCode, why: &str) -> Unproven {
    Unproven { refusal: Refusal::new(code, why), reason: why.to_owned() }
}

impl From<&Rejected> for Unproven {
    fn from(rejected: &Rejected) -> Self {
        Self { refusal: rejected.into(), reason: rejected.to_string() }
    }
}
