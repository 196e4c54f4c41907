//! What a commit will do: pure, shared by all engines that have one committer.

use std::collections::BTreeMap;

use crate::engine::{Change, Conflict, EngineError, Event, Key, MAX_KEY, MAX_VALUE, Revision, Txn};

/// What becomes of one key.
pub(super) enum Write {
    Put(Vec<u8>, Revision),
    Delete,
}

impl Write {
    fn revision(&self) -> Option<Revision> {
        match self {
            Self::Put(_, revision) => Some(*revision),
            Self::Delete => None,
        }
    }
}

/// What a commit will do.
pub(super) struct Plan {
    /// One for each transaction, in order.
    pub(super) outcomes: Vec<Result<Revision, Conflict>>,
    /// What becomes of each key after all winners.
    pub(super) writes: BTreeMap<Key, Write>,
    /// One for each winner that changes something.
    pub(super) events: Vec<Event>,
    /// The last revision given.
    pub(super) last: Revision,
}

/// Refuses what no engine takes, before anything is touched.
pub(super) fn check_sizes(txns: &[Txn]) -> Result<(), EngineError> {
    for txn in txns {
        let mut keys = txn.put.iter().map(|(key, _)| key).chain(&txn.delete);
        if keys.any(|key| key.bytes.len() > MAX_KEY) {
            return Err(EngineError::TooLarge("key"));
        }
        if txn.put.iter().any(|(_, value)| value.len() > MAX_VALUE) {
            return Err(EngineError::TooLarge("value"));
        }
    }
    Ok(())
}

/// Decides every transaction in order. `current` gives the revision of a key before the commit.
pub(super) fn plan(
    txns: Vec<Txn>,
    last: Revision,
    mut current: impl FnMut(&Key) -> Result<Option<Revision>, EngineError>,
) -> Result<Plan, EngineError> {
    let mut plan =
        Plan { outcomes: Vec::with_capacity(txns.len()), writes: BTreeMap::new(), events: Vec::new(), last };
    for txn in txns {
        let failed = first_unmet(&plan.writes, &txn.require, &mut current)?;
        let outcome = match failed {
            Some(key) => Err(Conflict { key }),
            None => Ok(plan.admit(txn)),
        };
        plan.outcomes.push(outcome);
    }
    Ok(plan)
}

fn first_unmet(
    writes: &BTreeMap<Key, Write>,
    require: &[(Key, Option<Revision>)],
    current: &mut impl FnMut(&Key) -> Result<Option<Revision>, EngineError>,
) -> Result<Option<Key>, EngineError> {
    for (key, wanted) in require {
        let is = match writes.get(key) {
            Some(write) => write.revision(),
            None => current(key)?,
        };
        if is != *wanted {
            return Ok(Some(key.clone()));
        }
    }
    Ok(None)
}

impl Plan {
    fn admit(&mut self, txn: Txn) -> Revision {
        if txn.put.is_empty() && txn.delete.is_empty() {
            // A mere check changes nothing, so there is nothing to number.
            return self.last;
        }
        let revision = Revision(self.last.0 + 1);
        let mut changes = Vec::with_capacity(txn.put.len() + txn.delete.len());
        for key in txn.delete {
            if !txn.put.iter().any(|(put, _)| *put == key) {
                changes.push(Change { key: key.clone(), deleted: true });
                self.writes.insert(key, Write::Delete);
            }
        }
        for (key, value) in txn.put {
            changes.push(Change { key: key.clone(), deleted: false });
            self.writes.insert(key, Write::Put(value, revision));
        }
        self.events.push(Event { revision, changes });
        self.last = revision;
        revision
    }
}
