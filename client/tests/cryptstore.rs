//! What a cryptstore takes and gives: versions, deletion, what may leave and how.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use claviger_attest::{KeyAlgorithm, SigningKey};
use claviger_client::cryptstore::{
    Cryptstore, ExportError, Info, Item, ItemError, NewKey, Recipient, SealedExport, Which,
};
use claviger_client::state::{StateDir, StateError};
use claviger_proto::format::Content;
use claviger_proto::key::read_private;
use claviger_proto::{Entry, EntryType, ResourceName, Secret, Version};
use claviger_store::slot::NewSlot;
use support::Domain;

const NOW: i64 = 1_800_000_000;

fn tag(text: &str) -> ResourceName {
    text.parse().unwrap()
}

fn item(blob: &[u8]) -> Item {
    Item::blob(Secret::copy_from(blob))
}

fn hidden(blob: &[u8]) -> Item {
    Item { exportable: false, ..item(blob) }
}

fn put(cryptstore: &mut Cryptstore, name: &str, blob: &[u8], version: u32) -> Result<u32, ItemError> {
    cryptstore.put(&tag(name), item(blob), Version::new(version), NOW).map(Version::get)
}

fn code<T>(result: Result<T, ItemError>) -> (&'static str, u8) {
    let error = result.err().expect("a refusal");
    assert!(!error.next().is_empty() && !error.to_string().is_empty());
    (error.code(), error.exit_status())
}

/// A new cryptstore on disk, and what it is read as after a change.
fn on_disk() -> (tempfile::TempDir, StateDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    state.lock_or_make().unwrap().create(None).unwrap();
    (dir, state)
}

#[test]
fn versions_count_up_and_are_not_given_twice() {
    let mut cryptstore = Cryptstore::empty();
    assert_eq!(put(&mut cryptstore, "a", b"one", 0).unwrap(), 1);
    assert_eq!(put(&mut cryptstore, "a", b"two", 2).unwrap(), 2);
    assert_eq!(put(&mut cryptstore, "b", b"nine", 9).unwrap(), 9, "a tag's first may be any");
    assert_eq!(put(&mut cryptstore, "b", b"ten", 0).unwrap(), 10);
    assert_eq!(put(&mut cryptstore, "a", b"one", 1).unwrap(), 1, "the same again changes nothing");
    assert_eq!(code(put(&mut cryptstore, "a", b"other", 1)), ("conflict", 5));
    assert_eq!(code(put(&mut cryptstore, "a", b"four", 4)), ("conflict", 5));
    assert_eq!(cryptstore.entries().count(), 4);
    let last = Version::MAX;
    assert_eq!(put(&mut cryptstore, "c", b"last", last).unwrap(), last);
    assert_eq!(code(put(&mut cryptstore, "c", b"more", 0)), ("conflict", 5));
}

#[test]
fn a_deleted_version_is_gone_and_its_number_too() {
    let (_dir, state) = on_disk();
    let lock = state.lock().unwrap();
    let delete = |version: u32| lock.update(|cryptstore| cryptstore.delete(&tag("a"), Version::new(version)));
    for blob in [b"one", b"two", b"six"] {
        lock.update(|cryptstore| put(cryptstore, "a", blob, 0)).unwrap();
    }
    assert_eq!(delete(3).unwrap(), [Version::new(3).unwrap()]);
    assert_eq!(state.load().unwrap().get("a", None).unwrap().blob.expose(), b"two");
    assert_eq!(lock.update(|cryptstore| put(cryptstore, "a", b"four", 0)).unwrap(), 4);
    let again = lock.update(|cryptstore| put(cryptstore, "a", b"six", 3)).unwrap_err();
    assert_eq!((again.code(), again.exit_status()), ("conflict", 5));
    assert_eq!(delete(0).unwrap().len(), 3);
    for version in [0, 1] {
        let error = delete(version).unwrap_err();
        assert_eq!((error.code(), error.exit_status()), ("not-found", 4));
    }
    // It is remembered by the file, not by this process.
    assert_eq!(lock.update(|cryptstore| put(cryptstore, "a", b"five", 0)).unwrap(), 5);
}

#[test]
fn what_was_deleted_can_be_retrieved_again() {
    let mut cryptstore = Cryptstore::empty();
    let retrieved = || item(b"one").into_entry_for_test(1);
    cryptstore.keep(&tag("a"), retrieved()).unwrap();
    cryptstore.delete(&tag("a"), None).unwrap();
    cryptstore.keep(&tag("a"), retrieved()).unwrap();
    assert!(cryptstore.get("a", Version::new(1)).is_some());
}

trait IntoEntry {
    fn into_entry_for_test(self, version: u32) -> Entry;
}

