//! Deleting, undeleting, destroying; conditions and expiry; names.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use claviger_acl::Action;
use claviger_proto::Version;
use claviger_proto::key_service::{Latest, State};
use claviger_store::audit::FindingKind;
use claviger_store::engine::Tree;
use claviger_store::{Change, StoreError};

use crate::common::{NOW, World, is_damaged, is_not_found};

#[test]
fn a_deleted_latest_is_not_found_and_never_an_older_one() {
    let mut world = World::new();
    world.put("a", 0, b"1").unwrap();
    world.put("a", 0, b"2").unwrap();
    assert_eq!(world.change("a", Change::Delete, 2).unwrap(), [2]);
    assert!(is_not_found(&world.get("a", 0)) && is_not_found(&world.get("a", 2)));
    assert_eq!(world.get("a", 1).unwrap(), b"1");
    // Again it changes nothing, and undone it is as before.
    assert_eq!(world.change("a", Change::Delete, 2).unwrap(), Vec::<u32>::new());
    assert_eq!(world.change("a", Change::Undelete, 2).unwrap(), [2]);
    assert_eq!(world.get("a", 0).unwrap(), b"2");
    assert!(is_not_found(&world.change("a", Change::Delete, 3)));
    assert!(is_not_found(&world.change("b", Change::Delete, 1)));
}

#[test]
fn what_is_destroyed_is_gone_for_good_and_its_number_stays_taken() {
    let mut world = World::new();
    world.put("a", 0, b"1").unwrap();
    world.put("big", 0, &vec![7; 100_000]).unwrap();
    let with_secret = world.raw(Tree::Entry).iter().map(|(_, value)| value.len()).sum::<usize>();
    assert_eq!(world.change("big", Change::Destroy, 0).unwrap(), [1]);
    let without = world.raw(Tree::Entry).iter().map(|(_, value)| value.len()).sum::<usize>();
    assert!(with_secret - without > 99_000, "{with_secret} {without}");
    assert!(matches!(world.change("big", Change::Undelete, 1), Err(StoreError::Destroyed)));
    assert!(matches!(world.change("big", Change::Delete, 1), Err(StoreError::Destroyed)));
    assert_eq!(world.change("big", Change::Destroy, 1).unwrap(), Vec::<u32>::new());
    assert_eq!(world.put("big", 0, b"next").unwrap(), 2);
    assert!(matches!(world.put("big", 1, &vec![7; 100_000]), Err(StoreError::Conflict { .. })));
}

#[test]
fn changes_reach_versions_on_pages_and_all_of_them() {
    let mut world = World::new();
    for n in 1..=70_u8 {
        world.put("a", 0, &[n]).unwrap();
    }
    for version in [1, 31, 32, 40, 64, 70] {
        assert_eq!(world.change("a", Change::Delete, version).unwrap(), [version]);
        assert!(is_not_found(&world.get("a", version)), "{version}");
    }
    assert_eq!(world.get("a", 33).unwrap(), [33]);
    let mut world = world.reopen();
    let states = world.states("a", NOW);
    assert_eq!(
        states.iter().map(|(version, _)| *version).collect::<Vec<_>>(),
        (1..=70).rev().collect::<Vec<_>>()
    );
    let deleted: Vec<_> =
        states.iter().filter(|(_, state)| *state == State::Deleted).map(|(version, _)| *version).collect();
    assert_eq!(deleted, [70, 64, 40, 32, 31, 1]);
    assert_eq!(world.change("a", Change::Undelete, 0).unwrap(), deleted);
    assert_eq!(world.change("a", Change::Destroy, 0).unwrap().len(), 70);
    assert!(world.states("a", NOW).iter().all(|(_, state)| *state == State::Destroyed));
    assert_eq!(world.put("a", 0, b"71").unwrap(), 71);
    assert_eq!(world.get("a", 0).unwrap(), b"71");
}

#[test]
fn t30_a_state_from_before_a_deletion_put_back_is_found_by_the_next_read() {
    for change in [Change::Delete, Change::Destroy] {
        for large in [false, true] {
            let mut world = World::new();
            world.put("a", 0, &vec![1; if large { 9_000 } else { 9 }]).unwrap();
            let before = world.raw(Tree::Entry);
            world.change("a", change, 1).unwrap();
            let after = world.raw(Tree::Entry);
            // Each single record as it was: the head, and the version's own.
            for (n, record) in before.iter().enumerate() {
                world.tamper(vec![record.clone()], vec![]);
                let outcome = world.get("a", 0);
                // The version's record alone isn't even looked at: its head says what became of it.
                assert!(is_damaged(&outcome) || (n == 1 && is_not_found(&outcome)), "{change:?} {large} {n}");
                world.tamper(after.clone(), vec![]);
            }
            assert!(is_not_found(&world.get("a", 0)));
        }
    }
}

#[test]
fn t30_all_records_from_before_a_deletion_put_back_are_found_by_the_trail() {
    for change in [Change::Delete, Change::Destroy] {
        let mut world = World::new();
        let dir = tempfile::tempdir().unwrap();
        world.put("a", 0, b"1").unwrap();
        world.put("a", 0, b"2").unwrap();
        let before = world.raw(Tree::Entry);
        world.change("a", change, 1).unwrap();
        assert_eq!(world.verify(dir.path()).findings, []);
        let keys: Vec<_> = world.raw(Tree::Entry).into_iter().map(|(key, _)| key).collect();
        let gone = keys.into_iter().filter(|key| before.iter().all(|(old, _)| old != key)).collect();
        world.tamper(before, gone);
        let kinds: Vec<_> = world.verify(dir.path()).findings.into_iter().map(|found| found.kind).collect();
        assert_eq!(kinds, [FindingKind::EntryRolledBack], "{change:?}");
    }
}

