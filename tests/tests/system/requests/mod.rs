//! Every request besides store and retrieve: through the command line, on the wire, and against a model.

mod model;
mod refused;

use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_proto::key::{KeyMessage, MessageKey, read_private};
use claviger_tests::broker::Broker;
use claviger_tests::fleet::{Fleet, client, retrieve, store};
use claviger_tests::programs::{Call, command};
use serde_json::{Value, json};

fn member(broker: &Broker) -> PathBuf {
    let fleet = Fleet::create(broker, "fleet", "members");
    fleet.state_of("member", &fleet.member())
}

fn list(broker: &Broker, state: &Path) -> Call {
    let at = broker.listen.to_string();
    command("key-client").arg("list").with("--broker", at).with("--state-dir", state)
}

fn states(versions: &Value) -> Vec<(u64, &str)> {
    let rows = versions["versions"].as_array().expect("versions").iter();
    rows.map(|row| (row["version"].as_u64().expect("a number"), row["state"].as_str().expect("a state")))
        .collect()
}

#[test]
fn versions_are_deleted_undeleted_and_destroyed() {
    let broker = Broker::start();
    let state = member(&broker);
    let run = |verb: &str, line: &str| client(&broker, &state, verb, "a").args(line).run();
    for value in [b"one", b"two", b"thr"] {
        store(&broker, &state, "a", value).run().ok();
    }
    assert_eq!(run("delete", "--version 3").ok(), json!({"name": "a", "versions": [3]}));
    // The latest is deleted, so there is none: never an older one.
    retrieve(&broker, &state, "a").args("--out -").run().failed(4).is("not-found");
    let older = retrieve(&broker, &state, "a").args("--version 2 --out -").run_text();
    assert_eq!(older.stdout(), b"two");
    assert_eq!(run("delete", "--version 3").ok()["versions"], json!([]));
    assert_eq!(run("undelete", "--all").ok()["versions"], json!([3]));
    assert_eq!(retrieve(&broker, &state, "a").args("--out -").run_text().stdout(), b"thr");

    assert_eq!(run("destroy", "--version 1").ok()["versions"], json!([1]));
    run("undelete", "--version 1").failed(5).is("conflict");
    assert_eq!(run("delete", "--all").ok()["versions"], json!([3, 2]));
    let versions = client(&broker, &state, "versions", "a").run().ok();
    assert_eq!(states(&versions), [(3, "deleted"), (2, "deleted"), (1, "destroyed")]);
    // A number stays taken for good.
    assert_eq!(store(&broker, &state, "a", b"four").run().ok()["version"], 4);
    store(&broker, &state, "a", b"one").args("--version 1").run().failed(5).is("conflict");
    // One of the two must be said.
    run("delete", "").failed(2);
    run("delete", "--all --version 1").failed(2);
    run("delete", "--version 99").failed(4).is("not-found");
}

#[test]
fn names_are_listed_with_what_is_known_of_them() {
    let broker = Broker::start();
    let state = member(&broker);
    assert_eq!(list(&broker, &state).run().ok(), json!({"names": []}));
    for name in ["web/tls/key", "db/password", "web/a"] {
        store(&broker, &state, name, b"x").run().ok();
    }
    store(&broker, &state, "db/password", b"y").args("--type word --not-exportable").run().ok();
    let listed = list(&broker, &state).run().ok();
    let names: Vec<_> = listed["names"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["db/password", "web/a", "web/tls/key"]);
    let first = &listed["names"][0];
    assert_eq!(
        (&first["version"], &first["type"], &first["exportable"]),
        (&2.into(), &"word".into(), &false.into())
    );
    assert_eq!((&first["state"], &first["expires"]), (&"there".into(), &Value::Null));
    let below = list(&broker, &state).args("--prefix web/").run().ok();
    assert_eq!(below["names"].as_array().unwrap().len(), 2);
    // What isn't exportable can be described, and nothing else.
    let shown = client(&broker, &state, "show", "db/password").run().ok();
    assert_eq!(shown["version"], 2);
    assert_eq!(
        client(&broker, &state, "show", "db/password").args("--version 1").run().ok()["type"],
        "binary-blob"
    );
    retrieve(&broker, &state, "db/password").args("--out -").run().failed(4);
    let text = list(&broker, &state).run_text();
    assert!(String::from_utf8_lossy(text.stdout()).starts_with("NAME"), "{text}");
}

