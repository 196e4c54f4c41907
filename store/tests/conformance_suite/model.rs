//! The engine against a map.

use std::collections::BTreeMap;

use claviger_store::engine::{Engine as _, Key, Revision, Tree, Txn};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::Subject;

type Model = BTreeMap<Key, (Vec<u8>, Revision)>;

/// A transaction as drawn: which keys, and for each condition whether it is to hold.
#[derive(Clone, Debug)]
struct Drawn {
    require: Vec<(Key, bool)>,
    put: Vec<(Key, usize)>,
    delete: Vec<Key>,
}

fn keys() -> impl Strategy<Value = Key> {
    let trees = prop::sample::select(Tree::ALL.to_vec());
    (trees, prop::collection::vec(0_u8..3, 0..3)).prop_map(|(tree, bytes)| Key { tree, bytes })
}

fn transactions() -> impl Strategy<Value = Drawn> {
    let sizes = prop_oneof![6 => 0_usize..40, 1 => 6_100_usize..20_000];
    let require = prop::collection::vec((keys(), prop::bool::weighted(0.8)), 0..3);
    (require, prop::collection::vec((keys(), sizes), 0..4), prop::collection::vec(keys(), 0..3))
        .prop_map(|(require, put, delete)| Drawn { require, put, delete })
}

fn commits() -> impl Strategy<Value = Vec<(Vec<Drawn>, bool)>> {
    prop::collection::vec((prop::collection::vec(transactions(), 0..5), prop::bool::weighted(0.1)), 1..12)
}

/// A condition that holds, or doesn't, in this state.
fn condition(model: &Model, key: &Key, holds: bool) -> Option<Revision> {
    match (model.get(key), holds) {
        (Some((_, revision)), true) => Some(*revision),
        (None, false) => Some(Revision(1)),
        (Some((_, revision)), false) => Some(Revision(revision.0 + 1_000_000)),
        (None, true) => None,
    }
}

fn apply(model: &mut Model, txn: &Txn, last: &mut Revision) {
    if txn.put.is_empty() && txn.delete.is_empty() {
        return;
    }
    last.0 += 1;
    for key in &txn.delete {
        model.remove(key);
    }
    for (key, value) in &txn.put {
        model.insert(key.clone(), (value.clone(), *last));
    }
}

pub(crate) fn it_behaves_as_the_model(subject: Subject) {
    let durable = subject.dir.is_some();
    drop(subject);
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let run = |commits| {
        check(if durable { Subject::sled() } else { Subject::memory() }, commits);
        Ok(())
    };
    runner.run(&commits(), run).unwrap();
}

fn check(mut subject: Subject, commits: Vec<(Vec<Drawn>, bool)>) {
    let (mut model, mut last) = (Model::new(), Revision(0));
    for (drawn, reopen) in commits {
        let mut txns = Vec::new();
        let mut expected = Vec::new();
        for drawn in drawn {
            let wins = drawn.require.iter().all(|(_, holds)| *holds);
            let require = drawn
                .require
                .iter()
                .map(|(key, holds)| (key.clone(), condition(&model, key, *holds)))
                .collect();
            let fill = u8::try_from(last.0 % 256).unwrap();
            let put = drawn.put.into_iter().map(|(key, size)| (key, vec![fill; size])).collect();
            let txn = Txn { require, put, delete: drawn.delete };
            if wins {
                apply(&mut model, &txn, &mut last);
            }
            expected.push(wins.then_some(last));
            txns.push(txn);
        }
        let outcomes = subject.engine.commit(txns).unwrap();
        assert_eq!(outcomes.into_iter().map(Result::ok).collect::<Vec<_>>(), expected);
        if reopen {
            subject = subject.reopen();
        }
        assert_eq!(subject.engine.revision(), last);
        compare(&subject, &model);
    }
}

fn compare(subject: &Subject, model: &Model) {
    let mut found = Model::new();
    for tree in Tree::ALL {
        for item in subject.engine.scan(tree, b"", None, usize::MAX).unwrap() {
            found.insert(Key { tree, bytes: item.key }, (item.value, item.revision));
        }
    }
    assert!(found == *model);
    for (key, stored) in model {
        assert!(subject.engine.get(key).unwrap().as_ref() == Some(stored));
    }
}
