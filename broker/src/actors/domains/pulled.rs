//! Domains that are pulled from a home broker: what there is of one, and how what came is taken over.

use std::sync::Arc;

use claviger_acl::{Acl, Preset};
use claviger_attest::{BrokerMeasurements, Issuer, PolicyCertificate, SigningKey, verify_broker};
use claviger_client::{BrokerLeaf, Pulled};
use claviger_proto::key::PrivateKey;
use claviger_proto::{DomainName, DomainState, Secret};
use claviger_store::{
    AuditFacts, BrokerIdentity, Command, DomainChange, DomainRecord, HomeMark, NewDomain, PulledDomain,
    StoredDomain, UpdateDomain,
};
use rustls::pki_types::UnixTime;

use super::{AdminError, Registry};
use crate::actors::audit::seconds;
use crate::domain::{Access, MAX_POLICY, Trust, certificate_dates, labels, needs_renewal, skew};

/// How far the time at home gets, in seconds, before it is sealed anew although nothing else has changed: a commit an hour.
const TIME_STEP: i64 = 3600;

/// The certificate of this broker in a pulled domain, unless it is time for another; `None` then, or where there is none.
pub(super) fn identity(registry: &Registry, name: &DomainName) -> Result<Option<BrokerLeaf>, AdminError> {
    let Some(stored) = registry.storage.store.domain(name)? else { return Ok(None) };
    if stored.record.home.is_none() {
        return Err(AdminError::MadeHere(name.clone()));
    }
    let Some(BrokerIdentity { certificate, key }) = stored.record.broker_identity else { return Ok(None) };
    let (not_before, not_after) = certificate_dates(&certificate)?;
    let now = seconds(UnixTime::now());
    // One that isn't valid yet is of a time that this machine has lost.
    let due = needs_renewal(not_before, not_after, now) || now < not_before;
    Ok((!due).then_some(BrokerLeaf { certificate, key }))
}

/// Takes over what a home broker gave, if it holds together and isn't older than what there is. Returns whether anything
/// is another now.
pub(super) async fn take(
    registry: &Registry,
    name: &DomainName,
    policy: &PolicyCertificate,
    pulled: Pulled,
) -> Result<bool, AdminError> {
    let Pulled { state, identity } = pulled;
    let checked = Checked::new(name, policy, state)?;
    let identity = identity.map(|leaf| own(name, policy, leaf)).transpose()?;
    let changed = match registry.storage.store.domain(name)? {
        None => checked.create(registry, policy, identity).await?,
        Some(stored) => checked.update(registry, policy, stored, identity).await?,
    };
    if changed || registry.find(name).is_err() {
        registry.reload(name).await?;
    }
    Ok(changed)
}

/// Deletes the policy key of a pulled domain, if there is one; all else stays, and is served. The next good pull brings it back.
pub(super) async fn give_up_policy_key(
    registry: &Registry,
    name: &DomainName,
    policy: &PolicyCertificate,
) -> Result<(), AdminError> {
    let Some(StoredDomain { keys, record, .. }) = registry.storage.store.domain(name)? else { return Ok(()) };
    let DomainRecord { home, policy_certificate, policy_key, preset, references, access, .. } = record;
    let Some(home) = home.filter(|_| policy_key.is_some() && policy_certificate == policy.der()) else {
        return Ok(());
    };
    let pulled = PulledDomain { home, policy_key: None, preset, references, access, identity: None };
    let change = DomainChange::Pulled(Box::new(pulled));
    let reason = Some("home refuses this broker: it gives up the policy key".to_owned());
    let audit = AuditFacts { outcome: "refused".into(), reason, ..event("domain-pull") };
    registry.storage.commit(Command::UpdateDomain(UpdateDomain { keys, change, audit })).await?;
    registry.reload(name).await?;
    tracing::warn!(domain = %name, "home refuses this broker: it has given up the policy key, and admits nobody until home \
        lists it again with may-issue; members are served");
    Ok(())
}

fn own(
    name: &DomainName,
    policy: &PolicyCertificate,
    leaf: BrokerLeaf,
) -> Result<BrokerIdentity, AdminError> {
    verify_broker(policy, name, &leaf.certificate, &BrokerMeasurements::Any, UnixTime::now())?;
    Ok(BrokerIdentity { certificate: leaf.certificate, key: leaf.key })
}