#[test]
fn more_names_than_a_page_has_come_page_by_page() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let mut channel = fleet.channel(&broker);
    for n in 0..600 {
        channel.request(&claviger_tests::message::store(&format!("n/{n:04}"), b"x")).ok();
    }
    let state = fleet.state_of("member", &fleet.member());
    let listed = list(&broker, &state).run().ok();
    let names = listed["names"].as_array().unwrap();
    assert_eq!(names.len(), 600);
    assert!(names.windows(2).all(|pair| pair[0]["name"].as_str() < pair[1]["name"].as_str()));
    // Versions too.
    for _ in 0..300 {
        channel.request(&claviger_tests::message::store("v", b"x")).ok();
    }
    let versions = client(&broker, &state, "versions", "v").run().ok();
    let expected: Vec<_> = (1..=300).rev().map(|n| (n, "there")).collect();
    assert_eq!(states(&versions), expected);
}

#[test]
fn compare_and_set_puts_on_top_of_what_was_seen() {
    let broker = Broker::start();
    let state = member(&broker);
    let put = |latest: &str| store(&broker, &state, "a", b"x").with("--if-latest", latest).run();
    put("1").failed(5).is("conflict");
    assert_eq!(put("0").ok()["version"], 1);
    put("0").failed(5);
    assert_eq!(put("1").ok()["version"], 2);
    put("1").failed(5).is("conflict").says(&["latest", "2"]);
}

#[test]
fn an_entry_expires_and_its_version_stays_the_latest() {
    let broker = Broker::start();
    let state = member(&broker);
    store(&broker, &state, "a", b"old").run().ok();
    store(&broker, &state, "a", b"new").args("--expires-in 2s").run().ok();
    let got = || retrieve(&broker, &state, "a").args("--out -").run_text();
    assert_eq!(got().stdout(), b"new");
    std::thread::sleep(Duration::from_millis(3_100));
    assert_eq!(got().code(), Some(4));
    let shown = client(&broker, &state, "show", "a").run().ok();
    assert_eq!((&shown["version"], &shown["state"]), (&2.into(), &"expired".into()));
    // It comes back from a deletion, and is past its time all the same, which is said.
    let change = |verb: &str, which: &str| client(&broker, &state, verb, "a").args(which);
    change("delete", "--all").run().ok();
    let both = json!({"name": "a", "versions": [2, 1], "expired": [2]});
    assert_eq!(change("undelete", "--all").run().ok(), both);
    let one = json!({"name": "a", "versions": [], "expired": [2]});
    assert_eq!(change("undelete", "--version 2").run().ok(), one);
    let text = change("undelete", "--version 2").run_text();
    let text = String::from_utf8_lossy(text.stdout()).into_owned();
    assert!(text.contains("expired, and can't be retrieved: version 2; store a anew"), "{text}");
    assert_eq!(change("undelete", "--version 1").run().ok(), json!({"name": "a", "versions": []}));
    // Not past ones: they would be no use.
    store(&broker, &state, "a", b"x").args("--expires-in 0s").run().failed(2);
}

