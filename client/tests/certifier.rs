//! Stock encrypted stores into a cryptstore and out of it: items, versions, identities.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::time::Duration;

use claviger_attest::{KeyAlgorithm, Measurement, PolicyCertificate, Role, SigningKey};
use claviger_client::cryptstore::certifier::{CertifierError, Contents, Seal, WrittenAlgorithm};
use claviger_client::cryptstore::{Cryptstore, Item, ItemError, Which};
use claviger_client::state::StateDir;
use claviger_proto::key::Certificate;
use claviger_proto::stock_store::{StockStore, encode_cryptstore};
use claviger_proto::{Entry, EntryType, ResourceName, Secret, Version};
use rustls::pki_types::UnixTime;
use support::{Domain, Leaf, measurement, private};

/// When the captured certificates are valid: 2026-12-11.
const NOW: u64 = 1_797_000_000;

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stock").join(name)).unwrap()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn simulated() -> Seal {
    Seal::simulated(Measurement::from_bytes(&data("cf_utility.measurement")).unwrap())
}

fn sealing_key() -> Seal {
    Seal::key(&[9; 64])
}

fn open(name: &str) -> Contents {
    Contents::open(&data(&format!("{name}.bin")), &simulated()).unwrap()
}

fn plain(name: &str) -> Vec<Entry> {
    match StockStore::decode(&data(&format!("{name}.plain.cryptstore.pb"))).unwrap() {
        StockStore::Cryptstore(items) => items.into_iter().filter_map(|item| item.entry.ok()).collect(),
        StockStore::Policy(_) => panic!("a cryptstore"),
    }
}

fn policy() -> PolicyCertificate {
    PolicyCertificate::from_der(&data("policy_cert.der")).unwrap()
}

fn tag(text: &str) -> ResourceName {
    text.parse().unwrap()
}

fn tags(contents: &Contents) -> Vec<(String, u32)> {
    contents.items.iter().map(|item| (item.tag.clone(), item.version.unwrap().get())).collect()
}

fn code<T>(result: Result<T, CertifierError>) -> (&'static str, u8) {
    let error = result.err().expect("a refusal");
    assert!(!error.next().is_empty() && !error.to_string().is_empty());
    (error.code(), error.exit_status())
}

fn item_code<T>(result: Result<T, ItemError>) -> (&'static str, u8) {
    let error = result.err().expect("a refusal");
    (error.code(), error.exit_status())
}

fn entry(name: &str, version: u32, blob: &[u8]) -> Entry {
    Entry {
        tag: name.to_owned(),
        entry_type: EntryType::binary_blob(),
        version: Version::new(version),
        entered: 0,
        exportable: true,
        blob: Secret::copy_from(blob),
    }
}

/// A cryptstore with these entries, as a stock program would have it.
fn contents(entries: &[Entry]) -> Contents {
    Contents::read(&encode_cryptstore(entries)).unwrap()
}

#[test]
fn items_are_kept_as_they_were() {
    let contents = open("server_cryptstore_cbc_simulated").sound().unwrap();
    let expected = ["primary-store-encryption-key", "key-client-test-key", "entry-key"];
    assert_eq!(tags(&contents), expected.map(|tag| (tag.to_owned(), 1)));
    let mut cryptstore = Cryptstore::empty();
    assert_eq!(cryptstore.import_certifier(None, contents.items, 0).unwrap().len(), 3);
    for stock in &plain("server_cryptstore_cbc_simulated")[2..] {
        let kept = cryptstore.get(&stock.tag, stock.version).unwrap();
        assert!(kept.encode() == stock.encode(), "{}", stock.tag);
    }
    // The same again changes nothing.
    let again = open("server_cryptstore_cbc_simulated").items;
    assert_eq!(cryptstore.import_certifier(None, again, 0).unwrap().len(), 3);
    assert_eq!(cryptstore.entries().count(), 3);
}