impl IntoEntry for Item {
    fn into_entry_for_test(self, version: u32) -> Entry {
        Entry {
            tag: "elsewhere".to_owned(),
            entry_type: self.entry_type,
            version: Version::new(version),
            entered: NOW,
            exportable: self.exportable,
            blob: self.blob,
        }
    }
}

#[test]
fn what_is_not_exportable_leaves_for_a_recipient_alone() {
    let theirs = SigningKey::generate(KeyAlgorithm::P384).unwrap();
    let mut here = Cryptstore::empty();
    here.put(&tag("stays"), hidden(b"canary-secret"), None, NOW).unwrap();
    assert_eq!(code(here.release(&tag("stays"), Which::Latest)), ("not-exportable", 3));
    assert_eq!(code(here.release(&tag("absent"), Which::Latest)), ("not-found", 4));

    let recipient = Recipient::new(theirs.public()).unwrap();
    let sealed = here.export(&[(tag("stays"), Which::Latest)], &recipient).unwrap();
    assert!(!sealed.windows(6).any(|window| window == b"canary" || window == b"stays\0"));
    let export = SealedExport::parse(&sealed).unwrap();
    assert_eq!(export.recipient(), recipient.fingerprint());
    let mut there = Cryptstore::empty();
    let taken = there.import(export.open(&theirs.to_private().unwrap()).unwrap()).unwrap();
    assert_eq!(taken, [(tag("stays"), Version::FIRST)]);
    assert_eq!(there.get("stays", None).unwrap().blob.expose(), b"canary-secret");
    assert_eq!(code(there.release(&tag("stays"), Which::Latest)), ("not-exportable", 3));
    // The same once more changes nothing; something else at that version is in the way of it all.
    there.import(export.open(&theirs.to_private().unwrap()).unwrap()).unwrap();
    let mut other = Cryptstore::empty();
    put(&mut other, "stays", b"other", 1).unwrap();
    let mut entries = vec![Entry { tag: "free".to_owned(), ..item(b"free").into_entry_for_test(1) }];
    entries.extend(export.open(&theirs.to_private().unwrap()).unwrap());
    assert_eq!(code(other.import(entries)), ("conflict", 5));
    assert_eq!(other.entries().count(), 1, "nothing of it was taken");
}

#[test]
fn an_export_opens_whole_for_its_recipient_or_not_at_all() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384] {
        let theirs = SigningKey::generate(algorithm).unwrap();
        let private = theirs.to_private().unwrap();
        let mut here = Cryptstore::empty();
        put(&mut here, "a", b"secret", 0).unwrap();
        let recipient = Recipient::new(theirs.public()).unwrap();
        let sealed = here.export(&[(tag("a"), Which::Latest)], &recipient).unwrap();
        let open = |bytes: &[u8]| SealedExport::parse(bytes).and_then(|export| export.open(&private));
        assert_eq!(open(&sealed).unwrap().len(), 1);

        let another = SigningKey::generate(algorithm).unwrap().to_private().unwrap();
        let refused = SealedExport::parse(&sealed).unwrap().open(&another).err();
        assert_eq!(refused, Some(ExportError::OtherRecipient));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&changed).is_err(), "byte {at}");
            assert!(open(&sealed[..at]).is_err(), "{at} bytes");
        }
        assert_eq!(open(&[sealed.as_slice(), &[0]].concat()).err(), Some(ExportError::Damaged));
        let mut newer = sealed.clone();
        newer[16] = 2;
        assert_eq!(open(&newer).err(), Some(ExportError::UnknownFormat { found: 2 }));
        assert_eq!(open(b"noise").err(), Some(ExportError::NotOne));
    }
}

#[test]
fn a_recipient_has_a_key_that_can_be_sealed_for() {
    let rsa = SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let refused = Recipient::new(rsa.public()).err().unwrap();
    assert_eq!(refused.to_string(), "a recipient's key is P-256 or P-384, not rsa-2048");
    assert!(refused.next().contains("p256"));
    // A point that isn't on its curve has the form of a key, and is refused when something is sealed for it.
    let good = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let mut spki = good.public().spki_der().to_vec();
    *spki.last_mut().unwrap() ^= 1;
    let off = claviger_proto::key::PublicKey::from_spki_der(&spki).unwrap();
    let mut here = Cryptstore::empty();
    put(&mut here, "a", b"secret", 0).unwrap();
    let refused = here.export(&[(tag("a"), Which::Latest)], &Recipient::new(&off).unwrap());
    assert_eq!(code(refused), ("refused", 3));
}

