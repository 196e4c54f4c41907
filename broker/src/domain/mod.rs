//! Domains as the shards see them: immutable snapshots, built once per change.

mod access;
mod build;
mod choose;
mod issuing;
mod people;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod trust;

use std::collections::HashMap;
use std::sync::Arc;

use claviger_acl::{Acl, Preset};
use claviger_attest::{AdmissionIssuer, PolicyCertificate, Principals};
use claviger_proto::DomainName;
use claviger_proto::admin::Quotas;
use claviger_store::{DomainKeys, HomeMark, Quota};

use crate::net::tenant::Tenant;
use crate::storage::Storage;

pub use access::Access;
pub use build::{BuildError, BuildFault, build, issue_leaf, needs_renewal};
pub(crate) use build::{certificate_dates, labels, skew};
pub(crate) use choose::by_server_name;
pub use choose::{Hello, Refused, choose};
pub(crate) use issuing::signing_key;
pub use issuing::{Asked, Issuing};
pub(crate) use people::MAX_PEOPLE;
pub use people::Registered;
pub use tls::{AgentVerifier, TlsError};
pub(crate) use tls::{any_key, counted};
pub(crate) use trust::MAX_POLICY;
pub use trust::Trust;

/// One domain, whole: what a connection needs from its hello to its last answer.
pub struct Domain {
    /// Its name.
    pub name: DomainName,
    /// The root of its trust.
    pub policy: PolicyCertificate,
    /// Seals its records and names its files.
    pub keys: Arc<DomainKeys>,
    /// Where they lie.
    pub storage: Arc<Storage>,
    /// Who may do what.
    pub acl: Acl,
    /// The preset that `acl` was compiled from.
    pub preset: Preset,
    /// The owner's own rules that it was compiled from as well, and whom they can speak of.
    pub access: Access,
    /// The principals of `access` that are not revoked: those that count.
    pub principals: Principals,
    /// What it trusts, and demands of machines.
    pub trust: Trust,
    /// When a label of `acl` is to be taken back, for what it names is trusted no longer; seconds since 1970.
    pub labels_until: Option<i64>,
    /// Whether the broker holds the policy key.
    pub holds_policy_key: bool,
    /// Whether the broker has a certificate of its own in it; else it waits for its owner, and serves nobody.
    pub installed: bool,
    /// Admits agents, where the broker holds the policy key or has a delegated issuer.
    pub issuer: Option<AdmissionIssuer>,
    /// The broker's own certificate in this domain.
    pub leaf: Leaf,
    /// TLS of the key service: agents' admission certificates are demanded.
    pub service_tls: Arc<rustls::ServerConfig>,
    /// The verifier inside `service_tls`, which turns a channel's certificate into a peer.
    pub agents: Arc<AgentVerifier>,
    /// TLS of admission: any self-signed certificate is taken, for it only carries a key.
    pub admission_tls: Arc<rustls::ServerConfig>,
    /// What the operator says of how much it may.
    pub quotas: Quotas,
    /// What it takes of the broker; the same for all snapshots of it.
    pub tenant: Arc<Tenant>,
    /// Counts the changes of what describes it, from 1: which state it was decided by.
    pub serial: u32,
    /// When it was created, seconds since 1970.
    pub created: i64,
    /// Where it was pulled from another broker: how far that was.
    pub home: Option<HomeMark>,
}

impl Domain {
    /// What the operator says of how much it may store.
    pub fn quota(&self) -> Quota {
        let Quotas { names, bytes, versions_per_name: versions, .. } = self.quotas;
        Quota { names, bytes, versions }
    }
}

/// The broker's own certificate in a domain.
pub struct Leaf {
    /// DER.
    pub certificate: Vec<u8>,
    /// SHA-384 of it, as bindings take it.
    pub digest: [u8; 48],
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Signs audit checkpoints.
    pub key: Arc<claviger_attest::SigningKey>,
}

/// All domains of a broker at one moment; by default those of a sealed broker, which are none.
#[derive(Default)]
pub struct Domains {
    unsealed: bool,
    by_name: HashMap<DomainName, Arc<Domain>>,
    by_subject: HashMap<Vec<u8>, Arc<Domain>>,
    default: Option<DomainName>,
}

impl Domains {
    /// A snapshot of these domains. `default` is the domain of a channel that names none.
    pub fn new(domains: impl IntoIterator<Item = Arc<Domain>>, default: Option<DomainName>) -> Self {
        let mut all = Self { unsealed: true, default, ..Self::default() };
        for domain in domains {
            all.by_subject.insert(domain.policy.subject_der().to_vec(), Arc::clone(&domain));
            all.by_name.insert(domain.name.clone(), domain);
        }
        all
    }

    /// Whether the broker is sealed, so that it isn't known which domains there are.
    pub fn is_sealed(&self) -> bool {
        !self.unsealed
    }

    /// The domain of this name.
    pub fn get(&self, name: &DomainName) -> Option<&Arc<Domain>> {
        self.by_name.get(name)
    }

    /// The domain of a channel as it is now, if it is still the one that the channel was opened in.
    pub fn current(&self, channel: &Domain) -> Option<&Arc<Domain>> {
        let now = self.get(&channel.name)?;
        (now.keys.generation() == channel.keys.generation()).then_some(now)
    }

    /// The domain whose policy certificate has this subject (a DER `Name`).
    pub fn with_subject(&self, subject: &[u8]) -> Option<&Arc<Domain>> {
        self.by_subject.get(subject)
    }

    /// The domain of a channel that names none: the configured one, or the only one.
    pub fn unnamed(&self) -> Option<&Arc<Domain>> {
        match &self.default {
            Some(name) => self.by_name.get(name),
            None if self.by_name.len() == 1 => self.by_name.values().next(),
            None => None,
        }
    }

    /// Every domain, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Domain>> {
        self.by_name.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The same domains with `domain` put in, or in place of the one of its name.
    #[must_use]
    pub fn with(&self, domain: &Arc<Domain>) -> Self {
        let others = self.iter().filter(|d| d.name != domain.name).cloned();
        Self::new(others.chain([Arc::clone(domain)]), self.default.clone())
    }

    /// The same domains without the one of this name.
    #[must_use]
    pub fn without(&self, name: &DomainName) -> Self {
        Self::new(self.iter().filter(|d| d.name != *name).cloned(), self.default.clone())
    }
}