#[test]
fn a_store_with_broken_entries_is_refused_unless_they_are_left_out() {
    let Err(CertifierError::Flawed { flawed }) = open("server_cryptstore_after_errors").sound() else {
        panic!("a refusal")
    };
    assert_eq!(flawed.iter().map(|flawed| flawed.place).collect::<Vec<_>>(), [6, 7, 10]);

    let salvaged = open("server_cryptstore_after_errors").salvaged().sound().unwrap();
    assert_eq!(salvaged.items.len(), 7);
    assert_eq!(salvaged.left_out.len(), 3);
    let given: Vec<_> = salvaged.overtaken();
    assert_eq!((given.len(), given[0].tag.as_str()), (1, "ver-test"));
    assert_eq!((given[0].given.get(), given[0].latest.get()), (2, 3));

    let named = |tags: &[&str]| {
        let tags: Vec<_> = tags.iter().map(|&tag| tag.to_owned()).collect();
        open("server_cryptstore_after_errors").only(&tags)
    };
    let some = named(&["OTHER", "entry-key"]).unwrap().sound().unwrap();
    assert_eq!(tags(&some), [("entry-key".to_owned(), 1), ("OTHER".to_owned(), 1)]);
    assert_eq!(code(named(&["ver-test"]).unwrap().sound()), ("malformed", 3));
    assert_eq!(code(named(&["OTHER", "other"])), ("not-found", 4));
}

#[test]
fn all_of_a_store_is_kept_or_nothing_with_the_identity() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    let lock = state.lock_or_make().unwrap();
    lock.create(None).unwrap();
    let put = |cryptstore: &mut Cryptstore| {
        let item = Item::blob(Secret::copy_from(b"something else"));
        cryptstore.put(&tag("entry-key"), item, None, 0)
    };
    lock.update(put).unwrap();
    let before = std::fs::read(dir.path().join("state/cryptstore")).unwrap();

    let contents = open("server_cryptstore_cbc_simulated");
    let identity = contents.identity(&policy(), at(NOW)).unwrap().unwrap();
    let refused = lock.update(|cryptstore| cryptstore.import_certifier(Some(&identity), contents.items, 0));
    assert_eq!(refused.err().unwrap().code(), "conflict");
    assert!(std::fs::read(dir.path().join("state/cryptstore")).unwrap() == before);
    // In memory as well.
    let mut cryptstore = state.load().unwrap();
    let items = open("server_cryptstore_cbc_simulated").items;
    assert_eq!(item_code(cryptstore.import_certifier(Some(&identity), items, 0)), ("conflict", 5));
    assert_eq!((cryptstore.domain(), cryptstore.entries().count()), (None, 1));
}

#[test]
fn an_identity_is_taken_over_where_there_is_none() {
    for name in ["init_cryptstore_gcm_simulated", "policy_store_gcm_simulated"] {
        let contents = open(name);
        assert_eq!(contents.identities.len(), 1, "{name}");
        assert_eq!(
            contents.identities[0].tags(),
            ["dom0-admission-certificate", "dom0-private-auth-key"].map(str::to_owned)
        );
        let identity = contents.identity(&policy(), at(NOW)).unwrap().unwrap();
        let mut cryptstore = Cryptstore::empty();
        cryptstore.import_certifier(Some(&identity), contents.items, 1).unwrap();
        let own = cryptstore.identity().unwrap();
        assert_eq!(own.domain().as_str(), "dom0");
        assert_eq!(
            own.verify(at(NOW)).unwrap().measurement().unwrap().as_bytes(),
            data("cf_utility.measurement")
        );
        let certified = Certificate::from_der(own.certificate()).unwrap().public_key().unwrap();
        assert!(own.key().public().unwrap() == certified);
        assert!(!cryptstore.get("dom0-private-auth-key", None).unwrap().exportable);

        // The same again is the same machine; another is another.
        let again = open(name).items;
        cryptstore.import_certifier(Some(&identity), again, 2).unwrap();
        let other = Contents::open(&data("client_cryptstore_gcm_sev.bin"), &sev()).unwrap();
        let other = other.identity(&policy(), at(NOW)).unwrap().unwrap();
        let refused = cryptstore.import_certifier(Some(&other), Vec::new(), 3);
        assert_eq!(item_code(refused), ("already-enrolled", 3));
    }
}

fn sev() -> Seal {
    let key = hex::decode(data("sev_dummy_seal_key.hex").trim_ascii()).unwrap();
    Seal::key(&key.try_into().unwrap())
}

#[test]
fn a_policy_store_gives_its_key_and_says_what_it_doesn_t() {
    let contents = open("policy_store_gcm_simulated").sound().unwrap();
    assert_eq!(tags(&contents), [("app-symmetric-key".to_owned(), 1)]);
    assert!(!contents.items[0].exportable);
    assert_eq!(contents.items[0].entry_type.as_str(), EntryType::KEY_MESSAGE);
    let left: Vec<_> = contents.left_out.iter().map(|left| left.tag.as_str()).collect();
    assert_eq!(left, ["public-key-algorithm", "symmetric-key-algorithm"]);
}