#[test]
fn t30_an_export_made_before_still_opens() {
    let (key, _) = read_private(include_bytes!("data/export-1.key.pem")).unwrap();
    let sealed = include_bytes!("data/export-1");
    let entries = SealedExport::parse(sealed).unwrap().open(&key).unwrap();
    let told: Vec<_> = entries.iter().map(|entry| (entry.tag.as_str(), entry.exportable)).collect();
    assert_eq!(told, [("backup/key", false), ("blob", true)]);
    assert_eq!(entries[1].blob.expose(), b"a blob");
}

#[test]
fn the_machine_s_own_identity_is_neither_put_deleted_nor_exported() {
    let domain = Domain::new("fleet");
    let mut enrolled = Cryptstore::new(&domain.agent(), NOW);
    let mut fresh = Cryptstore::empty();
    let recipient = Recipient::new(domain.signing_key().public()).unwrap();
    for name in ["fleet-private-auth-key", "fleet_admission_certificate", "x/fleet-private-auth-key"] {
        for cryptstore in [&mut enrolled, &mut fresh] {
            assert_eq!(code(put(cryptstore, name, b"x", 0)), ("reserved-name", 3), "{name}");
            assert_eq!(code(cryptstore.delete(&tag(name), None)), ("reserved-name", 3), "{name}");
            let export = cryptstore.export(&[(tag(name), Which::Latest)], &recipient);
            assert_eq!(code(export), ("reserved-name", 3), "{name}");
            let entry = Entry { tag: name.to_owned(), ..item(b"x").into_entry_for_test(9) };
            assert_eq!(code(cryptstore.import(vec![entry])), ("reserved-name", 3), "{name}");
        }
    }
    // Nor does it open what was sealed for its key.
    let public = enrolled.public_key(&tag("fleet-private-auth-key"), Which::Latest).unwrap();
    put(&mut fresh, "a", b"a", 0).unwrap();
    let sealed = fresh.export(&[(tag("a"), Which::Latest)], &Recipient::new(&public).unwrap()).unwrap();
    let export = SealedExport::parse(&sealed).unwrap();
    assert_eq!(code(enrolled.opening_key(&tag("fleet-private-auth-key"), &export)), ("reserved-name", 3));
    assert!(enrolled.identity().is_some());
    // Where no domain is known, it may be any domain's.
    assert_eq!(code(put(&mut fresh, "other-private-auth-key", b"x", 0)), ("reserved-name", 3));
    assert!(put(&mut enrolled, "other-private-auth-key", b"x", 0).is_ok());
}

#[test]
fn a_cryptstore_comes_before_the_identity_or_with_it() {
    let domain = Domain::new("fleet");
    let (_dir, state) = on_disk();
    let lock = state.lock().unwrap();
    lock.update(|cryptstore| put(cryptstore, "fleet/early", b"early", 0)).unwrap();
    let none = state.identity().err().unwrap();
    assert_eq!((none.code(), none.exit_status()), ("not-enrolled", 1));
    assert!(matches!(lock.create(None), Err(StateError::Exists { .. })));
    lock.allows(&domain.name, false).unwrap();
    lock.put_identity(&domain.agent(), NOW).unwrap();
    assert!(state.identity().is_ok());
    let cryptstore = state.load().unwrap();
    assert_eq!(cryptstore.domain(), Some(&domain.name));
    // What was put before is found as it was called; a new one's tag is without the domain.
    assert_eq!(cryptstore.tag("fleet/early").unwrap(), tag("fleet/early"));
    assert_eq!(cryptstore.tag("fleet/late").unwrap(), tag("late"));
    assert_eq!(code(cryptstore.tag("a//b")), ("invalid-name", 3));
}