#[test]
fn an_undeleted_version_is_as_recorded() {
    let mut world = World::new();
    let dir = tempfile::tempdir().unwrap();
    world.put("a", 0, b"1").unwrap();
    world.change("a", Change::Delete, 1).unwrap();
    world.change("a", Change::Undelete, 1).unwrap();
    assert_eq!(world.verify(dir.path()).findings, []);
}

#[test]
fn compare_and_set_puts_only_after_the_version_it_names() {
    let mut world = World::new();
    let mut put = |latest: Option<u32>| {
        let mut put = world.put_command("a", 0, b"x");
        put.options.if_latest = latest.map(|latest| Latest::of(Version::new(latest)));
        world.commit(vec![put]).pop().unwrap().map(|(version, _)| version)
    };
    assert!(matches!(put(Some(1)), Err(StoreError::NotLatest { latest: None })));
    assert_eq!(put(Some(0)).unwrap(), 1);
    assert!(matches!(put(Some(0)), Err(StoreError::NotLatest { .. })));
    assert_eq!(put(Some(1)).unwrap(), 2);
    assert!(matches!(put(Some(1)), Err(StoreError::NotLatest { .. })));
    assert_eq!(put(None).unwrap(), 3);
    // Of two in one commit that expect the same, one wins.
    let pair = [(); 2].map(|()| {
        let mut put = world.put_command("a", 0, b"y");
        put.options.if_latest = Some(Latest::Is(Version::new(3).unwrap()));
        put
    });
    let outcomes = world.commit(pair.into());
    assert!(outcomes[0].is_ok() && matches!(outcomes[1], Err(StoreError::NotLatest { .. })));
}

#[test]
fn an_expired_version_is_not_found_from_its_second_on() {
    let mut world = World::new();
    world.put("a", 0, b"old").unwrap();
    let mut put = world.put_command("a", 0, b"new");
    put.options.expires = Some(NOW + 10);
    world.commit(vec![put]).pop().unwrap().unwrap();
    assert_eq!(world.get_at("a", 0, NOW + 9).unwrap(), b"new");
    for now in [NOW + 10, NOW + 1_000_000, i64::MAX] {
        assert!(is_not_found(&world.get_at("a", 0, now)) && is_not_found(&world.get_at("a", 2, now)));
    }
    assert_eq!(world.states("a", NOW + 10), [(2, State::Expired), (1, State::There)]);
    // It takes no part in rotation either.
    let permit = world.member.may(Action::Rotate, "a");
    assert!(is_not_found(&world.store.open_to_rotate(&world.keys, &permit, NOW + 10)));
    assert!(world.store.open_to_rotate(&world.keys, &permit, NOW).is_ok());
}

#[test]
fn names_are_listed_in_order_from_old_stores_and_as_they_come() {
    let mut world = World::new();
    for name in ["b", "a/2", "a", "a/10", "a.b"] {
        world.put(name, 0, b"x").unwrap();
    }
    assert_eq!(world.names("", None), ["a", "a.b", "a/10", "a/2", "b"]);
    let mut world = world.reopen();
    assert_eq!(world.names("a/", None), ["a/10", "a/2"]);
    assert_eq!(world.names("", Some("a/10")), ["a/2", "b"]);
    assert_eq!(world.names("b", Some("a")), ["b"]);
    assert_eq!(world.names("a", Some("b")), Vec::<String>::new());
    world.put("a/3", 0, b"x").unwrap();
    assert_eq!(world.names("a/", None), ["a/10", "a/2", "a/3"]);
    // A name stays listed when its versions are gone: they stay taken.
    world.change("a/3", Change::Destroy, 0).unwrap();
    assert_eq!(world.names("a/3", None), ["a/3"]);
}

#[test]
fn a_permit_for_one_thing_does_nothing_else() {
    let mut world = World::new();
    world.put("a", 0, b"x").unwrap();
    let (store, keys) = (world.store.clone(), world.keys.clone());
    for action in Action::ALL {
        let may = || world.member.may(action, "a");
        let wrong = |done: Option<StoreError>| match done {
            None => false,
            Some(error) => {
                assert!(matches!(error, StoreError::WrongPermit), "{action}: {error}");
                true
            }
        };
        assert_eq!(!wrong(store.retrieve(&keys, may(), None, NOW).err()), action == Action::Retrieve);
        assert_eq!(!wrong(store.open_to_rotate(&keys, &may(), NOW).err()), action == Action::Rotate);
        let describes = matches!(action, Action::List | Action::Versions);
        assert_eq!(!wrong(store.describe(&keys, &may(), None, NOW).err()), describes);
        assert_eq!(!wrong(store.versions(&keys, &may(), None, 5, NOW).err()), action == Action::Versions);
    }
    for (change, action) in [(Change::Delete, Action::Destroy), (Change::Destroy, Action::Delete)] {
        let mut command = world.change_command("a", change, 1);
        if let claviger_store::Command::Change(command) = &mut command {
            command.permit = world.member.may(action, "a");
        }
        let outcome = world.writer.commit(vec![command]).pop().unwrap();
        assert!(matches!(outcome, Err(StoreError::WrongPermit)));
    }
    let mut put = world.put_command("a", 0, b"y");
    put.permit = world.member.may(Action::Retrieve, "a");
    assert!(matches!(world.commit(vec![put]).pop().unwrap(), Err(StoreError::WrongPermit)));
}
