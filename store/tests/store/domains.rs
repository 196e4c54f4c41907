//! Domains: made, changed, deleted; and the one writer.

use std::sync::Arc;

use claviger_acl::Action;
use claviger_proto::{ErrorCode, Secret};
use claviger_store::engine::{AnyEngine, Engine as _, Key, MemoryEngine, Tree};
use claviger_store::{
    BrokerIdentity, Command, DomainChange, DomainRecord, Done, HomeMark, NewDomain, PulledDomain, RootKey,
    Store, StoreError, StoreId, UpdateDomain,
};
use zeroize::Zeroizing;

use crate::common::{
    NOW, World, create_domain, delete_domain, facts, id, is_damaged, is_not_found, record, root,
};

fn loaded(world: &World) -> DomainRecord {
    world.store.domain(&"alpha".parse().unwrap()).unwrap().unwrap().record
}

fn update(world: &World, change: DomainChange) -> Command {
    Command::UpdateDomain(UpdateDomain {
        keys: Arc::clone(&world.keys),
        change,
        audit: facts("domain-update"),
    })
}

fn open(engine: &Arc<AnyEngine>, root: &RootKey, id: StoreId) -> Result<Store, StoreError> {
    Store::open(Arc::clone(engine), root, id)
}

#[test]
fn a_domain_comes_back_whole() {
    let mut world = World::new();
    let bare = DomainRecord { policy_key: None, broker_identity: None, ..record() };
    let new = NewDomain { name: "bare".parse().unwrap(), record: bare, audit: facts("domain-create") };
    assert!(world.writer.commit(vec![Command::CreateDomain(new)])[0].is_ok());
    let world = world.reopen();
    let all = world.store.domains().unwrap();
    assert_eq!(all.iter().map(|d| d.keys.domain().as_str()).collect::<Vec<_>>(), ["alpha", "bare"]);
    let [alpha, bare] = [0, 1].map(|n| &all[n].record);
    assert_eq!(alpha.policy_certificate, b"policy certificate");
    assert!(alpha.policy_key == Some(Secret::copy_from(b"policy key")));
    let identity = alpha.broker_identity.as_ref().unwrap();
    assert!(identity.certificate == b"broker certificate" && identity.key.expose() == b"broker key");
    assert_eq!((alpha.preset.as_str(), alpha.references.as_slice()), ("members", &b"references"[..]));
    assert_eq!(alpha.access, b"access rules");
    assert_eq!(alpha.created, record().created);
    assert!(bare.policy_key.is_none() && bare.broker_identity.is_none());
    assert!(world.store.domain(&"none".parse().unwrap()).unwrap().is_none());
}

#[test]
fn a_name_is_taken_once() {
    let mut world = World::new();
    let outcome = create_domain(&mut world.writer, "alpha");
    assert!(matches!(&outcome, Err(StoreError::DomainExists(name)) if name.as_str() == "alpha"));
    assert_eq!(outcome.err().unwrap().code(), ErrorCode::Conflict);
}

#[test]
fn changes_of_one_batch_all_count_and_hinder_no_store() {
    let mut world = World::new();
    let identity = |n: u8| BrokerIdentity { certificate: vec![n], key: Secret::copy_from(&[n, n]) };
    let commands = vec![
        update(&world, DomainChange::Preset("provisioned".to_owned())),
        update(&world, DomainChange::BrokerIdentity(identity(7))),
        Command::Put(world.put_command("a", 0, b"secret")),
        update(&world, DomainChange::References(b"others".to_vec())),
        update(&world, DomainChange::Access(b"other rules".to_vec())),
        update(&world, DomainChange::BrokerIdentity(identity(8))),
    ];
    assert!(world.writer.commit(commands).iter().all(Result::is_ok));
    let later = update(&world, DomainChange::Preset("closed".to_owned()));
    assert!(matches!(world.writer.commit(vec![later])[0], Ok(Done::DomainUpdated)));
    let world = world.reopen();
    let record = loaded(&world);
    assert_eq!((record.preset.as_str(), record.references.as_slice()), ("closed", &b"others"[..]));
    assert_eq!(record.access, b"other rules");
    let identity = record.broker_identity.unwrap();
    assert!(identity.certificate == [8] && identity.key.expose() == [8, 8]);
    assert!(record.policy_key == Some(Secret::copy_from(b"policy key")));
    assert_eq!(world.get("a", 0).unwrap(), b"secret");
}

