//! Each way from one to the other, and what happens when something holds on.

use claviger_store::NewSlot;

use super::*;
use crate::actors::domains::Occupy;
use crate::config::{Live, Overrides};

struct Made {
    _dir: tempfile::TempDir,
    sealed: Sealed,
    root: RootKey,
    gate: Gate,
    failed: watch::Receiver<Option<&'static str>>,
    lifecycle: Lifecycle,
}

fn make(drain: Duration) -> Made {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data");
    let new = NewSlot::File { path: dir.path().join("key") };
    drop(DataDir::create(&path, &new).expect("a data directory"));
    let data_dir = DataDir::open(&path).expect("a data directory");
    let root = data_dir.unlock().expect("a root key");
    let flags = Overrides { data_dir: Some(path), ..Overrides::default() };
    let mut config = Config::load(None, flags).expect("a configuration");
    config.limits.drain = drain;
    let (failure, failed) = Failure::new();
    let lifecycle = Lifecycle::new(State::Sealed);
    let live = Live::new(&config);
    let ground = Ground::new(data_dir, Arc::new(config), live, failure, lifecycle.clone());
    let (ground, gate) = ground.expect("an engine");
    Made { _dir: dir, sealed: Sealed::new(ground, Vec::new()), root, gate, failed, lifecycle }
}

async fn unsealed(sealed: Sealed, root: RootKey) -> Unsealed {
    sealed.unseal(root).await.map_err(|(_, error)| error).expect("unsealed")
}

#[actix_rt::test]
async fn sealing_lets_go_of_everything_and_can_be_undone() {
    let made = make(Duration::from_secs(1));
    let root = made.sealed.data_dir().unlock().expect("a root key");
    let first = unsealed(made.sealed, made.root).await;
    assert!(made.gate.borrow().is_some() && made.lifecycle.state() == State::Ready);
    let witness = first.storage.store.witness();
    assert!(!witness.is_gone());
    let sealed = first.seal().await.map_err(|_| "not sealed").expect("sealed");
    assert!(witness.is_gone() && made.failed.borrow().is_none());
    assert!(made.gate.borrow().is_none() && made.lifecycle.state() == State::Sealed);
    unsealed(sealed, root).await;
}

#[actix_rt::test]
async fn a_wrong_root_key_leaves_it_sealed() {
    let made = make(Duration::from_secs(1));
    let other = RootKey::generate().expect("randomness");
    let refused = made.sealed.unseal(other).await;
    let (sealed, error) = refused.err().expect("another root key");
    assert!(matches!(error, StartError::Store(StoreError::OtherBroker)), "{error}");
    unsealed(sealed, made.root).await;
}

#[actix_rt::test]
async fn a_key_that_is_still_held_ends_the_process() {
    let made = make(Duration::from_millis(50));
    let unsealed = unsealed(made.sealed, made.root).await;
    let _held = Arc::clone(&unsealed.storage);
    assert!(matches!(unsealed.seal().await, Err(Unsealable::StillHeld)));
    assert_eq!(*made.failed.borrow(), Some(NOT_GONE));
}

#[actix_rt::test]
async fn a_channel_that_does_not_end_is_cut_off_and_then_ends_the_process() {
    let made = make(Duration::from_millis(50));
    let unsealed = unsealed(made.sealed, made.root).await;
    let mut lease = unsealed.storage.era.lease();
    assert!(matches!(unsealed.seal().await, Err(Unsealable::StillHeld)));
    lease.over().await;
    assert_eq!(*made.failed.borrow(), Some(NOT_GONE));
}

#[actix_rt::test]
async fn while_another_call_goes_on_nothing_is_sealed() {
    let made = make(Duration::from_millis(50));
    let unsealed = unsealed(made.sealed, made.root).await;
    unsealed.domains.do_send(Occupy(Duration::from_secs(1)));
    let Err(Unsealable::Occupied(unsealed)) = unsealed.seal().await else { panic!("it stays unsealed") };
    assert!(made.gate.borrow().is_some() && made.lifecycle.state() == State::Ready);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(unsealed.seal().await.is_ok() && made.failed.borrow().is_none());
}
