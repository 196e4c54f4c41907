//! Watchers, and readers beside writers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use claviger_store::engine::{Change, Engine as _, Revision, Txn, WatchError};

use super::{key, put};
use crate::Subject;

const SOON: Duration = Duration::from_secs(20);

pub(crate) fn watchers_get_every_change_in_order(subject: Subject) {
    let engine = &subject.engine;
    let mut early = engine.watch(engine.revision());
    assert_eq!(early.next(Duration::ZERO), Ok(None));
    let waiting = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| engine.watch(engine.revision()).next(SOON).unwrap().unwrap().revision);
        std::thread::sleep(Duration::from_millis(30));
        let both = Txn { put: vec![(key("b"), b"2".to_vec())], delete: vec![key("a")], require: vec![] };
        let lost = Txn { require: vec![(key("a"), None)], ..put("z", b"") };
        engine.commit(vec![put("a", b"1"), lost, both]).unwrap();
        waiter.join().unwrap()
    });
    assert_eq!(waiting, Revision(1));
    let change = |name, deleted| Change { key: key(name), deleted };
    let first = early.next(SOON).unwrap().unwrap();
    assert_eq!((first.revision, &first.changes), (Revision(1), &vec![change("a", false)]));
    let second = early.next(SOON).unwrap().unwrap();
    assert_eq!(
        (second.revision, &second.changes),
        (Revision(2), &vec![change("a", true), change("b", false)])
    );
    assert_eq!(early.next(Duration::ZERO), Ok(None));
    // What an event announces can be got.
    engine.commit(vec![put("c", b"3")]).unwrap();
    let third = early.next(SOON).unwrap().unwrap();
    let got = engine.get(&third.changes[0].key).unwrap().unwrap();
    assert_eq!(got, (b"3".to_vec(), third.revision));
    // From the middle.
    assert_eq!(engine.watch(Revision(1)).next(SOON).unwrap().unwrap().revision, Revision(2));

    let subject = subject.reopen();
    if subject.dir.is_some() {
        assert_eq!(early.next(SOON), Err(WatchError::Closed));
        // What was before the engine was opened isn't in its feed.
        let lagged = subject.engine.watch(Revision(1)).next(Duration::ZERO);
        assert_eq!(lagged, Err(WatchError::Lagged { resume: Revision(3) }));
    }
}

pub(crate) fn a_slow_watcher_never_holds_up_a_commit(subject: Subject) {
    let engine = &subject.engine;
    let mut sleeping = engine.watch(engine.revision());
    let started = Instant::now();
    let mut number = 0_u32;
    // More than the feed keeps, without the watcher taking one.
    while number < 70_000 {
        let batch = (number..number + 5_000).map(|n| put(&format!("{}", n % 10), &n.to_be_bytes())).collect();
        engine.commit(batch).unwrap();
        number += 5_000;
    }
    assert!(started.elapsed() < Duration::from_mins(1));
    let resume = engine.revision();
    assert_eq!(sleeping.next(Duration::ZERO), Err(WatchError::Lagged { resume }));
    engine.commit(vec![put("x", b"")]).unwrap();
    assert_eq!(sleeping.next(Duration::ZERO).unwrap().unwrap().revision, Revision(resume.0 + 1));
}

pub(crate) fn readers_and_writers_at_once_see_whole_transactions(subject: Subject) {
    let engine = &subject.engine;
    let done = AtomicBool::new(false);
    let pair = |n: u32| Txn {
        put: ["left", "right"].map(|name| (key(name), n.to_be_bytes().repeat(2_500))).to_vec(),
        ..Txn::default()
    };
    engine.commit(vec![pair(0)]).unwrap();
    let get = |name| engine.get(&key(name)).unwrap().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = Revision(0);
                while !done.load(Ordering::Relaxed) {
                    // Two reads aren't one snapshot; but what is visible never goes back, and is always whole.
                    let (left, at_left) = get("left");
                    let (right, at_right) = get("right");
                    assert!(seen <= at_left && at_left <= at_right && at_right <= engine.revision());
                    assert!(left[..4] <= right[..4]);
                    assert!(
                        left.chunks(4).all(|c| c == &left[..4]) && right.chunks(4).all(|c| c == &right[..4])
                    );
                    let scanned = engine.scan(key("").tree, b"", None, 9).unwrap();
                    assert_eq!(scanned.len(), 2);
                    assert_eq!(scanned[0].revision, scanned[1].revision);
                    seen = at_right;
                }
            });
        }
        for n in 1..150 {
            engine.commit(vec![pair(n)]).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}
