//! What is particular to sled: when things become visible, what happens when the disk fails, where bytes go.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::large_stack_arrays, reason = "contents of values, in tests")]

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::time::Duration;

use super::*;

/// Longer than anything here takes; so that a failure doesn't wait for ever.
const SOON: Duration = Duration::from_secs(10);

fn key(name: &str) -> Key {
    Key::new(Tree::Entry, name)
}

fn put(name: &str, value: &[u8]) -> Txn {
    Txn { put: vec![(key(name), value.to_vec())], ..Txn::default() }
}

fn names(engine: &SledEngine) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = engine.scan(Tree::Entry, b"", None, 99).unwrap();
    found.into_iter().map(|f| (f.key, f.value)).collect()
}

#[test]
fn nothing_is_visible_before_it_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let (entered, in_sync) = channel();
    let (release, may_go_on) = sync_channel::<()>(0);
    let armed = std::sync::Arc::new(AtomicBool::new(false));
    let (hold, may_go_on) = (std::sync::Arc::clone(&armed), Mutex::new(may_go_on));
    let sync = move |file: &File| {
        if hold.load(Ordering::SeqCst) {
            entered.send(()).unwrap();
            may_go_on.lock().recv_timeout(SOON).unwrap();
        }
        file.sync_data()
    };
    let engine = SledEngine::open_with(dir.path(), Box::new(sync)).unwrap();
    engine.commit(vec![put("changed", b"old"), put("deleted", &[7; 20_000]), put("kept", b"k")]).unwrap();
    let before = names(&engine);
    let mut watch = engine.watch(engine.revision());
    armed.store(true, Ordering::SeqCst);

    std::thread::scope(|scope| {
        let delete = Txn { delete: vec![key("deleted")], ..Txn::default() };
        let commit = vec![put("changed", b"new"), delete, put("added", b"a")];
        let committer = scope.spawn(|| engine.commit(commit).unwrap());
        in_sync.recv_timeout(SOON).unwrap();
        // Sled has it all by now.
        assert!(engine.trees.load(&key("added")).unwrap().is_some());
        assert_eq!(engine.get(&key("changed")).unwrap(), Some((b"old".to_vec(), Revision(1))));
        assert_eq!(engine.get(&key("deleted")).unwrap(), Some((vec![7; 20_000], Revision(2))));
        assert_eq!(engine.get(&key("added")).unwrap(), None);
        assert_eq!(names(&engine), before);
        let resumed = engine.scan(Tree::Entry, b"", Some(b"changed"), 1).unwrap();
        assert_eq!(resumed[0].key, b"deleted");
        assert_eq!(engine.revision(), Revision(3));
        assert_eq!(watch.next(Duration::from_millis(20)), Ok(None));
        release.send(()).unwrap();
        committer.join().unwrap();
    });
    let after: Vec<Vec<u8>> = names(&engine).into_iter().map(|(name, _)| name).collect();
    assert_eq!(after, [&b"added"[..], b"changed", b"kept"]);
    assert_eq!(watch.next(Duration::ZERO).unwrap().unwrap().revision, Revision(4));
}

#[test]
fn t33_a_failed_flush_shows_nothing_and_stops_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let fail = std::sync::Arc::new(AtomicBool::new(false));
    let failing = std::sync::Arc::clone(&fail);
    let sync = move |file: &File| {
        if failing.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        file.sync_data()
    };
    let engine = SledEngine::open_with(dir.path(), Box::new(sync)).unwrap();
    engine.commit(vec![put("a", b"1")]).unwrap();
    fail.store(true, Ordering::SeqCst);
    assert!(matches!(engine.commit(vec![put("a", b"2")]), Err(EngineError::Io { what: "flush", .. })));
    fail.store(false, Ordering::SeqCst);
    assert!(matches!(engine.commit(vec![put("a", b"3")]), Err(EngineError::Stopped)));
    assert_eq!(engine.get(&key("a")).unwrap(), Some((b"1".to_vec(), Revision(1))));
    assert_eq!(engine.revision(), Revision(1));
}

#[test]
fn there_is_one_sync_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&count);
    let sync = move |file: &File| {
        counted.fetch_add(1, Ordering::SeqCst);
        file.sync_data()
    };
    let engine = SledEngine::open_with(dir.path(), Box::new(sync)).unwrap();
    let opened = count.load(Ordering::SeqCst);
    engine.commit((0..64).map(|n| put(&n.to_string(), &[1; 300])).collect()).unwrap();
    engine.commit(vec![put("big", &[1; 300_000])]).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), opened + 2);
}

#[test]
fn pieces_of_large_values_go_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(dir.path()).unwrap();
    let pieces = || engine.trees.all[Trees::CHUNKS].len();
    engine.commit(vec![put("a", &[1; 20_000]), put("b", &[1; 20_000])]).unwrap();
    assert_eq!(pieces(), 8);
    engine.commit(vec![put("a", &[1; 13_000]), put("a", &[2; 10_000])]).unwrap();
    assert_eq!(pieces(), 6);
    engine.commit(vec![put("a", &[1; 5])]).unwrap();
    assert_eq!(pieces(), 4);
    engine.commit(vec![Txn { delete: vec![key("b")], ..Txn::default() }]).unwrap();
    assert_eq!(pieces(), 0);
}

#[test]
fn nothing_ever_lies_in_files_that_sled_does_not_sync() {
    let dir = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(dir.path()).unwrap();
    let blobs = || std::fs::read_dir(dir.path().join("blobs")).unwrap().count();
    for round in 0..2_usize {
        for size in [CHUNK_SIZE, 20_000, 300_000, 1_000_000, crate::engine::MAX_VALUE] {
            for n in 0..19 {
                let name = format!("{round}/{}/{n}", size % 7);
                engine.commit(vec![put(&name, &vec![1; size - n])]).unwrap();
                assert_eq!(blobs(), 0, "{size}");
            }
        }
    }
}

const CHUNK_SIZE: usize = value::CHUNK;

#[test]
fn a_second_opener_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let _first = SledEngine::open(dir.path()).unwrap();
    assert!(matches!(SledEngine::open(dir.path()), Err(EngineError::InUse { path }) if path == dir.path()));
}

#[test]
fn an_unknown_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(dir.path()).unwrap();
    engine.trees.all[Trees::META].insert("format", &[9]).unwrap();
    drop(engine);
    assert!(matches!(SledEngine::open(dir.path()), Err(EngineError::UnknownFormat { found: 9 })));
    let strange = tempfile::tempdir().unwrap();
    let db = ::sled::open(strange.path()).unwrap();
    db.open_tree("entry").unwrap().insert("a", "b").unwrap();
    drop(db);
    assert!(matches!(SledEngine::open(strange.path()), Err(EngineError::UnknownFormat { found: 0 })));
}

#[test]
fn t23_its_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    fn walk(path: &Path) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            if path.is_dir() {
                walk(&path);
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    for _ in 0..2 {
        SledEngine::open(&path).unwrap().commit(vec![put("a", &[1; 100_000])]).unwrap();
        drop(SledEngine::open(&path).unwrap());
        walk(dir.path());
    }
}
