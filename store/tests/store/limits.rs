//! What a writer with limits refuses, and what it must not.

use claviger_proto::ErrorCode;
use claviger_store::{Change, PutLimits, StoreError};

use crate::common::World;

fn limited(limits: PutLimits) -> World {
    let mut world = World::new();
    world.put("long-before", 0, b"a secret from before").unwrap();
    let World { engine, store, writer, keys, member } = world;
    World { engine, store, writer: writer.with_limits(limits), keys, member }
}

#[test]
fn a_name_has_at_most_as_many_versions_as_the_limit() {
    let mut world = limited(PutLimits { versions: 3, ..PutLimits::default() });
    // Counted from the first, whatever its number; in one batch as well as one after another.
    assert_eq!(world.put("a", 1000, b"1").unwrap(), 1000);
    let puts = (0..3).map(|_| world.put_command("a", 0, b"more")).collect();
    let outcomes: Vec<_> = world.commit(puts).into_iter().map(|outcome| outcome.map(|(v, _)| v)).collect();
    assert_eq!((outcomes[0].as_ref().ok(), outcomes[1].as_ref().ok()), (Some(&1001), Some(&1002)));
    let error = outcomes[2].as_ref().expect_err("one too many");
    assert!(matches!(error, StoreError::VersionsLimit { limit: 3 }), "{error}");
    assert_eq!(error.code(), ErrorCode::QuotaExceeded);
    // Versions are never used again, so destroying one makes no room.
    let destroy = world.change_command("a", Change::Destroy, 1000);
    assert!(world.writer.commit(vec![destroy])[0].is_ok());
    assert!(matches!(world.put("a", 0, b"x"), Err(StoreError::VersionsLimit { .. })));
    // What is there already is no new version.
    assert_eq!(world.put("a", 1002, b"more").unwrap(), 1002);
    assert_eq!(world.put("b", 0, b"another name").unwrap(), 1);
    assert_eq!(world.get("a", 0).unwrap(), b"more");
}

#[test]
fn a_new_name_is_at_most_as_long_as_the_limit() {
    let mut world = limited(PutLimits { name: 8, ..PutLimits::default() });
    assert_eq!(world.put("eight/88", 0, b"x").unwrap(), 1);
    let error = world.put("nine/9999", 0, b"x").expect_err("too long");
    assert!(matches!(error, StoreError::NameLength { limit: 8 }), "{error}");
    assert_eq!(error.code(), ErrorCode::InvalidName);
    assert_eq!(world.put("long-before", 0, b"goes on").unwrap(), 2);
}

#[test]
fn a_secret_is_at_most_as_large_as_the_limit() {
    let mut world = limited(PutLimits { secret: 16, ..PutLimits::default() });
    assert_eq!(world.put("a", 0, &[1; 16]).unwrap(), 1);
    let error = world.put("a", 0, &[1; 17]).expect_err("too large");
    assert!(matches!(error, StoreError::SecretLimit { limit: 16 }), "{error}");
    assert_eq!(error.code(), ErrorCode::TooLarge);
    assert_eq!(world.get("long-before", 0).unwrap(), b"a secret from before");
}