#[test]
fn an_identity_that_a_broker_would_refuse_isn_t_taken_over() {
    let store = || open("init_cryptstore_gcm_simulated");
    assert!(store().identity(&policy(), at(NOW)).unwrap().is_some());
    // 2027-11-25, and 2026-11-01.
    assert_eq!(code(store().identity(&policy(), at(1_827_100_000))), ("expired", 3));
    assert_eq!(code(store().identity(&policy(), at(1_793_500_000))).1, 3);
    // A domain of the same name with another key; and none of that name.
    let forged = Domain::new("dom0");
    assert_eq!(code(store().identity(&forged.policy, UnixTime::now())), ("certificate-refused", 3));
    assert!(store().identity(&Domain::new("dom1").policy, at(NOW)).unwrap().is_none());
    let own = open("policy_store_gcm_simulated");
    assert_eq!(code(own.identity(&forged.policy, at(NOW))), ("refused", 3));
}

#[test]
fn an_identity_is_a_key_and_the_certificate_of_that_key() {
    let [certificate, key] = <[Entry; 2]>::try_from(plain("init_cryptstore_gcm_simulated")).ok().unwrap();
    let with = |entries: &[Entry]| contents(entries).identity(&policy(), at(NOW));
    let copy = |entry: &Entry| Entry::decode(&entry.encode()).unwrap();
    assert!(with(&[copy(&certificate), copy(&key)]).unwrap().is_some());

    let other = Entry { blob: Secret::new(data("client_sev.cert.der")), ..copy(&certificate) };
    assert_eq!(code(with(&[other, copy(&key)])), ("refused", 3));
    let public = SigningKey::generate(KeyAlgorithm::P256).unwrap().public().clone();
    let message = claviger_proto::key::KeyMessage::new("x", claviger_proto::key::MessageKey::Public(public));
    let half = Entry { blob: Secret::copy_from(&message.encode()), ..copy(&key) };
    assert_eq!(code(with(&[copy(&certificate), half])), ("refused", 3));
    let garbage = Entry { blob: Secret::copy_from(b"garbage"), ..copy(&key) };
    assert_eq!(code(with(&[copy(&certificate), garbage])), ("refused", 3));

    // One of the two alone is nothing, and is said.
    let alone = contents(&[copy(&certificate), entry("a", 1, b"a")]);
    assert!(alone.identities.is_empty());
    assert_eq!(alone.left_out.len(), 1);
    assert_eq!(alone.left_out[0].tag, "dom0-admission-certificate");
    assert_eq!(tags(&alone), [("a".to_owned(), 1)]);

    // After cf_utility --reinit_trust the latest of each counts.
    let older = Entry { blob: Secret::new(data("simulated_rsa3072.cert.der")), ..copy(&certificate) };
    let renewed = |entry: &Entry| Entry { version: Version::new(2), ..copy(entry) };
    let two = contents(&[older, copy(&key), renewed(&certificate), renewed(&key)]);
    assert!(two.identity(&policy(), at(NOW)).unwrap().is_some());
    assert_eq!(two.left_out.len(), 2);
    assert!(two.items.is_empty());
}

#[test]
fn an_export_is_what_stock_programs_give_from_it() {
    let mut here = Cryptstore::empty();
    for (name, blob) in [("a", b"1"), ("a", b"2"), ("b/c", b"3")] {
        here.put(&tag(name), Item::blob(Secret::copy_from(blob)), None, 1_800_000_000).unwrap();
    }
    for algorithm in WrittenAlgorithm::ALL {
        for seal in [simulated(), sealing_key(), Seal::sev(&[3; 32])] {
            let what = [(tag("b/c"), Which::Latest), (tag("a"), Which::Latest)];
            let file = here.export_certifier(&what, false, &seal, algorithm).unwrap();
            let there = Contents::open(&file, &seal).unwrap().sound().unwrap();
            assert_eq!(tags(&there), [("b/c".to_owned(), 1), ("a".to_owned(), 2)]);
            for item in &there.items {
                assert!(item.encode() == here.get(&item.tag, item.version).unwrap().encode());
            }
        }
    }
    let first = [(tag("a"), Which::Version(Version::FIRST))];
    let file = here.export_certifier(&first, false, &sealing_key(), WrittenAlgorithm::Gcm).unwrap();
    assert_eq!(tags(&Contents::open(&file, &sealing_key()).unwrap()), [("a".to_owned(), 1)]);
    let missing = [(tag("x"), Which::Latest)];
    let refused = here.export_certifier(&missing, false, &sealing_key(), WrittenAlgorithm::Gcm);
    assert_eq!(item_code(refused), ("not-found", 4));
}