#[test]
fn a_deleted_domain_is_gone_at_once_and_then_removed() {
    let mut world = World::new();
    let beta = create_domain(&mut world.writer, "beta").unwrap();
    for n in 0..150_u32 {
        world.put(&format!("n{n}"), 0, b"secret").unwrap();
    }
    let before = world.put_command("last", 0, b"secret");
    let delete = claviger_store::DeleteDomain { keys: Arc::clone(&world.keys) };
    let after = world.put_command("late", 0, b"secret");
    let batch = vec![Command::Put(before), Command::DeleteDomain(delete), Command::Put(after)];
    let outcomes = world.writer.commit(batch);
    assert!(
        outcomes[0].is_ok() && matches!(outcomes[1], Ok(Done::DomainDeleted)) && is_not_found(&outcomes[2])
    );
    assert!(world.keys.is_destroyed() && is_not_found(&world.get("n1", 0)));
    assert!(is_not_found(&delete_domain(&mut world.writer, &world.keys)));
    assert!(is_not_found(&world.writer.commit(vec![update(&world, DomainChange::Preset(String::new()))])[0]));
    assert_eq!(world.store.domains().unwrap().len(), 1);
    // Every key of the domain is gone in the same commit.
    let mine = |key: &Key, world: &World| key.bytes.windows(16).any(|part| part == world.keys.generation());
    let of_domain =
        |world: &World, tree| world.raw(tree).into_iter().filter(|(key, _)| mine(key, world)).count();
    assert_eq!((of_domain(&world, Tree::Broker), of_domain(&world, Tree::Domain)), (0, 1));
    let mut rounds = 0;
    while world.writer.sweep().unwrap() {
        rounds += 1;
    }
    assert!(rounds > 3, "{rounds}");
    assert_eq!(Tree::ALL.map(|tree| of_domain(&world, tree)), [0; 4]);
    assert_eq!(world.store.domains().unwrap()[0].keys.generation(), beta.generation());
}

#[test]
fn a_crash_during_removal_is_made_up_for() {
    let mut world = World::new();
    create_domain(&mut world.writer, "beta").unwrap();
    for n in 0..100_u32 {
        world.put(&format!("n{n}"), 0, b"secret").unwrap();
    }
    delete_domain(&mut world.writer, &world.keys).unwrap();
    assert!(world.writer.sweep().unwrap());
    let generation = *world.keys.generation();
    let World { engine, store, writer, .. } = world;
    drop((store, writer));
    let store = open(&engine, &root(), id()).unwrap();
    let mut writer = store.writer().unwrap();
    while writer.sweep().unwrap() {}
    for tree in [Tree::Entry, Tree::Audit] {
        assert!(engine.scan(tree, &generation, None, 1).unwrap().is_empty());
    }
    drop((store, writer));
    assert!(!open(&engine, &root(), id()).unwrap().writer().unwrap().sweep().unwrap());
}

#[test]
fn a_domain_made_again_is_another_one() {
    let mut world = World::new();
    world.put("a", 0, b"of the first").unwrap();
    let first = *world.keys.generation();
    delete_domain(&mut world.writer, &world.keys).unwrap();
    world.keys = create_domain(&mut world.writer, "alpha").unwrap();
    assert_ne!(*world.keys.generation(), first);
    assert!(is_not_found(&world.get("a", 0)));
    assert_eq!(world.put("a", 0, b"of the second").unwrap(), 1);
    while world.writer.sweep().unwrap() {}
    let world = world.reopen();
    assert_eq!(world.get("a", 0).unwrap(), b"of the second");
}

#[test]
fn t30_a_deleted_domain_put_back_is_found() {
    let mut world = World::new();
    let trees = || [Tree::Broker, Tree::Domain, Tree::Audit].map(|tree| world.raw(tree)).concat();
    let old = trees();
    delete_domain(&mut world.writer, &world.keys).unwrap();
    create_domain(&mut world.writer, "alpha").unwrap();
    world.tamper(old, vec![]);
    assert!(is_damaged(&open(&world.engine, &root(), id())));
}

