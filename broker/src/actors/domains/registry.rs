//! The registry: the domains of this moment, and what changes them.

use std::cell::RefCell;
use std::sync::Arc;

use claviger_attest::ReferenceValue;
use claviger_proto::DomainName;
use claviger_proto::admin::{self, AuditSync};
use claviger_store::AuditFacts;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;

use super::issuing::issuer_end;
use super::{AdminError, Caller, ShardSeams};
use crate::actors::acl::DomainsChanged;
use crate::actors::audit::{DomainDeleted, seconds};
use crate::domain::{Domain, Domains, build};
use crate::storage::Storage;

/// Owns the domains. Its methods are called one at a time, by the domains actor.
pub struct Registry {
    pub(super) storage: Arc<Storage>,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) shards: Vec<ShardSeams>,
    domains: RefCell<Arc<Domains>>,
    /// Who makes the call that is under way.
    caller: RefCell<Caller>,
}

impl Registry {
    /// A registry that starts with `domains`, which the shards have already.
    pub fn new(
        storage: Arc<Storage>,
        provider: Arc<CryptoProvider>,
        shards: Vec<ShardSeams>,
        domains: Arc<Domains>,
    ) -> Self {
        Self {
            storage,
            provider,
            shards,
            domains: RefCell::new(domains),
            caller: RefCell::new(Caller::local()),
        }
    }

    /// From now on it is this one's call that is under way.
    pub(super) fn called_by(&self, caller: Caller) {
        self.caller.replace(caller);
    }

    /// The role of who calls.
    pub(super) fn role(&self) -> &'static str {
        self.caller.borrow().role
    }

    /// The record of the call that is under way.
    pub(super) fn event(&self, action: &'static str) -> AuditFacts {
        let Caller { role, fingerprint, source } = self.caller.borrow().clone();
        AuditFacts {
            time: seconds(UnixTime::now()),
            action: action.into(),
            outcome: "ok".into(),
            peer_fingerprint: fingerprint,
            role: role.into(),
            source,
            ..AuditFacts::default()
        }
    }

    pub(super) fn domains(&self) -> Arc<Domains> {
        Arc::clone(&self.domains.borrow())
    }

    pub(super) fn generations(&self) -> Vec<[u8; 16]> {
        self.domains().iter().map(|domain| *domain.keys.generation()).collect()
    }

    pub(super) fn find(&self, name: &DomainName) -> Result<Arc<Domain>, AdminError> {
        self.domains().get(name).cloned().ok_or_else(|| AdminError::NoDomain(name.clone()))
    }

    pub(super) fn list(&self) -> Vec<admin::Domain> {
        let domains = self.domains();
        let mut list: Vec<_> = domains.iter().map(|domain| describe(domain)).collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    pub(super) fn show(&self, name: &DomainName) -> Result<admin::Domain, AdminError> {
        Ok(describe(&*self.find(name)?))
    }

    pub(super) fn references(&self, name: &DomainName) -> Result<Vec<admin::Reference>, AdminError> {
        Ok(self.find(name)?.trust.policy.references.iter().map(describe_reference).collect())
    }

    /// Reads a domain as it is stored now, and puts it before every shard.
    pub(super) async fn reload(&self, name: &DomainName) -> Result<Arc<Domain>, AdminError> {
        let stored = self.storage.store.domain(name)?.ok_or_else(|| AdminError::NoDomain(name.clone()))?;
        let domain = Arc::new(build(&stored, &self.storage, &self.provider)?);
        let domains = self.domains().with(&domain);
        self.publish(domains).await;
        Ok(domain)
    }

    /// Takes a domain away from every shard.
    pub(super) async fn withdraw(&self, domain: &Domain) {
        let domains = self.domains().without(&domain.name);
        self.publish(domains).await;
        for shard in &self.shards {
            if shard.deleted.send(DomainDeleted(*domain.keys.generation())).await.is_err() {
                tracing::error!("a shard is gone; it can't let go of a deleted domain");
            }
        }
    }

    /// Every shard takes channels that name no domain for this one's.
    pub(super) async fn set_default(&self, default: Option<DomainName>) {
        self.publish(Domains::new(self.domains().iter().cloned(), default)).await;
    }

    /// Returns when every shard decides by the new snapshot.
    async fn publish(&self, domains: Domains) {
        let domains = Arc::new(domains);
        *self.domains.borrow_mut() = Arc::clone(&domains);
        self.watch_issuers();
        let sent = self.shards.iter().map(|shard| shard.acl.send(DomainsChanged(Arc::clone(&domains))));
        for answer in futures_util::future::join_all(sent).await {
            if answer.is_err() {
                tracing::error!("a shard is gone; it can't learn of a change");
            }
        }
    }
}

/// Who holds a domain's policy key.
pub(super) fn held_by(domain: &Domain) -> &'static str {
    if domain.holds_policy_key { "broker" } else { "owner" }
}

fn describe(domain: &Domain) -> admin::Domain {
    admin::Domain {
        name: domain.name.clone(),
        preset: domain.preset.to_string(),
        policy_fingerprint: hex::encode(domain.policy.fingerprint()),
        policy_not_after: seconds(domain.policy.not_after()),
        policy_key_held_by: held_by(domain).to_owned(),
        issuer_not_after: issuer_end(domain),
        awaits_owner: !domain.installed,
        broker_certificate_not_after: if domain.installed { domain.leaf.not_after } else { 0 },
        references: domain.trust.policy.references.len(),
        stock: domain.access.stock,
        admission_lasts: domain.access.admission().as_secs(),
        audit_sync: if domain.access.durable_audit { AuditSync::Durable } else { AuditSync::Written },
        revocations: domain.access.revocations.iter().count(),
        suspended: domain.access.suspended.clone(),
        created: domain.created,
    }
}

pub(super) fn describe_reference(value: &ReferenceValue) -> admin::Reference {
    let root = |key: &claviger_proto::key::PublicKey| hex::encode(claviger_attest::sha256(key.spki_der()));
    admin::Reference {
        kind: value.kind().to_string(),
        measurement: value.measurement().to_string(),
        label: value.label().map(str::to_owned),
        roots: value.roots().iter().map(root).collect(),
        expires: value.expires(),
        pcrs: value.pcrs().map(ToString::to_string),
    }
}