/// What came, once it was found to hold together.
struct Checked {
    name: DomainName,
    state: DomainState,
    trust: Trust,
}

impl Checked {
    fn new(name: &DomainName, policy: &PolicyCertificate, state: DomainState) -> Result<Self, AdminError> {
        let fail = |why| AdminError::NotTaken { domain: name.clone(), why };
        let now = UnixTime::now();
        policy.check_dates(now)?;
        if seconds(now).abs_diff(state.time) > skew().unsigned_abs() {
            return Err(fail("the clocks here and at home lie more than 5 minutes apart; set this one"));
        }
        if state.trust.len() > MAX_POLICY {
            return Err(fail("its policy is too large"));
        }
        let trust = Trust::decode(&state.trust).map_err(|_| fail("its policy is of another version"))?;
        trust.policy.references.check_labels()?;
        let access =
            Access::decode(&state.access).map_err(|_| fail("its access rules are of another version"))?;
        let preset: Preset = state.preset.parse()?;
        Acl::compile_with(name, preset, &access.rules, &labels(&trust, seconds(now)))?;
        if let Some(key) = &state.policy_key {
            let key = PrivateKey::from_pkcs8_der(Secret::copy_from(key.expose()))?;
            Issuer::new(SigningKey::from_private(&key)?, policy.clone(), name)?;
        }
        Ok(Self { name: name.clone(), state, trust })
    }

    fn mark(&self) -> HomeMark {
        HomeMark { generation: self.state.generation, serial: self.state.serial, time: self.state.time }
    }

    async fn create(
        self,
        registry: &Registry,
        policy: &PolicyCertificate,
        identity: Option<BrokerIdentity>,
    ) -> Result<bool, AdminError> {
        registry.check_unshared(policy)?;
        let home = Some(self.mark());
        let DomainState { preset, trust, access, policy_key, .. } = self.state;
        let record = DomainRecord {
            policy_certificate: policy.der().to_vec(),
            policy_key,
            issuing: None,
            broker_identity: identity,
            preset,
            references: trust,
            access,
            created: seconds(UnixTime::now()),
            home,
        };
        let audit = event("domain-pull-new");
        registry.storage.commit(Command::CreateDomain(NewDomain { name: self.name, record, audit })).await?;
        Ok(true)
    }

    async fn update(
        self,
        registry: &Registry,
        policy: &PolicyCertificate,
        stored: StoredDomain,
        identity: Option<BrokerIdentity>,
    ) -> Result<bool, AdminError> {
        let fail = |why| Err(AdminError::NotTaken { domain: self.name.clone(), why });
        let Some(last) = stored.record.home else { return Err(AdminError::MadeHere(self.name.clone())) };
        if stored.record.policy_certificate != policy.der() {
            return fail("the domain here has another policy certificate than the one that is pinned");
        }
        let mut mark = self.mark();
        if mark.generation != last.generation {
            return fail(
                "home has made another domain of this name, and the one here isn't exchanged for it; give this broker a \
                 new data directory (key-broker init)",
            );
        }
        let held = Trust::decode(&stored.record.references).map_or(0, |trust| trust.revision);
        if mark.serial < last.serial || self.trust.revision < held {
            return fail("it is older than what home gave before: home has gone back to an older state");
        }
        if mark.time.saturating_add(skew()) < last.time {
            return fail("it is of a time before the last pull");
        }
        mark.time = mark.time.max(last.time);
        let same = mark.serial == last.serial
            && identity.is_none()
            && self.state.policy_key.is_some() == stored.record.policy_key.is_some();
        if same && mark.time < last.time.saturating_add(TIME_STEP) {
            return Ok(false);
        }
        let DomainState { preset, trust: references, access, policy_key, .. } = self.state;
        let pulled = PulledDomain { home: mark, policy_key, preset, references, access, identity };
        let change = DomainChange::Pulled(Box::new(pulled));
        let update = UpdateDomain { keys: Arc::clone(&stored.keys), change, audit: event("domain-pull") };
        registry.storage.commit(Command::UpdateDomain(update)).await?;
        Ok(true)
    }
}

/// The record of a pull.
fn event(action: &'static str) -> AuditFacts {
    AuditFacts {
        time: seconds(UnixTime::now()),
        action: action.into(),
        outcome: "ok".into(),
        role: "broker".into(),
        source: "home".into(),
        ..AuditFacts::default()
    }
}

#[cfg(test)]
mod tests;
