//! What somebody who can write to the engine gets: damage that is reported, never a wrong secret.

use std::sync::Arc;

use claviger_store::engine::{Key, Tree};
use claviger_store::{Command, DomainChange, Store, StoreError, UpdateDomain};

use crate::common::{World, create_domain, facts, id, is_damaged, is_not_found, root};

/// Too large to lie beside its head.
const LARGE: [u8; 3_000] = [b'c'; 3_000];

/// What can be got: a name, a version, the secret.
const GETS: [(&str, u32, &[u8]); 6] =
    [("a", 0, b"a2"), ("a", 1, b"a1"), ("a", 2, b"a2"), ("b", 0, b"b1"), ("c", 0, &LARGE), ("c", 1, b"c1")];

/// A world with that in it, and what the engine's entries were before `a` had its second version.
fn world() -> (World, Vec<(Key, Vec<u8>)>) {
    let mut world = World::new();
    for (name, blob) in [("a", &b"a1"[..]), ("b", b"b1"), ("c", b"c1"), ("c", &LARGE)] {
        world.put(name, 0, blob).unwrap();
    }
    let before = world.raw(Tree::Entry);
    world.put("a", 0, b"a2").unwrap();
    (world, before)
}

/// Gets everything; each get is right or reports damage. Whether any reports it.
fn damage_is_reported(world: &World) -> bool {
    let is_reported = |(name, version, right): &(&str, u32, &[u8])| match world.get(name, *version) {
        Ok(got) => {
            assert!(got == *right, "{name} {version}");
            false
        }
        Err(StoreError::Damaged { .. } | StoreError::UnknownFormat { .. }) => true,
        Err(error) => panic!("{name} {version}: {error}"),
    };
    GETS.iter().filter(|get| is_reported(get)).count() > 0
}

/// What kind of record it is, before its number: the last five bytes of a key.
fn kind(key: &Key) -> u8 {
    key.bytes[key.bytes.len() - 5]
}

#[test]
fn t30_any_two_records_swapped_are_found() {
    let (world, _) = world();
    let records = world.raw(Tree::Entry);
    // Three heads, the two older versions, and the large one.
    assert_eq!(records.len(), 6);
    assert!(!damage_is_reported(&world));
    for left in 0..records.len() {
        for right in left + 1..records.len() {
            let ((a, a_value), (b, b_value)) = (&records[left], &records[right]);
            world.tamper(vec![(a.clone(), b_value.clone()), (b.clone(), a_value.clone())], vec![]);
            assert!(damage_is_reported(&world), "{left} {right}");
            world.tamper(vec![(a.clone(), a_value.clone()), (b.clone(), b_value.clone())], vec![]);
        }
    }
    assert!(!damage_is_reported(&world));
}

#[test]
fn t27_any_flipped_byte_is_found() {
    let (world, _) = world();
    for (key, value) in world.raw(Tree::Entry) {
        let step = if value.len() > 1_000 { 101 } else { 5 };
        for at in (0..value.len()).step_by(step).chain([value.len() - 1]) {
            let mut flipped = value.clone();
            flipped[at] ^= 0x10;
            world.tamper(vec![(key.clone(), flipped)], vec![]);
            assert!(damage_is_reported(&world), "{} {at}", kind(&key));
        }
        world.tamper(vec![(key, value)], vec![]);
    }
}

#[test]
fn t30_a_newest_version_beside_another_head_is_found() {
    // The two halves of heads' values, exchanged: the sealed head of one, the sealed secret of the other.
    let (world, before) = world();
    let halves = |value: &[u8]| {
        let end = 5 + u32::from_be_bytes(value[1..5].try_into().unwrap()) as usize;
        (value[..end].to_vec(), value[end..].to_vec())
    };
    let now = world.raw(Tree::Entry);
    let heads: Vec<&(Key, Vec<u8>)> = now.iter().chain(&before).filter(|(key, _)| kind(key) == 0).collect();
    for (key, value) in now.iter().filter(|(key, _)| kind(key) == 0) {
        let (head, beside) = halves(value);
        for (_, other) in heads.iter().filter(|(_, other)| !beside.is_empty() && *other != *value) {
            world.tamper(vec![(key.clone(), [head.clone(), halves(other).1].concat())], vec![]);
            assert!(damage_is_reported(&world));
        }
        world.tamper(vec![(key.clone(), value.clone())], vec![]);
    }
    assert!(!damage_is_reported(&world));
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
fn t30_an_older_head_of_large_versions_put_back_is_found() {
    let mut world = World::new();
    world.put("c", 0, &LARGE).unwrap();
    let before = world.raw(Tree::Entry);
    // Once a name has had a large version, its small ones have records of their own too.
    world.put("c", 0, b"small").unwrap();
    assert_eq!(world.get("c", 0).unwrap(), b"small");
    world.tamper(before, vec![]);
    assert!(is_damaged(&world.get("c", 0)) && is_damaged(&world.put("c", 0, b"x")));
}

#[test]
fn t42_a_lost_record_is_found() {
    let (mut world, _) = world();
    for (key, value) in world.raw(Tree::Entry) {
        world.tamper(vec![], vec![key.clone()]);
        let lost = |name: &str, version| !world.get(name, version).is_ok_and(|got| !got.is_empty());
        let found = GETS.iter().filter(|(name, version, _)| lost(name, *version)).count();
        assert!(found > 0, "{}", kind(&key));
        // All that there was of `b` is one record; that it is lost only the trail can tell.
        if !is_not_found(&world.get("b", 0)) {
            let reported = GETS.iter().any(|(name, version, _)| is_damaged(&world.get(name, *version)));
            assert!(reported, "{}", kind(&key));
        }
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
            // A version's record where a head should be has another first byte.
            let outcome = world.get("a", 0);
            assert!(is_damaged(&outcome) || matches!(outcome, Err(StoreError::UnknownFormat { .. })));
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
