//! Entries and versions, through the command line and on the wire.

use std::fs;

use claviger_attest::{KeyAlgorithm, SigningKey};
use claviger_tests::broker::Broker;
use claviger_tests::certificate::pem;
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::message::{self, Reader, entry, store_entry};

/// A member's state directory, on a broker with one domain.
fn member(broker: &Broker) -> std::path::PathBuf {
    let fleet = Fleet::create(broker, "fleet", "members");
    fleet.state_of("member", &fleet.member())
}

#[test]
fn versions_count_up_and_never_change() {
    let broker = Broker::start();
    let state = member(&broker);
    for (version, value) in [(1, "one"), (2, "two"), (3, "three")] {
        assert_eq!(store(&broker, &state, "a", value.as_bytes()).run().ok()["version"], version);
    }
    for (asked, value) in [("1", "one"), ("2", "two"), ("3", "three"), ("0", "three")] {
        let run = retrieve(&broker, &state, "a").with("--version", asked).args("--out -").run_text();
        assert_eq!(run.stdout(), value.as_bytes());
    }
    retrieve(&broker, &state, "a").args("--version 4 --out -").run().failed(4).is("not-found");

    for taken in ["1", "3", "5"] {
        let conflict = store(&broker, &state, "a", b"another").with("--version", taken).run().failed(5);
        conflict.is("conflict");
    }
    assert_eq!(store(&broker, &state, "a", b"four").args("--version 4").run().ok()["version"], 4);
    // The first version of a name may be any.
    assert_eq!(store(&broker, &state, "b", b"nine").args("--version 9").run().ok()["version"], 9);
    assert_eq!(store(&broker, &state, "b", b"ten").run().ok()["version"], 10);
}

#[test]
fn storing_the_identical_entry_again_succeeds() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let mut channel = fleet.channel(&broker);
    let first = store_entry("a", &entry("a", 3, b"same", true));
    assert_eq!(channel.request(&first).ok().stored_version(), Some(3));
    assert_eq!(channel.request(&first).ok().stored_version(), Some(3));
    for other in [entry("a", 3, b"else", true), entry("a", 3, b"same", false)] {
        channel.request(&store_entry("a", &other)).refused("conflict");
    }
    assert_eq!(channel.request(&message::store("a", b"next")).ok().stored_version(), Some(4));
}

#[test]
fn what_is_not_exportable_never_leaves() {
    let broker = Broker::start();
    let state = member(&broker);
    store(&broker, &state, "a", b"stays").arg("--not-exportable").run().ok();
    let missing = retrieve(&broker, &state, "missing").args("--out -").run().failed(4);
    let held = retrieve(&broker, &state, "a").args("--out -").run().failed(4);
    assert_eq!(held.message, missing.message);
}

#[test]
fn an_entry_comes_back_whole() {
    let broker = Broker::start();
    let state = member(&broker);
    let big: Vec<u8> = (0..1 << 20).map(|i: u32| i.to_le_bytes()[1] ^ i.to_le_bytes()[0]).collect();
    for (name, blob) in [("one-byte", &big[..1]), ("300-kb", &big[..300_000]), ("1-mib", &big)] {
        store(&broker, &state, name, blob).args("--type my-own-type").run().ok();
        let run = retrieve(&broker, &state, name).args("--out -").run_text();
        assert!(run.stdout() == blob, "{name}: {} bytes came back", run.stdout().len());
    }
    let whole = retrieve(&broker, &state, "one-byte").args("--format entry --out -").run_text();
    let whole = Reader::parse(whole.stdout());
    assert_eq!(
        (whole.text(1), whole.text(2), whole.int(3)),
        (Some("one-byte"), Some("my-own-type"), Some(1))
    );
    assert_eq!((whole.bytes(5), whole.int(6)), (Some(&big[..1]), Some(1)));
    let entered = whole.text(4).unwrap();
    assert!(entered.len() == 26 && entered.starts_with("20") && entered.ends_with('Z'), "{entered}");
}

#[test]
fn keys_come_back_in_the_format_asked_for() {
    let broker = Broker::start();
    let state = member(&broker);
    let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let text = pem("PRIVATE KEY", key.pkcs8_der());
    store(&broker, &state, "tls/key", key.pkcs8_der()).run().ok();
    let run = retrieve(&broker, &state, "tls/key").args("--format pem --out -").run_text();
    let same = claviger_proto::key::read_private(run.stdout()).unwrap().0.public().unwrap();
    assert!(same.same_numbers(key.public()), "{text}");

    let message = retrieve(&broker, &state, "tls/key").args("--format key-message --out -").run_text();
    store(&broker, &state, "tls/key2", message.stdout())
        .args("--type key-message-serialized-protobuf")
        .run()
        .ok();
    let run = retrieve(&broker, &state, "tls/key2").args("--format pem --out -").run_text();
    let same = claviger_proto::key::read_private(run.stdout()).unwrap().0.public().unwrap();
    assert!(same.same_numbers(key.public()));

    store(&broker, &state, "noise", b"noise").run().ok();
    let out = broker.dir().join("noise.pem");
    retrieve(&broker, &state, "noise").args("--format pem").with("--out", &out).run().failed(3).is("refused");
    assert!(!out.exists());
}

#[test]
fn without_a_file_an_entry_goes_into_the_cryptstore() {
    let broker = Broker::start();
    let state = member(&broker);
    store(&broker, &state, "a", b"secret of the cryptstore").run().ok();
    let kept = retrieve(&broker, &state, "a").run().ok();
    assert_eq!((&kept["into"], &kept["tag"]), (&"cryptstore".into(), &"a".into()));
    let kept = retrieve(&broker, &state, "a").args("--into-cryptstore disk").run().ok();
    assert_eq!(kept["tag"], "disk");
    let cryptstore = claviger_client::state::StateDir::new(&state).load().unwrap();
    for tag in ["a", "disk"] {
        let entry = cryptstore.get(tag, None).unwrap();
        assert_eq!(entry.blob.expose(), b"secret of the cryptstore");
    }
    for file in fs::read_dir(&state).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"secret"), "it is sealed");
    }
    let reserved = retrieve(&broker, &state, "a").args("--into-cryptstore fleet-private-auth-key");
    reserved.run().failed(3).is("reserved-name");
}

#[test]
fn names_are_kept_as_they_are_and_the_own_domain_in_front_is_taken_off_once() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("Web/TLS/key.v1", b"upper")).ok();
    channel.request(&message::retrieve("web/tls/key.v1")).refused("not-found");
    assert_eq!(channel.request(&message::retrieve("fleet/Web/TLS/key.v1")).ok().blob(), b"upper");
    channel.request(&message::retrieve("fleet/fleet/Web/TLS/key.v1")).refused("not-found");

    // An entry's own tag wins over the request's name.
    channel.request(&store_entry("request-name", &entry("entry-tag", 0, b"tagged", true))).ok();
    assert_eq!(channel.request(&message::retrieve("entry-tag")).ok().blob(), b"tagged");
    channel.request(&message::retrieve("request-name")).refused("not-found");
}
