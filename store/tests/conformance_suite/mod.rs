//! The suite itself: each function takes an engine that is empty.

mod model;
mod watching;

pub(crate) use model::it_behaves_as_the_model;
pub(crate) use watching::{
    a_slow_watcher_never_holds_up_a_commit, readers_and_writers_at_once_see_whole_transactions,
    watchers_get_every_change_in_order,
};

use claviger_store::engine::{
    AnyEngine, Conflict, Engine as _, EngineError, Key, MAX_KEY, MAX_VALUE, Revision, Tree, Txn,
};

use crate::Subject;

pub(crate) fn key(name: &str) -> Key {
    Key::new(Tree::Entry, name)
}

pub(crate) fn put(name: &str, value: &[u8]) -> Txn {
    Txn { put: vec![(key(name), value.to_vec())], ..Txn::default() }
}

fn delete(name: &str) -> Txn {
    Txn { delete: vec![key(name)], ..Txn::default() }
}

fn value(engine: &AnyEngine, key: &Key) -> Option<Vec<u8>> {
    engine.get(key).unwrap().map(|(value, _)| value)
}

fn one(engine: &AnyEngine, txn: Txn) -> Result<Revision, Conflict> {
    engine.commit(vec![txn]).unwrap().pop().unwrap()
}

pub(crate) fn what_is_put_is_got(subject: Subject) {
    assert_eq!(subject.engine.get(&key("a")).unwrap(), None);
    let first = one(&subject.engine, put("a", b"1")).unwrap();
    let second = one(&subject.engine, put("a", b"")).unwrap();
    assert!(first < second);
    let subject = subject.reopen();
    assert_eq!(subject.engine.get(&key("a")).unwrap(), Some((Vec::new(), second)));
    one(&subject.engine, delete("a")).unwrap();
    one(&subject.engine, delete("never there")).unwrap();
    let subject = subject.reopen();
    assert_eq!(subject.engine.get(&key("a")).unwrap(), None);
}

pub(crate) fn revisions_rise_through_the_whole_engine(subject: Subject) {
    let outcomes = subject.engine.commit(vec![put("a", b"1"), put("b", b"2"), delete("a")]).unwrap();
    let outcomes: Vec<u64> = outcomes.into_iter().map(|o| o.unwrap().0).collect();
    assert_eq!(outcomes, [1, 2, 3]);
    assert_eq!(subject.engine.revision(), Revision(3));
    let subject = subject.reopen();
    assert_eq!(subject.engine.revision(), Revision(3));
    assert_eq!(one(&subject.engine, put("c", b"3")), Ok(Revision(4)));
    assert_eq!(subject.engine.get(&key("b")).unwrap(), Some((b"2".to_vec(), Revision(2))));
}

pub(crate) fn a_failed_condition_changes_nothing_and_stops_nobody_else(subject: Subject) {
    let engine = &subject.engine;
    let at = one(engine, put("a", b"1")).unwrap();
    let loser = |require| Txn { require, put: vec![(key("b"), b"x".to_vec())], delete: vec![key("a")] };
    let absent_a = loser(vec![(key("a"), None)]);
    let stale_a = loser(vec![(key("a"), Some(Revision(at.0 + 7)))]);
    let present_z = loser(vec![(key("a"), Some(at)), (key("z"), Some(at))]);
    let outcomes = engine.commit(vec![absent_a, put("c", b"3"), stale_a, present_z]).unwrap();
    let lost = |name| Err(Conflict { key: key(name) });
    assert_eq!(outcomes, [lost("a"), Ok(Revision(at.0 + 1)), lost("a"), lost("z")]);
    assert_eq!(value(engine, &key("a")), Some(b"1".to_vec()));
    assert_eq!(value(engine, &key("b")), None);
    assert_eq!(value(engine, &key("c")), Some(b"3".to_vec()));
}

pub(crate) fn conditions_see_earlier_transactions_of_the_commit(subject: Subject) {
    let engine = &subject.engine;
    let only_if_absent =
        || Txn { require: vec![(key("a"), None)], put: vec![(key("a"), b"1".to_vec())], delete: vec![] };
    let then = Txn { require: vec![(key("a"), Some(Revision(1)))], delete: vec![key("a")], put: vec![] };
    let outcomes = engine
        .commit(vec![only_if_absent(), only_if_absent(), then.clone(), then, only_if_absent()])
        .unwrap();
    let won: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(won, [true, false, true, false, true]);
    assert_eq!(engine.get(&key("a")).unwrap(), Some((b"1".to_vec(), Revision(3))));
}

pub(crate) fn a_transaction_is_atomic_across_trees(subject: Subject) {
    let everywhere = |value: &[u8]| Tree::ALL.map(|tree| (Key::new(tree, "k"), value.to_vec())).to_vec();
    one(&subject.engine, Txn { put: everywhere(b"1"), ..Txn::default() }).unwrap();
    let require = vec![(Key::new(Tree::Broker, "k"), None)];
    one(&subject.engine, Txn { require, put: everywhere(b"2"), delete: vec![] }).unwrap_err();
    let subject = subject.reopen();
    for tree in Tree::ALL {
        assert_eq!(subject.engine.get(&Key::new(tree, "k")).unwrap(), Some((b"1".to_vec(), Revision(1))));
    }
}

