//! From a socket to a verified channel.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use claviger_proto::key_service::Dialect;
use rustls::pki_types::CertificateDer;
use rustls::server::{Acceptor, ClientHello};
use rustls::{AlertDescription, ServerConfig, ServerConnection};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};

use super::Shard;
use super::permits::Place;
use super::rate::TooFast;
use super::tenant::{SharedPlace, Tenant};
use super::turns::{HANDSHAKE, Turn};
use crate::config::Limits;
use crate::domain::{Domain, Hello, Refused, choose};
use crate::era::Lease;

/// A channel whose handshake is done, under the configuration of one domain.
pub struct Channel {
    /// The TLS stream.
    pub stream: TlsStream<TcpStream>,
    /// The domain that the hello chose; everything on the channel happens in it.
    pub domain: Arc<Domain>,
    /// Ends when the broker is sealed, or drains.
    pub lease: Lease,
    /// The limits that were in force when it began; it keeps them.
    pub limits: Arc<Limits>,
    /// Its place among the domain's connections.
    pub place: Place,
    /// The domain's turn on this shard.
    pub turn: Rc<Turn>,
}

/// Which of a domain's two services a channel is for.
#[derive(Clone, Copy)]
pub enum Service {
    /// Secrets, for members.
    Keys,
    /// Admission certificates, for machines that prove what they are.
    Admission,
}

impl Service {
    fn tls(self, domain: &Domain) -> Arc<ServerConfig> {
        match self {
            Self::Keys => Arc::clone(&domain.service_tls),
            Self::Admission => Arc::clone(&domain.admission_tls),
        }
    }

    /// Whether the domain may have another connection and handshake now; with its place among the handshakes, and that among
    /// the connections where it has one already.
    fn admit(
        self,
        tenant: &Tenant,
        source: IpAddr,
        shard: &Shard,
        limits: &Limits,
    ) -> Result<(Option<Place>, SharedPlace), HandshakeError> {
        let place = match self {
            Self::Keys => tenant.has_room(limits).then_some(None),
            Self::Admission => tenant.admission(limits).map(Some),
        };
        let place = place.ok_or(HandshakeError::Connections)?;
        let begun = shard.permits.handshake_rate.take(source, || tenant.handshake(limits));
        begun.map_err(HandshakeError::Rate)?;
        let handshaking = tenant.handshaking(&shard.permits.handshakes).ok_or(HandshakeError::Busy)?;
        Ok((place, handshaking))
    }

    /// Who names no protocol speaks the stock dialect, which a domain has to allow. Stock admission isn't over TLS.
    fn takes(self, domain: &Domain, hello: &Hello<'_>) -> Result<(), Refused> {
        let stock = match self {
            Self::Keys => domain.access.stock.key_service,
            Self::Admission => false,
        };
        if hello.alpn.is_some() || stock {
            Ok(())
        } else {
            Err(Refused { alert: AlertDescription::NoApplicationProtocol, reason: "stock-not-allowed" })
        }
    }
}

/// How long who is over a quota of its domain waits for the alert: who connects again and again gets no further by it.
const HOLD_BACK: Duration = Duration::from_millis(50);

/// Why there is no channel. The peer was told by an alert where it could be told anything.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// No whole `ClientHello`, or no handshake, within the deadline.
    #[error("the peer took too long in its {0}")]
    Deadline(&'static str),
    /// The hello chose no domain.
    #[error("the hello is refused: {0}")]
    Hello(&'static str),
    /// The broker was sealed meanwhile.
    #[error("the broker is being sealed")]
    Sealed,
    /// Too many handshakes are under way.
    #[error("too many handshakes are under way")]
    Busy,
    /// Too many handshakes were begun within a second.
    #[error("{}", match .0 {
        TooFast::All => "too many handshakes are begun in a second",
        TooFast::Address => "too many handshakes are begun in a second from this address",
        TooFast::Domain => "too many handshakes are begun in a second in this domain",
    })]
    Rate(TooFast),
    /// The domain has as many connections as it may.
    #[error("the domain has as many connections as it may")]
    Connections,
    /// What came is no hello, or it never came.
    #[error("no hello: {0}")]
    NoHello(io::Error),
    /// TLS or the socket failed.
    #[error("the handshake failed: {0}")]
    Tls(io::Error),
}

impl HandshakeError {
    /// A word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Deadline(_) => "deadline",
            Self::Hello(reason) => reason,
            Self::Sealed => "sealed",
            Self::Busy => "busy",
            Self::Rate(TooFast::All) => "rate",
            Self::Rate(TooFast::Address) => "rate-per-address",
            Self::Rate(TooFast::Domain) => "rate-per-domain",
            Self::Connections => "connections-per-domain",
            Self::NoHello(_) | Self::Tls(_) => "failed",
        }
    }

    /// Whether its own domain is what keeps the peer out.
    fn is_the_domain_s(&self) -> bool {
        matches!(self, Self::Connections | Self::Rate(TooFast::Domain))
    }

    /// How far it got, a word for metrics: no whole hello, a hello that was refused, or the handshake under way.
    pub fn phase(&self) -> &'static str {
        match self {
            Self::NoHello(_) | Self::Deadline("hello") => "hello",
            Self::Hello(_) | Self::Busy | Self::Rate(_) | Self::Connections => "choice",
            Self::Deadline(_) | Self::Sealed | Self::Tls(_) => "tls",
        }
    }
}

