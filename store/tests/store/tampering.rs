//! What somebody who can write to the engine gets: damage that is reported, never a wrong secret.

use std::sync::Arc;

use claviger_store::engine::{Key, Tree};
use claviger_store::{Command, DomainChange, Store, StoreError, UpdateDomain};

use crate::common::{World, create_domain, facts, id, is_damaged, is_not_found, root};

/// A world with `a` (two versions) and `b` (one), and what the engine's entries were before the last put.
fn world() -> (World, Vec<(Key, Vec<u8>)>) {
    let mut world = World::new();
    world.put("a", 0, b"a1").unwrap();
    world.put("b", 0, b"b1").unwrap();
    let before = world.raw(Tree::Entry);
    world.put("a", 0, b"a2").unwrap();
    (world, before)
}

/// Whether a record is a head, and of how many bytes its number is: the last five bytes of a key.
fn kind(key: &Key) -> u8 {
    key.bytes[key.bytes.len() - 5]
}

fn number(key: &Key) -> u8 {
    key.bytes[key.bytes.len() - 1]
}

#[test]
fn t30_any_two_records_swapped_are_found() {
    let (world, _) = world();
    let records = world.raw(Tree::Entry);
    assert_eq!(records.len(), 5);
    let gets = [("a", 0, "a2"), ("a", 1, "a1"), ("a", 2, "a2"), ("b", 0, "b1")];
    for left in 0..records.len() {
        for right in left + 1..records.len() {
            let ((a, a_value), (b, b_value)) = (&records[left], &records[right]);
            world.tamper(vec![(a.clone(), b_value.clone()), (b.clone(), a_value.clone())], vec![]);
            let mut found = 0;
            for (name, version, right) in gets {
                match world.get(name, version) {
                    Ok(got) => assert_eq!(got, right.as_bytes()),
                    outcome => {
                        assert!(is_damaged(&outcome));
                        found += 1;
                    }
                }
            }
            assert!(found > 0, "{left} {right}");
            world.tamper(vec![(a.clone(), a_value.clone()), (b.clone(), b_value.clone())], vec![]);
        }
    }
    assert!(gets.iter().all(|(name, version, _)| world.get(name, *version).is_ok()));
}

#[test]
fn t27_any_flipped_byte_is_found() {
    let (world, _) = world();
    for (key, value) in world.raw(Tree::Entry) {
        for at in (0..value.len()).step_by(5).chain([value.len() - 1]) {
            let mut flipped = value.clone();
            flipped[at] ^= 0x10;
            world.tamper(vec![(key.clone(), flipped)], vec![]);
            let outcomes = [("a", 0), ("a", 1), ("b", 0)].map(|(name, version)| world.get(name, version));
            let found = |outcome: &Result<_, _>| {
                is_damaged(outcome) || matches!(outcome, Err(StoreError::UnknownFormat { .. }))
            };
            assert!(outcomes.iter().any(found));
            let rights = [&b"a2"[..], b"a1", b"b1"];
            assert!(
                outcomes
                    .iter()
                    .zip(rights)
                    .all(|(o, right)| o.as_ref().is_ok_and(|got| got == right) || found(o))
            );
        }
        world.tamper(vec![(key, value)], vec![]);
    }
}

#[test]
fn t30_an_older_head_put_back_is_found() {
    let (mut world, before) = world();
    world.tamper(before, vec![]);
    assert!(is_damaged(&world.get("a", 0)));
    assert!(is_damaged(&world.get("a", 1)));
    assert!(is_damaged(&world.put("a", 0, b"again a2")));
    assert_eq!(world.get("b", 0).unwrap(), b"b1");
    // Others in the batch go on.
    let puts = vec![world.put_command("a", 0, b"x"), world.put_command("b", 0, b"b2")];
    let outcomes = world.commit(puts);
    assert!(is_damaged(&outcomes[0]) && outcomes[1].is_ok());
}

