//! A stock key server and stock admission, as the stock programs behave.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claviger_client::{Address, Options, Timeouts};
use claviger_proto::key_service::{
    Dialect, Outcome, Refusal, Request, Store, decode_request, encode_response,
};
use claviger_proto::{Entry, ErrorCode, Secret, Version, frame};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Domain, Leaf, hasty, measurement, tls};

pub(crate) fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/stock/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A clock that stands still.
#[derive(Debug)]
struct Stopped(u64);

impl TimeProvider for Stopped {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

/// Options as of this second since 1970.
pub(crate) fn at(seconds: u64) -> Options {
    Options { time: Arc::new(Stopped(seconds)), ..hasty() }
}

/// Options for a model that isn't waited for.
pub(crate) fn patient() -> Options {
    Options { timeouts: Timeouts::all(Duration::from_secs(30)), ..Options::default() }
}

/// A certificate as stock admission makes them, for the key with this SPKI, valid for these days from now.
pub(crate) fn certificate(domain: &Domain, spki: &[u8], days: (i64, i64)) -> Vec<u8> {
    let signer = KeyPair::try_from(domain.policy_key.as_slice()).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_der(&domain.policy.der().into(), signer).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, format!("Measured-{}", measurement()));
    params.distinguished_name.push(DnType::CommonName, "CertifierUsers");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    let now = OffsetDateTime::now_utc();
    params.not_before = now + time::Duration::days(days.0);
    params.not_after = now + time::Duration::days(days.1);
    let key = rcgen::SubjectPublicKeyInfo::from_der(spki).unwrap();
    params.signed_by(&key, &issuer).unwrap().der().to_vec()
}

/// A stock server's leaf.
pub(crate) fn leaf(domain: &Domain, days: (i64, i64)) -> Leaf {
    let key = KeyPair::generate().unwrap();
    let certificate = certificate(domain, &rcgen::PublicKeyData::subject_public_key_info(&key), days);
    Leaf { certificate, key: key.serialize_der() }
}

/// TLS as a stock server speaks it: no ALPN, and tickets.
fn stock_tls(leaf: &Leaf) -> ServerConfig {
    let mut config = tls(leaf, None);
    config.alpn_protocols.clear();
    config.send_tls13_tickets = 2;
    config
}

/// How a server answers.
pub(crate) enum Reply {
    /// With these bytes, and the connection's end, without a word.
    Bytes(Vec<u8>),
    /// With nothing, for ever.
    Silence,
}

/// A frame.
pub(crate) fn framed(body: &[u8]) -> Reply {
    Reply::Bytes([frame::header(body.len()).as_slice(), body].concat())
}

/// What a server was asked, one connection after the other.
pub(crate) type Asked = Arc<Mutex<Vec<Vec<u8>>>>;

/// A key server with this leaf.
pub(crate) async fn key_server(
    leaf: &Leaf,
    answer: impl FnMut(&[u8]) -> Reply + Send + 'static,
) -> (Address, Asked) {
    let acceptor = TlsAcceptor::from(Arc::new(stock_tls(leaf)));
    listen(answer, move |tcp| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(tcp).await.ok()?;
            let (_, tls) = stream.get_ref();
            assert_eq!((tls.server_name(), tls.alpn_protocol()), (None, None));
            assert_eq!(tls.handshake_kind(), Some(rustls::HandshakeKind::Full));
            Some(stream)
        }
    })
    .await
}

/// Admission on plain TCP.
pub(crate) async fn admission(answer: impl FnMut(&[u8]) -> Reply + Send + 'static) -> (Address, Asked) {
    listen(answer, |tcp| async { Some(tcp) }).await
}

async fn listen<S, F>(
    mut answer: impl FnMut(&[u8]) -> Reply + Send + 'static,
    open: impl Fn(TcpStream) -> F + Send + 'static,
) -> (Address, Asked)
where
    S: AsyncStream,
    F: Future<Output = Option<S>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().into();
    let asked = Asked::default();
    let told = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Some(mut stream) = open(tcp).await else { continue };
            let mut header = [0; frame::HEADER];
            if stream.read_exact(&mut header).await.is_err() {
                continue;
            }
            let mut body = vec![0; usize::try_from(i32::from_le_bytes(header)).unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            told.lock().unwrap().push(body.clone());
            match answer(&body) {
                Reply::Bytes(bytes) => {
                    // The client may be gone already.
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.flush().await;
                }
                Reply::Silence => std::future::pending().await,
            }
        }
    });
    (address, asked)
}

/// What both ways of asking come over.
pub(crate) trait AsyncStream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send> AsyncStream for T {}

fn copy(entry: &Entry) -> Entry {
    Entry::decode(&entry.encode()).unwrap()
}

/// A stock server's cryptstore: it finds the first entry of a tag and no other.
#[derive(Default)]
pub(crate) struct Cryptstore(pub(crate) Vec<Entry>);

impl Cryptstore {
    pub(crate) fn answer(&mut self, body: &[u8]) -> Reply {
        let decoded = decode_request(Dialect::Stock, &"elsewhere".parse().unwrap(), body);
        let failed = || Outcome::Refused(Refusal::new(ErrorCode::NotFound, "failed"));
        let echo = decoded.echo.clone();
        let outcome = match decoded.request().unwrap() {
            Request::Retrieve(retrieve) => {
                let first = self.0.iter().find(|entry| entry.tag == retrieve.name.as_str());
                first
                    .filter(|entry| entry.exportable)
                    .map_or_else(failed, |entry| Outcome::Retrieved(copy(entry)))
            }
            Request::Store(store) => {
                self.put(store);
                Outcome::Stored(Version::FIRST)
            }
            _ => failed(),
        };
        framed(&encode_response(&echo, None, &outcome))
    }

    fn put(&mut self, store: Store) {
        let tag = store.name.to_string();
        let of = |entry: &&mut Entry| entry.tag == tag;
        let highest = self.0.iter().filter(|entry| entry.tag == tag).filter_map(|entry| entry.version).max();
        let Store { entry_type, exportable, blob, version, .. } = store;
        let mut entry = Entry { tag: tag.clone(), entry_type, version, entered: 0, exportable, blob };
        match (version, highest) {
            (None, Some(highest)) => entry.version = highest.next(),
            (Some(_), Some(_)) => {
                *self.0.iter_mut().find(of).unwrap() = entry;
                return;
            }
            (_, None) => entry.version = Some(Version::FIRST),
        }
        self.0.push(entry);
    }
}

pub(crate) fn entry(tag: &str, version: u32, blob: &[u8]) -> Entry {
    Entry { blob: Secret::copy_from(blob), ..super::messages::entry(tag, version) }
}