/// Reads the hello, chooses the domain, does the handshake under its configuration for that service.
pub async fn handshake(
    stream: TcpStream,
    source: SocketAddr,
    shard: &Shard,
    service: Service,
) -> Result<Channel, HandshakeError> {
    let result = negotiate(stream, source, shard, service).await;
    result.inspect_err(|error| shard.meters.failed(error))
}

async fn negotiate(
    stream: TcpStream,
    source: SocketAddr,
    shard: &Shard,
    service: Service,
) -> Result<Channel, HandshakeError> {
    let limits = shard.live.limits();
    let connected = Instant::now();
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let mut start = timeout_at(connected + limits.hello, hello)
        .await
        .map_err(|_| HandshakeError::Deadline("hello"))?
        .map_err(HandshakeError::NoHello)?;
    let begun = Instant::now();
    shard.meters.hello(begun - connected);
    let chosen = {
        let hello = start.client_hello();
        let hello = read(&hello);
        choose(&shard.view.domains(), &hello)
            .and_then(|domain| service.takes(&domain, &hello).map(|()| domain))
    };
    let domain = match chosen {
        Ok(domain) => domain,
        Err(refused) => {
            alert(&mut start, refused.alert).await;
            return Err(HandshakeError::Hello(refused.reason));
        }
    };
    // All are taken only now, when public-key work would begin: silent connections, of which there may be many,
    // hold none and use none up. The alert isn't `internal_error`, which says that trying again is of no use.
    let (place, _handshaking) = match service.admit(&domain.tenant, source.ip(), shard, &limits) {
        Ok(places) => places,
        Err(error) => {
            if error.is_the_domain_s() {
                tokio::time::sleep(HOLD_BACK).await;
            }
            alert(&mut start, AlertDescription::UserCanceled).await;
            return Err(error);
        }
    };
    // Taken before anything is waited for: who ends the era first takes the domain away from every shard.
    let mut lease = domain.storage.era.lease();
    let config = service.tls(&domain);
    let turn = shard.turns.of(domain.keys.generation());
    let in_turn = async {
        turn.begin(HANDSHAKE).await;
        start.into_stream(config).await
    };
    let stream = tokio::select! {
        biased;
        () = lease.ending() => return Err(HandshakeError::Sealed),
        done = timeout_at(begun + limits.handshake, in_turn) => {
            done.map_err(|_| HandshakeError::Deadline("handshake"))?.map_err(HandshakeError::Tls)?
        }
    };
    shard.meters.done(begun.elapsed());
    // Only now is it known for a member.
    let place = place.or_else(|| domain.tenant.connection(&limits)).ok_or(HandshakeError::Connections)?;
    if matches!(service, Service::Keys) {
        domain.tenant.meter().channel();
    }
    Ok(Channel { stream, domain, lease, limits, place, turn })
}

fn read<'a>(hello: &'a ClientHello<'_>) -> Hello<'a> {
    Hello {
        server_name: hello.server_name(),
        authorities: hello.certificate_authorities().unwrap_or_default().iter().map(AsRef::as_ref).collect(),
        alpn: hello.alpn().map(Iterator::collect),
    }
}

/// Sends a fatal alert in the clear (RFC 8446, section 6), as TLS has it before there are keys.
async fn alert(start: &mut StartHandshake<TcpStream>, description: AlertDescription) {
    const ALERT: u8 = 21;
    const FATAL: u8 = 2;
    let record = [ALERT, 3, 3, 0, 2, FATAL, description.into()];
    // The peer may have gone already; it is refused either way.
    drop(start.io.write_all(&record).await);
    drop(start.io.shutdown().await);
}

impl Channel {
    /// The TLS connection, for what was negotiated and for exporters.
    pub fn tls(&self) -> &ServerConnection {
        self.stream.get_ref().1
    }

    /// The peer's leaf. Client certificates are mandatory in every configuration, so there is one.
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.chain().map(|(leaf, _)| leaf)
    }

    /// The peer's leaf, and what it showed after that.
    pub fn chain(&self) -> Option<(&CertificateDer<'static>, &[CertificateDer<'static>])> {
        self.tls().peer_certificates().and_then(<[_]>::split_first)
    }

    /// Which dialect the peer speaks.
    pub fn dialect(&self) -> Dialect {
        if self.is_ours() { Dialect::Ours } else { Dialect::Stock }
    }

    /// Whether the peer speaks our dialect; else it speaks the stock one.
    pub fn is_ours(&self) -> bool {
        self.tls().alpn_protocol() == Some(claviger_proto::ALPN)
    }
}
