//! The state directory: what survives, who may write, what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use claviger_client::state::{StateDir, StateError};
use claviger_proto::{Entry, EntryType, ResourceName, Secret, Version};
use support::Domain;

const NOW: i64 = 1_800_000_000;

fn entry(version: u32, blob: &[u8]) -> Entry {
    Entry {
        tag: "whatever the broker called it".to_owned(),
        entry_type: EntryType::binary_blob(),
        version: Version::new(version),
        entered: NOW,
        exportable: true,
        blob: Secret::copy_from(blob),
    }
}

fn tag(text: &str) -> ResourceName {
    text.parse().unwrap()
}

/// A state directory in which a machine has enrolled.
fn enrolled(domain: &Domain) -> (tempfile::TempDir, StateDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    let lock = state.lock_or_make().unwrap();
    lock.allows(&domain.name, false).unwrap();
    lock.put_identity(&domain.agent(), NOW).unwrap();
    (dir, state)
}

fn keep(state: &StateDir, name: &str, entry: Entry) -> Result<(), StateError> {
    state.lock()?.update(|cryptstore| cryptstore.keep(&tag(name), entry))
}

#[test]
fn an_identity_and_entries_come_back_as_they_were_put() {
    let domain = Domain::new("fleet");
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("a/b"));
    let agent = domain.agent();
    state.lock_or_make().unwrap().put_identity(&agent, NOW).unwrap();
    keep(&state, "disk", entry(2, b"two")).unwrap();
    keep(&state, "disk", entry(1, b"one")).unwrap();

    let back = state.identity().unwrap();
    assert_eq!((back.domain(), back.policy().der()), (&domain.name, domain.policy.der()));
    assert_eq!(back.certificate(), agent.certificate());
    assert!(back.key().pkcs8_der() == agent.key().pkcs8_der());
    let cryptstore = state.load().unwrap();
    assert_eq!(cryptstore.get("disk", None).unwrap().blob.expose(), b"two");
    assert_eq!(cryptstore.get("disk", Some(Version::FIRST)).unwrap().blob.expose(), b"one");
    assert_eq!(cryptstore.get("disk", None).unwrap().tag, "disk");
    assert!(cryptstore.get("disk", Version::new(3)).is_none() && cryptstore.get("other", None).is_none());
    let key = cryptstore.get("fleet-private-auth-key", None).unwrap();
    assert!(!key.exportable && key.entry_type.as_str() == EntryType::KEY_MESSAGE);
    assert!(cryptstore.get("fleet-admission-certificate", None).is_some());
}

#[test]
fn t23_the_directory_and_every_file_are_the_owner_s_alone_and_show_no_secret() {
    let domain = Domain::new("fleet");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let state = StateDir::new(&path);
    state.lock_or_make().unwrap().put_identity(&domain.agent(), NOW).unwrap();
    let canary = b"canary-5f0c2b7e-canary";
    keep(&state, "disk", entry(1, canary)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in fs::read_dir(&path).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        let bytes = fs::read(&file).unwrap();
        for secret in [canary.as_slice(), b"fleet", b"disk"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", file.display());
        }
    }
}

#[test]
fn enrolling_again_is_refused_and_says_what_to_do() {
    let domain = Domain::new("fleet");
    let (_dir, state) = enrolled(&domain);
    let lock = state.lock_or_make().unwrap();
    let error = lock.allows(&domain.name, false).unwrap_err();
    assert_eq!((error.code(), error.exit_status()), ("already-enrolled", 3));
    assert!(error.next().contains("renew") && error.next().contains("--replace"), "{}", error.next());
    assert!(lock.allows(&domain.name, true).is_ok());
    let other = lock.allows(&"other".parse().unwrap(), true).unwrap_err();
    assert_eq!((other.code(), other.exit_status()), ("other-domain", 3));
}

#[test]
fn a_replaced_identity_keeps_the_entries_and_forgets_the_old_key() {
    let domain = Domain::new("fleet");
    let (_dir, state) = enrolled(&domain);
    let old = state.identity().unwrap();
    keep(&state, "disk", entry(1, b"one")).unwrap();
    let new = domain.agent();
    state.lock().unwrap().put_identity(&new, NOW).unwrap();
    assert_eq!(state.identity().unwrap().certificate(), new.certificate());
    let cryptstore = state.load().unwrap();
    assert!(cryptstore.get("disk", None).is_some());
    let keys: Vec<_> = cryptstore.entries().filter(|entry| entry.tag == "fleet-private-auth-key").collect();
    assert_eq!((keys.len(), keys[0].version), (1, Version::new(2)));
    assert!(keys[0].blob.expose() != old.key_message().as_slice());
}

#[test]
fn a_renewed_identity_replaces_only_the_one_that_it_was_made_from() {
    let domain = Domain::new("fleet");
    let (_dir, state) = enrolled(&domain);
    let (old, first, second) = (state.identity().unwrap(), domain.agent(), domain.agent());
    keep(&state, "a", entry(1, b"x")).unwrap();
    let lock = state.lock().unwrap();
    lock.renew_identity(&old, &first, NOW).unwrap();
    let late = lock.renew_identity(&old, &second, NOW).unwrap_err();
    assert_eq!((late.code(), late.exit_status()), ("conflict", 5));
    assert_eq!(state.identity().unwrap().certificate(), first.certificate());
    assert!(state.load().unwrap().get("a", None).is_some());
    lock.renew_identity(&first, &second, NOW).unwrap();
    assert_eq!(state.identity().unwrap().certificate(), second.certificate());
}

