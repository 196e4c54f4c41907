//! A domain to measure in: its policy key, the broker's identity, agents; and a broker's data directory.

use std::path::{Path, PathBuf};

use claviger_attest::{
    Issuer, KeyAlgorithm, Measurement, PolicyCertificate, Role, SigningKey, self_signed_policy,
};
use claviger_broker::domain::issue_leaf;
use claviger_client::{Connector, Identity, Options};
use claviger_proto::key::PrivateKey;
use claviger_proto::{DomainName, Secret};
use claviger_store::{AuditFacts, BrokerIdentity, Command, DataDir, DomainRecord, NewDomain, NewSlot};
use rustls::pki_types::UnixTime;

use crate::error::BenchError;
use crate::setting::DOMAIN;

/// Days that everything is valid for: a bench is done in minutes.
const DAYS: u32 = 2;

/// Domains that are created in one commit: thousands in one would be a transaction of megabytes.
const AT_ONCE: usize = 200;

/// A domain whose policy key the bench holds, so that it can make agents without admission.
pub(crate) struct Domain {
    pub(crate) name: DomainName,
    pub(crate) policy: PolicyCertificate,
    /// The broker's certificate and key in it, given to the broker and to the bare server alike.
    pub(crate) broker: BrokerIdentity,
    policy_key: Secret,
    issuer: Issuer,
}

impl Domain {
    /// A new one.
    pub(crate) fn make(algorithm: KeyAlgorithm) -> Result<Self, BenchError> {
        Self::named(DOMAIN, algorithm)
    }

    /// A new one of this name.
    pub(crate) fn named(name: &str, algorithm: KeyAlgorithm) -> Result<Self, BenchError> {
        let name: DomainName = name.parse()?;
        let now = UnixTime::now();
        let key = SigningKey::generate(algorithm)?;
        let policy_key = Secret::copy_from(key.pkcs8_der());
        let policy = self_signed_policy(&key, &name, now, DAYS)?;
        let issuer = Issuer::new(key, policy.clone(), &name)?;
        let broker = issue_leaf(&issuer, now)?;
        Ok(Self { name, policy, broker, policy_key, issuer })
    }

    /// A new agent, with a P-256 key and an admission certificate of its own.
    pub(crate) fn agent(&self) -> Result<Identity, BenchError> {
        let key = SigningKey::generate(KeyAlgorithm::P256)?;
        let measurement = Measurement::from_bytes(&[0x5a; 32]).expect("32 bytes are a measurement");
        let (spki, now) = (key.public().spki_der(), UnixTime::now());
        let certificate = self.issuer.identity(Role::Agent, spki, Some(&measurement), now, DAYS)?;
        let key = PrivateKey::from_pkcs8_der(Secret::copy_from(key.pkcs8_der()))?;
        Ok(Identity::new(self.name.clone(), self.policy.clone(), certificate, key))
    }

    /// New agents, ready to connect.
    pub(crate) fn connectors(&self, count: usize) -> Result<Vec<Connector>, BenchError> {
        let connector = |_| Ok(Connector::new(&self.agent()?, &Options::default())?);
        (0..count).map(connector).collect()
    }

    /// Makes a broker's data directory in `dir` that holds this domain.
    pub(crate) fn data_dir(&self, dir: &Path) -> Result<PathBuf, BenchError> {
        data_dir(&[self], dir)
    }

    fn record(&self, now: i64) -> DomainRecord {
        DomainRecord {
            policy_certificate: self.policy.der().to_vec(),
            policy_key: Some(Secret::copy_from(self.policy_key.expose())),
            issuing: None,
            broker_identity: Some(BrokerIdentity {
                certificate: self.broker.certificate.clone(),
                key: Secret::copy_from(self.broker.key.expose()),
            }),
            preset: "members".to_owned(),
            references: Vec::new(),
            access: Vec::new(),
            created: now,
            home: None,
        }
    }
}

/// Makes a broker's data directory in `dir` that holds these domains; every member may store and retrieve.
pub(crate) fn data_dir(domains: &[&Domain], dir: &Path) -> Result<PathBuf, BenchError> {
    let path = dir.join("broker");
    let data_dir = DataDir::create(&path, &NewSlot::File { path: dir.join("root.key") })?;
    let root = data_dir.unlock()?;
    let store = data_dir.store(&root)?;
    let now = UnixTime::now().as_secs().cast_signed();
    let create = |domain: &&Domain| {
        let audit = AuditFacts { time: now, action: "domain-create".into(), ..AuditFacts::default() };
        Command::CreateDomain(NewDomain { name: domain.name.clone(), record: domain.record(now), audit })
    };
    let mut writer = store.writer()?;
    for some in domains.chunks(AT_ONCE) {
        for done in writer.commit(some.iter().map(create).collect()) {
            done?;
        }
    }
    Ok(path)
}
