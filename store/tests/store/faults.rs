//! The engine fails under the writer.

use std::io;

use claviger_proto::ErrorCode;
use claviger_store::engine::{Engine as _, EngineError, Faults, MemoryEngine};
use claviger_store::{Command, StoreError};

use crate::common::{World, create_domain, delete_domain};

fn failing() -> (World, Faults) {
    let faults = Faults::default();
    let mut world = World::over(MemoryEngine::with_faults(faults.clone()).into());
    world.put("a", 0, b"kept").unwrap();
    (world, faults)
}

#[test]
fn t33_a_full_disk_fails_every_store_of_the_batch_and_keeps_what_was_there() {
    let (mut world, faults) = failing();
    let revision = world.engine.revision();
    faults.fail_next_commit(io::ErrorKind::StorageFull);
    let conflicting = world.put_command("a", 9, b"would be a conflict anyway");
    let puts = vec![world.put_command("a", 0, b"new"), conflicting, world.put_command("b", 0, b"new")];
    for outcome in world.commit(puts) {
        let error = outcome.err().unwrap();
        assert!(matches!(&error, StoreError::Engine(e) if matches!(**e, EngineError::Io { .. })));
        assert!(error.is_fatal() && error.code() == ErrorCode::Unavailable);
        assert!(error.to_string().contains("disk's space"), "{error}");
    }
    assert_eq!(world.get("a", 0).unwrap(), b"kept");
    assert_eq!(world.engine.revision(), revision);
    // Nothing is written after it, whatever it is.
    assert!(matches!(world.put("c", 0, b"late"), Err(StoreError::Stopped)));
    assert!(matches!(create_domain(&mut world.writer, "beta"), Err(StoreError::Stopped)));
    let keys = world.keys.clone();
    assert!(matches!(delete_domain(&mut world.writer, &keys), Err(StoreError::Stopped)));
    assert!(matches!(world.writer.sweep(), Err(StoreError::Stopped)));
    assert!(!world.keys.is_destroyed());
    assert_eq!(world.get("a", 0).unwrap(), b"kept");
}

#[test]
fn t33_what_was_done_before_the_failure_in_a_batch_stays_done() {
    let (mut world, faults) = failing();
    let put = world.put_command("b", 0, b"before");
    let delete = claviger_store::DeleteDomain { keys: world.keys.clone() };
    world.commit(vec![put]);
    faults.fail_next_commit(io::ErrorKind::Other);
    let outcomes = world.writer.commit(vec![Command::DeleteDomain(delete)]);
    assert!(matches!(outcomes[0], Err(StoreError::Engine(_))));
    assert!(!world.keys.is_destroyed());
    assert_eq!(world.get("b", 0).unwrap(), b"before");
}
