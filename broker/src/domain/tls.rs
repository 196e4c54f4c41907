//! A domain's TLS: its own configurations, its own verifier, its own cache.

use std::fmt;
use std::sync::Arc;

use claviger_attest::{CertificateError, Peer, PolicyCertificate, Revocations, verify_agent_chain};
use claviger_proto::{ALPN, DomainName};
use dashmap::DashMap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SignatureVerificationAlgorithm, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

/// Certificates whose chain was verified that a domain remembers: about 1 KiB each.
const MAX_VERIFIED: usize = 4096;

/// The signatures that a peer may prove its key with, in order of preference: P-256, P-384, Ed25519, RSA of at
/// least 2 048 bits (PSS, as TLS 1.3 has it).
static PEERS: WebPkiSupportedAlgorithms = {
    use webpki::aws_lc_rs as algorithm;
    const P256: &[&dyn SignatureVerificationAlgorithm] = &[algorithm::ECDSA_P256_SHA256];
    const P384: &[&dyn SignatureVerificationAlgorithm] = &[algorithm::ECDSA_P384_SHA384];
    const ED25519: &[&dyn SignatureVerificationAlgorithm] = &[algorithm::ED25519];
    const PSS_256: &[&dyn SignatureVerificationAlgorithm] = &[algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY];
    const PSS_384: &[&dyn SignatureVerificationAlgorithm] = &[algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY];
    const PSS_512: &[&dyn SignatureVerificationAlgorithm] = &[algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY];
    WebPkiSupportedAlgorithms {
        all: &[],
        mapping: &[
            (SignatureScheme::ECDSA_NISTP256_SHA256, P256),
            (SignatureScheme::ECDSA_NISTP384_SHA384, P384),
            (SignatureScheme::ED25519, ED25519),
            (SignatureScheme::RSA_PSS_SHA256, PSS_256),
            (SignatureScheme::RSA_PSS_SHA384, PSS_384),
            (SignatureScheme::RSA_PSS_SHA512, PSS_512),
        ],
    }
};

/// A TLS configuration that can't be made: the key and certificate don't fit, or the library refuses.
#[derive(Debug, thiserror::Error)]
#[error("TLS can't be set up for the domain: {0}")]
pub struct TlsError(#[from] rustls::Error);

/// Verifies agents' certificates under one domain's policy certificate.
///
/// Remembers which leaves it verified, by their whole DER, so that a returning agent costs one signature
/// check (its own, on the handshake) instead of two. Dates and revocations are looked at every time.
pub struct AgentVerifier {
    domain: DomainName,
    policy: PolicyCertificate,
    revocations: Revocations,
    subjects: [DistinguishedName; 1],
    verified: DashMap<Vec<u8>, Arc<Peer>>,
}

impl AgentVerifier {
    pub(super) fn new(domain: DomainName, policy: PolicyCertificate, revocations: Revocations) -> Arc<Self> {
        let subjects = [DistinguishedName::from(policy.subject_der().to_vec())];
        Arc::new(Self { domain, policy, revocations, subjects, verified: DashMap::new() })
    }

    /// The peer that a verified leaf stands for. Verifies it if it is not remembered, so there is no way to
    /// a peer around the verification. `between` is what the peer showed after its leaf: a leaf that came by a delegated
    /// issuer is remembered with that one only.
    pub fn peer(
        &self,
        leaf: &[u8],
        between: &[impl AsRef<[u8]>],
        now: UnixTime,
    ) -> Result<Arc<Peer>, CertificateError> {
        let known = self.verified.get(leaf).map(|known| Arc::clone(known.value()));
        if let Some(peer) = known.filter(|peer| came_by(peer, between)) {
            self.check(&peer, now)?;
            return Ok(peer);
        }
        let peer = Arc::new(verify_agent_chain(&self.policy, &self.domain, leaf, between, now)?);
        self.check(&peer, now)?;
        if self.verified.len() >= MAX_VERIFIED {
            // Only agents that the domain admitted get in here, so filling it takes the domain's own fleet.
            self.verified.clear();
        }
        self.verified.insert(leaf.to_vec(), Arc::clone(&peer));
        Ok(peer)
    }

    /// Whether a peer whose certificate was verified once is a member now: the dates of its and the policy certificate, and
    /// what is revoked. The one place where that is decided, in the handshake, for each request and proof on a channel
    /// that stays open, and for a renewal.
    pub fn check(&self, peer: &Peer, now: UnixTime) -> Result<(), CertificateError> {
        self.policy.check_dates(now)?;
        peer.check_dates(now)?;
        counted(self.revocations.check_peer(peer, now))
    }
}

/// Whether what was shown after a leaf that is remembered is what it was verified by. Where that was nothing, nothing of it
/// is looked at.
fn came_by(peer: &Peer, between: &[impl AsRef<[u8]>]) -> bool {
    peer.issuer().is_none_or(|issuer| matches!(between, [one] if one.as_ref() == issuer.der()))
}

/// Counts what is refused because it is revoked.
pub(crate) fn counted(checked: Result<(), CertificateError>) -> Result<(), CertificateError> {
    if let Err(CertificateError::Revoked { kind }) = checked {
        metrics::counter!("claviger_revoked_refused_total", "kind" => kind).increment(1);
    }
    checked
}

impl fmt::Debug for AgentVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentVerifier").field("domain", &self.domain).finish_non_exhaustive()
    }
}

