//! What a batch remembers of what may be done once in one domain.

use std::collections::HashSet;

use crate::audit::AuditFacts;
use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Engine as _, Key, Tree, Txn};
use crate::error::{StoreError, sealed};
use crate::layout;
use crate::seal::RecordKind;
use crate::writer::{Done, Once};

/// Most records that are forgotten with one command, their time being over: more than one comes with it, so they never
/// pile up.
const FORGET: usize = 8;

/// What a batch has seen for the first time, and what it forgets.
#[derive(Default)]
pub(super) struct OncePlan {
    new: HashSet<Key>,
    forgotten: HashSet<Key>,
}

impl OncePlan {
    /// Remembers a thing, unless it is known already; either way it is written down.
    pub(super) fn once(
        &mut self,
        engine: &AnyEngine,
        keys: &DomainKeys,
        command: Once,
        facts: &mut Vec<AuditFacts>,
    ) -> Result<Done, StoreError> {
        let Once { what, until, now, audit, .. } = command;
        let key = layout::once(keys, until, &what);
        let first = !self.new.contains(&key) && engine.get(&key)?.is_none();
        if first {
            self.new.insert(key);
            self.forget(engine, keys, now)?;
            facts.push(audit);
        } else {
            facts.push(AuditFacts { outcome: "repeated".into(), ..audit });
        }
        Ok(Done::Once(first))
    }

    /// The records come in the order of their times.
    fn forget(&mut self, engine: &AnyEngine, keys: &DomainKeys, now: i64) -> Result<(), StoreError> {
        let prefix = layout::onces(keys.generation());
        for found in engine.scan(Tree::Domain, &prefix, None, FORGET)? {
            if layout::once_until(&found.key).is_none_or(|until| until < now) {
                self.forgotten.insert(Key::new(Tree::Domain, found.key));
            }
        }
        Ok(())
    }

    /// Adds it to the domain's transaction.
    pub(super) fn finish(self, keys: &DomainKeys, txn: &mut Txn) -> Result<(), StoreError> {
        for key in self.new {
            let raw = keys
                .seal(&keys.aad(RecordKind::Once), &[])
                .map_err(|error| sealed(error, "record of what is done once", &key))?;
            txn.require.push((key.clone(), None));
            txn.put.push((key, raw));
        }
        txn.delete.extend(self.forgotten);
        Ok(())
    }
}
