//! The policy that says which machines a domain admits: shown, checked, put in force.

use claviger_attest::{PolicyFile, TrustPolicy};
use claviger_proto::{DomainName, admin};
use claviger_store::DomainChange;
use rustls::pki_types::UnixTime;

use super::{AdminError, Registry};
use crate::actors::audit::seconds;
use crate::domain::{Domain, MAX_POLICY, Trust};

impl Registry {
    pub(super) fn policy(&self, name: &DomainName) -> Result<admin::TrustPolicy<PolicyFile>, AdminError> {
        let domain = self.find(name)?;
        let Trust { revision, policy } = &domain.trust;
        Ok(admin::TrustPolicy {
            domain: name.clone(),
            revision: *revision,
            milan: policy.milan().as_str().to_owned(),
            warnings: policy.warnings(seconds(UnixTime::now())),
            policy: policy.to_file(),
        })
    }

    /// Puts a policy file in force, if it says something else than what is; all of it or nothing.
    pub(super) async fn apply(
        &self,
        name: &DomainName,
        apply: admin::ApplyPolicy<PolicyFile>,
    ) -> Result<admin::AppliedPolicy, AdminError> {
        let domain = self.find(name)?;
        let is = domain.trust.revision;
        if let Some(expected) = apply.if_revision.filter(|expected| *expected != is) {
            return Err(AdminError::Revision { expected, is });
        }
        let policy = TrustPolicy::from_file(apply.policy)?;
        check_size(is, &policy)?;
        let mut applied = admin::AppliedPolicy {
            domain: name.clone(),
            revision: is,
            changed: policy != domain.trust.policy,
            dry_run: apply.dry_run,
            milan: policy.milan().as_str().to_owned(),
            warnings: policy.warnings(seconds(UnixTime::now())),
        };
        if applied.changed && !apply.dry_run {
            self.put_policy(&domain, policy, "policy-apply").await?;
            applied.revision = is + 1;
            tracing::info!(domain = %name, revision = applied.revision, "a policy is put in force");
        }
        Ok(applied)
    }

    /// Puts another policy in the place of the domain's, under the next revision.
    pub(super) async fn put_policy(
        &self,
        domain: &Domain,
        policy: TrustPolicy,
        action: &'static str,
    ) -> Result<(), AdminError> {
        check_size(domain.trust.revision, &policy)?;
        let trust = Trust { revision: domain.trust.revision + 1, policy };
        self.update(domain, DomainChange::References(trust.encode()), action).await
    }

    /// Takes labels back whose measurements are trusted no longer.
    pub(super) async fn expire_labels(&self) {
        let now = seconds(UnixTime::now());
        for domain in self.domains().iter().filter(|domain| domain.labels_until.is_some_and(|end| end <= now))
        {
            match self.reload(&domain.name).await {
                Ok(_) => tracing::info!(domain = %domain.name, "a reference value has expired"),
                Err(error) => tracing::error!(domain = %domain.name, %error, "a label can't be taken back"),
            }
        }
    }
}

fn check_size(revision: u64, policy: &TrustPolicy) -> Result<(), AdminError> {
    let size = Trust { revision, policy: policy.clone() }.encode().len();
    if size <= MAX_POLICY {
        return Ok(());
    }
    let most = MAX_POLICY >> 10;
    Err(AdminError::Invalid(format!(
        "a policy is kept in at most {most} KiB; remove what is trusted no longer"
    )))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use claviger_acl::{Action, Preset};
    use claviger_attest::{EvidenceKind, KeyAlgorithm, Measurement, ReferenceValue, SigningKey};

    use super::*;
    use crate::domain::Domains;
    use crate::domain::testing::make;

    #[actix_rt::test]
    async fn a_label_goes_with_the_reference_value_that_expires() {
        let made = make("alpha", Preset::Provisioned);
        let (name, storage) = (made.domain.name.clone(), Arc::clone(&made.domain.storage));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let domains = Arc::new(Domains::new([Arc::clone(&made.domain)], None));
        let registry = Registry::new(storage, provider, Vec::new(), domains);
        let now = UnixTime::now();
        let mut policy = TrustPolicy::default();
        let root = SigningKey::generate(KeyAlgorithm::P256).expect("a key").public().clone();
        let measurement = Measurement::from_bytes(&[7; 32]).expect("a measurement");
        let label = Some("deployment".to_owned());
        let value = ReferenceValue::new(EvidenceKind::SimulatedEnclave, measurement, label, vec![root]);
        policy
            .references
            .add(value.and_then(|value| value.expiring(Some(seconds(now) + 2))).expect("a value"));
        registry.put_policy(&made.domain, policy, "policy-apply").await.expect("it is kept");

        let peer = made.domain.agents.peer(&made.member(now, 2), &[] as &[&[u8]], now).expect("a member");
        let may_store = || {
            let domain = registry.find(&name).expect("the domain");
            domain.acl.decide(&peer, Action::Store, &"a".parse().expect("a name")).is_ok()
        };
        registry.expire_labels().await;
        assert!(may_store(), "not yet");
        tokio::time::sleep(Duration::from_secs(2)).await;
        registry.expire_labels().await;
        assert!(!may_store());
        assert_eq!(registry.find(&name).expect("the domain").labels_until, None);
    }
}
