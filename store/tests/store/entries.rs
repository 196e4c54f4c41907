//! Putting and getting (Decisions 5).

use std::sync::Arc;

use claviger_acl::Action;
use claviger_proto::{ErrorCode, Secret, Version};
use claviger_store::engine::Engine as _;
use claviger_store::{Command, Done, NewDomain, StoreError};

use crate::common::{Member, NOW, World, create_domain, facts, is_not_found, record};

fn conflict<T>(outcome: &Result<T, StoreError>) -> Option<(u32, u32)> {
    match outcome {
        Err(StoreError::Conflict { asked, next }) => Some((asked.get(), next.get())),
        _ => None,
    }
}

#[test]
fn what_is_put_is_got_with_all_that_belongs_to_it() {
    let mut world = World::new();
    let mut put = world.put_command("web/tls/key", 0, b"secret");
    put.entry_type = "X509-der-cert".parse().unwrap();
    assert_eq!(world.commit(vec![put])[0].as_ref().ok(), Some(&(1, false)));
    let world = world.reopen();
    let entry = world.entry("web/tls/key", 0).unwrap();
    assert_eq!((entry.tag.as_str(), entry.entry_type.as_str()), ("web/tls/key", "X509-der-cert"));
    assert_eq!((entry.version, entry.entered, entry.exportable), (Version::new(1), NOW, true));
    assert_eq!(entry.blob.expose(), b"secret");
}

#[test]
fn versions_go_up_by_one_and_the_first_may_be_any() {
    let mut world = World::new();
    assert_eq!(world.put("a", 0, b"1").unwrap(), 1);
    assert_eq!(world.put("a", 0, b"2").unwrap(), 2);
    assert_eq!(world.put("a", 3, b"3").unwrap(), 3);
    assert_eq!(conflict(&world.put("a", 5, b"5")), Some((5, 4)));
    assert_eq!(world.put("b", 7, b"7").unwrap(), 7);
    assert_eq!(conflict(&world.put("b", 6, b"6")), Some((6, 8)));
    assert_eq!(world.put("b", 0, b"8").unwrap(), 8);
    assert_eq!(world.get("a", 0).unwrap(), b"3");
    assert_eq!(world.get("a", 2).unwrap(), b"2");
    assert_eq!(world.get("b", 7).unwrap(), b"7");
    for (name, version) in [("a", 4), ("b", 6), ("b", 1), ("b", 9), ("never", 0), ("never", 1)] {
        assert!(is_not_found(&world.get(name, version)), "{name} {version}");
    }
}

#[test]
fn the_last_version_is_the_last() {
    let mut world = World::new();
    assert_eq!(world.put("a", Version::MAX, b"last").unwrap(), Version::MAX);
    let outcome = world.put("a", 0, b"more");
    assert!(matches!(outcome, Err(StoreError::VersionsExhausted)));
    let again = world.put_command("a", Version::MAX, b"last");
    assert_eq!(world.commit(vec![again])[0].as_ref().ok(), Some(&(Version::MAX, true)));
    assert_eq!(world.get("a", 0).unwrap(), b"last");
}

#[test]
fn the_same_entry_again_succeeds_and_a_different_one_is_a_conflict() {
    let mut world = World::new();
    world.put("a", 1, b"one").unwrap();
    world.put("a", 2, b"two").unwrap();
    let mut later = world.put_command("a", 1, b"one");
    later.now += 60;
    let [mut other_type, mut not_exportable] = [(), ()].map(|()| world.put_command("a", 1, b"one"));
    other_type.entry_type = "X509-der-cert".parse().unwrap();
    not_exportable.exportable = false;
    let other_blob = world.put_command("a", 1, b"One");
    let outcomes = world.commit(vec![later, other_type, not_exportable, other_blob]);
    assert_eq!(outcomes[0].as_ref().ok(), Some(&(1, true)));
    for outcome in &outcomes[1..] {
        assert_eq!(conflict(outcome), Some((1, 3)));
    }
    assert_eq!(world.entry("a", 1).unwrap().entered, NOW);
    // Without a version, the same bytes are a new version.
    assert_eq!(world.put("a", 0, b"two").unwrap(), 3);
}

