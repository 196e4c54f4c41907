//! A connection at admission: challenge, evidence, certificate; the first or the next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use claviger_attest::{AttestError, Purpose, ScreenedBroker};
use claviger_proto::error::ErrorCode;
use claviger_proto::key::PublicKey;
use claviger_proto::key_service::Refusal;
use claviger_proto::trust::{
    EvidencePackage, KeyToCertify, NONCE, PURPOSE_AUTHENTICATION, PURPOSE_BROKER_ENROLLMENT,
    PURPOSE_BROKER_STATE, PURPOSE_RENEWAL, TrustRequest, TrustResponse,
};
use claviger_proto::{DomainName, ParseError};
use claviger_store::AuditFacts;
use rustls::pki_types::UnixTime;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::Shard;
use super::binding::{bind, bind_broker, channels_key, nonce};
use super::evidence::{Asker, Examined, examine};
use super::frame_io::{Bounds, ReadError, linger, read_frame, write_frame};
use super::handshake::{Channel, handshake};
use crate::actors::attestor::{
    Admit, Admitted, Claim, Grant, Granted, Pending, Rejected, ToCertify, Wanted, issuer, report,
};
use crate::actors::audit::{admission_event, grant_event, seconds, ticket_event};
use crate::config::Limits;
use crate::domain::Domain;
use crate::request_id::RequestId;

/// Serves one connection: one admission.
pub async fn serve(mut stream: TcpStream, source: SocketAddr, stock: Option<&DomainName>, shard: &Shard) {
    let limits = shard.live.limits();
    match timeout_at(Instant::now() + limits.hello, is_tls(&stream)).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => return refuse_stock(&mut stream, source, stock, shard, &limits).await,
        Ok(Err(_)) | Err(_) => return,
    }
    match handshake(stream, source, shard, |domain| Arc::clone(&domain.admission_tls)).await {
        Ok(channel) if channel.is_ours() => {
            let mut lease = channel.lease.clone();
            tokio::select! {
                () = admit(channel, source, shard) => {}
                () = lease.over() => tracing::warn!(%source, "an admission is cut off: the broker is sealed"),
            }
        }
        Ok(_) => tracing::info!(%source, "no admission over TLS without ALPN"),
        Err(error) => tracing::info!(%source, %error, "no channel"),
    }
}

