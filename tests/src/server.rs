//! A server that plays the broker, to see whom our client takes for one.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::channel::{CLAVIGER_1, Credentials};

/// Listens, shakes hands with whoever comes, and notes every application byte that it is sent. Never answers.
pub struct Impostor {
    /// Where it listens.
    pub address: SocketAddr,
    heard: Receiver<Vec<u8>>,
    stop: Arc<Mutex<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Impostor {
    /// Starts one with this certificate.
    pub fn start(own: &Credentials) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let config = Arc::new(config(own));
        let (heard_by, heard) = channel();
        let stop = Arc::new(Mutex::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if *stopped.lock().expect("a lock") {
                    return;
                }
                let bytes = stream.map(|stream| serve(stream, &config)).unwrap_or_default();
                // Nobody may be interested any more.
                drop(heard_by.send(bytes));
            }
        });
        Self { address, heard, stop, thread: Some(thread) }
    }

    /// The application bytes of the connection that ended next.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.recv_timeout(Duration::from_mins(1)).expect("a connection")
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        *self.stop.lock().expect("a lock") = true;
        // Wakes the accept.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(tcp: TcpStream, config: &Arc<ServerConfig>) -> Vec<u8> {
    drop(tcp.set_read_timeout(Some(Duration::from_secs(3))));
    let connection = ServerConnection::new(Arc::clone(config)).expect("a server connection");
    let mut stream = StreamOwned::new(connection, tcp);
    let mut heard = Vec::new();
    // However it ends: what counts is what was heard until then.
    drop(stream.read_to_end(&mut heard));
    drop(stream.flush());
    heard
}

fn config(own: &Credentials) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key.clone()));
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .with_client_cert_verifier(Arc::new(AnyClient(provider)))
        .with_single_cert(vec![CertificateDer::from(own.certificate.clone())], key)
        .expect("the key is the certificate's");
    config.alpn_protocols = vec![CLAVIGER_1.to_vec()];
    config
}

/// Takes any client, as an impostor does.
#[derive(Debug)]
struct AnyClient(Arc<rustls::crypto::CryptoProvider>);

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: rustls::pki_types::UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
