//! TLS as this agent speaks it: 1.3 only, mutual, and nobody but the domain's broker on the other end.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use claviger_attest::{
    BrokerMeasurements, CertificateError, PolicyCertificate, verify_agent_chain, verify_broker, verify_pinned,
};
use claviger_proto::DomainName;
use claviger_proto::key_service::Dialect;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};

use crate::certifier::Fingerprint;
use crate::error::Error;
use crate::identity::Identity;

/// The policy that a channel is under: whose broker is accepted on the other end.
#[derive(Clone)]
pub(crate) struct Trust {
    pub(crate) domain: DomainName,
    pub(crate) policy: PolicyCertificate,
    accepted: Accepted,
    /// Where to note what the other end shows, for who explains a handshake.
    pub(crate) seen: Option<Seen>,
}

impl Trust {
    pub(crate) fn new(
        domain: &DomainName,
        policy: &PolicyCertificate,
        measurements: &BrokerMeasurements,
    ) -> Self {
        let accepted = Accepted::Brokers(measurements.clone());
        Self { domain: domain.clone(), policy: policy.clone(), accepted, seen: None }
    }

    /// What a stock server is told of the domain.
    fn hint(&self) -> Option<[DistinguishedName; 1]> {
        let subject = || DistinguishedName::from(self.policy.subject_der().to_vec());
        matches!(self.accepted, Accepted::Pinned(_)).then(|| [subject()])
    }

    /// For stock servers, known by fingerprint.
    pub(crate) fn pinned<'a>(
        domain: &DomainName,
        policy: &PolicyCertificate,
        pinned: impl IntoIterator<Item = &'a Fingerprint>,
    ) -> Self {
        let accepted = Accepted::Pinned(pinned.into_iter().map(|fingerprint| fingerprint.0).collect());
        Self { domain: domain.clone(), policy: policy.clone(), accepted, seen: None }
    }

    /// Whether no server can be the right one.
    pub(crate) fn accepts_nobody(&self) -> bool {
        matches!(&self.accepted, Accepted::Pinned(pinned) if pinned.is_empty())
    }

    /// The protocol that is spoken with whom this accepts.
    fn dialect(&self) -> Dialect {
        match self.accepted {
            Accepted::Brokers(_) => Dialect::Ours,
            Accepted::Pinned(_) => Dialect::Stock,
        }
    }

    fn verify(&self, leaf: &[u8], now: UnixTime) -> Result<(), CertificateError> {
        match &self.accepted {
            Accepted::Brokers(measurements) => {
                verify_broker(&self.policy, &self.domain, leaf, measurements, now).map(drop)
            }
            Accepted::Pinned(pinned) => verify_pinned(&self.policy, pinned, leaf, now),
        }
    }
}

/// Who will do on the other end, under the policy.
#[derive(Clone)]
enum Accepted {
    /// A broker by its role, which runs one of these.
    Brokers(BrokerMeasurements),
    /// A stock server, by SHA-256 of its certificate.
    Pinned(BTreeSet<[u8; 32]>),
}

/// The other end's leaf, and when it came; whether it was accepted or not.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<OnceLock<(Vec<u8>, Instant)>>);

impl Seen {
    pub(crate) fn get(&self) -> Option<&(Vec<u8>, Instant)> {
        self.0.get()
    }
}

/// Everything that connections of one identity share.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
    pub(crate) domain: DomainName,
    pub(crate) dialect: Dialect,
    own: Own,
    asked: Asked,
}

/// Whether the other end of the latest handshake named who has to have issued this machine's certificate. A key service
/// does, admission doesn't, for it takes any (`docs/protocol.md`).
#[derive(Clone, Debug, Default)]
struct Asked(Arc<AtomicBool>);

/// This machine's certificate, shown to whoever asks for one; notes who asked.
#[derive(Debug)]
struct Shown {
    certificate: SingleCertAndKey,
    asked: Asked,
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.0.store(!issuers.is_empty(), Ordering::Relaxed);
        ResolvesClientCert::resolve(&self.certificate, issuers, schemes)
    }

    fn has_certs(&self) -> bool {
        self.certificate.has_certs()
    }
}

/// This machine's own certificate, kept to explain a refusal.
#[derive(Clone)]
enum Own {
    /// The temporary one of an enrolment, which nothing has to vouch for.
    SelfSigned,
    Admission {
        policy: PolicyCertificate,
        leaf: CertificateDer<'static>,
        between: Option<Vec<u8>>,
        time: Arc<dyn TimeProvider>,
    },
}

impl Session {
    /// For requests, with an admission certificate.
    pub(crate) fn admitted(
        trust: Trust,
        identity: &Identity,
        time: &Arc<dyn TimeProvider>,
    ) -> Result<Self, Error> {
        let (leaf, between) = (identity.certificate(), identity.issuer().map(<[u8]>::to_vec));
        let own = Own::Admission {
            policy: trust.policy.clone(),
            leaf: CertificateDer::from(leaf.to_vec()),
            between: between.clone(),
            time: time.clone(),
        };
        Self::new(trust, (leaf, between.as_slice()), identity.key().pkcs8_der(), time, own)
    }