impl ClientCertVerifier for AgentVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    /// An admission certificate lies directly under the policy certificate, or came by one delegated issuer.
    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match self.peer(leaf, intermediates, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(error) => {
                tracing::info!(domain = %self.domain, %error, "a peer's certificate is refused");
                metrics::counter!("claviger_certificates_refused_total").increment(1);
                Err(rustls::Error::InvalidCertificate(as_tls(&error)))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &PEERS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PEERS.supported_schemes()
    }
}

/// The alert that fits: the peer learns the kind of fault, nobody else anything.
fn as_tls(error: &CertificateError) -> rustls::CertificateError {
    match error {
        CertificateError::Expired | CertificateError::PolicyExpired | CertificateError::IssuerExpired => {
            rustls::CertificateError::Expired
        }
        CertificateError::NotYetValid
        | CertificateError::PolicyNotYetValid
        | CertificateError::IssuerNotYetValid => rustls::CertificateError::NotValidYet,
        CertificateError::Revoked { .. } => rustls::CertificateError::Revoked,
        CertificateError::Foreign => rustls::CertificateError::UnknownIssuer,
        CertificateError::Malformed => rustls::CertificateError::BadEncoding,
        _ => rustls::CertificateError::ApplicationVerificationFailure,
    }
}

/// At admission: any certificate, for all it brings is a key, which the handshake proves to be the peer's.
#[derive(Debug)]
struct AnyKey;

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Must parse, for its key is used next; whether the key is of a kind we take is the schemes' to say.
        webpki::EndEntityCert::try_from(leaf)
            .map_err(|_| rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding))?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &PEERS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PEERS.supported_schemes()
    }
}

/// The broker's leaf and its key, as rustls takes them.
pub(super) struct ServerIdentity {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// TLS of the key service.
pub(super) fn service(
    identity: ServerIdentity,
    agents: Arc<AgentVerifier>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<ServerConfig>, TlsError> {
    server(identity, agents, provider)
}

/// TLS of admission.
pub(super) fn admission(
    identity: ServerIdentity,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<ServerConfig>, TlsError> {
    server(identity, Arc::new(AnyKey), provider)
}

fn server(
    identity: ServerIdentity,
    verifier: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.certificate], identity.key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    full_handshakes(&mut config);
    Ok(Arc::new(config))
}

/// TLS of the admin API: of the client only its key is known after the handshake, and who that is, each call decides. Whose
/// certificate is shown is for `faces` to say.
pub(crate) fn any_key(
    faces: Arc<dyn ResolvesServerCert>,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(AnyKey))
        .with_cert_resolver(faces);
    full_handshakes(&mut config);
    Ok(config)
}

fn full_handshakes(config: &mut ServerConfig) {
    // Full handshakes only: a resumed one would skip the certificate's verification, and bindings need one.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use claviger_acl::Preset;

    use super::*;
    use crate::domain::testing::make;

    /// A leaf alone.
    const ALONE: &[&[u8]] = &[];

    fn later(by_days: u64) -> UnixTime {
        let now = UnixTime::now().as_secs();
        UnixTime::since_unix_epoch(Duration::from_secs(now + by_days * 86_400))
    }

    #[actix_rt::test]
    async fn a_remembered_certificate_still_expires() {
        let made = make("alpha", Preset::Closed);
        let leaf = made.member(UnixTime::now(), 2);
        let agents = &made.domain.agents;
        agents.peer(&leaf, ALONE, UnixTime::now()).expect("good now");
        assert!(agents.verified.contains_key(&leaf));
        assert!(matches!(agents.peer(&leaf, ALONE, later(3)), Err(CertificateError::Expired)));
        assert!(matches!(agents.peer(&leaf, ALONE, later(11)), Err(CertificateError::PolicyExpired)));
    }

    #[test]
    fn peers_prove_themselves_with_the_documented_kinds_of_key_only() {
        let expected = [
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
        ];
        assert_eq!(AnyKey.supported_verify_schemes(), expected);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let all = provider.signature_verification_algorithms.supported_schemes();
        assert!(all.contains(&SignatureScheme::ECDSA_NISTP521_SHA512), "the library would take more");
    }

    #[actix_rt::test]
    async fn what_is_refused_is_not_remembered() {
        let (made, other) = (make("alpha", Preset::Closed), make("alpha", Preset::Closed));
        let foreign = other.member(UnixTime::now(), 2);
        let agents = &made.domain.agents;
        assert!(matches!(agents.peer(&foreign, ALONE, UnixTime::now()), Err(CertificateError::Foreign)));
        let mut flipped = made.member(UnixTime::now(), 2);
        agents.peer(&flipped, ALONE, UnixTime::now()).expect("good");
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        assert!(agents.peer(&flipped, ALONE, UnixTime::now()).is_err(), "the whole certificate is the key");
        assert_eq!(agents.verified.len(), 1);
    }
}
