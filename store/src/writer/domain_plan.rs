//! What a batch comes to in one domain: one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use claviger_proto::ResourceName;
use claviger_proto::limits::MAX_DATA;

use crate::audit::{AuditFacts, Checkpoint, TrailHead, load_head};
use crate::domain::DomainKeys;
use crate::domain::record::{DomainBody, KeyOf, load_body, load_key, put_body, put_key};
use crate::engine::{AnyEngine, Key, Revision, Txn};
use crate::error::StoreError;
use crate::layout;
use crate::store::Store;
use crate::usage;
use crate::writer::name_plan::{Ground, NamePlan};
use crate::writer::once_plan::OncePlan;
use crate::writer::ticket_plan::TicketPlan;
use crate::writer::{
    ChangeVersions, CheckpointDomain, DomainChange, Done, Once, PulledDomain, PutEntry, PutLimits, Tickets,
    UpdateDomain,
};

/// What a batch comes to in one domain.
pub(super) struct DomainPlan {
    keys: Arc<DomainKeys>,
    trail: TrailHead,
    /// The trail's record as the engine has it.
    trail_was: Option<Revision>,
    facts: Vec<AuditFacts>,
    names: HashMap<ResourceName, NamePlan>,
    body: Option<(DomainBody, Revision)>,
    tickets: TicketPlan,
    once: OncePlan,
    put: Vec<(Key, Vec<u8>)>,
    gone: Vec<Key>,
}

impl DomainPlan {
    pub(super) fn new(
        store: &Store,
        keys: Arc<DomainKeys>,
        known: Option<TrailHead>,
    ) -> Result<Self, StoreError> {
        let mut trail = match known {
            Some(trail) => trail,
            None => load_head(store.engine(), &keys)?,
        };
        if trail.usage.is_none() {
            // Written by a version that didn't count; from the next commit on the sum is kept.
            trail.usage = Some(usage::count(store.engine(), &keys)?);
        }
        let (facts, put, gone) = (Vec::new(), Vec::new(), Vec::new());
        let (names, tickets, once) = (HashMap::new(), TicketPlan::default(), OncePlan::default());
        Ok(Self {
            keys,
            trail,
            trail_was: trail.revision,
            facts,
            names,
            body: None,
            tickets,
            once,
            put,
            gone,
        })
    }

    pub(super) fn put(
        &mut self,
        engine: &AnyEngine,
        put: PutEntry,
        limits: PutLimits,
    ) -> Result<Done, StoreError> {
        if put.blob.is_empty() || put.blob.len() > MAX_DATA {
            return Err(StoreError::BlobSize);
        }
        if put.blob.len() > limits.secret {
            return Err(StoreError::SecretLimit { limit: limits.secret });
        }
        let (plan, ground) = plan_of(&mut self.names, engine, &self.keys, put.permit.name())?;
        let usage = self.trail.usage.get_or_insert_default();
        let (version, repeated) = plan.put(&ground, &put, limits.of(put.quota), usage)?;
        let name = Some(ground.name.to_string());
        self.facts.push(AuditFacts { name, version: Some(version.get()), ..put.audit });
        Ok(Done::Stored { version, repeated })
    }

    pub(super) fn change(&mut self, engine: &AnyEngine, command: ChangeVersions) -> Result<Done, StoreError> {
        let ChangeVersions { permit, change, span, audit, .. } = command;
        let (plan, ground) = plan_of(&mut self.names, engine, &self.keys, permit.name())?;
        let usage = self.trail.usage.get_or_insert_default();
        let changed = plan.change(&ground, change, span, usage)?;
        for version in &changed {
            let name = Some(ground.name.to_string());
            self.facts.push(AuditFacts { name, version: Some(version.get()), ..audit.clone() });
        }
        if changed.is_empty() {
            // Asked for, and done already: recorded all the same.
            self.facts.push(AuditFacts { name: Some(ground.name.to_string()), ..audit });
        }
        Ok(Done::Changed(changed))
    }

