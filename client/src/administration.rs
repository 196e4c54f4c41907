//! The way to a broker's admin API over the network: mutual TLS, and nobody but the broker that was meant on the other end.

use std::fmt;
use std::io;
use std::sync::Arc;

use claviger_attest::{BrokerMeasurements, CertificateError, PolicyCertificate, sha256, verify_broker};
use claviger_proto::DomainName;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::Address;
use crate::error::{BrokerFault, Error, Phase};
use crate::timeouts::Timeouts;
use crate::tls::{certified, provider};
use crate::wire::tcp;

/// Which broker is meant.
#[derive(Clone, Debug)]
pub enum Meant {
    /// A broker of this domain: its certificate says so, under the domain's policy certificate.
    Domain(DomainName, PolicyCertificate),
    /// The one that has exactly this certificate, DER: as its operators know it.
    Certificate(Vec<u8>),
}

/// Connects and shakes hands, with this certificate (DER) and its key (PKCS#8). Whether the broker lets its owner do anything
/// is in the answer to each call.
///
/// # Panics
/// Never: every domain's name is a DNS label.
pub async fn connect(
    address: &Address,
    meant: &Meant,
    own: (&[u8], &[u8]),
    timeouts: Timeouts,
) -> Result<TlsStream<TcpStream>, Error> {
    let late = |phase| Error::Timeout { address: address.clone(), phase, limit: timeouts.of(phase) };
    let config = config(meant, own).map_err(|source| Error::Key { source })?;
    // Without a domain any name will do, for it isn't sent.
    let name = match meant {
        Meant::Domain(domain, _) => domain.as_str(),
        Meant::Certificate(_) => "broker",
    };
    let name = ServerName::try_from(name.to_owned())
        .expect("the grammar of domain names is within that of DNS labels");
    let stream = timeout(timeouts.connect, tcp(address)).await.map_err(|_| late(Phase::Connect))??;
    let shaken = timeout(timeouts.handshake, TlsConnector::from(Arc::new(config)).connect(name, stream));
    shaken.await.map_err(|_| late(Phase::Handshake))?.map_err(|error| classify(address, meant, error))
}

fn config(meant: &Meant, (leaf, key): (&[u8], &[u8])) -> Result<ClientConfig, rustls::Error> {
    let certified = certified(leaf, &[], key)?;
    let provider = Arc::new(provider());
    let verifier = Arc::new(Verifier { meant: meant.clone(), provider: Arc::clone(&provider) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous() // as in tls.rs: not the web's certificates, but stricter ones
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.enable_sni = matches!(meant, Meant::Domain(..));
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn classify(address: &Address, meant: &Meant, error: io::Error) -> Error {
    let address = address.clone();
    let refused = |reason| Error::BrokerRefused { address: address.clone(), reason };
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other))) => {
            match other.0.downcast_ref::<CertificateError>() {
                Some(fault) => refused(BrokerFault::Certificate(fault.clone())),
                None => Error::Unreachable { address, source: error },
            }
        }
        // A broker that has no certificate to show for a domain doesn't serve it, or serves none now.
        Some(rustls::Error::AlertReceived(
            AlertDescription::AccessDenied | AlertDescription::UnrecognisedName,
        )) => match meant {
            Meant::Domain(domain, _) => Error::UnknownDomain { address, domain: domain.clone() },
            Meant::Certificate(_) => Error::NotServing { address },
        },
        Some(tls @ rustls::Error::InvalidCertificate(_)) => refused(BrokerFault::Proof(tls.clone())),
        Some(tls) => Error::Tls { address, source: tls.clone() },
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            Error::Closed { address, phase: Phase::Handshake }
        }
        None => Error::Unreachable { address, source: error },
    }
}

struct Verifier {
    meant: Meant,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn verify(&self, leaf: &[u8], now: UnixTime) -> Result<(), CertificateError> {
        match &self.meant {
            Meant::Domain(domain, policy) => {
                verify_broker(policy, domain, leaf, &BrokerMeasurements::Any, now).map(drop)
            }
            Meant::Certificate(pinned) if pinned == leaf => Ok(()),
            Meant::Certificate(_) => Err(CertificateError::NotPinned { found: sha256(leaf) }),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verifier").field(&self.meant).finish()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.verify(leaf, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(fault) => Err(rustls::CertificateError::Other(OtherError(Arc::new(fault))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".to_owned()))
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
