//! A connection of the key service, from its handshake to its last answer.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use claviger_attest::Peer;
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::{
    Asked, Decoded, Echo, Outcome, Refusal, Request, decode_request, encode_response,
};
use rustls::pki_types::UnixTime;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::Shard;
use super::frame_io::{
    Bounds, Large, ReadError, begin_frame, begin_frame_before, finish_frame, linger, write_frame,
};
use super::handshake::{Channel, Service, handshake};
use super::proving::{Answerer, Proving};
use super::turns::REQUEST;
use crate::actors::router::Route;
use crate::request_id::RequestId;

/// Serves one connection until either side ends it.
pub async fn serve(stream: tokio::net::TcpStream, source: SocketAddr, shard: &Shard) {
    let channel = match handshake(stream, source, shard, Service::Keys).await {
        Ok(channel) => channel,
        Err(error) => {
            tracing::info!(%source, %error, "no channel");
            return;
        }
    };
    // The handshake verified this very leaf, so this finds it remembered; were it not, it is verified here.
    let peer = channel.chain();
    let peer = peer.map(|(leaf, between)| channel.domain.agents.peer(leaf, between, UnixTime::now()));
    match peer {
        Some(Ok(peer)) => {
            let origin = source.to_string().into();
            let mut lease = channel.lease.clone();
            tokio::select! {
                biased;
                () = Conversation { channel, peer, source, origin, shard, proving: Proving::default() }.run() => {}
                () = lease.over() => tracing::warn!(%source, "a channel is cut off: the broker is sealed"),
            }
        }
        Some(Err(error)) => tracing::info!(%source, %error, "no peer"),
        None => tracing::error!(%source, "a handshake without a client certificate"),
    }
}

/// How long a broker that drains looks for a request that was sent before it began to: it may be on its way.
const IN_FLIGHT: Duration = Duration::from_millis(100);

/// How long a connection over its domain's rate isn't read at least.
const LEAST_WAIT: Duration = Duration::from_millis(10);

/// Over how many milliseconds connections that are held back come again.
const APART: u16 = 16;

struct Conversation<'s> {
    channel: Channel,
    peer: Arc<Peer>,
    source: SocketAddr,
    /// The source as records have it, written once.
    origin: Arc<str>,
    shard: &'s Shard,
    /// What the peer proved here, and is asked to.
    proving: Proving,
}