    /// The names that have their first version by this plan.
    pub(super) fn new_names(&self) -> Vec<ResourceName> {
        self.names.iter().filter(|(_, plan)| plan.is_new()).map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn update(&mut self, engine: &AnyEngine, update: UpdateDomain) -> Result<Done, StoreError> {
        // A copy: a change that is refused leaves what came before it in the plan.
        let (mut body, revision) = match &self.body {
            Some(body) => body.clone(),
            None => load_body(engine, &self.keys)?,
        };
        body.serial += 1;
        match update.change {
            DomainChange::Preset(preset) => body.preset = preset,
            DomainChange::References(references) => body.references = references,
            DomainChange::Access(access) => body.access = access,
            DomainChange::Quotas(quotas) => body.quotas = quotas,
            DomainChange::BrokerIdentity(identity) => {
                self.put.push(put_key(&self.keys, KeyOf::Broker, body.serial, &identity.key)?);
                body.broker_certificate = identity.certificate;
                body.broker_key_serial = body.serial;
            }
            DomainChange::Issuing { issuing, identity } => {
                self.put.push(put_key(&self.keys, KeyOf::Issuing, body.serial, &issuing)?);
                body.issuing_serial = body.serial;
                if let Some(identity) = identity {
                    self.put.push(put_key(&self.keys, KeyOf::Broker, body.serial, &identity.key)?);
                    body.broker_certificate = identity.certificate;
                    body.broker_key_serial = body.serial;
                }
            }
            DomainChange::Pulled(pulled) => self.pulled(engine, &mut body, *pulled)?,
        }
        self.trail.domain_serial = body.serial;
        self.body = Some((body, revision));
        self.facts.push(update.audit);
        Ok(Done::DomainUpdated)
    }

    fn pulled(
        &mut self,
        engine: &AnyEngine,
        body: &mut DomainBody,
        pulled: PulledDomain,
    ) -> Result<(), StoreError> {
        let PulledDomain { home, policy_key, preset, references, access, identity } = pulled;
        if body.home().ok().flatten().is_none_or(|last| !home.follows(&last)) {
            return Err(StoreError::HomeBehind);
        }
        let held = load_key(engine, &self.keys, KeyOf::Policy, body.policy_key_serial)?;
        match &policy_key {
            Some(key) if held.as_ref() != Some(key) => {
                self.put.push(put_key(&self.keys, KeyOf::Policy, body.serial, key)?);
                body.policy_key_serial = body.serial;
            }
            None if held.is_some() => {
                self.gone.push(KeyOf::Policy.place(&self.keys));
                body.policy_key_serial = 0;
            }
            // It stays as it is, or there is none.
            Some(_) | None => {}
        }
        if let Some(identity) = identity {
            self.put.push(put_key(&self.keys, KeyOf::Broker, body.serial, &identity.key)?);
            body.broker_certificate = identity.certificate;
            body.broker_key_serial = body.serial;
        }
        (body.preset, body.references, body.access) = (preset, references, access);
        body.set_home(home);
        Ok(())
    }

    pub(super) fn tickets(&mut self, engine: &AnyEngine, command: Tickets) -> Result<Done, StoreError> {
        let Tickets { change, audit, .. } = command;
        self.tickets.change(engine, &self.keys, change, audit, &mut self.facts)
    }

    pub(super) fn once(&mut self, engine: &AnyEngine, command: Once) -> Result<Done, StoreError> {
        self.once.once(engine, &self.keys, command, &mut self.facts)
    }

    /// Adds what was done to the trail.
    pub(super) fn append_records(&mut self) -> Result<(), StoreError> {
        let facts = std::mem::take(&mut self.facts);
        self.put.extend(self.trail.append(&self.keys, &facts)?);
        Ok(())
    }

    pub(super) fn checkpoint(&mut self, command: CheckpointDomain) -> Result<Done, StoreError> {
        let sequence = self.trail.checkpoint + 1;
        let previous = self.trail.checkpoint_digest;
        let checkpoint = Checkpoint::new(sequence, command.now, previous, self.trail.chain, &command.heads);
        let bytes = checkpoint.signed_bytes(self.keys.domain(), self.keys.generation());
        let signature = (command.sign)(&bytes).ok_or(StoreError::Signing)?;
        let digest = Checkpoint::digest(&bytes);
        self.put.push(checkpoint.seal(&self.keys, signature)?);
        self.trail.checkpoint = sequence;
        self.trail.checkpoint_digest = digest;
        Ok(Done::Checkpointed { sequence, digest })
    }

    /// The transaction, and where the trail is after it; `None` when every command was refused, for then there
    /// is nothing to write.
    pub(super) fn finish(self, engine: &AnyEngine) -> Result<Option<(Txn, TrailHead)>, StoreError> {
        let Self { keys, mut trail, trail_was, names, body, tickets, once, put, gone, .. } = self;
        let mut txn = Txn { put, delete: gone, ..Txn::default() };
        for (name, plan) in names {
            plan.finish(&Ground { engine, keys: &keys, name: &name }, &mut txn)?;
        }
        if let Some((body, revision)) = body {
            txn.require.push((layout::domain_record(keys.generation()), Some(revision)));
            txn.put.push(put_body(&keys, &body)?);
        }
        tickets.finish(&keys, &mut trail, &mut txn)?;
        once.finish(&keys, &mut txn)?;
        if txn.put.is_empty() {
            return Ok(None);
        }
        txn.require.push((layout::audit_head(keys.generation()), trail_was));
        txn.put.push(trail.seal(&keys)?);
        Ok(Some((txn, trail)))
    }
}

/// The plan of a name, loaded when it is first asked for.
fn plan_of<'p>(
    names: &'p mut HashMap<ResourceName, NamePlan>,
    engine: &'p AnyEngine,
    keys: &'p DomainKeys,
    name: &'p ResourceName,
) -> Result<(&'p mut NamePlan, Ground<'p>), StoreError> {
    let ground = Ground { engine, keys, name };
    if !names.contains_key(name) {
        names.insert(name.clone(), NamePlan::load(&ground)?);
    }
    Ok((names.get_mut(name).ok_or(StoreError::NotFound)?, ground))
}