#[test]
fn t42_a_lost_record_is_found() {
    let (mut world, _) = world();
    let records = world.raw(Tree::Entry);
    for (key, value) in records {
        world.tamper(vec![], vec![key.clone()]);
        let outcomes = [("a", 1), ("a", 2), ("b", 1)].map(|(name, version)| world.get(name, version));
        assert!(outcomes.iter().any(is_damaged));
        let allowed = |o: &Result<Vec<u8>, _>| o.is_ok() || is_damaged(o);
        assert!(outcomes.iter().all(allowed), "{} {}", kind(&key), number(&key));
        world.tamper(vec![(key, value)], vec![]);
    }
    for n in 3..40_u32 {
        world.put("a", n, b"more").unwrap();
    }
    let page = world.raw(Tree::Entry).into_iter().find(|(key, _)| kind(key) == 1).unwrap();
    world.tamper(vec![], vec![page.0]);
    assert!(is_damaged(&world.get("a", 1)) && world.get("a", 0).is_ok());
}

#[test]
fn t30_records_of_another_domain_open_nowhere_else() {
    let (mut world, _) = world();
    let entries_of_alpha = world.raw(Tree::Entry);
    world.keys = create_domain(&mut world.writer, "beta").unwrap();
    world.member = crate::common::Member::of("beta");
    world.put("a", 0, b"of beta").unwrap();
    let beta = *world.keys.generation();
    let mine: Vec<(Key, Vec<u8>)> =
        world.raw(Tree::Entry).into_iter().filter(|(key, _)| key.bytes.starts_with(&beta)).collect();
    // Each record of beta replaced by each of alpha's.
    for (key, value) in &mine {
        for (_, foreign) in &entries_of_alpha {
            world.tamper(vec![(key.clone(), foreign.clone())], vec![]);
            assert!(is_damaged(&world.get("a", 0)));
        }
        world.tamper(vec![(key.clone(), value.clone())], vec![]);
    }
    assert_eq!(world.get("a", 0).unwrap(), b"of beta");
    assert!(is_not_found(&world.get("b", 0)));
}

fn with_preset(world: &mut World, preset: &str) {
    let change = DomainChange::Preset(preset.to_owned());
    let update = UpdateDomain { keys: Arc::clone(&world.keys), change, audit: facts("acl-preset") };
    assert!(world.writer.commit(vec![Command::UpdateDomain(update)])[0].is_ok());
}

#[test]
fn t30_an_older_domain_record_put_back_is_found() {
    let mut world = World::new();
    let open = |world: &World| Store::open(Arc::clone(&world.engine), &root(), id());
    let generous = world.raw(Tree::Domain);
    with_preset(&mut world, "closed");
    assert!(open(&world).is_ok());
    world.tamper(generous, vec![]);
    assert!(is_damaged(&open(&world)));
}

#[test]
fn t30_keys_of_domains_swapped_are_found() {
    let mut world = World::new();
    let beta = create_domain(&mut world.writer, "beta").unwrap();
    let open = |world: &World| Store::open(Arc::clone(&world.engine), &root(), id());
    for tree in [Tree::Broker, Tree::Domain] {
        let records = world.raw(tree);
        let of = |generation: &[u8; 16]| -> Vec<(Key, Vec<u8>)> {
            records.iter().filter(|(key, _)| key.bytes.ends_with(generation)).cloned().collect()
        };
        for ((a, a_value), (b, b_value)) in of(world.keys.generation()).into_iter().zip(of(beta.generation()))
        {
            assert_eq!(a.bytes[0], b.bytes[0]);
            world.tamper(vec![(a.clone(), b_value.clone()), (b.clone(), a_value.clone())], vec![]);
            let reopened = open(&world);
            let found = match reopened {
                Ok(store) => is_damaged(&store.domains()),
                outcome => is_damaged(&outcome),
            };
            assert!(found, "{}", char::from(a.bytes[0]));
            world.tamper(vec![(a, a_value), (b, b_value)], vec![]);
        }
    }
    assert!(open(&world).is_ok());
}

#[test]
fn t30_the_policy_key_and_the_brokers_key_are_not_exchangeable() {
    let world = World::new();
    let keys: Vec<(Key, Vec<u8>)> =
        world.raw(Tree::Broker).into_iter().filter(|(key, _)| key.bytes.len() == 17).collect();
    let [(a, a_value), (b, b_value)] = <[_; 2]>::try_from(keys).unwrap();
    world.tamper(vec![(a, b_value), (b, a_value)], vec![]);
    assert!(is_damaged(&world.store.domains()));
}
