//! Changes: validated, committed, then published.

use std::sync::Arc;

use claviger_acl::Preset;
use claviger_attest::{EvidenceKind, Issuer, Measurement, PolicyCertificate, ReferenceValue, SigningKey};
use claviger_proto::admin::{self, AddReference, CreateDomain, SecretHex};
use claviger_proto::key::{PrivateKey, PublicKey};
use claviger_proto::{DomainName, Secret};
use claviger_store::{
    AuditFacts, Command, DeleteDomain, DomainChange, DomainRecord, NewDomain, UpdateDomain,
};
use rustls::pki_types::UnixTime;

use super::registry::describe_reference;
use super::{AdminError, Registry};
use crate::actors::audit::seconds;
use crate::domain::{Asked, Domain, Issuing, issue_leaf, needs_renewal};

impl Registry {
    pub(super) async fn create(&self, body: CreateDomain) -> Result<admin::Domain, AdminError> {
        let CreateDomain { name, policy_certificate, policy_key, preset } = body;
        if self.domains().get(&name).is_some() {
            return Err(AdminError::Taken(name));
        }
        let policy = PolicyCertificate::from_der(&unhex("policy_certificate", &policy_certificate)?)?;
        let now = UnixTime::now();
        policy.check_dates(now)?;
        self.check_unshared(&policy)?;
        let preset: Preset = preset.as_deref().map(str::parse).transpose()?.unwrap_or_default();
        let (policy_key, issuing, broker_identity) = if let Some(SecretHex(key)) = policy_key {
            let private = PrivateKey::from_pkcs8_der(Secret::copy_from(key.expose()))?;
            let issuer = Issuer::new(SigningKey::from_private(&private)?, policy.clone(), &name)?;
            (Some(key), None, Some(issue_leaf(&issuer, now)?))
        } else {
            // The owner keeps it. The keys to sign for are made at once, so that there is one way for all that follows.
            let issuing = Issuing { issuer: None, asked: Some(Asked::generate()?) };
            (None, Some(issuing.encode()), None)
        };
        let record = DomainRecord {
            policy_certificate: policy.der().to_vec(),
            policy_key,
            issuing,
            broker_identity,
            preset: preset.to_string(),
            references: Vec::new(),
            access: Vec::new(),
            created: seconds(now),
            home: None,
        };
        let audit = self.event("domain-create");
        let create = Command::CreateDomain(NewDomain { name: name.clone(), record, audit });
        self.storage.commit(create).await?;
        self.reload(&name).await?;
        tracing::info!(domain = %name, "a domain is created");
        self.show(&name)
    }

    /// Two domains share neither policy key nor subject: either would let one admit for the other.
    pub(super) fn check_unshared(&self, policy: &PolicyCertificate) -> Result<(), AdminError> {
        let domains = self.domains();
        if domains.with_subject(policy.subject_der()).is_some() {
            return Err(AdminError::Shared("subject"));
        }
        let key = PublicKey::from_spki_der(policy.spki_der())?;
        for other in domains.iter() {
            if PublicKey::from_spki_der(other.policy.spki_der())?.same_numbers(&key) {
                return Err(AdminError::Shared("key"));
            }
        }
        Ok(())
    }

    /// The shards let go of the domain before its key is destroyed, so no request meets it half gone.
    pub(super) async fn delete(&self, name: &DomainName) -> Result<(), AdminError> {
        let domain = self.find(name)?;
        if domain.home.is_some() {
            return Err(AdminError::DeletePulled(name.clone()));
        }
        self.withdraw(&domain).await;
        let delete = Command::DeleteDomain(DeleteDomain { keys: Arc::clone(&domain.keys) });
        if let Err(error) = self.storage.commit(delete).await {
            self.reload(name).await?;
            return Err(error.into());
        }
        self.storage.tenants.forget(name, domain.keys.generation());
        let trail = self.storage.audit_dir.join(domain.keys.audit_dir_name());
        let removed = actix_rt::task::spawn_blocking(move || std::fs::remove_dir_all(trail)).await;
        if let Ok(Err(error)) = removed
            && error.kind() != std::io::ErrorKind::NotFound
        {
            // Nobody can read it any more, so the deletion stands.
            tracing::warn!(domain = %name, %error, "the files of a deleted domain's trail are left behind");
        }
        tracing::info!(domain = %name, "a domain is deleted, and its key destroyed");
        Ok(())
    }

    pub(super) async fn set_preset(
        &self,
        name: &DomainName,
        preset: &str,
    ) -> Result<admin::Domain, AdminError> {
        let domain = self.find(name)?;
        let preset: Preset = preset.parse()?;
        self.update(&domain, DomainChange::Preset(preset.to_string()), "acl-preset").await?;
        self.show(name)
    }