#[test]
fn puts_of_one_batch_build_on_each_other() {
    let mut world = World::new();
    let puts = [
        ("a", 0, "1"),
        ("a", 0, "2"),
        ("b", 4, "4"),
        ("a", 2, "2"),
        ("a", 2, "x"),
        ("a", 9, "9"),
        ("a", 3, "3"),
    ];
    let puts = puts.map(|(name, version, blob)| world.put_command(name, version, blob.as_bytes())).into();
    let outcomes = world.commit(puts);
    let done: Vec<Option<(u32, bool)>> = outcomes.iter().map(|o| o.as_ref().ok().copied()).collect();
    assert_eq!(
        done,
        [Some((1, false)), Some((2, false)), Some((4, false)), Some((2, true)), None, None, Some((3, false))]
    );
    assert_eq!((conflict(&outcomes[4]), conflict(&outcomes[5])), (Some((2, 3)), Some((9, 3))));
    let world = world.reopen();
    for (version, blob) in [(1, b"1"), (2, b"2"), (3, b"3"), (0, b"3")] {
        assert_eq!(world.get("a", version).unwrap(), blob);
    }
}

#[test]
fn a_name_may_have_many_versions() {
    let mut world = World::new();
    world.put("a", 30, b"30").unwrap();
    for n in 31..60_u32 {
        world.put("a", 0, n.to_string().as_bytes()).unwrap();
    }
    let many = (60..200_u32).map(|n| world.put_command("a", n, n.to_string().as_bytes())).collect();
    assert!(world.commit(many).iter().all(Result::is_ok));
    let same = world.put_command("a", 33, b"33");
    let other = world.put_command("a", 33, b"x");
    let outcomes = world.commit(vec![same, other]);
    assert_eq!(outcomes[0].as_ref().ok(), Some(&(33, true)));
    assert_eq!(conflict(&outcomes[1]), Some((33, 200)));
    // A version on a page that became full in the same batch.
    let mut batch: Vec<_> = (200..300_u32).map(|n| world.put_command("a", n, b"x")).collect();
    batch.push(world.put_command("a", 201, b"x"));
    assert_eq!(world.commit(batch).pop().unwrap().ok(), Some((201, true)));
    let world = world.reopen();
    for n in (30..200_u32).step_by(7) {
        assert_eq!(world.get("a", n).unwrap(), n.to_string().as_bytes());
    }
    assert_eq!(world.entry("a", 0).unwrap().version, Version::new(299));
}

#[test]
fn what_may_not_leave_is_not_found() {
    let mut world = World::new();
    let mut put = world.put_command("a", 0, b"stays");
    put.exportable = false;
    assert_eq!(world.commit(vec![put])[0].as_ref().ok(), Some(&(1, false)));
    let (stays, never) = (world.get("a", 0).unwrap_err(), world.get("b", 0).unwrap_err());
    assert_eq!(stays.to_string(), never.to_string());
    assert_eq!((stays.code(), never.code()), (ErrorCode::NotFound, ErrorCode::NotFound));
    // The latest is never an older one.
    world.put("b", 0, b"older").unwrap();
    let mut put = world.put_command("b", 0, b"stays");
    put.exportable = false;
    world.commit(vec![put]);
    assert!(is_not_found(&world.get("b", 0)));
    assert_eq!(world.get("b", 1).unwrap(), b"older");
}

#[test]
fn t20_an_empty_or_too_large_secret_is_refused_and_the_largest_is_kept() {
    let mut world = World::new();
    let largest = vec![7; 1 << 20];
    let puts = [&b""[..], &vec![0; (1 << 20) + 1], &largest];
    let puts = puts.map(|blob| world.put_command("a", 0, blob)).into();
    let outcomes = world.commit(puts);
    assert!(matches!(outcomes[0], Err(StoreError::BlobSize)));
    assert!(matches!(outcomes[1], Err(StoreError::BlobSize)));
    assert_eq!(outcomes[2].as_ref().ok(), Some(&(1, false)));
    assert!(world.get("a", 0).unwrap() == largest);
}

#[test]
fn t15_a_permit_of_another_domain_or_action_opens_nothing() {
    let mut world = World::new();
    world.put("a", 0, b"secret").unwrap();
    let beta = Member::of("beta");
    let get = |permit| world.store.retrieve(&world.keys, permit, None, NOW).err().unwrap();
    for wrong in [beta.may(Action::Retrieve, "a"), world.member.may(Action::Store, "a")] {
        let error = get(wrong);
        assert!(matches!(error, StoreError::WrongPermit));
        assert_eq!(error.code(), ErrorCode::NotFound);
    }
    let mut foreign = world.put_command("a", 0, b"x");
    foreign.permit = beta.may(Action::Store, "a");
    let mut retrieve = world.put_command("a", 0, b"x");
    retrieve.permit = world.member.may(Action::Retrieve, "a");
    let outcomes = world.commit(vec![foreign, retrieve]);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::WrongPermit))));
}