#[test]
fn every_kind_of_key_is_made_as_a_message_that_can_be_read() {
    let name = tag("web/key");
    for kind in
        NewKey::all().filter(|kind| !kind.to_string().starts_with("rsa-3") && kind.to_string() != "rsa-4096")
    {
        let made = Item::generate(kind, &name).unwrap();
        assert_eq!(made.entry_type.as_str(), EntryType::KEY_MESSAGE);
        let content = Content::of_blob(&made.entry_type, &made.blob).unwrap();
        match (kind, &content) {
            (NewKey::Symmetric(kind), Content::Symmetric(key)) => assert_eq!(key.kind(), kind),
            (NewKey::Pair(algorithm), Content::Private(key)) => {
                assert_eq!(key.kind().as_str(), algorithm.as_str());
                SigningKey::from_private(key).unwrap();
            }
            _ => panic!("{kind}"),
        }
        let again = Item::generate(kind, &name).unwrap();
        assert!(again.blob != made.blob, "{kind}");
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
}

#[test]
fn t23_metadata_says_nothing_of_a_secret() {
    let mut cryptstore = Cryptstore::empty();
    let name = tag("key");
    for kind in ["aes-256", "p256"] {
        let made = Item::generate(kind.parse().unwrap(), &name).unwrap();
        cryptstore.put(&name, made, None, NOW).unwrap();
    }
    cryptstore.put(&tag("blob"), item(b"canary"), None, NOW).unwrap();
    let told: Vec<_> =
        cryptstore.entries().map(|entry| serde_json::to_value(Info::of(entry)).unwrap()).collect();
    assert_eq!((&told[0]["holds"], &told[0]["key"]), (&"an AES key".into(), &serde_json::Value::Null));
    assert_eq!(told[1]["key"]["kind"], "p256");
    assert_eq!(told[2]["holds"], "a blob without a known form");
    assert_eq!(told[2]["bytes"], 6);
    for entry in cryptstore.entries() {
        let text = serde_json::to_string(&Info::of(entry)).unwrap();
        let secret = match Content::of_blob(&entry.entry_type, &entry.blob).unwrap() {
            Content::Symmetric(key) => key.into_bits(),
            Content::Private(key) => key.ec_number().unwrap(),
            _ => Secret::copy_from(entry.blob.expose()),
        };
        assert!(!text.contains("canary"));
        // Neither it nor a digest of it.
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.expose());
        for hidden in secret.expose().windows(6).chain([digest.as_ref()]) {
            assert!(!text.contains(&hex::encode(hidden)), "{text}");
        }
    }
    assert_eq!(cryptstore.public_key(&name, Which::Latest).unwrap().kind().as_str(), "p256");
    let none = cryptstore.public_key(&name, Which::Version(Version::FIRST));
    assert_eq!(code(none), ("refused", 3));
}

#[test]
fn a_store_of_format_1_is_read_and_becomes_format_2() {
    let dir = tempfile::tempdir().unwrap();
    let old = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state-format-1");
    for file in std::fs::read_dir(old).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let first = || std::fs::read(dir.path().join("cryptstore")).unwrap()[0];
    let state = StateDir::new(dir.path());
    assert_eq!(first(), 1);
    let identity = state.identity().unwrap();
    assert_eq!(identity.domain().as_str(), "fleet");
    let cryptstore = state.load().unwrap();
    for (version, blob) in [(1, b"one"), (2, b"two")] {
        assert_eq!(cryptstore.get("disk", Version::new(version)).unwrap().blob.expose(), blob);
    }
    let put = state.lock().unwrap().update(|cryptstore| put(cryptstore, "disk", b"own", 0)).unwrap();
    assert_eq!((put, first()), (3, 2));
    assert!(state.identity().unwrap().certificate() == identity.certificate());
    // Neither is ever read as the other.
    for (from, to) in [(2, 1), (2, 0), (2, 3)] {
        let mut bytes = std::fs::read(dir.path().join("cryptstore")).unwrap();
        assert_eq!(bytes[0], from);
        bytes[0] = to;
        std::fs::write(dir.path().join("cryptstore"), &bytes).unwrap();
        let code = state.load().err().unwrap().code();
        assert_eq!(code, if to == 1 { "damaged" } else { "unknown-format" }, "{to}");
        bytes[0] = from;
        std::fs::write(dir.path().join("cryptstore"), &bytes).unwrap();
    }
}

#[test]
fn a_slot_named_elsewhere_holds_the_root_key() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    let key = dir.path().join("mounted.key");
    let slot = NewSlot::File { path: key.clone() };
    state.lock_or_make().unwrap().create(Some(&slot)).unwrap();
    assert!(key.exists() && !state.path().join("slot.key").exists());
    state.load().unwrap();
    std::fs::remove_file(&key).unwrap();
    assert_eq!(state.load().err().unwrap().code(), "key-slot");
}

#[test]
fn what_a_killed_writer_left_goes_with_the_next_write() {
    let (_dir, state) = on_disk();
    let left = state.path().join(".cryptstore.0123456789abcdef.tmp");
    let other = state.path().join(".cryptstore.mine.tmp");
    for file in [&left, &other] {
        std::fs::write(file, "half").unwrap();
    }
    state.lock().unwrap().update(|cryptstore| put(cryptstore, "a", b"one", 0)).unwrap();
    assert!(!left.exists() && other.exists(), "what isn't ours stays");
}

#[test]
fn a_key_file_that_was_never_written_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    let lock = state.lock_or_make().unwrap();
    std::fs::write(state.path().join("slot.key"), [7; 31]).unwrap();
    lock.create(None).unwrap();
    assert_eq!(std::fs::read(state.path().join("slot.key")).unwrap().len(), 32);
    assert!(state.path().join("slot.key.old").exists());
}
