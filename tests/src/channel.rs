//! TLS as a test wants it: any hello, any certificate or none, any bytes, and no opinion about the server.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName,
    SignatureScheme, StreamOwned,
};

use crate::message::{Response, frame};

/// Our dialect's ALPN, as documented.
pub const CLAVIGER_1: &[u8] = b"claviger/1";

/// How long a test waits for bytes that must come.
const WAIT: Duration = Duration::from_mins(1);

/// A certificate with its key. A test's own, so printing it does no harm.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// DER.
    pub certificate: Vec<u8>,
    /// PKCS#8 DER.
    pub key: Vec<u8>,
}

/// What a `ClientHello` says.
#[derive(Clone, Debug, Default)]
pub struct Hello {
    /// `server_name`.
    pub server_name: Option<String>,
    /// `certificate_authorities`, each a DER `Name`.
    pub authorities: Vec<Vec<u8>>,
    /// `application_layer_protocol_negotiation`.
    pub alpn: Vec<Vec<u8>>,
}

impl Hello {
    /// As our client says it.
    pub fn ours(domain: &str) -> Self {
        Self { server_name: Some(domain.to_owned()), alpn: vec![CLAVIGER_1.to_vec()], ..Self::default() }
    }

    /// As a stock client says it: no name, no protocol, the policy certificate's subject.
    pub fn stock(subject: &[u8]) -> Self {
        Self { authorities: vec![subject.to_vec()], ..Self::default() }
    }

    /// As a stock client says it that sends no subject either.
    pub fn silent() -> Self {
        Self::default()
    }
}

/// A TLS client connection.
pub struct Channel {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Channel {
    /// Connects, and does the client's part of the handshake. In TLS 1.3 the server judges the client's
    /// certificate after that: a refusal of it comes with the first read.
    pub fn connect(to: SocketAddr, hello: &Hello, own: Option<&Credentials>) -> io::Result<Self> {
        let tcp = connect(to)?;
        let connection = client(hello, own);
        let mut stream = StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        while stream.conn.wants_write() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream })
    }

    /// A channel in our dialect, which must come about.
    #[track_caller]
    pub fn ours(to: SocketAddr, domain: &str, own: &Credentials) -> Self {
        Self::connect(to, &Hello::ours(domain), Some(own)).expect("a channel")
    }

    /// The TLS connection, for exporters and certificates.
    pub fn tls(&self) -> &ClientConnection {
        &self.stream.conn
    }

    /// The server's leaf.
    pub fn server_leaf(&self) -> Vec<u8> {
        let chain = self.tls().peer_certificates().expect("a server has a certificate");
        chain[0].to_vec()
    }

    /// This end's address.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.sock.local_addr().expect("a socket has an address")
    }

    /// Sends these bytes, in a TLS record of their own (or several, above 16 KiB).
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends a frame around this body.
    pub fn send(&mut self, body: &[u8]) -> io::Result<()> {
        self.send_bytes(&frame(body))
    }

    /// Reads one frame's body.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header)?;
        let length = usize::try_from(i32::from_le_bytes(header)).expect("a positive length");
        assert!(length < 2 << 20, "a response of {length} bytes");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    /// Sends a request and reads its response, which must come.
    #[track_caller]
    pub fn request(&mut self, body: &[u8]) -> Response {
        self.try_request(body).expect("a response")
    }

    /// Sends a request and reads its response, if there is one.
    pub fn try_request(&mut self, body: &[u8]) -> io::Result<Response> {
        self.send(body)?;
        self.receive().map(Response::read)
    }

    /// What comes next, no more than one TLS record of it.
    pub fn read_record(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 16 << 10];
        let length = self.stream.read(&mut buffer)?;
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Everything that still comes, and how it ended.
    pub fn read_to_end(&mut self) -> (Vec<u8>, io::Result<()>) {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return (bytes, Ok(())),
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(error) => return (bytes, Err(error)),
            }
        }
    }

    /// Whether the server ends the connection now, without sending anything more.
    pub fn is_closed(&mut self) -> bool {
        let (bytes, ended) = self.read_to_end();
        let closed = |error: io::Error| {
            matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
        };
        bytes.is_empty() && ended.map_or_else(closed, |()| true)
    }
}

/// The alert that ended an operation, if one did.
pub fn alert(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

/// The alert with which a server refuses this client, at once or when the client first reads; and that no
/// byte of an application came before it.
#[track_caller]
pub fn refusal(to: SocketAddr, hello: &Hello, own: Option<&Credentials>) -> AlertDescription {
    let error = match Channel::connect(to, hello, own) {
        Err(error) => error,
        Ok(mut channel) => {
            // The server may have closed already; what it said then is still there to read.
            drop(channel.send(&crate::message::retrieve("anything")));
            let (bytes, ended) = channel.read_to_end();
            assert!(bytes.is_empty(), "{} application bytes before the refusal", bytes.len());
            ended.expect_err("a refusal, and the connection ended without one")
        }
    };
    alert(&error).unwrap_or_else(|| panic!("an alert, and there was: {error}"))
}

/// A TCP connection.
pub fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(to)?;
    tcp.set_read_timeout(Some(WAIT))?;
    tcp.set_write_timeout(Some(WAIT))?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// The bytes of a client's first flight: its `ClientHello`.
pub fn hello_bytes(hello: &Hello) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(hello, None).write_tls(&mut bytes).expect("memory can be written");
    bytes
}

fn client(hello: &Hello, own: Option<&Credentials>) -> ClientConnection {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let authorities = hello.authorities.iter().cloned().map(DistinguishedName::from).collect();
    let verifier = Arc::new(AnyServer { authorities, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key.clone()));
            let chain = vec![CertificateDer::from(own.certificate.clone())];
            config.with_client_auth_cert(chain, key).expect("the key is the certificate's")
        }
    };
    config.alpn_protocols.clone_from(&hello.alpn);
    config.enable_sni = hello.server_name.is_some();
    config.resumption = Resumption::disabled();
    let name = hello.server_name.clone().unwrap_or_else(|| "unnamed".to_owned());
    let name = ServerName::try_from(name).expect("a DNS name");
    ClientConnection::new(Arc::new(config), name).expect("a client connection")
}

/// Takes any server: it is the server under test whose judgement counts.
#[derive(Debug)]
struct AnyServer {
    authorities: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
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

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        (!self.authorities.is_empty()).then_some(self.authorities.as_slice())
    }
}
