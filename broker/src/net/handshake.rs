//! From a socket to a verified channel.

use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::server::{Acceptor, ClientHello};
use rustls::{AlertDescription, ServerConfig, ServerConnection};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};

use super::Shard;
use crate::domain::{Domain, Hello, choose};
use crate::era::Lease;

/// A channel whose handshake is done, under the configuration of one domain.
pub struct Channel {
    /// The TLS stream.
    pub stream: TlsStream<TcpStream>,
    /// The domain that the hello chose; everything on the channel happens in it.
    pub domain: Arc<Domain>,
    /// Ends when the broker is sealed, or drains.
    pub lease: Lease,
}

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
    /// TLS or the socket failed.
    #[error("the handshake failed: {0}")]
    Tls(#[from] io::Error),
}

impl HandshakeError {
    /// A word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Deadline(_) => "deadline",
            Self::Hello(reason) => reason,
            Self::Sealed => "sealed",
            Self::Busy => "busy",
            Self::Tls(_) => "tls",
        }
    }
}

/// Reads the hello, chooses the domain, does the handshake under `config_of` it.
pub async fn handshake(
    stream: TcpStream,
    shard: &Shard,
    config_of: impl Fn(&Domain) -> Arc<ServerConfig>,
) -> Result<Channel, HandshakeError> {
    let result = negotiate(stream, shard, config_of).await;
    let label = result.as_ref().err().map_or("done", HandshakeError::label);
    metrics::counter!("claviger_handshakes_total", "result" => label).increment(1);
    result
}

async fn negotiate(
    stream: TcpStream,
    shard: &Shard,
    config_of: impl Fn(&Domain) -> Arc<ServerConfig>,
) -> Result<Channel, HandshakeError> {
    let limits = &shard.config.limits;
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let mut start = timeout_at(Instant::now() + limits.hello, hello)
        .await
        .map_err(|_| HandshakeError::Deadline("hello"))??;
    // The place is taken only now: silent connections, of which there may be many, hold none.
    let Some(_place) = shard.permits.handshakes.take() else {
        // Not `internal_error`, which says that trying again is of no use.
        alert(&mut start, AlertDescription::UserCanceled).await;
        return Err(HandshakeError::Busy);
    };
    let chosen = choose(&shard.view.domains(), &read(&start.client_hello()));
    let domain = match chosen {
        Ok(domain) => domain,
        Err(refused) => {
            alert(&mut start, refused.alert).await;
            return Err(HandshakeError::Hello(refused.reason));
        }
    };
    // Taken before anything is waited for: who ends the era first takes the domain away from every shard.
    let mut lease = domain.storage.era.lease();
    let config = config_of(&domain);
    let stream = tokio::select! {
        biased;
        () = lease.ending() => return Err(HandshakeError::Sealed),
        done = timeout_at(Instant::now() + limits.handshake, start.into_stream(config)) => {
            done.map_err(|_| HandshakeError::Deadline("handshake"))??
        }
    };
    Ok(Channel { stream, domain, lease })
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
        self.tls().peer_certificates().and_then(<[_]>::first)
    }

    /// Whether the peer speaks our dialect; else it speaks the stock one.
    pub fn is_ours(&self) -> bool {
        self.tls().alpn_protocol() == Some(claviger_proto::ALPN)
    }
}
