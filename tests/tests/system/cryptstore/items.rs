//! Items: put, get, list, delete, generate, print.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use claviger_tests::broker::Broker;
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::programs::command;
use serde_json::json;

use super::{Keys, text};

#[test]
fn what_is_put_is_there_in_all_its_versions() {
    let keys = Keys::new();
    assert_eq!((keys.put("disk", b"one"), keys.put("disk", b"two")), (1, 2));
    assert_eq!(keys.get("disk"), b"two");
    assert_eq!(keys.get("disk --version 1"), b"one");
    assert_eq!(keys.get("disk --version 0"), b"two");
    let put = keys.call("put own --in - --type own-type --version 7").stdin("x").run().ok();
    assert_eq!(put, json!({"tag": "own", "version": 7, "type": "own-type", "exportable": true}));
    let got = keys.call("get own --out own.bin").run().ok();
    let told = json!({"tag": "own", "version": 7, "type": "own-type", "format": "raw", "into": "own.bin"});
    assert_eq!(got, told);
    let file = keys.path("own.bin");
    assert_eq!(fs::read(&file).unwrap(), b"x");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_list_shows_every_version_and_no_secret() {
    let keys = Keys::new();
    keys.put("web/key", b"canary-one");
    keys.put("web/key", b"canary-two");
    keys.call("put disk --in - --not-exportable").stdin("canary-three").run().ok();
    let all = [("disk", 1), ("web/key", 1), ("web/key", 2)].map(|(tag, n)| (tag.to_owned(), n));
    assert_eq!(keys.list(), all);
    let listed = keys.call("list --prefix web/").run();
    assert_eq!(listed.ok()["items"].as_array().unwrap().len(), 2);
    let disk = keys.call("list --prefix disk").run().ok()["items"][0].clone();
    assert_eq!(
        (&disk["exportable"], &disk["bytes"], &disk["type"]),
        (&json!(false), &json!(12), &json!("binary-blob"))
    );
    assert!(disk["entered"].as_i64().unwrap() > 1_700_000_000);
    let table = keys.call("list").run_text();
    let table = String::from_utf8(table.stdout().to_vec()).unwrap();
    assert!(table.starts_with("TAG") && table.lines().count() == 4, "{table}");
    assert!(!table.contains("canary"), "{table}");
}

#[test]
fn what_is_deleted_is_gone_and_its_number_with_it() {
    let keys = Keys::new();
    for blob in [b"one", b"two", b"six"] {
        keys.put("disk", blob);
    }
    assert_eq!(keys.call("delete disk --version 3").run().ok(), json!({"tag": "disk", "versions": [3]}));
    assert_eq!(keys.get("disk"), b"two");
    keys.call("get disk --version 3 --out -").run().failed(4).is("not-found");
    assert_eq!(keys.put("disk", b"four"), 4);
    assert_eq!(keys.call("delete disk --all").run().ok()["versions"], json!([1, 2, 4]));
    assert!(keys.list().is_empty());
    assert_eq!(keys.put("disk", b"five"), 5);
}

#[test]
fn keys_are_made_in_every_kind_and_say_what_they_are() {
    let keys = Keys::new();
    for (kind, holds, bits) in [
        ("aes-128", "an AES key", 16),
        ("aes-256", "an AES key", 32),
        ("aes-256-gcm", "an AES key", 32),
        ("aes-256-cbc-hmac-sha256", "an AES key with its HMAC key", 64),
        ("aes-256-cbc-hmac-sha384", "an AES key with its HMAC key", 80),
    ] {
        let made = keys.call(&format!("generate {kind} --kind {kind}")).run().ok();
        assert_eq!((&made["version"], &made["type"]), (&json!(1), &json!("key-message-serialized-protobuf")));
        assert_eq!(keys.call(&format!("print {kind}")).run().ok()["holds"], holds);
        assert_eq!(keys.get(&format!("{kind} --format bits")).len(), bits, "{kind}");
    }
    for (kind, holds) in [
        ("p256", "an EC private key"),
        ("p384", "an EC private key"),
        ("ed25519", "an Ed25519 private key"),
        ("rsa-2048", "an RSA private key"),
        ("rsa-3072", "an RSA private key"),
        ("rsa-4096", "an RSA private key"),
    ] {
        let made = keys.call(&format!("generate {kind} --kind {kind} --not-exportable")).run().ok();
        let told = keys.call(&format!("print {kind}")).run().ok();
        assert_eq!((&told["holds"], &told["exportable"]), (&json!(holds), &json!(false)));
        assert_eq!((&made["key"], &made["key"]["kind"]), (&told["key"], &json!(kind)));
    }
    let again = keys.call("generate p256 --kind p256").run().ok();
    assert_eq!(again["version"], 2);
    let first = keys.call("print p256 --version 1").run().ok();
    assert_ne!(first["key"], again["key"]);
    assert_eq!(first["versions"], json!([1, 2]));
}

#[test]
fn a_public_key_leaves_what_its_private_key_does_not() {
    let keys = Keys::new();
    keys.call("generate pair --kind p384 --not-exportable").run().ok();
    keys.call("get pair --out - --format pkcs8-pem").run().failed(3).is("not-exportable").says(&["export"]);
    // The public half through `get` is a way around nothing, but one rule is easier to trust than two.
    keys.call("get pair --out - --format spki-pem").run().failed(3).is("not-exportable");
    let pem = keys.call("print pair --public").run_text();
    let pem = String::from_utf8(pem.stdout().to_vec()).unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");
    assert_eq!(text(&keys.call("print pair --public").run().ok()["public_key"]), pem);
    keys.write("pair.pem", &pem).call("put public --in pair.pem --format spki-pem").run().ok();
    let [pair, public] = ["pair", "public"].map(|tag| keys.call(&format!("print {tag}")).run().ok());
    assert_eq!(pair["key"], public["key"]);
}

#[test]
fn a_cryptstore_is_there_before_its_machine_enrols_and_afterwards() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let own =
        |line: &str| command("key-client").arg("cryptstore").args(line).with("--state-dir", &machine.state);
    let slot = machine.platform.parent().unwrap().join("slot.key");
    own("init").with("--key-slot", format!("file:{}", slot.display())).run().ok();
    own("put early --in -").stdin("early").run().ok();
    own("put fleet-private-auth-key --in -").stdin("mine").run().failed(3).is("reserved-name");
    retrieve(&broker, &machine.state, "a").args("--out -").run().failed(1).is("not-enrolled");

    // A slot is for a new cryptstore.
    let another = format!("file:{}", machine.platform.join("other.key").display());
    fleet.enroll(&broker, &machine).with("--key-slot", another).run().failed(3).is("exists");
    fleet.enroll(&broker, &machine).run().ok();
    store(&broker, &machine.state, "late", b"late").run().ok();
    retrieve(&broker, &machine.state, "late").run().ok();
    let items = own("list").run().ok();
    let tags: Vec<_> = items["items"].as_array().unwrap().iter().map(|item| text(&item["tag"])).collect();
    assert_eq!(tags, ["early", "fleet-admission-certificate", "fleet-private-auth-key", "late"]);
    assert_eq!(items["domain"], "fleet");
    for line in ["get early --out -", "get late --out -", "get fleet/late --out -"] {
        assert_eq!(own(line).run_text().code(), Some(0), "{line}");
    }
    let own_certificate = own("print fleet-admission-certificate").run().ok();
    let subject = text(&own_certificate["certificate"]["subject"]);
    assert!(subject.contains(&format!("O=Measured-{}", machine.measurement)), "{own_certificate}");
    // The machine's own key never leaves.
    own("get fleet-private-auth-key --out -").run().failed(3).is("not-exportable");
    own("delete fleet-private-auth-key --all").run().failed(3).is("reserved-name");
    fs::remove_file(slot).unwrap();
    own("list").run().failed(1).is("key-slot").says(&["slot.key"]);
}

#[test]
fn an_enrolment_can_name_the_slot_of_its_new_cryptstore() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let slot = machine.platform.join("slot.key");
    fleet.enroll(&broker, &machine).with("--key-slot", format!("file:{}", slot.display())).run().ok();
    assert!(slot.exists() && !machine.state.join("slot.key").exists());
    store(&broker, &machine.state, "a", b"x").run().ok();
}
