//! What a machine remembers of who is on the other end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use claviger_client::certifier::{Fingerprint, Peer};
use claviger_client::state::StateDir;
use support::Domain;

fn pins(of: &[u8]) -> Peer {
    Peer::Certifier(of.iter().map(|byte| Fingerprint([*byte; 32])).collect())
}

fn enrolled(domain: &Domain) -> (tempfile::TempDir, StateDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    state.lock_or_make().unwrap().put_identity(&domain.agent(), 1_800_000_000).unwrap();
    (dir, state)
}

#[test]
fn a_peer_is_remembered_until_it_is_forgotten() {
    let domain = Domain::new("fleet");
    let (_dir, state) = enrolled(&domain);
    assert_eq!(state.peer(&domain.policy).unwrap(), Peer::Claviger);
    let lock = state.lock().unwrap();
    for peer in [pins(&[]), pins(&[1]), pins(&[2, 3]), Peer::Claviger, pins(&[4])] {
        lock.remember_peer(&peer, &domain.policy).unwrap();
        assert_eq!(state.peer(&domain.policy).unwrap(), peer);
    }
    // The state stays what it was.
    assert!(state.identity().is_ok());
    let mode = fs::metadata(state.path().join("peer")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Under another policy certificate it means nothing.
    assert_eq!(state.peer(&Domain::new("fleet").policy).unwrap(), Peer::Claviger);
    assert!(
        lock.remember_peer(&Peer::Certifier((0..17).map(|n| Fingerprint([n; 32])).collect()), &domain.policy)
            .is_err()
    );
    assert_eq!(state.peer(&domain.policy).unwrap(), pins(&[4]), "what is refused changes nothing");
}

#[test]
fn a_peer_that_somebody_else_wrote_is_refused() {
    let domain = Domain::new("fleet");
    let (_dir, state) = enrolled(&domain);
    state.lock().unwrap().remember_peer(&pins(&[1]), &domain.policy).unwrap();
    let path = state.path().join("peer");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        fs::write(&path, changed).unwrap();
        assert!(state.peer(&domain.policy).is_err(), "byte {at}");
    }
    // Of another machine, and one that is another file of this one.
    let (_other, elsewhere) = enrolled(&domain);
    elsewhere.lock().unwrap().remember_peer(&pins(&[2]), &domain.policy).unwrap();
    fs::copy(elsewhere.path().join("peer"), &path).unwrap();
    assert!(state.peer(&domain.policy).is_err());
    fs::copy(state.path().join("cryptstore"), &path).unwrap();
    assert!(state.peer(&domain.policy).is_err());
    fs::write(&path, "").unwrap();
    assert!(state.peer(&domain.policy).is_err());
    fs::write(&path, &good).unwrap();
    assert_eq!(state.peer(&domain.policy).unwrap(), Peer::Certifier(BTreeSet::from([Fingerprint([1; 32])])));
}