    /// For enrolment, with a certificate that the machine made itself.
    pub(crate) fn self_signed(
        trust: Trust,
        leaf: &[u8],
        key: &[u8],
        time: &Arc<dyn TimeProvider>,
    ) -> Result<Self, Error> {
        Self::new(trust, (leaf, &[]), key, time, Own::SelfSigned)
    }

    fn new(
        trust: Trust,
        chain: (&[u8], &[Vec<u8>]),
        key: &[u8],
        time: &Arc<dyn TimeProvider>,
        own: Own,
    ) -> Result<Self, Error> {
        let (domain, dialect) = (trust.domain.clone(), trust.dialect());
        let server_name = ServerName::try_from(domain.as_str().to_owned())
            .expect("the grammar of domain names is within that of DNS labels");
        let asked = Asked::default();
        let config = Arc::new(config(trust, chain, key, time, &asked)?);
        Ok(Self { config, server_name, domain, dialect, own, asked })
    }

    /// Whether this is an enrolment's.
    pub(crate) fn is_self_signed(&self) -> bool {
        matches!(self.own, Own::SelfSigned)
    }

    /// Whether the other end of the latest handshake is a key service, by what it asked this machine's certificate to be.
    pub(crate) fn met_key_service(&self) -> bool {
        self.asked.0.load(Ordering::Relaxed)
    }

    /// What is wrong with this machine's own certificate, as far as it can tell.
    pub(crate) fn own_fault(&self) -> Option<CertificateError> {
        match &self.own {
            Own::SelfSigned => None,
            Own::Admission { policy, leaf, between, time } => {
                let now = time.current_time()?;
                verify_agent_chain(policy, &self.domain, leaf, between.as_slice(), now).err()
            }
        }
    }
}

fn config(
    trust: Trust,
    (leaf, between): (&[u8], &[Vec<u8>]),
    key: &[u8],
    time: &Arc<dyn TimeProvider>,
    asked: &Asked,
) -> Result<ClientConfig, Error> {
    let unusable = |source| Error::Key { source };
    let certified = certified(leaf, between, key).map_err(unusable)?;
    let provider = Arc::new(provider());
    let dialect = trust.dialect();
    let hint = trust.hint();
    let verifier = Arc::new(BrokerVerifier { trust, hint, provider: provider.clone() });
    let mut config = ClientConfig::builder_with_details(provider, time.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .dangerous() // rustls's word for "not the web's certificates": ours are stricter, see BrokerVerifier
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(Shown { certificate: certified.into(), asked: asked.clone() }));
    match dialect {
        Dialect::Ours => config.alpn_protocols = vec![claviger_proto::ALPN.to_vec()],
        // A stock server knows neither; it serves one domain.
        Dialect::Stock => config.enable_sni = false,
    }
    // A resumed session would skip the certificates, and the binding of evidence wants full handshakes; a
    // stock server hands out tickets that it then ends the connection over.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A leaf and what comes after it, with its private key (PKCS#8), made sure that they belong together.
pub(crate) fn certified(leaf: &[u8], between: &[Vec<u8>], key: &[u8]) -> Result<CertifiedKey, rustls::Error> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let key = aws_lc_rs::sign::any_supported_type(&key)?;
    let chain = [leaf].into_iter().chain(between.iter().map(Vec::as_slice));
    let chain = chain.map(|der| CertificateDer::from(der.to_vec())).collect();
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match()?;
    Ok(certified)
}

/// AWS-LC with X25519MLKEM768 first: what is sent today must not be readable by tomorrow's machines.
pub(crate) fn provider() -> CryptoProvider {
    use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    CryptoProvider {
        kx_groups: vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1],
        ..aws_lc_rs::default_provider()
    }
}

/// Accepts the domain's broker and nobody else. The name in the certificate plays no part: an address can
/// be taken over, the role in a certificate under the policy key can't.
struct BrokerVerifier {
    trust: Trust,
    /// The policy certificate's subject, towards a stock server.
    hint: Option<[DistinguishedName; 1]>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for BrokerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerVerifier({})", self.trust.domain)
    }
}

impl ServerCertVerifier for BrokerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(Seen(seen)) = &self.trust.seen {
            // One handshake to a trace; were there more, the first would be the one to explain.
            let _ = seen.set((leaf.to_vec(), Instant::now()));
        }
        match self.trust.verify(leaf, now) {
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

    /// Towards a stock server, as stock clients do: a broker of many domains in its place finds the domain by it.
    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.hint.as_ref().map(<[_; 1]>::as_slice)
    }
}