#[test]
fn a_version_is_kept_once_and_again_only_if_it_is_the_same() {
    let (_dir, state) = enrolled(&Domain::new("fleet"));
    keep(&state, "disk", entry(1, b"one")).unwrap();
    keep(&state, "disk", entry(1, b"one")).unwrap();
    let mut withheld = entry(1, b"one");
    withheld.exportable = false;
    for other in [entry(1, b"two"), withheld] {
        let error = keep(&state, "disk", other).unwrap_err();
        assert_eq!((error.code(), error.exit_status()), ("conflict", 5));
    }
    assert_eq!(state.load().unwrap().entries().count(), 3);
}

#[test]
fn the_machine_s_own_tags_are_not_for_entries() {
    let (_dir, state) = enrolled(&Domain::new("fleet"));
    for name in ["fleet-private-auth-key", "fleet_admission_certificate", "private-auth-key"] {
        let error = keep(&state, name, entry(9, b"x")).unwrap_err();
        assert_eq!((error.code(), error.exit_status()), ("reserved-name", 3), "{name}");
    }
    assert!(state.identity().is_ok());
}

#[test]
fn a_directory_without_an_enrolment_says_so_and_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    assert!(matches!(state.load(), Err(StateError::NotEnrolled { .. })));
    assert!(matches!(state.lock().err(), Some(StateError::NotEnrolled { .. })));
    drop(state.lock_or_make().unwrap());
    assert!(!state.path().exists(), "a directory made for nothing goes again");
}

#[test]
fn two_writers_wait_for_each_other_and_not_forever() {
    let (_dir, state) = enrolled(&Domain::new("fleet"));
    let lock = state.lock().unwrap();
    let (other, started) = (state.clone(), Instant::now());
    let waiting = std::thread::spawn(move || other.lock().err().map(|error| error.exit_status()));
    assert!(state.load().is_ok(), "readers need no lock");
    assert_eq!(waiting.join().unwrap(), Some(5));
    assert!(started.elapsed() >= Duration::from_secs(4));

    let other = state.clone();
    let waiting = std::thread::spawn(move || keep(&other, "disk", entry(1, b"one")).is_ok());
    std::thread::sleep(Duration::from_millis(100));
    lock.update(|cryptstore| cryptstore.keep(&tag("disk"), entry(2, b"two"))).unwrap();
    drop(lock);
    assert!(waiting.join().unwrap());
    assert_eq!(state.load().unwrap().entries().filter(|entry| entry.tag == "disk").count(), 2);
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let (_dir, state) = enrolled(&Domain::new("fleet"));
    let before = fs::read(state.path().join("cryptstore")).unwrap();
    let result = state.lock().unwrap().update(|cryptstore| {
        cryptstore.keep(&tag("disk"), entry(1, b"one"))?;
        cryptstore.keep(&tag("disk"), entry(1, b"two"))
    });
    assert!(result.is_err());
    assert_eq!(fs::read(state.path().join("cryptstore")).unwrap(), before);
}

#[test]
fn t30_an_altered_or_foreign_file_is_refused() {
    let domain = Domain::new("fleet");
    let (_dir, state) = enrolled(&domain);
    let (_other_dir, other) = enrolled(&domain);
    let file = state.path().join("cryptstore");
    let whole = fs::read(&file).unwrap();
    for (at, code) in [(0, "unknown-format"), (1, "key-slot"), (17, "damaged"), (60, "damaged")] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(&file, bytes).unwrap();
        let error = state.load().err().unwrap();
        assert_eq!((error.code(), error.exit_status()), (code, 1), "byte {at}: {error}");
    }
    for short in [0, 1, 16, 17, whole.len() - 1] {
        fs::write(&file, &whole[..short]).unwrap();
        assert!(state.load().is_err(), "{short} bytes");
    }
    fs::copy(other.path().join("cryptstore"), &file).unwrap();
    assert_eq!(state.load().err().unwrap().code(), "key-slot");
    fs::write(&file, whole).unwrap();
    assert!(state.load().is_ok());
}

#[test]
fn without_its_slot_key_or_with_another_the_cryptstore_stays_shut() {
    let domain = Domain::new("fleet");
    let (_dir, state) = enrolled(&domain);
    let (_other_dir, other) = enrolled(&domain);
    let key = state.path().join("slot.key");
    let right = fs::read(&key).unwrap();
    fs::copy(other.path().join("slot.key"), &key).unwrap();
    assert_eq!(state.load().err().unwrap().code(), "key-slot");
    fs::remove_file(&key).unwrap();
    assert!(state.load().err().unwrap().to_string().contains("slot.key"));
    fs::write(&key, right).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(state.load().is_ok());
}

#[test]
fn what_a_crash_leaves_behind_is_no_obstacle() {
    let domain = Domain::new("fleet");
    let (_dir, state) = enrolled(&domain);
    // A write that never came to its rename, and slots whose cryptstore was never written.
    fs::write(state.path().join(".cryptstore.0123.tmp"), "half").unwrap();
    assert!(state.load().is_ok());
    fs::remove_file(state.path().join("cryptstore")).unwrap();
    let lock = state.lock_or_make().unwrap();
    lock.allows(&domain.name, false).unwrap();
    lock.put_identity(&domain.agent(), NOW).unwrap();
    assert!(state.identity().is_ok());
    assert!(state.path().join("slots.json.old").exists());
}
