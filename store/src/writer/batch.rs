//! A batch: what its commands come to, before anything is written.

use std::collections::HashMap;
use std::sync::Arc;

use claviger_acl::Action;
use claviger_proto::ResourceName;

use crate::DomainKeys;
use crate::audit::TrailHead;
use crate::engine::Txn;
use crate::error::StoreError;
use crate::layout::Generation;
use crate::store::{Store, check_permit};
use crate::writer::domain_plan::DomainPlan;
use crate::writer::{
    ChangeVersions, CheckpointDomain, Done, Once, PutEntry, PutLimits, Tickets, UpdateDomain,
};

/// A command that can share a commit.
pub(super) enum Grouped {
    Put(PutEntry),
    Change(ChangeVersions),
    Update(UpdateDomain),
    Checkpoint(CheckpointDomain),
    Tickets(Tickets),
    Once(Once),
}

/// What a command came to, and which domain it is about if it counts on that domain's transaction.
pub(super) type Outcome = (Option<Generation>, Result<Done, StoreError>);

/// What a batch comes to.
pub(super) struct Planned {
    pub(super) outcomes: Vec<Outcome>,
    /// One for each domain that changes, in the same order as `changes`.
    pub(super) txns: Vec<Txn>,
    pub(super) changes: Vec<DomainChanges>,
}

/// What else moves when a domain's transaction is durable.
pub(super) struct DomainChanges {
    pub(super) generation: Generation,
    pub(super) trail: TrailHead,
    /// The names that had their first version.
    pub(super) new_names: Vec<ResourceName>,
}

/// A batch on its way.
pub(super) struct Batch<'a> {
    store: &'a Store,
    trails: &'a HashMap<Generation, TrailHead>,
    limits: PutLimits,
    domains: HashMap<Generation, DomainPlan>,
    outcomes: Vec<Outcome>,
    /// Those to be made when everything else is planned, and whose outcome each is.
    checkpoints: Vec<(usize, CheckpointDomain)>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        store: &'a Store,
        trails: &'a HashMap<Generation, TrailHead>,
        limits: PutLimits,
    ) -> Self {
        let (outcomes, checkpoints) = (Vec::new(), Vec::new());
        Self { store, trails, limits, domains: HashMap::new(), outcomes, checkpoints }
    }

    /// How many commands were added.
    pub(super) fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Adds a command, on top of those before it.
    pub(super) fn add(&mut self, command: Grouped) {
        let outcome = match command {
            Grouped::Put(put) => self.put(put),
            Grouped::Change(change) => self.change(change),
            Grouped::Update(update) => self.update(update),
            Grouped::Tickets(tickets) => self.tickets(tickets),
            Grouped::Once(once) => self.once(once),
            // It joins the head that the trail has after this batch.
            Grouped::Checkpoint(checkpoint) => {
                self.checkpoints.push((self.outcomes.len(), checkpoint));
                (None, Err(StoreError::Signing))
            }
        };
        self.outcomes.push(outcome);
    }

    /// What the commands come to. Fails as a whole only when the engine can't be read or there is no randomness.
    pub(super) fn plan(mut self) -> Result<Planned, StoreError> {
        for plan in self.domains.values_mut() {
            plan.append_records()?;
        }
        for (at, checkpoint) in std::mem::take(&mut self.checkpoints) {
            self.outcomes[at] = self.checkpoint(checkpoint);
        }
        let outcomes = self.outcomes;
        // A command that couldn't be sealed may have left half of itself in the plan.
        let spoils = |error: &&StoreError| error.is_fatal() || matches!(error, StoreError::Randomness);
        if let Some(error) = outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).find(spoils) {
            return Err(error.clone());
        }
        let mut planned = Planned { outcomes, txns: Vec::new(), changes: Vec::new() };
        for (generation, plan) in self.domains {
            let new_names = plan.new_names();
            if let Some((txn, trail)) = plan.finish(self.store.engine())? {
                planned.txns.push(txn);
                planned.changes.push(DomainChanges { generation, trail, new_names });
            }
        }
        Ok(planned)
    }

    fn domain(&mut self, keys: &Arc<DomainKeys>) -> Result<&mut DomainPlan, StoreError> {
        if keys.is_destroyed() {
            return Err(StoreError::NotFound);
        }
        let generation = *keys.generation();
        if !self.domains.contains_key(&generation) {
            let known = self.trails.get(&generation).copied();
            self.domains.insert(generation, DomainPlan::new(self.store, Arc::clone(keys), known)?);
        }
        self.domains.get_mut(&generation).ok_or(StoreError::NotFound)
    }

    fn put(&mut self, put: PutEntry) -> Outcome {
        let generation = *put.keys.generation();
        let (store, limits) = (self.store, self.limits);
        let outcome = check_permit(&put.keys, &put.permit, &[Action::Store, Action::Rotate])
            .and_then(|()| self.domain(&put.keys))
            .and_then(|plan| plan.put(store.engine(), put, limits));
        (Some(generation), outcome)
    }

    fn change(&mut self, change: ChangeVersions) -> Outcome {
        let generation = *change.keys.generation();
        let store = self.store;
        let outcome = check_permit(&change.keys, &change.permit, &[change.change.action()])
            .and_then(|()| self.domain(&change.keys))
            .and_then(|plan| plan.change(store.engine(), change));
        (Some(generation), outcome)
    }

    fn update(&mut self, update: UpdateDomain) -> Outcome {
        let generation = *update.keys.generation();
        let store = self.store;
        let outcome = self.domain(&update.keys).and_then(|plan| plan.update(store.engine(), update));
        (Some(generation), outcome)
    }

    fn tickets(&mut self, tickets: Tickets) -> Outcome {
        let generation = *tickets.keys.generation();
        let store = self.store;
        let outcome = self.domain(&tickets.keys).and_then(|plan| plan.tickets(store.engine(), tickets));
        (Some(generation), outcome)
    }

    fn once(&mut self, once: Once) -> Outcome {
        let generation = *once.keys.generation();
        let store = self.store;
        let outcome = self.domain(&once.keys).and_then(|plan| plan.once(store.engine(), once));
        (Some(generation), outcome)
    }

    fn checkpoint(&mut self, checkpoint: CheckpointDomain) -> Outcome {
        let generation = *checkpoint.keys.generation();
        let outcome = self.domain(&checkpoint.keys).and_then(|plan| plan.checkpoint(checkpoint));
        (Some(generation), outcome)
    }
}