/// First byte 0x16 and a non-zero fourth byte is TLS; a stock frame is at most 16 MiB, so its fourth is 0.
async fn is_tls(stream: &TcpStream) -> std::io::Result<bool> {
    let mut head = [0; 4];
    loop {
        match stream.peek(&mut head).await? {
            4 => return Ok(head[0] == 0x16 && head[3] != 0),
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            // A peek doesn't wait for more than there is.
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Stock evidence carries no challenge and names no domain, so it is off until a domain allows it, and no
/// domain can yet. The peer is told so in its own words.
async fn refuse_stock(
    stream: &mut TcpStream,
    source: SocketAddr,
    stock: Option<&DomainName>,
    shard: &Shard,
    limits: &Limits,
) {
    let read = read_frame(stream, bounds(shard, limits, limits.first_frame)).await;
    tracing::info!(%source, domain = stock.map(DomainName::as_str), "stock evidence is refused: no domain allows it");
    metrics::counter!("claviger_admissions_total", "result" => "stock-not-allowed").increment(1);
    if read.is_err_and(|error| !matches!(error, ReadError::Frame(_))) {
        return;
    }
    let refusal = Refusal::new(ErrorCode::Refused, "stock evidence is not allowed here");
    let body = TrustResponse::Refused(refusal).encode_body(None);
    if write_frame(stream, &body, limits.body).await.is_ok() {
        drop(stream.shutdown().await);
        linger(stream).await;
    }
}

async fn admit(mut channel: Channel, source: SocketAddr, shard: &Shard) {
    let id = shard.ids.next();
    let mut wants = Wants::Enroll;
    let result = converse(&mut channel, source, shard, id, &mut wants).await;
    let label = match &result {
        Ok(_) => wants.done(),
        Err(Ended::Refused(refusal) | Ended::Judged(refusal, _)) => refusal.code.as_str(),
        Err(Ended::Gone(reason)) => {
            tracing::info!(%id, %source, domain = %channel.domain.name, reason, "an admission ended early");
            return;
        }
    };
    metrics::counter!("claviger_admissions_total", "result" => label).increment(1);
    tracing::info!(%id, %source, domain = %channel.domain.name, result = label, "admission");
    let mut event = match (wants, &result) {
        (_, Ok(Given::Broker(granted))) => grant_event(wants.action(), id, source, Some(granted), label),
        (Wants::Broker(_), _) => grant_event(wants.action(), id, source, None, label),
        (_, Ok(Given::Agent(admitted))) => admission_event(wants.action(), id, source, Some(admitted), label),
        _ => admission_event(wants.action(), id, source, None, label),
    };
    if let Err(Ended::Judged(_, why)) = &result {
        event.reason = Some(why.clone());
    }
    // Recorded before the answer leaves; what can't be recorded isn't given.
    let body = match shard.segments.append(&channel.domain, &event) {
        Ok(()) => answer(&result, &id.to_string()),
        Err(error) => {
            tracing::error!(%id, %error, "an admission could not be recorded");
            let text = "the broker can't keep its audit; try later";
            refusal(Refusal::new(ErrorCode::Unavailable, text), &id.to_string())
        }
    };
    if write_frame(&mut channel.stream, &body, channel.limits.body).await.is_ok() {
        drop(channel.stream.shutdown().await);
        if result.is_err() {
            // What is refused may still be on its way, as a request that is too large is.
            linger(&mut channel.stream).await;
        }
    }
}

fn answer(result: &Result<Given, Ended>, id: &str) -> Zeroizing<Vec<u8>> {
    match result {
        Ok(Given::Agent(admitted)) => {
            TrustResponse::Admitted(admitted.certificate.clone()).encode_body(Some(id)).into()
        }
        Ok(Given::Broker(granted)) => TrustResponse::encode_state(&granted.state, id),
        Err(Ended::Refused(refused) | Ended::Judged(refused, _)) => refusal(refused.clone(), id),
        // Nobody is there to read it.
        Err(Ended::Gone(_)) => Zeroizing::default(),
    }
}

fn refusal(refusal: Refusal, id: &str) -> Zeroizing<Vec<u8>> {
    TrustResponse::Refused(refusal).encode_body(Some(id)).into()
}

/// What an admission ends with.
enum Given {
    /// An agent's certificate.
    Agent(Admitted),
    /// A broker elsewhere has the domain.
    Broker(Box<Granted>),
}

/// How it ends otherwise.
enum Ended {
    /// The peer gets an answer.
    Refused(Refusal),
    /// As well; and the audit says more than the peer may know.
    Judged(Refusal, String),
    /// There is nobody to answer.
    Gone(&'static str),
}

impl From<ParseError> for Ended {
    fn from(error: ParseError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<&Rejected> for Ended {
    fn from(rejected: &Rejected) -> Self {
        Self::Refused(rejected.into())
    }
}

/// What a peer comes for.
#[derive(Clone, Copy)]
enum Wants {
    /// Its first admission certificate.
    Enroll,
    /// Its next.
    Renew,
    /// A domain, being a broker elsewhere; with a certificate or not.
    Broker(BrokerWants),
}

/// What a broker elsewhere comes for.
#[derive(Clone, Copy)]
enum BrokerWants {
    Certificate,
    State,
}

impl Wants {
    /// What records call it.
    fn action(self) -> &'static str {
        match self {
            Self::Enroll => "enroll",
            Self::Renew => "renew",
            Self::Broker(BrokerWants::Certificate) => "broker-enroll",
            Self::Broker(BrokerWants::State) => "broker-state",
        }
    }

    /// What metrics and the log call its success.
    fn done(self) -> &'static str {
        match self {
            Self::Enroll => "admitted",
            Self::Renew => "renewed",
            Self::Broker(BrokerWants::Certificate) => "broker-admitted",
            Self::Broker(BrokerWants::State) => "broker-state",
        }
    }
}

/// `wants` is set as soon as it is known.
async fn converse(
    channel: &mut Channel,
    source: SocketAddr,
    shard: &Shard,
    id: RequestId,
    wants: &mut Wants,
) -> Result<Given, Ended> {
    let limits = Arc::clone(&channel.limits);
    let nonce = nonce().ok_or(Ended::Gone("no randomness"))?;
    let challenge = TrustResponse::Challenge(nonce).encode_body(Some(&id.to_string()));
    write_frame(&mut channel.stream, &challenge, limits.body)
        .await
        .map_err(|_| Ended::Gone("challenge unsent"))?;
    let mut lease = channel.lease.clone();
    let read = tokio::select! {
        biased;
        () = lease.ending() => return Err(Ended::Refused(sealed())),
        read = read_frame(&mut channel.stream, bounds(shard, &limits, limits.evidence)) => read,
    };
    let frame = match read {
        Ok(frame) => frame,
        Err(ReadError::Frame(error)) => return Err(error.into()),
        Err(ReadError::Deadline(_)) => return Err(Ended::Gone("no evidence in time")),
        Err(_) => return Err(Ended::Gone("closed")),
    };
    let (request, evidence) = TrustRequest::decode_body(&frame.body)?;
    *wants = wanted(&request)?;
    let now = UnixTime::now();
    let submitted = request.submitted_evidence_type;
    let by = By { channel, source, shard, id };
    let (key, purpose) = match *wants {
        Wants::Enroll => {
            (ToCertify::Channels(channels_key(channel).ok_or(Ended::Gone("no key"))?), Purpose::Enroll)
        }
        Wants::Renew => (renewed_key(channel, request.new_key, now, id)?, Purpose::Renew),
        Wants::Broker(wants) => {
            let (claim, wanted) =
                by.broker_s(&nonce, wants, (submitted, evidence)).ok_or(Ended::Gone("no binding"))?;
            let granted = by.give(claim, wanted).await.map_err(|rejected| by.ended(&rejected))?;
            return Ok(Given::Broker(Box::new(granted)));
        }
    };
    let binding = bind(channel, &nonce, purpose, Some(key.spki())).ok_or(Ended::Gone("no binding"))?;
    let claim = Claim { submitted, evidence, binding, spki: key.spki().to_vec() };
    by.decide(claim, key).await.map(Given::Agent).map_err(|rejected| by.ended(&rejected))
}

/// Who asks to be admitted, and where.
struct By<'a> {
    channel: &'a Channel,
    source: SocketAddr,
    shard: &'a Shard,
    id: RequestId,
}

impl By<'_> {
    async fn decide(&self, claim: Claim, key: ToCertify) -> Result<Admitted, Rejected> {
        let (binding, limit) = (claim.binding, self.channel.limits.evidence);
        let asker = Asker { id: self.id, source: self.source };
        let current = || {
            let domain = self.current()?;
            // Somebody has to sign admissions in it.
            issuer(&domain, UnixTime::now())?;
            Ok(domain)
        };
        let Examined { domain, evidence, place } = examine(claim, current, limit, asker, self.shard).await?;
        let now = UnixTime::now();
        let admit = Admit { domain: Arc::clone(&domain), evidence, binding, key, now };
        let answer = self.shard.attestor.send(admit).await.unwrap_or(Err(Rejected::Internal));
        let admitted = redeem(answer, &domain, ticket_event(self.id, self.source), now).await;
        drop(place);
        admitted
    }

    /// What a broker elsewhere asks for, with evidence that has to be bound to this channel as a broker's. `None`
    /// where the channel can't be bound to.
    fn broker_s(
        &self,
        nonce: &[u8; NONCE],
        wants: BrokerWants,
        (submitted, evidence): (String, EvidencePackage),
    ) -> Option<(Claim, Wanted)> {
        let spki = channels_key(self.channel)?;
        let (purpose, wants) = match wants {
            BrokerWants::Certificate => (Purpose::Enroll, Wanted::Certificate),
            BrokerWants::State => (Purpose::Freshness, Wanted::State(self.channel.leaf()?.to_vec())),
        };
        let binding = bind_broker(self.channel, nonce, purpose, &spki)?;
        Some((Claim { submitted, evidence, binding, spki }, wants))
    }

    /// Gives a broker elsewhere the domain.
    async fn give(&self, claim: Claim, wants: Wanted) -> Result<Granted, Rejected> {
        let (limit, asker) = (self.channel.limits.evidence, Asker { id: self.id, source: self.source });
        let current = || {
            let domain = self.current()?;
            domain.policy.check_dates(UnixTime::now())?;
            Ok(domain)
        };
        let examined = examine::<ScreenedBroker>(claim, current, limit, asker, self.shard).await;
        let examined = examined.map_err(|rejected| match rejected {
            Rejected::Evidence(AttestError::UnknownMeasurement(measurement)) => {
                Rejected::NoBroker(measurement)
            }
            other => other,
        });
        let Examined { domain, evidence, place: _place } = examined?;
        let grant = Grant { domain, evidence, wants, now: UnixTime::now() };
        let granted = self.shard.attestor.send(grant).await.unwrap_or(Err(Rejected::Internal))?;
        let with_key = granted.state.policy_key.is_some();
        tracing::info!(id = %self.id, domain = %self.channel.domain.name, measurement = %granted.measurement, with_key,
            "a broker elsewhere has the domain");
        Ok(granted)
    }

    /// The domain as it is now: what it trusts may have changed while the evidence was on its way.
    fn current(&self) -> Result<Arc<Domain>, Rejected> {
        let domains = self.shard.view.domains();
        domains.current(&self.channel.domain).cloned().ok_or(Rejected::DomainGone)
    }

    fn ended(&self, rejected: &Rejected) -> Ended {
        let next = rejected.next();
        tracing::info!(id = %self.id, domain = %self.channel.domain.name, %rejected, next, "evidence is refused");
        match rejected {
            Rejected::DomainGone => Ended::Gone("the domain is gone"),
            other => Ended::Judged(other.into(), other.to_string()),
        }
    }
}

/// Has the launch ticket spent that an admission is for, if it is for one; what is no good is reported.
async fn redeem(
    answer: Result<Pending, Rejected>,
    domain: &Domain,
    facts: AuditFacts,
    now: UnixTime,
) -> Result<Admitted, Rejected> {
    let now = seconds(now);
    let result = match answer {
        Ok(pending) => pending.redeem(domain, facts, now).await,
        Err(Rejected::Ticket { id, fault }) => {
            report(domain, id, fault, facts, now).await?;
            Err(Rejected::Ticket { id, fault })
        }
        Err(other) => Err(other),
    };
    if let Err(Rejected::Ticket { id, fault }) = &result {
        let (ticket, fault) = (hex::encode(id), fault.as_str());
        tracing::warn!(domain = %domain.name, ticket, fault, "a launch ticket is refused");
        metrics::counter!("claviger_tickets_refused_total", "fault" => fault).increment(1);
    }
    result
}

fn wanted(request: &TrustRequest) -> Result<Wants, Ended> {
    match (request.purpose.as_str(), &request.new_key) {
        (PURPOSE_AUTHENTICATION, None) => Ok(Wants::Enroll),
        (PURPOSE_RENEWAL, Some(_)) => Ok(Wants::Renew),
        (PURPOSE_BROKER_ENROLLMENT, None) => Ok(Wants::Broker(BrokerWants::Certificate)),
        (PURPOSE_BROKER_STATE, None) => Ok(Wants::Broker(BrokerWants::State)),
        (PURPOSE_AUTHENTICATION | PURPOSE_BROKER_ENROLLMENT | PURPOSE_BROKER_STATE, Some(_)) => {
            let why = "who enrols is certified for its channel's key, and names no other";
            Err(Ended::Refused(Refusal::new(ErrorCode::Malformed, why)))
        }
        (PURPOSE_RENEWAL, None) => Err(ParseError::Missing("new_key").into()),
        _ => {
            let why =
                "only the purposes \"authentication\" and \"renewal\" are served here, and those of brokers";
            Err(Ended::Refused(Refusal::new(ErrorCode::UnknownRequest, why)))
        }
    }
}

/// The new key of a peer that is an agent of this domain now, by the certificate of this very channel. At
/// admission the handshake asks for no more of it than a key, so this is where it is verified.
fn renewed_key(
    channel: &Channel,
    new: Option<KeyToCertify>,
    now: UnixTime,
    id: RequestId,
) -> Result<ToCertify, Ended> {
    let leaf = channel.leaf().ok_or(Ended::Gone("no leaf"))?;
    let peer = channel.domain.agents.peer(leaf, now).map_err(|error| {
        tracing::info!(%id, domain = %channel.domain.name, %error, "a renewal is refused");
        Ended::Refused(Refusal::new(ErrorCode::CertificateRefused, error.to_string()))
    })?;
    let new = new.ok_or(ParseError::Missing("new_key"))?;
    let key = PublicKey::from_spki_der(&new.spki)?;
    tracing::info!(%id, domain = %channel.domain.name, peer = hex::encode(peer.fingerprint()), "asks for renewal");
    Ok(ToCertify::New { peer, key, proof: new.proof })
}

fn sealed() -> Refusal {
    Refusal::new(ErrorCode::Sealed, "the broker is sealed; try again when its operator has unsealed it")
}

fn bounds<'s>(shard: &'s Shard, limits: &Limits, first: Duration) -> Bounds<'s> {
    Bounds { limit: limits.admission_frame, first, rest: limits.body, large: &shard.permits.large_bodies }
}
