//! The limit that the broker is held against: tokio and rustls, and nothing else.
//!
//! The same certificates, key, provider, groups, ALPN, client certificates and sockets as the broker's; one
//! thread and listener for each core, as it has shards; no tickets, as it gives none. rustls' own verifier
//! judges clients. It answers every frame with the same bytes, and does nothing that a program has to do that
//! is exposed to strangers: no deadlines, no limits, no names, no policy, no audit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use claviger_proto::frame::{HEADER, body_length, header};
use claviger_proto::limits::MAX_KEY_SERVICE_FRAME;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime;
use tokio_rustls::TlsAcceptor;

use super::control::{self, Ready};
use crate::error::BenchError;
use crate::setting::cores;

/// As the broker's listeners have it.
const BACKLOG: u32 = 1024;

/// What a bare server is told on its first line of stdin; all in hex.
#[derive(Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The policy certificate, DER: the root of clients' certificates.
    #[serde(with = "as_hex")]
    pub(crate) policy: Vec<u8>,
    /// The server's certificate, DER.
    #[serde(with = "as_hex")]
    pub(crate) certificate: Vec<u8>,
    /// Its key, PKCS#8 DER; made for this run and gone with it.
    #[serde(with = "as_hex")]
    pub(crate) key: Vec<u8>,
    /// The body of every answer.
    #[serde(with = "as_hex")]
    pub(crate) answer: Vec<u8>,
}

mod as_hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

pub(crate) fn run() -> Result<(), BenchError> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let spec: Spec = serde_json::from_str(&line)?;
    let answer: Arc<[u8]> = [header(spec.answer.len()).as_slice(), &spec.answer].concat().into();
    let acceptor = TlsAcceptor::from(tls(spec)?);
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 0));
    for _ in 0..cores() {
        // The first takes a free port, the others share it.
        listen = worker(listen, acceptor.clone(), Arc::clone(&answer))?;
    }
    control::say(&Ready { listen })?;
    control::answer()
}

fn tls(spec: Spec) -> Result<Arc<ServerConfig>, BenchError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(spec.policy))?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(spec.key));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![CertificateDer::from(spec.certificate)], key)?;
    config.alpn_protocols = vec![claviger_proto::ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Starts one worker, which runs as long as the process; says where it listens.
fn worker(address: SocketAddr, acceptor: TlsAcceptor, answer: Arc<[u8]>) -> Result<SocketAddr, BenchError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(async { listen(address) })?;
    let bound = listener.local_addr()?;
    thread::Builder::new()
        .name("worker".to_owned())
        .spawn(move || runtime.block_on(accept(listener, acceptor, answer)))?;
    Ok(bound)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, answer: Arc<[u8]>) {
    loop {
        // A connection that was gone before it was accepted is none.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
        tokio::spawn(async move {
            // How a connection ends is for the load to judge.
            drop(converse(stream, &acceptor, &answer).await);
        });
    }
}

async fn converse(stream: TcpStream, acceptor: &TlsAcceptor, answer: &[u8]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    let mut body = Vec::new();
    let mut head = [0; HEADER];
    // A client that goes away is the usual end.
    while stream.read_exact(&mut head).await.is_ok() {
        let length = body_length(head, MAX_KEY_SERVICE_FRAME).map_err(io::Error::other)?;
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        stream.write_all(answer).await?;
        stream.flush().await?;
    }
    stream.shutdown().await
}
