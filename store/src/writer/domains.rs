//! Making and deleting domains.

use std::sync::Arc;

use crate::audit::TrailHead;
use crate::domain::record::{DomainBody, KeyOf, put_body, put_key};
use crate::domain::root::{new_keys, new_removal};
use crate::engine::{Engine as _, Key, Tree, Txn};
use crate::error::StoreError;
use crate::layout::{self, Generation};
use crate::writer::{DeleteDomain, Done, NewDomain, Writer};

/// Records removed at once of a deleted domain: with the largest entries 64 MiB pass through memory.
const SWEEP: usize = 64;

/// The serial of a domain that was never changed.
const FIRST_SERIAL: u32 = 1;

impl Writer {
    pub(super) fn create_domain(&mut self, new: NewDomain) -> Result<Done, StoreError> {
        let NewDomain { name, record, audit } = new;
        if self.store.has_domain(&name) {
            return Err(StoreError::DomainExists(name));
        }
        let (keys, place, raw) = new_keys(self.store.root(), &name)?;
        let mut txn = Txn { require: vec![(place.clone(), None)], put: vec![(place, raw)], ..Txn::default() };
        let mut body = DomainBody {
            policy_certificate: record.policy_certificate,
            preset: record.preset,
            references: record.references,
            access: record.access,
            created: record.created,
            serial: FIRST_SERIAL,
            ..DomainBody::default()
        };
        if let Some(home) = record.home {
            body.set_home(home);
        }
        if let Some(policy_key) = &record.policy_key {
            body.policy_key_serial = FIRST_SERIAL;
            txn.put.push(put_key(&keys, KeyOf::Policy, FIRST_SERIAL, policy_key)?);
        }
        if let Some(issuing) = &record.issuing {
            body.issuing_serial = FIRST_SERIAL;
            txn.put.push(put_key(&keys, KeyOf::Issuing, FIRST_SERIAL, issuing)?);
        }
        if let Some(identity) = record.broker_identity {
            body.broker_key_serial = FIRST_SERIAL;
            body.broker_certificate = identity.certificate;
            txn.put.push(put_key(&keys, KeyOf::Broker, FIRST_SERIAL, &identity.key)?);
        }
        txn.put.push(put_body(&keys, &body)?);
        let mut trail = TrailHead::new(&keys);
        txn.put.extend(trail.append(&keys, &[audit])?);
        txn.put.push(trail.seal(&keys)?);

        trail.revision = Some(self.commit_one(txn)?);
        self.trails.insert(*keys.generation(), trail);
        let keys = Arc::new(keys);
        self.store.add_domain(Arc::clone(&keys));
        Ok(Done::DomainCreated(keys))
    }

    /// Destroys the domain's key; all that it sealed is unreadable from then on, and removed later.
    pub(super) fn delete_domain(&mut self, delete: &DeleteDomain) -> Result<Done, StoreError> {
        let keys = &delete.keys;
        if keys.is_destroyed() {
            return Err(StoreError::NotFound);
        }
        let generation = keys.generation();
        let txn = Txn {
            require: Vec::new(),
            put: vec![new_removal(self.store.root(), generation)?],
            delete: vec![
                layout::domain_key(generation),
                layout::policy_key(generation),
                layout::broker_key(generation),
                layout::issuing(generation),
                layout::domain_record(generation),
            ],
        };
        self.commit_one(txn)?;
        self.store.remove_domain(keys);
        self.trails.remove(generation);
        self.removals.push_back(*generation);
        Ok(Done::DomainDeleted)
    }

    /// Removes some records of deleted domains, whose keys are gone already; `true` while there are more. To be
    /// called when there is nothing else to do.
    pub fn sweep(&mut self) -> Result<bool, StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        let Some(generation) = self.removals.front().copied() else { return Ok(false) };
        let delete = self.some_records_of(&generation)?;
        if delete.is_empty() {
            self.commit_one(Txn { delete: vec![layout::removal(&generation)], ..Txn::default() })?;
            self.removals.pop_front();
        } else {
            self.commit_one(Txn { delete, ..Txn::default() })?;
        }
        Ok(!self.removals.is_empty())
    }

    fn some_records_of(&self, generation: &Generation) -> Result<Vec<Key>, StoreError> {
        let (tickets, onces) = (layout::tickets(generation), layout::onces(generation));
        let places = [
            (Tree::Entry, generation.as_slice()),
            (Tree::Audit, generation.as_slice()),
            (Tree::Domain, tickets.as_slice()),
            (Tree::Domain, onces.as_slice()),
        ];
        for (tree, prefix) in places {
            let found = self.store.engine().scan(tree, prefix, None, SWEEP)?;
            if !found.is_empty() {
                return Ok(found.into_iter().map(|found| Key::new(tree, found.key)).collect());
            }
        }
        Ok(Vec::new())
    }
}