#[test]
fn keys_are_made_in_the_broker_and_rotated() {
    let broker = Broker::start();
    let state = member(&broker);
    let make = |name: &str, kind: &str| client(&broker, &state, "generate", name).with("--kind", kind).run();
    let blob = |name: &str, version: &str| {
        let run = retrieve(&broker, &state, name).with("--version", version).args("--out -").run_text();
        assert_eq!(run.code(), Some(0), "{run}");
        run.stdout().to_vec()
    };
    for kind in ["bytes-64", "aes-256", "p256", "p384", "ed25519", "rsa-2048"] {
        let name = &format!("keys/{kind}");
        assert_eq!(make(name, kind).ok(), json!({"name": name, "version": 1}));
        assert_eq!(client(&broker, &state, "rotate", name).run().ok()["version"], 2);
        let (one, two) = (blob(name, "1"), blob(name, "2"));
        assert!(one != two, "{kind}: a new key");
        if kind == "bytes-64" {
            assert_eq!((one.len(), two.len()), (64, 64));
            continue;
        }
        let kind_of = |bytes: &[u8]| match KeyMessage::decode(bytes).unwrap().key {
            MessageKey::Other { key_type, .. } => key_type,
            MessageKey::Private(key) => key.kind().as_str().to_owned(),
            MessageKey::Public(_) => panic!("a public key"),
        };
        assert_eq!((kind_of(&one), kind_of(&two)), (kind_of(&one), kind_of(&one)));
    }
    read_private(&blob("keys/p256", "2")).expect("a private key");
    // What isn't exportable stays so.
    client(&broker, &state, "generate", "held").args("--kind p256 --not-exportable").run().ok();
    client(&broker, &state, "rotate", "held").run().ok();
    retrieve(&broker, &state, "held").args("--out -").run().failed(4);
    assert_eq!(client(&broker, &state, "show", "held").run().ok()["exportable"], false);

    make("x", "p521").failed(2);
    store(&broker, &state, "note", b"x").args("--type my-type").run().ok();
    client(&broker, &state, "rotate", "note").run().failed(3).is("refused");
    client(&broker, &state, "rotate", "missing").run().failed(4).is("not-found");
    let outdated = client(&broker, &state, "rotate", "held").args("--if-latest 1").run();
    outdated.failed(5).is("conflict");
}

#[test]
fn every_request_is_in_the_trail_and_it_is_whole() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let state = fleet.state_of("member", &fleet.member());
    let before = fleet.verify_audit(&broker);
    store(&broker, &state, "a", b"x").run().ok();
    let run = |verb: &str, line: &str| client(&broker, &state, verb, "a").args(line).run().ok();
    run("rotate", "");
    run("show", "");
    run("versions", "");
    list(&broker, &state).run().ok();
    // One record for each version that changes.
    run("delete", "--all");
    // The client looks, too, whether what it undeleted has expired.
    run("undelete", "--version 1");
    run("destroy", "--version 1");
    run("destroy", "--version 1");
    client(&broker, &state, "show", "missing").run().failed(4);
    assert_eq!(fleet.verify_audit(&broker), before + 12);
}

#[test]
fn provisioned_lets_machines_see_and_the_deployment_machine_change() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "provisioned");
    let deployment = fleet.admitted(&broker, "deployment").state;
    let vm = fleet.admitted(&broker, "vm").state;
    store(&broker, &deployment, "disk", b"key").run().ok();
    assert_eq!(retrieve(&broker, &vm, "disk").args("--out -").run_text().stdout(), b"key");
    assert_eq!(list(&broker, &vm).run().ok()["names"][0]["name"], "disk");
    for (verb, line) in [
        ("delete", "--all"),
        ("undelete", "--all"),
        ("destroy", "--all"),
        ("rotate", ""),
        ("generate", "--kind p256"),
    ] {
        let denied = client(&broker, &vm, verb, "disk").args(line).run().failed(4);
        // As if there were nothing.
        let missing = client(&broker, &vm, verb, "missing").args(line).run().failed(4);
        assert_eq!(denied.message, missing.message, "{verb}");
    }
    // Who provides is a member too.
    assert_eq!(retrieve(&broker, &deployment, "disk").args("--out -").run_text().stdout(), b"key");
    assert_eq!(client(&broker, &deployment, "rotate", "disk").run().ok()["version"], 2);
    assert_eq!(retrieve(&broker, &vm, "disk").args("--out -").run_text().stdout().len(), 3);
    client(&broker, &deployment, "destroy", "disk").args("--all").run().ok();
    retrieve(&broker, &vm, "disk").args("--out -").run().failed(4);
}
