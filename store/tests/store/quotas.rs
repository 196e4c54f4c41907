//! What a domain takes up, and that no more is stored than its quota lets.

use claviger_proto::ErrorCode;
use claviger_store::{
    Change, Command, DomainChange, PutLimits, Quota, StoreError, UpdateDomain, Usage, VERSION_BYTES,
};

use crate::common::{World, create_domain, delete_domain, facts};

impl World {
    #[track_caller]
    fn takes_up(&self, names: u64, versions: u64, secrets: u64) {
        let usage = Usage { names, bytes: secrets + versions * VERSION_BYTES };
        assert_eq!(self.store.usage(&self.keys).unwrap(), usage);
        assert_eq!(self.store.count_usage(&self.keys).unwrap(), usage, "counted anew");
    }

    /// Puts under a quota of the domain's own.
    fn put_within(&mut self, quota: Quota, name: &str, blob: &[u8]) -> Result<u32, StoreError> {
        let mut put = self.put_command(name, 0, blob);
        put.quota = quota;
        self.commit(vec![put]).pop().unwrap().map(|(version, _)| version)
    }
}

#[test]
fn t34_what_is_stored_changed_and_destroyed_is_counted_and_survives_a_restart() {
    let mut world = World::new();
    world.takes_up(0, 0, 0);
    world.put("a", 0, &[1; 100]).unwrap();
    world.put("a", 0, &[2; 5_000]).unwrap();
    world.put("b", 7, &[3; 10]).unwrap();
    world.takes_up(2, 3, 5_110);
    // The same again is nothing new; what is refused isn't either.
    world.put("b", 7, &[3; 10]).unwrap();
    assert!(world.put("b", 7, &[4; 10]).is_err());
    world.takes_up(2, 3, 5_110);
    // Deleted can come back, so it goes on to count; destroyed can't.
    world.change("a", Change::Delete, 0).unwrap();
    world.takes_up(2, 3, 5_110);
    let mut world = world.reopen();
    world.takes_up(2, 3, 5_110);
    world.change("a", Change::Destroy, 2).unwrap();
    world.change("a", Change::Destroy, 2).unwrap();
    world.takes_up(2, 3, 110);
    world.change("b", Change::Destroy, 0).unwrap();
    world.takes_up(2, 3, 100);
    // More versions than a head has; and several in one commit.
    for _ in 0..40 {
        world.put("c", 0, &[5; 8]).unwrap();
    }
    let puts = (0..3).map(|_| world.put_command("d", 0, &[6; 3_000])).collect();
    assert!(world.commit(puts).iter().all(Result::is_ok));
    let world = world.reopen();
    world.takes_up(4, 46, 100 + 320 + 9_000);
}

#[test]
fn t34_over_its_quota_of_names_a_domain_gets_no_new_name_and_goes_on_with_the_others() {
    let mut world = World::new();
    let quota = Quota { names: Some(2), ..Quota::default() };
    world.put_within(quota, "a", b"1").unwrap();
    // In one batch as well.
    let puts = ["b", "c", "b"].map(|name| {
        let mut put = world.put_command(name, 0, b"2");
        put.quota = quota;
        put
    });
    let outcomes = world.commit(puts.into());
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    let error = outcomes[1].as_ref().expect_err("a third name");
    assert!(matches!(error, StoreError::NamesQuota { limit: 2 }), "{error}");
    assert_eq!(error.code(), ErrorCode::QuotaExceeded);
    world.takes_up(2, 3, 3);
    assert_eq!(world.names("", None), ["a", "b"]);
    // More, and it may at once.
    world.put_within(Quota { names: Some(3), ..quota }, "c", b"3").unwrap();
    // Fewer than there are: they stay.
    assert_eq!(world.put_within(Quota { names: Some(1), ..quota }, "a", b"4").unwrap(), 2);
}

#[test]
fn t34_over_its_quota_of_bytes_a_domain_stores_nothing_until_something_is_destroyed() {
    let mut world = World::new();
    let quota = Quota { bytes: Some(2 * VERSION_BYTES + 100), ..Quota::default() };
    world.put_within(quota, "a", &[1; 60]).unwrap();
    let error = world.put_within(quota, "b", &[1; 41]).expect_err("one byte too many");
    assert!(matches!(error, StoreError::BytesQuota { .. }), "{error}");
    assert_eq!(error.code(), ErrorCode::QuotaExceeded);
    world.takes_up(1, 1, 60);
    assert!(world.names("", None) == ["a"], "nothing of it is there");
    world.put_within(quota, "b", &[1; 40]).unwrap();
    assert!(world.put_within(quota, "a", b"x").is_err());
    // A version's own part isn't given back, so a quota can't be gone round by destroying.
    world.change("a", Change::Destroy, 0).unwrap();
    assert!(world.put_within(quota, "a", b"x").is_err());
    let more = Quota { bytes: Some(3 * VERSION_BYTES + 100), ..quota };
    world.put_within(more, "a", &[1; 60]).unwrap();
    world.takes_up(2, 3, 100);
}

#[test]
fn a_domain_s_own_quota_is_in_place_of_the_broker_s_limit() {
    let world = World::new();
    let World { engine, store, writer, keys, member } = world;
    let limits = PutLimits { versions: 1, names: 1, ..PutLimits::default() };
    let mut world = World { engine, store, writer: writer.with_limits(limits), keys, member };
    world.put("a", 0, b"1").unwrap();
    assert!(matches!(world.put("a", 0, b"2"), Err(StoreError::VersionsLimit { limit: 1 })));
    assert!(matches!(world.put("b", 0, b"2"), Err(StoreError::NamesQuota { limit: 1 })));
    let own = Quota { versions: Some(2), names: Some(2), ..Quota::default() };
    world.put_within(own, "a", b"2").unwrap();
    world.put_within(own, "b", b"2").unwrap();
    assert!(matches!(world.put_within(own, "a", b"3"), Err(StoreError::VersionsLimit { limit: 2 })));
}

#[test]
fn domains_are_counted_apart_and_one_made_anew_begins_with_nothing() {
    let mut world = World::new();
    world.put("a", 0, b"1").unwrap();
    let other = create_domain(&mut world.writer, "beta").unwrap();
    assert_eq!(world.store.usage(&other).unwrap(), Usage::default());
    delete_domain(&mut world.writer, &world.keys).unwrap();
    assert!(world.store.usage(&world.keys).is_err(), "it is gone");
    world.keys = create_domain(&mut world.writer, "alpha").unwrap();
    world.takes_up(0, 0, 0);
}

#[test]
fn what_the_operator_says_of_quotas_is_kept_beside_the_domain_s_record() {
    let mut world = World::new();
    let change = DomainChange::Quotas(b"some".to_vec());
    let update = UpdateDomain { keys: world.keys.clone(), change, audit: facts("quota-set") };
    assert!(world.writer.commit(vec![Command::UpdateDomain(update)])[0].is_ok());
    let world = world.reopen();
    let stored = world.store.domain(world.keys.domain()).unwrap().unwrap();
    assert_eq!((stored.quotas.as_slice(), stored.serial), (&b"some"[..], 2));
}