#[test]
fn the_store_of_another_broker_or_root_key_is_refused() {
    let world = World::new();
    let other_root = RootKey::from_bytes(Zeroizing::new([3; 32]));
    let other_id = StoreId::from_bytes([9; 16]);
    for (root, id) in [(&other_root, id()), (&root(), other_id)] {
        assert!(matches!(open(&world.engine, root, id), Err(StoreError::OtherBroker)));
    }
    assert!(matches!(Store::create(Arc::clone(&world.engine), &root(), id()), Err(StoreError::NotEmpty)));
    let empty = Arc::new(AnyEngine::from(MemoryEngine::new()));
    assert!(is_damaged(&open(&empty, &root(), id())));
}

#[test]
fn there_is_one_writer_at_a_time() {
    let world = World::new();
    assert!(matches!(world.store.writer(), Err(StoreError::WriterTaken)));
    drop(world.writer);
    drop(world.store.writer().unwrap());
    assert!(world.store.clone().writer().is_ok());
}

#[test]
fn the_brokers_own_tree_is_reached_by_no_name() {
    let mut world = World::new();
    let before = world.raw(Tree::Broker);
    // Names that spell the broker's own keys.
    let generation = hex::encode(world.keys.generation());
    for name in ["identity", "p", "b", &format!("p{generation}"), "alpha/identity"] {
        let outcome = world.store.retrieve(&world.keys, world.member.may(Action::Retrieve, name), None, NOW);
        assert!(is_not_found(&outcome));
        world.put(name, 0, b"x").unwrap();
    }
    assert_eq!(world.raw(Tree::Broker), before);
}

/// How far home is.
fn mark(serial: u32, time: i64) -> HomeMark {
    HomeMark { generation: [7; 16], serial, time }
}

/// What home gives then.
fn given(home: HomeMark, policy_key: Option<&[u8]>) -> DomainChange {
    DomainChange::Pulled(Box::new(PulledDomain {
        home,
        policy_key: policy_key.map(Secret::copy_from),
        preset: "closed".to_owned(),
        references: b"pulled".to_vec(),
        access: b"rules".to_vec(),
        identity: None,
    }))
}

/// A world whose domain was pulled, at serial 5 and the time 1000.
fn pulled() -> World {
    let mut world = World::new();
    let name: claviger_proto::DomainName = "pulled".parse().unwrap();
    let record = DomainRecord { home: Some(mark(5, 1000)), ..record() };
    let new = NewDomain { name: name.clone(), record, audit: facts("domain-pull-new") };
    assert!(world.writer.commit(vec![Command::CreateDomain(new)])[0].is_ok());
    world.keys = world.store.domain(&name).unwrap().unwrap().keys;
    world
}

#[test]
fn what_home_gives_is_taken_whole_and_the_policy_key_comes_and_goes_with_it() {
    let mut world = pulled();
    let mut take = |change| {
        let command = update(&world, change);
        assert!(world.writer.commit(vec![command])[0].is_ok());
        let stored = world.store.domain(world.keys.domain()).unwrap().unwrap();
        (stored.serial, stored.record)
    };
    let (serial, record) = take(given(mark(6, 1001), Some(b"policy key")));
    assert_eq!((serial, record.home), (2, Some(mark(6, 1001))));
    assert_eq!((record.preset.as_str(), record.references.as_slice()), ("closed", &b"pulled"[..]));
    assert_eq!(record.access, b"rules");
    assert!(record.policy_key == Some(Secret::copy_from(b"policy key")));
    assert!(record.broker_identity.is_some(), "none came, so the old one stays");
    assert!(take(given(mark(6, 1001), None)).1.policy_key.is_none());
    assert!(take(given(mark(7, 1001), Some(b"other"))).1.policy_key == Some(Secret::copy_from(b"other")));
}

#[test]
fn t43_a_home_that_is_behind_is_not_taken() {
    let mut world = pulled();
    let other = HomeMark { generation: [8; 16], ..mark(9, 9000) };
    for behind in [mark(4, 1000), mark(5, 999), other] {
        let outcome = world.writer.commit(vec![update(&world, given(behind, None))]).remove(0);
        assert!(matches!(outcome, Err(StoreError::HomeBehind)), "{behind:?}");
    }
    let record = world.store.domain(world.keys.domain()).unwrap().unwrap().record;
    assert_eq!((record.home, record.preset.as_str()), (Some(mark(5, 1000)), "members"));
    // And a domain that has no home has none to take from.
    let mut own = World::new();
    let outcome = own.writer.commit(vec![update(&own, given(mark(5, 1000), None))]).remove(0);
    assert!(matches!(outcome, Err(StoreError::HomeBehind)));
}
