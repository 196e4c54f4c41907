//! What was applied and isn't settled.

use std::time::Duration;

use claviger_store::engine::{Applied, Engine as _, Revision, Tree, Txn};

use super::{delete, key, put, value};
use crate::Subject;

/// What readers see: the values, and the names and values that a scan gives.
fn seen(subject: &Subject) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = subject.engine.scan(Tree::Entry, b"", None, 99).unwrap();
    for found in &found {
        let name = std::str::from_utf8(&found.key).unwrap();
        assert_eq!(value(&subject.engine, &key(name)).as_ref(), Some(&found.value));
    }
    found.into_iter().map(|found| (found.key, found.value)).collect()
}

fn applied(subject: &Subject, name: &str) -> Option<Vec<u8>> {
    subject.engine.get_applied(&key(name)).unwrap().map(|(value, _)| value)
}

pub(crate) fn what_is_applied_is_seen_only_by_who_plans_on_it(subject: Subject) {
    subject.engine.commit(vec![put("changed", b"1"), put("deleted", &[7; 20_000])]).unwrap();
    let (before, mut watch) = (seen(&subject), subject.engine.watch(subject.engine.revision()));
    let first =
        subject.engine.apply(vec![put("changed", b"2"), put("added", b"1"), delete("deleted")]).unwrap();
    assert_eq!(first.outcomes, [Ok(Revision(3)), Ok(Revision(4)), Ok(Revision(5))]);

    // The next is decided on top of it, and by its revisions.
    let on_top = Txn { require: vec![(key("changed"), Some(Revision(3)))], ..put("changed", b"3") };
    let not_on_top = Txn { require: vec![(key("changed"), Some(Revision(1)))], ..put("never", b"") };
    let second = subject.engine.apply(vec![on_top, not_on_top, put("added", b"2")]).unwrap();
    assert!(matches!(second.outcomes[..], [Ok(Revision(6)), Err(_), Ok(Revision(7))]));
    let as_applied = ["changed", "added", "deleted", "never"].map(|name| applied(&subject, name));
    assert_eq!(as_applied, [Some(b"3".to_vec()), Some(b"2".to_vec()), None, None]);
    assert_eq!(seen(&subject), before);
    assert_eq!(value(&subject.engine, &key("added")), None);
    assert_eq!(subject.engine.revision(), Revision(2));
    assert_eq!(watch.next(Duration::ZERO), Ok(None));

    // The first is settled by itself: readers see what it left, not what the second did.
    subject.engine.settle(first.last).unwrap();
    assert_eq!(seen(&subject), [(b"added".to_vec(), b"1".to_vec()), (b"changed".to_vec(), b"2".to_vec())]);
    assert_eq!(subject.engine.revision(), Revision(5));
    subject.engine.settle(second.last).unwrap();
    let after = [(b"added".to_vec(), b"2".to_vec()), (b"changed".to_vec(), b"3".to_vec())];
    assert_eq!(seen(&subject), after);
    for revision in 3..=7 {
        assert_eq!(watch.next(Duration::ZERO).unwrap().unwrap().revision, Revision(revision));
    }
    assert_eq!(seen(&subject.reopen()), after);
}

pub(crate) fn what_is_settled_takes_what_was_applied_before_along(subject: Subject) {
    let first = subject.engine.apply(vec![put("a", b"1")]).unwrap();
    let second = subject.engine.apply(vec![put("b", b"2")]).unwrap();
    // A mere check says how things are only with what it looked at.
    let check = Txn { require: vec![(key("b"), Some(Revision(2)))], ..Txn::default() };
    let Applied { outcomes, last } = subject.engine.apply(vec![check]).unwrap();
    assert_eq!((outcomes, last), (vec![Ok(Revision(2))], second.last));
    subject.engine.settle(second.last).unwrap();
    assert_eq!(seen(&subject).len(), 2);
    subject.engine.settle(first.last).unwrap();
    assert_eq!(subject.engine.revision(), Revision(2), "and nothing goes back");
    assert_eq!(subject.engine.commit(vec![put("c", b"3")]).unwrap(), [Ok(Revision(3))]);
    assert_eq!(seen(&subject).len(), 3);
}
