//! A domain and servers for it, in this process.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod admission;
pub(crate) mod messages;
pub(crate) mod stock;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use claviger_attest::{
    Issuer, KeyAlgorithm, Measurement, PolicyCertificate, Role, SigningKey, self_signed_policy,
};
use claviger_client::{Address, Identity, Options, Timeouts};
use claviger_proto::key::PrivateKey;
use claviger_proto::{DomainName, Secret, frame};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate and its private key, DER.
pub(crate) struct Leaf {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Domain {
    pub(crate) name: DomainName,
    pub(crate) policy: PolicyCertificate,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) policy_key: Vec<u8>,
}

impl Domain {
    pub(crate) fn new(name: &str) -> Self {
        Self::under(name, &SigningKey::generate(KeyAlgorithm::P256).unwrap(), UnixTime::now(), 10)
    }

    pub(crate) fn under(name: &str, key: &SigningKey, from: UnixTime, days: u32) -> Self {
        let name: DomainName = name.parse().unwrap();
        // A minute ago, so that a probe and a second call agree on "now".
        let from = UnixTime::since_unix_epoch(Duration::from_secs(from.as_secs() - 60));
        let policy = self_signed_policy(key, &name, from, days).unwrap();
        let policy_key = key.pkcs8_der().to_vec();
        let signer = SigningKey::from_private(&private(&policy_key)).unwrap();
        let issuer = Arc::new(Issuer::new(signer, policy.clone(), &name).unwrap());
        Self { name, policy, issuer, policy_key }
    }

    pub(crate) fn signing_key(&self) -> SigningKey {
        SigningKey::from_private(&private(&self.policy_key)).unwrap()
    }

    pub(crate) fn leaf(&self, role: Role) -> Leaf {
        self.leaf_at(role, UnixTime::now())
    }

    pub(crate) fn leaf_at(&self, role: Role, now: UnixTime) -> Leaf {
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        let certificate =
            self.issuer.identity(role, key.public().spki_der(), Some(&measurement()), now, 1).unwrap();
        Leaf { certificate, key: key.pkcs8_der().to_vec() }
    }

    pub(crate) fn agent(&self) -> Identity {
        self.identity(self.leaf(Role::Agent))
    }

    /// An identity that trusts this domain, whatever its own certificate is.
    pub(crate) fn identity(&self, leaf: Leaf) -> Identity {
        Identity::new(self.name.clone(), self.policy.clone(), leaf.certificate, private(&leaf.key))
    }
}

pub(crate) fn private(pkcs8: &[u8]) -> PrivateKey {
    PrivateKey::from_pkcs8_der(Secret::copy_from(pkcs8)).unwrap()
}

pub(crate) fn measurement() -> Measurement {
    "5a".repeat(32).parse().unwrap()
}

/// Options with short limits, for tests that wait for them.
pub(crate) fn hasty() -> Options {
    Options { timeouts: Timeouts::all(Duration::from_millis(300)), ..Options::default() }
}

/// TLS as a broker speaks it, with this leaf; every client certificate is accepted, or refused as said.
pub(crate) fn tls(leaf: &Leaf, refuse: Option<rustls::CertificateError>) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(AnyClient { refuse, provider }))
        .with_single_cert(
            vec![CertificateDer::from(leaf.certificate.clone())],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf.key.clone())),
        )
        .unwrap();
    config.alpn_protocols = vec![claviger_proto::ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config
}

/// Serves one connection over TLS.
pub(crate) async fn serve<F, S>(config: ServerConfig, session: S) -> Address
where
    S: FnOnce(TlsStream<TcpStream>) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    serve_tcp(|tcp| async move {
        if let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(tcp).await {
            session(stream).await;
        }
    })
    .await
}

/// Serves one connection.
pub(crate) async fn serve_tcp<F, S>(session: S) -> Address
where
    S: FnOnce(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        session(tcp).await;
    });
    address.into()
}

pub(crate) async fn read_frame(stream: &mut TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.ok()?;
    let mut body = vec![0; frame::body_length(header, 2 << 20).unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

pub(crate) async fn write_frame(stream: &mut TlsStream<TcpStream>, body: &[u8]) {
    let mut bytes = frame::header(body.len()).to_vec();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
}

/// Waits for the other end to go.
pub(crate) async fn linger(mut stream: TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

#[derive(Debug)]
struct AnyClient {
    refuse: Option<rustls::CertificateError>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match &self.refuse {
            Some(error) => Err(error.clone().into()),
            None => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("only TLS 1.3 is spoken")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
