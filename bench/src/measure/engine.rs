//! The limit of stores: the engine itself, with as many writers, committed in the same way ([`super::writers`]).
//! Nothing is sealed, named, decided, audited or sent.

use std::path::Path;

use claviger_store::engine::{Engine, Key, SledEngine, Tree, Txn};

use super::Plan;
use super::writers::{self, Commit, Stores, Which};
use crate::error::BenchError;
use crate::load::Run;
use crate::setting::ENTRY_BYTES;

/// What a store writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value of the entry's size.
    OneRecord,
    /// What the broker writes, about as large: the name's head with the newest version beside it, and the record
    /// of the version that lay there before; for all stores of a commit together a block of the trail, and the
    /// trail's head again.
    AsTheBroker,
}

/// Stores for a while, in a fresh directory.
pub(super) fn run(plan: Plan, shape: Shape, dir: &Path) -> Result<Run, BenchError> {
    let dir = tempfile::tempdir_in(dir)?;
    let engine = SledEngine::open(&dir.path().join("store"))?;
    writers::run(plan, Bare { shape, engine: Some(engine) })
}

struct Bare {
    shape: Shape,
    /// Until the committer takes it.
    engine: Option<SledEngine>,
}

struct Committer {
    shape: Shape,
    engine: SledEngine,
    commits: u64,
}

impl Stores for Bare {
    type Job = Txn;

    fn job(&self, which: Which) -> Result<Txn, BenchError> {
        Ok(self.shape.store(which))
    }

    fn committer(&mut self) -> Result<impl Commit<Txn> + 'static, BenchError> {
        let engine = self.engine.take().ok_or(BenchError::Answer("there is one committer"))?;
        Ok(Committer { shape: self.shape, engine, commits: 0 })
    }
}

impl Commit<Txn> for Committer {
    fn commit(&mut self, txns: Vec<Txn>) -> Result<(), BenchError> {
        for outcome in self.engine.commit(self.shape.joined(txns, self.commits))? {
            outcome.map_err(|_| BenchError::Answer("a put of the bare engine met a conflict"))?;
        }
        self.commits += 1;
        Ok(())
    }
}

/// What a seal adds to a record, in bytes.
const SEAL: usize = claviger_store::seal::OVERHEAD;
/// What a head says of a version, in bytes.
const IN_HEAD: usize = 29;
/// What the trail says of a store, in bytes.
const IN_TRAIL: usize = 150;
/// The trail's head, in bytes.
const TRAIL_HEAD: usize = SEAL + 46;

impl Shape {
    /// The transaction of one store: a writer's next version of its current name.
    fn store(self, Which { writer, name, version }: Which) -> Txn {
        let key = |kind, number| entry_key(writer, name, kind, number);
        let put = match self {
            Self::OneRecord => vec![(key(2, version), vec![0xa5; ENTRY_BYTES])],
            Self::AsTheBroker => {
                let head = SEAL + IN_HEAD * (version as usize + 1) + SEAL + ENTRY_BYTES;
                let head = (key(0, 0), vec![0xa5; head]);
                let before = (version > 0).then(|| (key(2, version - 1), vec![0xa5; SEAL + ENTRY_BYTES]));
                std::iter::once(head).chain(before).collect()
            }
        };
        Txn { put, ..Txn::default() }
    }

    /// The transactions of one commit.
    fn joined(self, txns: Vec<Txn>, commits: u64) -> Vec<Txn> {
        if self == Self::OneRecord {
            return txns;
        }
        let block = vec![0xa5; SEAL + IN_TRAIL * txns.len()];
        let trail = |at: &[u8]| Key::new(Tree::Audit, [[7; 16].as_slice(), at].concat());
        let mut put: Vec<_> = txns.into_iter().flat_map(|txn| txn.put).collect();
        put.push((trail(&[&b"b"[..], &commits.to_be_bytes()].concat()), block));
        put.push((trail(b"h"), vec![0xa5; TRAIL_HEAD]));
        vec![Txn { put, ..Txn::default() }]
    }
}

/// A key as the broker's store makes them: a domain's id, a digest of the name, a kind, a number.
fn entry_key(writer: u64, name: u32, kind: u8, number: u32) -> Key {
    let mut key = vec![7; 16];
    let mut state = writer << 32 | u64::from(name);
    for _ in 0..4 {
        state = scrambled(state);
        key.extend_from_slice(&state.to_be_bytes());
    }
    key.push(kind);
    key.extend_from_slice(&number.to_be_bytes());
    Key::new(Tree::Entry, key)
}

/// `SplitMix64` spreads names over the keys as a digest does, at no cost.
fn scrambled(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn which(writer: u64, version: u32) -> Which {
        Which { writer, name: 0, version }
    }

    #[test]
    fn one_record_is_one_put_of_the_entry() {
        let txns = (0..3).map(|n| Shape::OneRecord.store(which(1, n))).collect();
        let joined = Shape::OneRecord.joined(txns, 0);
        assert_eq!(joined.len(), 3);
        assert!(joined.iter().all(|txn| txn.put.len() == 1 && txn.put[0].1.len() == ENTRY_BYTES));
    }

    #[test]
    fn as_the_broker_is_one_transaction_with_heads_and_a_trail() {
        let txns = (0..3).map(|n| Shape::AsTheBroker.store(which(1, n))).collect();
        let joined = Shape::AsTheBroker.joined(txns, 0);
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].put.len(), 3 + 2 + 2, "heads, what lay beside the first two, the trail");
        let heads = joined[0].put.iter().filter(|(key, _)| *key == entry_key(1, 0, 0, 0));
        assert_eq!(heads.count(), 3, "the head of one name, three times");
    }

    #[test]
    fn every_store_has_a_key_of_its_own() {
        let keys = |writer| {
            (0..40).map(move |n| {
                Shape::OneRecord.store(Which { writer, name: n / 8, version: n % 8 }).put.remove(0).0
            })
        };
        let all: std::collections::BTreeSet<_> = (0..8).flat_map(keys).collect();
        assert_eq!(all.len(), 320);
    }

    #[test]
    fn a_short_run_stores_something() {
        let dir = tempfile::tempdir().expect("a directory");
        for shape in [Shape::OneRecord, Shape::AsTheBroker] {
            let plan = Plan { rounds: 1, window: Duration::from_millis(50), versions: 2 };
            assert!(run(plan, shape, dir.path()).expect("a run").operations > 0);
        }
    }
}
