//! A connection at admission: challenge, evidence, certificate; the first or the next.

mod judge;
mod stock;
mod wants;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use claviger_attest::Purpose;
use claviger_proto::error::ErrorCode;
use claviger_proto::key::PublicKey;
use claviger_proto::key_service::Refusal;
use claviger_proto::trust::{KeyToCertify, TrustRequest, TrustResponse};
use claviger_proto::{DomainName, ParseError};
use rustls::pki_types::UnixTime;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::Shard;
use super::binding::{bind, channels_key, nonce};
use super::frame_io::{Bounds, Large, ReadError, linger, read_frame, write_frame};
use super::handshake::{Channel, Service, handshake};
use super::tenant::Tenant;
use crate::actors::attestor::{Admitted, Claim, Granted, Rejected, ToCertify};
use crate::actors::audit::{admission_event, grant_event};
use crate::config::Limits;
use crate::request_id::RequestId;
use judge::By;
use wants::{Wants, wanted};

/// Serves one connection: one admission.
pub async fn serve(
    mut stream: TcpStream,
    source: SocketAddr,
    stock_domain: Option<&DomainName>,
    shard: &Shard,
) {
    let limits = shard.live.limits();
    match timeout_at(Instant::now() + limits.hello, is_tls(&stream)).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => return stock::serve(&mut stream, source, stock_domain, shard, &limits).await,
        Ok(Err(_)) | Err(_) => return,
    }
    match handshake(stream, source, shard, Service::Admission).await {
        Ok(channel) => {
            let mut lease = channel.lease.clone();
            tokio::select! {
                () = admit(channel, source, shard) => {}
                () = lease.over() => tracing::warn!(%source, "an admission is cut off: the broker is sealed"),
            }
        }
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
    channel.domain.tenant.meter().admission(result.is_ok());
    tracing::info!(%id, %source, domain = %channel.domain.name, result = label, "admission");
    let mut event = match (wants, &result) {
        (_, Ok(Given::Broker(granted))) => grant_event(wants.action(), id, source, Some(granted), label),
        (Wants::Broker(_), _) => grant_event(wants.action(), id, source, None, label),
        (_, Ok(Given::Agent(admitted))) => admission_event(wants.action(), id, source, Some(admitted), label),
        _ => admission_event(wants.action(), id, source, None, label),
    };
    event.policy_version = Some(channel.domain.serial);
    if let Err(Ended::Judged(_, why)) = &result {
        event.reason = Some(why.clone());
    }
    // Recorded before the answer leaves; what can't be recorded isn't given.
    let body = match shard.segments.append(&channel.domain, &event).await {
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
            let certificate = admitted.certificate.clone();
            let answer = match admitted.issuer.clone() {
                None => TrustResponse::Admitted(certificate),
                Some(issuer) => TrustResponse::AdmittedBy { certificate, issuer },
            };
            answer.encode_body(Some(id)).into()
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
    let tenant = Arc::clone(&channel.domain.tenant);
    let read = tokio::select! {
        biased;
        () = lease.ending() => return Err(Ended::Refused(sealed())),
        read = read_frame(&mut channel.stream, bounds(shard, Some(&tenant), &limits, limits.evidence)) => read,
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
                by.of_broker(&nonce, wants, (submitted, evidence)).ok_or(Ended::Gone("no binding"))?;
            let granted = by.give(claim, wanted).await.map_err(|rejected| by.ended(&rejected))?;
            return Ok(Given::Broker(Box::new(granted)));
        }
    };
    let binding = bind(channel, &nonce, purpose, Some(key.spki())).ok_or(Ended::Gone("no binding"))?;
    let claim = Claim { submitted, evidence, binding, spki: key.spki().to_vec() };
    by.decide(claim, key).await.map(Given::Agent).map_err(|rejected| by.ended(&rejected))
}

/// The new key of a peer that is an agent of this domain now, by the certificate of this very channel. At
/// admission the handshake asks for no more of it than a key, so this is where it is verified.
fn renewed_key(
    channel: &Channel,
    new: Option<KeyToCertify>,
    now: UnixTime,
    id: RequestId,
) -> Result<ToCertify, Ended> {
    let (leaf, between) = channel.chain().ok_or(Ended::Gone("no leaf"))?;
    let peer = channel.domain.agents.peer(leaf, between, now).map_err(|error| {
        tracing::info!(%id, domain = %channel.domain.name, %error, "a renewal is refused");
        Ended::Judged(Refusal::new(error.code(), error.to_string()), error.to_string())
    })?;
    let new = new.ok_or(ParseError::Missing("new_key"))?;
    let key = PublicKey::from_spki_der(&new.spki)?;
    tracing::info!(%id, domain = %channel.domain.name, peer = hex::encode(peer.fingerprint()), "asks for renewal");
    Ok(ToCertify::New { peer, key, proof: new.proof })
}

fn sealed() -> Refusal {
    Refusal::new(ErrorCode::Sealed, "the broker is sealed; try again when its operator has unsealed it")
}

fn bounds<'s>(shard: &'s Shard, tenant: Option<&'s Tenant>, limits: &Limits, first: Duration) -> Bounds<'s> {
    let large = Large { own: tenant.map(Tenant::large_bodies), all: &shard.permits.large_bodies };
    Bounds { limit: limits.admission_frame, first, rest: limits.body, large }
}