    pub(super) async fn trust(
        &self,
        name: &DomainName,
        add: AddReference,
    ) -> Result<admin::Reference, AdminError> {
        let domain = self.find(name)?;
        let kind: EvidenceKind = add.kind.parse()?;
        let measurement: Measurement = add.measurement.parse()?;
        let roots = match &add.attest_root {
            Some(root) => vec![PublicKey::from_spki_der(&unhex("attest_root", root)?)?],
            // None named are AMD's own: another entry's, perhaps a test's, must not stand in their place.
            None if !kind.needs_root() => Vec::new(),
            None => known_roots(&domain, kind),
        };
        let pcrs = add.pcrs.as_deref().map(str::parse).transpose()?;
        let value = ReferenceValue::new(kind, measurement, add.label, roots)?
            .expiring(add.expires)?
            .with_pcrs(pcrs)?;
        let described = describe_reference(&value);
        let mut policy = domain.trust.policy.clone();
        policy.references.check_roots(&value)?;
        if policy.references.add(value) {
            policy.references.check_labels()?;
            self.put_policy(&domain, policy, "trust-add").await?;
        }
        Ok(described)
    }

    pub(super) async fn distrust(
        &self,
        name: &DomainName,
        kind: &str,
        measurement: &str,
    ) -> Result<(), AdminError> {
        let domain = self.find(name)?;
        let mut policy = domain.trust.policy.clone();
        if !policy.references.remove(kind.parse()?, &measurement.parse()?) {
            return Err(AdminError::NoReference(name.clone()));
        }
        self.put_policy(&domain, policy, "trust-remove").await
    }

    /// Gives the broker a new certificate in each domain where the old one nears its end.
    pub(super) async fn renew_leaves(&self) {
        let now = UnixTime::now();
        for domain in self.domains().iter() {
            if !domain.holds_policy_key && domain.home.is_none() {
                // Its owner signs the next one, who is told by `domain show` and the metric of issuers.
                continue;
            }
            if !needs_renewal(domain.leaf.not_before, domain.leaf.not_after, seconds(now)) {
                continue;
            }
            match self.renew_leaf(domain, now).await {
                Ok(()) if domain.home.is_some() => {}
                Ok(()) => tracing::info!(domain = %domain.name, "the broker's certificate is renewed"),
                Err(error) => {
                    tracing::error!(domain = %domain.name, %error, "the broker's certificate can't be renewed");
                }
            }
        }
    }

    async fn renew_leaf(&self, domain: &Domain, now: UnixTime) -> Result<(), AdminError> {
        if domain.home.is_some() {
            // Its certificate says what it runs, which only its home can certify.
            return Ok(());
        }
        // The snapshot has only what admits agents; what can sign for a broker is made here, from the store.
        let stored = self.storage.store.domain(&domain.name)?;
        let Some(key) = stored.and_then(|stored| stored.record.policy_key) else { return Ok(()) };
        let key = SigningKey::from_private(&PrivateKey::from_pkcs8_der(key)?)?;
        let identity = issue_leaf(&Issuer::new(key, domain.policy.clone(), &domain.name)?, now)?;
        self.update(domain, DomainChange::BrokerIdentity(identity), "broker-certificate-renew").await
    }

    pub(super) async fn update(
        &self,
        domain: &Domain,
        change: DomainChange,
        action: &'static str,
    ) -> Result<(), AdminError> {
        self.update_as(domain, change, self.event(action)).await
    }

    /// The same, with a record that says more.
    pub(super) async fn update_as(
        &self,
        domain: &Domain,
        change: DomainChange,
        audit: AuditFacts,
    ) -> Result<(), AdminError> {
        if domain.home.is_some() {
            return Err(AdminError::FromHome(domain.name.clone()));
        }
        self.change(domain, change, audit).await
    }

    /// The same for what is said here, of a domain that was made elsewhere as well.
    pub(super) async fn change(
        &self,
        domain: &Domain,
        change: DomainChange,
        audit: AuditFacts,
    ) -> Result<(), AdminError> {
        let keys = Arc::clone(&domain.keys);
        self.storage.commit(Command::UpdateDomain(UpdateDomain { keys, change, audit })).await?;
        self.reload(&domain.name).await?;
        Ok(())
    }
}

/// The roots that a domain already names for a kind.
fn known_roots(domain: &Domain, kind: EvidenceKind) -> Vec<PublicKey> {
    let mut roots: Vec<PublicKey> = Vec::new();
    for root in domain
        .trust
        .policy
        .references
        .iter()
        .filter(|value| value.kind() == kind)
        .flat_map(ReferenceValue::roots)
    {
        if !roots.iter().any(|known| known.same_numbers(root)) {
            roots.push(root.clone());
        }
    }
    roots
}

pub(super) fn unhex(field: &'static str, text: &str) -> Result<Vec<u8>, AdminError> {
    hex::decode(text).map_err(|_| AdminError::Invalid(format!("{field} is not hex")))
}