#[test]
fn t15_domains_share_names_and_nothing_else() {
    let mut world = World::new();
    let beta_keys = create_domain(&mut world.writer, "beta").unwrap();
    let beta = Member::of("beta");
    world.put("a", 0, b"of alpha").unwrap();
    let get = |world: &World| world.store.retrieve(&beta_keys, beta.may(Action::Retrieve, "a"), None, NOW);
    assert!(is_not_found(&get(&world)));
    let mut put = world.put_command("a", 5, b"of beta");
    (put.keys, put.permit) = (Arc::clone(&beta_keys), beta.may(Action::Store, "a"));
    let mine = world.put_command("a", 0, b"of alpha too");
    let outcomes = world.writer.commit(vec![Command::Put(put), Command::Put(mine)]);
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(get(&world).unwrap().blob == Secret::copy_from(b"of beta"));
    assert_eq!(world.get("a", 0).unwrap(), b"of alpha too");
}

#[test]
fn more_names_than_are_remembered_are_told_apart() {
    let mut world = World::new();
    let name = |n: u32| format!("n{n}");
    let puts = (0..6_000).map(|n| world.put_command(&name(n), 0, &n.to_be_bytes())).collect();
    assert!(world.commit(puts).iter().all(Result::is_ok));
    for _ in 0..2 {
        for n in 0..6_000_u32 {
            assert_eq!(world.get(&name(n), 0).unwrap(), n.to_be_bytes());
        }
    }
    let beta = create_domain(&mut world.writer, "beta").unwrap();
    let foreign = Member::of("beta");
    for n in 0..6_000 {
        let outcome = world.store.retrieve(&beta, foreign.may(Action::Retrieve, &name(n)), None, NOW);
        assert!(is_not_found(&outcome));
    }
}

#[test]
fn a_batch_that_is_refused_wholly_does_not_hinder_the_next() {
    let mut world = World::new();
    world.put("a", 0, b"1").unwrap();
    // The engine's revision goes on without this domain.
    create_domain(&mut world.writer, "beta").unwrap();
    let revision = world.engine.revision();
    assert_eq!(conflict(&world.put("a", 1, b"x")), Some((1, 2)));
    assert_eq!(world.engine.revision(), revision);
    assert_eq!(world.put("a", 0, b"2").unwrap(), 2);
}

#[test]
fn gets_beside_puts_are_never_damaged_and_never_go_back() {
    let mut world = World::new();
    world.put("a", 0, &1_u32.to_be_bytes()).unwrap();
    let (store, keys) = (world.store.clone(), Arc::clone(&world.keys));
    let member = Member::of("alpha");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let entry = store.retrieve(&keys, member.may(Action::Retrieve, "a"), None, NOW).unwrap();
                    let number = entry.version.unwrap().get();
                    assert_eq!(entry.blob.expose(), number.to_be_bytes());
                    assert!(number >= seen);
                    seen = number;
                }
            });
        }
        for n in 2..300_u32 {
            world.put("a", n, &n.to_be_bytes()).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn what_comes_while_a_commit_is_planned_shares_it_up_to_a_command_apart() {
    let mut world = World::new();
    let put = |world: &World, name: &str| Command::Put(world.put_command(name, 0, b"x"));
    let first = vec![put(&world, "a")];
    let mut rounds = vec![vec![put(&world, "d")], vec![put(&world, "a"), put(&world, "b")]];
    let before = world.engine.revision();
    let outcomes = world.writer.commit_with(first, || rounds.pop().unwrap_or_default());
    let stored: Vec<_> = outcomes.iter().map(version_of).collect();
    assert_eq!(stored, [Some(1), Some(2), Some(1), Some(1)], "each on top of those before it");
    assert_eq!(world.engine.revision().0, before.0 + 1, "one transaction for all");

    let new = NewDomain { name: "beta".parse().unwrap(), record: record(), audit: facts("domain-create") };
    let first = vec![put(&world, "a"), Command::CreateDomain(new), put(&world, "b")];
    let mut asked = 0;
    let outcomes = world.writer.commit_with(first, || {
        asked += 1;
        Vec::new()
    });
    assert_eq!((version_of(&outcomes[0]), version_of(&outcomes[2])), (Some(3), Some(2)));
    assert!(matches!(outcomes[1], Ok(Done::DomainCreated(_))));
    assert_eq!((outcomes.len(), asked), (3, 0), "those before it are durable, and wait for their answer");
}

fn version_of(outcome: &Result<Done, StoreError>) -> Option<u32> {
    match outcome {
        Ok(Done::Stored { version, .. }) => Some(version.get()),
        _ => None,
    }
}