impl Conversation<'_> {
    /// Our peers send many requests, stock peers one.
    async fn run(mut self) {
        let limits = Arc::clone(&self.channel.limits);
        let ours = self.channel.is_ours();
        let lease = self.channel.lease.clone();
        let tenant = Arc::clone(&self.channel.domain.tenant);
        let mut waiting = lease.clone();
        // One wait for the whole conversation: to begin another for each request costs more than to decide it.
        let mut drains = pin!(waiting.draining());
        let mut deadline = pin!(tokio::time::sleep(limits.first_frame));
        loop {
            // What was sent before the broker began to drain may only arrive now: one more request is looked for.
            // A broker that is being sealed answers it so.
            let last = lease.is_draining();
            if last {
                deadline.as_mut().reset(Instant::now() + IN_FLIGHT);
            }
            let large = Large { own: Some(tenant.large_bodies()), all: &self.shard.permits.large_bodies };
            let bounds =
                Bounds { limit: limits.key_service_frame, first: limits.idle, rest: limits.body, large };
            // A broker that drains or is being sealed takes no new request, and finishes one that has begun to arrive.
            let begun = tokio::select! {
                biased;
                begun = begin_frame_before(&mut self.channel.stream, deadline.as_mut()) => begun,
                // Done only once, and from then on this is the last request.
                () = &mut drains, if !last => begin_frame(&mut self.channel.stream, IN_FLIGHT).await,
            };
            let frame = match begun {
                Ok(begun) => finish_frame(&mut self.channel.stream, begun, bounds).await,
                Err(error) => Err(error),
            };
            let more = match frame {
                // Before any work: what is over the domain's rate isn't even parsed.
                Ok(frame) => {
                    self.channel.turn.begin(REQUEST).await;
                    match tenant.request(&limits) {
                        Ok(()) => self.answer(&frame.body).await && ours,
                        Err(wait) => self.hold_back(wait).await && ours,
                    }
                }
                Err(ReadError::Frame(error)) => {
                    self.refuse_frame(error.into()).await;
                    false
                }
                Err(ReadError::Closed) => break,
                Err(error) => {
                    tracing::info!(source = %self.source, domain = %self.channel.domain.name, %error, "closed");
                    break;
                }
            };
            if !more || last {
                break;
            }
            deadline.as_mut().reset(Instant::now() + limits.idle);
        }
        // The peer may be gone; the channel ends here either way.
        drop(self.channel.stream.shutdown().await);
    }

    /// Tells a peer whose domain has had its requests for now how long to wait, and reads nothing more from it until
    /// then: who doesn't wait takes no more of the broker than who does. False when the answer couldn't be sent.
    async fn hold_back(&mut self, wait: Duration) -> bool {
        // Not all at the same time: that would be a burst.
        let apart = Duration::from_millis(u64::from(self.source.port() % APART));
        let wait = wait.max(LEAST_WAIT) + apart;
        let milliseconds = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).saturating_add(1);
        let text = format!(
            "this domain has had the requests that it may have for now; try again in {milliseconds} ms, or have the broker's \
             operator give it more (key-admin quota set)"
        );
        metrics::counter!("claviger_over_quota_total", "quota" => "requests").increment(1);
        let refusal = Refusal::new(ErrorCode::Busy, text).after(milliseconds);
        let sent = self.send(Echo::default(), self.shard.ids.next(), Outcome::Refused(refusal)).await;
        tokio::time::sleep(wait).await;
        sent
    }

    /// Answers one request. False when the answer couldn't be sent.
    async fn answer(&mut self, body: &[u8]) -> bool {
        let id = self.shard.ids.next();
        let Decoded { echo, asked } = decode_request(self.channel.dialect(), &self.channel.domain.name, body);
        let outcome = match asked {
            Ok(_) if !self.may_speak() => {
                let why = "stock programs are not allowed in this domain; its owner can allow them";
                Outcome::Refused(Refusal::new(ErrorCode::Refused, why))
            }
            Ok(Asked::Request(request)) => self.route(request, id).await,
            Ok(Asked::Challenge) => {
                self.check_suspended().map_or_else(Outcome::Refused, |()| Proving::challenge())
            }
            Ok(Asked::Proof(proof)) => {
                let suspended = self.check_suspended().err();
                let Self { channel, peer, source, origin, shard, proving } = self;
                let by = Answerer { channel, peer, origin, source: *source, shard };
                match suspended {
                    Some(refusal) => Outcome::Refused(refusal),
                    None => proving.prove(proof, &by, id).await,
                }
            }
            Err(error) => {
                tracing::info!(%id, domain = %self.channel.domain.name, %error, "refused");
                let refusal: Refusal = error.into();
                unreadable(&refusal);
                Outcome::Refused(refusal)
            }
        };
        self.proving.note(&outcome);
        self.send(echo, id, outcome).await
    }

    /// Whether the domain still allows the dialect that the channel was opened in. One that is gone is the router's to
    /// refuse.
    fn may_speak(&self) -> bool {
        let domains = self.shard.view.domains();
        let now = || domains.current(&self.channel.domain);
        self.channel.is_ours() || now().is_none_or(|domain| domain.access.stock.key_service)
    }

    /// Requests the router checks, and records.
    fn check_suspended(&self) -> Result<(), Refusal> {
        let domains = self.shard.view.domains();
        domains.current(&self.channel.domain).map_or(Ok(()), |domain| domain.access.check_suspended())
    }

    async fn route(&self, request: Request, id: RequestId) -> Outcome {
        let route = Route {
            domain: Arc::clone(&self.channel.domain),
            peer: Arc::clone(&self.peer),
            proofs: self.proving.proofs(),
            address: self.source.ip(),
            source: Arc::clone(&self.origin),
            request,
            id,
        };
        // Released only here, after the router's turn, so that all it decided in that turn shares a block.
        match self.shard.router.send(route).await {
            Ok(held) => held.release(&self.shard.segments).await,
            Err(_) => Outcome::Refused(Refusal::new(
                ErrorCode::Unavailable,
                "the broker is stopping; try another, or later",
            )),
        }
    }

    /// A frame that is too large, or empty: it can be answered, but what follows it can't be trusted.
    async fn refuse_frame(&mut self, refusal: Refusal) {
        let id = self.shard.ids.next();
        tracing::info!(%id, domain = %self.channel.domain.name, error = %refusal, "refused");
        unreadable(&refusal);
        if self.send(Echo::default(), id, Outcome::Refused(refusal)).await {
            // The peer learns that it is over as soon as it has its answer.
            drop(self.channel.stream.shutdown().await);
            linger(&mut self.channel.stream).await;
        }
    }

    async fn send(&mut self, echo: Echo, id: RequestId, outcome: Outcome) -> bool {
        let refused = if let Outcome::Refused(refusal) = &outcome { Some(refusal.code) } else { None };
        self.channel.domain.tenant.meter().request(refused);
        let id = self.channel.is_ours().then_some(id.as_str());
        let body = encode_response(&echo, id, &outcome);
        write_frame(&mut self.channel.stream, &body, self.channel.limits.body).await.is_ok()
    }
}

/// Counts what was refused before it was known what it asks for.
fn unreadable(refusal: &Refusal) {
    let outcome = refusal.code.as_str();
    metrics::counter!("claviger_requests_total", "kind" => "unreadable", "outcome" => outcome).increment(1);
}
