//! From what the store holds to a domain that serves.

use std::sync::Arc;

use claviger_acl::{Acl, AclError, Preset};
use claviger_attest::{
    AdmissionIssuer, AttestError, CertificateError, Issuer, KeyAlgorithm, PolicyCertificate, Role, SigningKey,
    SignError,
};
use claviger_proto::key::PrivateKey;
use claviger_proto::{DomainName, ParseError, Secret};
use claviger_store::StoredDomain;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};

use super::tls::{self, AgentVerifier, ServerIdentity, TlsError};
use super::{Domain, Leaf, references};

/// How long the broker's own certificate in a domain is good for, in days; renewed with a third left.
const LEAF_DAYS: u32 = 30;

/// A stored domain that can't serve: damaged, or made by a version that this one doesn't understand.
#[derive(Debug, thiserror::Error)]
#[error("the domain {domain} can't be served: {source}")]
pub struct BuildError {
    /// Which domain.
    pub domain: DomainName,
    /// Why.
    pub source: BuildFault,
}

/// What stands in the way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is its source, and says what that says")]
pub enum BuildFault {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Signing(#[from] SignError),
    #[error(transparent)]
    Attest(#[from] AttestError),
    #[error(transparent)]
    Acl(#[from] AclError),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("its reference values are not readable: {0}")]
    References(#[from] serde_json::Error),
}

/// A new certificate for the broker in a domain, and its key.
pub struct NewLeaf {
    /// DER.
    pub certificate: Vec<u8>,
    /// PKCS#8 DER.
    pub key: Secret,
}

/// Issues the broker its own certificate under a policy key that it holds: P-256, role broker.
pub fn issue_leaf(issuer: &Issuer, now: UnixTime) -> Result<NewLeaf, SignError> {
    let key = SigningKey::generate(KeyAlgorithm::P256)?;
    let certificate = issuer.identity(Role::Broker, key.public().spki_der(), None, now, LEAF_DAYS)?;
    Ok(NewLeaf { certificate, key: Secret::copy_from(key.to_private()?.pkcs8_der()) })
}

/// Whether a certificate has less than a third of its life left.
pub fn needs_renewal(not_before: i64, not_after: i64, now: i64) -> bool {
    let life = not_after.saturating_sub(not_before);
    not_after.saturating_sub(now) < life / 3
}

/// Builds the snapshot of one stored domain.
pub fn build(stored: &StoredDomain, provider: &Arc<CryptoProvider>) -> Result<Domain, BuildError> {
    let domain = stored.keys.domain().clone();
    assemble(stored, provider).map_err(|source| BuildError { domain, source })
}

fn assemble(stored: &StoredDomain, provider: &Arc<CryptoProvider>) -> Result<Domain, BuildFault> {
    let name = stored.keys.domain().clone();
    let record = &stored.record;
    let policy = PolicyCertificate::from_der(&record.policy_certificate)?;
    let preset: Preset = record.preset.parse()?;
    let references = references::decode(&record.references)?;
    let acl = Acl::compile(&name, preset, &references.labels())?;
    let issuer = record.policy_key.as_ref().map(|key| issuer(key, &policy)).transpose()?;
    let key = PrivateKey::from_pkcs8_der(Secret::copy_from(record.broker_key.expose()))?;
    let agents = AgentVerifier::new(name.clone(), policy.clone(), provider);
    let identity = || ServerIdentity {
        certificate: CertificateDer::from(record.broker_certificate.clone()),
        key: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(record.broker_key.expose().to_vec())),
    };
    let (not_before, not_after) = claviger_attest::certificate_dates(&record.broker_certificate)?;
    Ok(Domain {
        service_tls: tls::service(identity(), Arc::clone(&agents), Arc::clone(provider))?,
        admission_tls: tls::admission(identity(), Arc::clone(provider))?,
        leaf: Leaf {
            certificate: record.broker_certificate.clone(),
            digest: claviger_attest::sha384(&record.broker_certificate),
            not_before,
            not_after,
            key: Arc::new(SigningKey::from_private(&key)?),
        },
        keys: Arc::clone(&stored.keys),
        created: record.created,
        name,
        policy,
        acl,
        preset,
        references,
        issuer,
        agents,
    })
}

fn issuer(key: &Secret, policy: &PolicyCertificate) -> Result<AdmissionIssuer, BuildFault> {
    let key = PrivateKey::from_pkcs8_der(Secret::copy_from(key.expose()))?;
    Ok(Issuer::new(SigningKey::from_private(&key)?, policy.clone())?.into_admission())
}
