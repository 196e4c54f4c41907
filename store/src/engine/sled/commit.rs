//! The one committer.

use std::collections::BTreeMap;

use ::sled::transaction::{ConflictableTransactionError, TransactionError, Transactional as _};

use crate::engine::plan::{Plan, Write, check_sizes, plan};
use crate::engine::sled::value::{Stored, chunk_key, encode};
use crate::engine::sled::{SledEngine, Trees, from_sled, index};
use crate::engine::{Conflict, EngineError, Key, Revision, Txn};

/// Under which key of the meta tree the last revision lies.
pub(super) const LAST_REVISION: &[u8] = b"revision";

/// What only the committer knows; its lock is held for a whole commit.
pub(super) struct Committer {
    pub(super) last: Revision,
    pub(super) stopped: bool,
}

/// One change of one sled tree.
struct Op {
    tree: usize,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

type Olds = BTreeMap<Key, Option<Stored>>;

impl SledEngine {
    pub(super) fn commit_all(&self, txns: Vec<Txn>) -> Result<Vec<Result<Revision, Conflict>>, EngineError> {
        let mut committer = self.committer.lock();
        if committer.stopped {
            return Err(EngineError::Stopped);
        }
        check_sizes(&txns)?;
        let (plan, olds) = self.plan(txns, committer.last)?;
        if plan.events.is_empty() {
            return Ok(plan.outcomes);
        }
        // Until it is durable: an error or a panic on the way leaves the disk in an unknown state.
        committer.stopped = true;
        let ops = ops(plan.writes, plan.last, &olds);
        let aside = |(key, old): (Key, Option<Stored>)| (key, old.map(|old| (old.value, old.revision)));
        self.pending.write().hold(olds.into_iter().map(aside).collect());
        self.apply(&ops)?;
        self.make_durable()?;
        committer.last = plan.last;
        committer.stopped = false;
        self.pending.write().publish(plan.last);
        self.feed.publish(plan.events);
        Ok(plan.outcomes)
    }

    /// Decides the transactions, and reads the old values of all keys they write.
    fn plan(&self, txns: Vec<Txn>, last: Revision) -> Result<(Plan, Olds), EngineError> {
        let mut olds = Olds::new();
        let mut plan = plan(txns, last, |key| {
            if !olds.contains_key(key) {
                olds.insert(key.clone(), self.trees.load(key)?);
            }
            Ok(olds.get(key).and_then(Option::as_ref).map(|old| old.revision))
        })?;
        olds.retain(|key, _| plan.writes.contains_key(key));
        for key in plan.writes.keys() {
            if !olds.contains_key(key) {
                olds.insert(key.clone(), self.trees.load(key)?);
            }
        }
        // What isn't there needs no deleting.
        plan.writes.retain(|key, write| {
            matches!(write, Write::Put(..)) || olds.get(key).is_some_and(Option::is_some)
        });
        Ok((plan, olds))
    }

    fn apply(&self, ops: &[Op]) -> Result<(), EngineError> {
        let applied = self.trees.all.transaction(|views| {
            for op in ops {
                match &op.value {
                    Some(value) => views[op.tree].insert(op.key.as_slice(), value.as_slice())?,
                    None => views[op.tree].remove(op.key.as_slice())?,
                };
            }
            Ok::<(), ConflictableTransactionError<()>>(())
        });
        match applied {
            Ok(()) => Ok(()),
            Err(TransactionError::Storage(error)) => Err(from_sled("write", error)),
            Err(TransactionError::Abort(())) => {
                Err(EngineError::Broken("a transaction was given up".to_owned()))
            }
        }
    }

    /// Everything applied so far is on the disk when this returns.
    pub(super) fn make_durable(&self) -> Result<(), EngineError> {
        self.trees.db.flush().map_err(|e| from_sled("write", e))?;
        (self.sync_data)(&self.file).map_err(|error| EngineError::Io { what: "flush", error })
    }
}

/// What the writes of a plan mean for sled's trees.
fn ops(writes: BTreeMap<Key, Write>, last: Revision, olds: &Olds) -> Vec<Op> {
    let mut ops = Vec::with_capacity(writes.len() + 1);
    for (key, old) in olds {
        if let Some(old) = old {
            // Chunks are named after their revision, so old and new ones never meet.
            let gone = |n| Op { tree: Trees::CHUNKS, key: chunk_key(key, old.revision, n), value: None };
            ops.extend((0..old.chunks).map(gone));
        }
    }
    for (key, write) in writes {
        let tree = index(key.tree);
        match write {
            Write::Delete => ops.push(Op { tree, key: key.bytes, value: None }),
            Write::Put(value, revision) => {
                let (raw, chunks) = encode(&value, revision);
                let numbered = (0..).zip(chunks);
                let chunk = |(n, chunk)| Op {
                    tree: Trees::CHUNKS,
                    key: chunk_key(&key, revision, n),
                    value: Some(chunk),
                };
                ops.extend(numbered.map(chunk));
                ops.push(Op { tree, key: key.bytes, value: Some(raw) });
            }
        }
    }
    let last = last.0.to_be_bytes().to_vec();
    ops.push(Op { tree: Trees::META, key: LAST_REVISION.to_vec(), value: Some(last) });
    ops
}
