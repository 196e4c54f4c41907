//! From what the store holds to a domain that serves.

use std::sync::Arc;

use claviger_acl::{Acl, AclError, Preset};
use claviger_attest::{
    AdmissionIssuer, CLOCK_SKEW, CertificateError, IssueError, Issuer, KeyAlgorithm, KeyError, Measurement,
    PolicyCertificate, PolicyError, Role, SigningKey, self_signed_agent,
};
use claviger_proto::admin::Quotas;
use claviger_proto::{DomainName, ParseError, Secret};
use claviger_store::{BrokerIdentity, DomainRecord, StoredDomain};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};

use super::issuing::signing_key;
use super::tls::{self, AgentVerifier, ServerIdentity, TlsError};
use super::{Access, Domain, Issuing, Leaf, Trust};
use crate::actors::audit::seconds;
use crate::storage::Storage;

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
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the broker has no certificate of its own in it; its owner has to issue one")]
    NoIdentity,
    #[error("this machine's clock is behind the time of what is kept of it; set the clock")]
    Clock,
    #[error(transparent)]
    Acl(#[from] AclError),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("its reference values are not readable: {0}")]
    References(#[from] serde_json::Error),
    #[error("its access rules are not readable: {0}")]
    Access(serde_json::Error),
    #[error("its quotas are not readable: {0}")]
    Quotas(serde_json::Error),
}

/// Issues the broker its own certificate under a policy key that it holds: P-256, role broker.
pub fn issue_leaf(issuer: &Issuer, now: UnixTime) -> Result<BrokerIdentity, IssueError> {
    let key = SigningKey::generate(KeyAlgorithm::P256)?;
    let certificate = issuer.identity(Role::Broker, key.public().spki_der(), None, now, LEAF_DAYS)?;
    Ok(BrokerIdentity { certificate, key: Secret::copy_from(key.pkcs8_der()) })
}

/// Whether a certificate has less than a third of its life left.
pub fn needs_renewal(not_before: i64, not_after: i64, now: i64) -> bool {
    let life = not_after.saturating_sub(not_before);
    not_after.saturating_sub(now) < life / 3
}

/// Builds the snapshot of one stored domain.
pub fn build(
    stored: &StoredDomain,
    storage: &Arc<Storage>,
    provider: &Arc<CryptoProvider>,
) -> Result<Domain, BuildError> {
    let domain = stored.keys.domain().clone();
    assemble(stored, storage, provider).map_err(|source| BuildError { domain, source })
}

fn assemble(
    stored: &StoredDomain,
    storage: &Arc<Storage>,
    provider: &Arc<CryptoProvider>,
) -> Result<Domain, BuildFault> {
    let name = stored.keys.domain().clone();
    let record = &stored.record;
    let policy = PolicyCertificate::from_der(&record.policy_certificate)?;
    let preset: Preset = record.preset.parse()?;
    let trust = Trust::decode(&record.references)?;
    let access = Access::decode(&record.access).map_err(BuildFault::Access)?;
    let quotas = quotas(&stored.quotas)?;
    let now = seconds(UnixTime::now());
    if is_behind(now, record) {
        return Err(BuildFault::Clock);
    }
    let acl = Acl::compile_with(&name, preset, &access.rules, &labels(&trust, now))?;
    let issuer = record.policy_key.as_ref().map(|key| issuer(key, &policy, &name)).transpose()?;
    let issuing = record.issuing.as_ref().map(Issuing::decode).transpose()?;
    let issuer = match (issuer, &issuing) {
        (None, Some(issuing)) => {
            issuing.delegated(&policy, &name)?.map(|issuer| Arc::new(issuer).into_admission())
        }
        (issuer, _) => issuer,
    };
    let stand_in = record.broker_identity.is_none().then(|| stand_in(issuing.as_ref())).transpose()?;
    let identity = record.broker_identity.as_ref().or(stand_in.as_ref()).ok_or(BuildFault::NoIdentity)?;
    let agents = AgentVerifier::new(name.clone(), policy.clone(), access.revocations.clone());
    let tenant = storage.tenants.of(&name, stored.keys.generation());
    tenant.set(&quotas);
    Ok(Domain {
        service_tls: tls::service(tls_identity(identity), Arc::clone(&agents), Arc::clone(provider))?,
        admission_tls: tls::admission(tls_identity(identity), Arc::clone(provider))?,
        leaf: leaf(identity)?,
        holds_policy_key: record.policy_key.is_some(),
        installed: stand_in.is_none(),
        keys: Arc::clone(&stored.keys),
        storage: Arc::clone(storage),
        serial: stored.serial,
        created: record.created,
        home: record.home,
        quotas,
        tenant,
        name,
        policy,
        acl,
        preset,
        labels_until: trust.policy.references.next_expiry(now),
        principals: access.revocations.standing(&access.principals),
        issuer: issuer.map(|issuer| issuer.lasting(access.admission())),
        access,
        trust,
        agents,
    })
}

/// What the operator says, as the store keeps it; nothing at all is nothing.
fn quotas(bytes: &[u8]) -> Result<Quotas, BuildFault> {
    if bytes.is_empty() {
        Ok(Quotas::default())
    } else {
        serde_json::from_slice(bytes).map_err(BuildFault::Quotas)
    }
}

/// Whether the clock was put back behind what was sealed once: certificates that ended could live again.
fn is_behind(now: i64, record: &DomainRecord) -> bool {
    let known = record.home.map_or(record.created, |home| home.time.max(record.created));
    now.saturating_add(skew()) < known
}

/// How far clocks may lie apart, in seconds.
pub(crate) fn skew() -> i64 {
    i64::try_from(CLOCK_SKEW.as_secs()).unwrap_or(i64::MAX)
}

/// For a domain that waits for its owner: nobody meets it, and it is under no policy certificate.
fn stand_in(issuing: Option<&Issuing>) -> Result<BrokerIdentity, BuildFault> {
    let asked = issuing.and_then(|issuing| issuing.asked.as_ref()).ok_or(BuildFault::NoIdentity)?;
    let certificate = self_signed_agent(&signing_key(&asked.broker)?, UnixTime::now())?;
    Ok(BrokerIdentity { certificate, key: Secret::copy_from(asked.broker.expose()) })
}

fn issuer(
    key: &Secret,
    policy: &PolicyCertificate,
    domain: &DomainName,
) -> Result<AdmissionIssuer, BuildFault> {
    Ok(Arc::new(Issuer::new(signing_key(key)?, policy.clone(), domain)?).into_admission())
}

/// What the domain calls its measurements, for access rules.
pub(crate) fn labels(trust: &Trust, now: i64) -> Vec<(Measurement, String)> {
    let labels = trust.policy.references.labels(now);
    labels.map(|(measurement, label)| (*measurement, label.to_owned())).collect()
}

fn leaf(identity: &BrokerIdentity) -> Result<Leaf, BuildFault> {
    let (not_before, not_after) = certificate_dates(&identity.certificate)?;
    Ok(Leaf {
        certificate: identity.certificate.clone(),
        digest: claviger_attest::sha384(&identity.certificate),
        not_before,
        not_after,
        key: Arc::new(signing_key(&identity.key)?),
    })
}

/// A certificate's dates, in seconds since 1970.
pub(crate) fn certificate_dates(der: &[u8]) -> Result<(i64, i64), CertificateError> {
    let (_, certificate) =
        x509_parser::parse_x509_certificate(der).map_err(|_| CertificateError::Malformed)?;
    let validity = certificate.validity();
    Ok((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

fn tls_identity(identity: &BrokerIdentity) -> ServerIdentity {
    ServerIdentity {
        certificate: CertificateDer::from(identity.certificate.clone()),
        key: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.expose().to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use claviger_store::HomeMark;

    use super::*;
    use crate::domain::testing::make;

    #[actix_rt::test]
    async fn t43_a_clock_behind_what_is_sealed_serves_nobody() {
        let made = make("alpha", Preset::Closed);
        let storage = &made.domain.storage;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let now = seconds(UnixTime::now());
        let built = |time, created| {
            let mut stored = storage.store.domain(&made.domain.name).expect("readable").expect("there");
            stored.record.home = Some(HomeMark { generation: [0; 16], serial: 1, time });
            stored.record.created = created;
            build(&stored, storage, &provider).err().map(|error| error.source)
        };
        assert!(built(now, now).is_none());
        assert!(built(now + skew() - 60, now).is_none(), "clocks differ a little");
        assert!(matches!(built(now + skew() + 60, now), Some(BuildFault::Clock)));
        assert!(matches!(built(now, now + skew() + 60), Some(BuildFault::Clock)));
    }

    #[test]
    fn a_certificate_is_renewed_in_its_last_third() {
        assert!(!needs_renewal(0, 90, 59));
        assert!(needs_renewal(0, 90, 61));
        assert!(needs_renewal(0, 90, 1000));
    }
}