pub(crate) fn trees_are_apart(subject: Subject) {
    let engine = &subject.engine;
    for (n, tree) in Tree::ALL.into_iter().enumerate() {
        let put = vec![(Key::new(tree, "same"), vec![u8::try_from(n).unwrap(); 20_000])];
        one(engine, Txn { put, ..Txn::default() }).unwrap();
    }
    one(engine, Txn { delete: vec![Key::new(Tree::Domain, "same")], ..Txn::default() }).unwrap();
    for (n, tree) in Tree::ALL.into_iter().enumerate() {
        let expected = (tree != Tree::Domain).then(|| vec![u8::try_from(n).unwrap(); 20_000]);
        assert_eq!(value(engine, &Key::new(tree, "same")), expected);
        assert_eq!(engine.scan(tree, b"", None, 9).unwrap().len(), usize::from(tree != Tree::Domain));
    }
}

pub(crate) fn put_wins_over_delete_in_one_transaction(subject: Subject) {
    let both = Txn { put: vec![(key("a"), b"1".to_vec())], delete: vec![key("a")], require: vec![] };
    one(&subject.engine, both).unwrap();
    assert_eq!(value(&subject.engine, &key("a")), Some(b"1".to_vec()));
}

pub(crate) fn a_mere_check_gets_no_revision(subject: Subject) {
    let engine = &subject.engine;
    let check = |require| Txn { require, ..Txn::default() };
    assert_eq!(engine.commit(vec![]).unwrap(), []);
    assert_eq!(one(engine, check(vec![(key("a"), None)])), Ok(Revision(0)));
    one(engine, put("a", b"1")).unwrap();
    assert_eq!(one(engine, check(vec![(key("a"), Some(Revision(1)))])), Ok(Revision(1)));
    one(engine, check(vec![(key("a"), None)])).unwrap_err();
    assert_eq!(engine.revision(), Revision(1));
}

pub(crate) fn scans_are_ordered_bounded_and_go_on(subject: Subject) {
    let engine = &subject.engine;
    let names = ["b/3", "a", "b/1", "c", "b", "b/2", "b0"];
    engine.commit(names.iter().map(|name| put(name, name.as_bytes())).collect()).unwrap();
    let scan = |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let found = engine.scan(Tree::Entry, prefix.as_bytes(), after.map(str::as_bytes), limit).unwrap();
        assert!(found.iter().all(|f| f.key == f.value && f.revision.0 > 0));
        found.into_iter().map(|f| String::from_utf8(f.key).unwrap()).collect()
    };
    assert_eq!(scan("", None, 99), ["a", "b", "b/1", "b/2", "b/3", "b0", "c"]);
    assert_eq!(scan("b/", None, 99), ["b/1", "b/2", "b/3"]);
    assert_eq!(scan("b/", None, 2), ["b/1", "b/2"]);
    assert_eq!(scan("b/", Some("b/2"), 2), ["b/3"]);
    assert_eq!(scan("b/", Some("b/3"), 2), [""; 0]);
    assert_eq!(scan("b/", Some("a"), 1), ["b/1"]);
    assert_eq!(scan("d", None, 99), [""; 0]);
}

pub(crate) fn large_values_come_back_whole(subject: Subject) {
    let sizes = [6_143, 6_144, 6_145, 12_288, 65_535, 65_536, 300_000, 1 << 20, MAX_VALUE];
    let content = |size: usize| -> Vec<u8> { (0..size).map(|i| (i % 251).to_le_bytes()[0]).collect() };
    for size in sizes {
        one(&subject.engine, put(&size.to_string(), &content(size))).unwrap();
    }
    let subject = subject.reopen();
    for size in sizes {
        assert!(value(&subject.engine, &key(&size.to_string())) == Some(content(size)), "{size}");
    }
    let found = subject.engine.scan(Tree::Entry, b"", None, 99).unwrap();
    assert_eq!(found.len(), sizes.len());
    assert!(found.iter().all(|f| f.value == content(f.value.len()) && sizes.contains(&f.value.len())));
}

pub(crate) fn large_values_leave_nothing_behind(subject: Subject) {
    let engine = &subject.engine;
    one(engine, put("a", &[1; 100_000])).unwrap();
    one(engine, put("a", &[2; 50_000])).unwrap();
    assert_eq!(value(engine, &key("a")), Some(vec![2; 50_000]));
    one(engine, put("a", &[3; 5])).unwrap();
    assert_eq!(value(engine, &key("a")), Some(vec![3; 5]));
    engine.commit(vec![put("a", &[4; 70_000]), delete("a"), put("a", &[5; 60_000])]).unwrap();
    assert_eq!(value(engine, &key("a")), Some(vec![5; 60_000]));
    one(engine, delete("a")).unwrap();
    let subject = subject.reopen();
    assert_eq!(value(&subject.engine, &key("a")), None);
}

pub(crate) fn too_large_is_refused_and_nothing_happens(subject: Subject) {
    let engine = &subject.engine;
    let refused = |txn| {
        let outcome = engine.commit(vec![put("a", b"1"), txn]);
        assert!(matches!(outcome, Err(EngineError::TooLarge(_))));
    };
    refused(put("b", &vec![0; MAX_VALUE + 1]));
    refused(put(&"k".repeat(MAX_KEY + 1), b"1"));
    refused(delete(&"k".repeat(MAX_KEY + 1)));
    assert_eq!(value(engine, &key("a")), None);
    one(engine, put(&"k".repeat(MAX_KEY), b"1")).unwrap();
}