#[test]
fn what_is_not_exportable_needs_a_seal_that_seals() {
    let mut here = Cryptstore::empty();
    let hidden = Item { exportable: false, ..Item::blob(Secret::copy_from(b"hidden")) };
    here.put(&tag("hidden"), hidden, None, 0).unwrap();
    let what = [(tag("hidden"), Which::Latest)];
    let write = |seal: &Seal| here.export_certifier(&what, false, seal, WrittenAlgorithm::Gcm);
    assert_eq!(item_code(write(&simulated())), ("not-exportable", 3));
    let file = write(&sealing_key()).unwrap();
    assert!(!Contents::open(&file, &sealing_key()).unwrap().items[0].exportable);
}

#[test]
fn a_store_that_stock_programs_would_die_of_isn_t_written() {
    let mut here = Cryptstore::empty();
    let names = ["a", "b", "c", "d"];
    for name in names {
        let item = Item::blob(Secret::new(vec![7; 800_000]));
        here.put(&tag(name), item, None, 0).unwrap();
    }
    let write = |count: usize| {
        let what: Vec<_> = names[..count].iter().map(|name| (tag(name), Which::Latest)).collect();
        here.export_certifier(&what, false, &sealing_key(), WrittenAlgorithm::Gcm)
    };
    assert!(write(3).is_ok());
    assert_eq!(item_code(write(4)), ("too-large", 3));
}

#[test]
fn the_machine_s_own_identity_leaves_when_it_is_asked_for_and_stock_programs_can_load_it() {
    let domain = Domain::new("dom0");
    let leaf = |algorithm: KeyAlgorithm| {
        let key = SigningKey::generate(algorithm).unwrap();
        let (spki, now) = (key.public().spki_der(), UnixTime::now());
        let certificate = domain.issuer.identity(Role::Agent, spki, Some(&measurement()), now, 1).unwrap();
        domain.identity(Leaf { certificate, key: key.pkcs8_der().to_vec() })
    };
    let write = |cryptstore: &Cryptstore| {
        cryptstore.export_certifier(&[], true, &sealing_key(), WrittenAlgorithm::Gcm)
    };
    let identity = leaf(KeyAlgorithm::Rsa2048);
    let here = Cryptstore::new(&identity, 1_800_000_000);
    let contents = Contents::open(&write(&here).unwrap(), &sealing_key()).unwrap().sound().unwrap();
    assert!(contents.items.is_empty());
    let there = contents.identity(&domain.policy, UnixTime::now()).unwrap().unwrap();
    assert_eq!(there.certificate(), identity.certificate());
    assert_eq!(there.key().pkcs8_der(), private(identity.key().pkcs8_der()).pkcs8_der());

    // The policy store says the same, and has a key for applications: its own, once there is one.
    let policy_store = |cryptstore: &Cryptstore| {
        let file = cryptstore.export_certifier_policy(&sealing_key(), WrittenAlgorithm::CbcHmacSha256);
        Contents::open(&file.unwrap(), &sealing_key()).unwrap().sound().unwrap()
    };
    let mut here = here;
    let contents = policy_store(&here);
    let there = contents.identity(&domain.policy, UnixTime::now()).unwrap().unwrap();
    assert_eq!(there.certificate(), identity.certificate());
    assert_eq!(tags(&contents), [("app-symmetric-key".to_owned(), 1)]);
    here.import_certifier(None, contents.items, 0).unwrap();
    assert!(policy_store(&here).items[0].blob == here.get("app-symmetric-key", None).unwrap().blob);

    // Its tags aren't items, neither way.
    let own = [(tag("dom0-private-auth-key"), Which::Latest)];
    let refused = here.export_certifier(&own, false, &sealing_key(), WrittenAlgorithm::Gcm);
    assert_eq!(item_code(refused), ("reserved-name", 3));
    assert_eq!(item_code(write(&Cryptstore::empty())), ("not-enrolled", 1));
    assert_eq!(item_code(write(&Cryptstore::new(&leaf(KeyAlgorithm::P256), 0))), ("refused", 3));
}
