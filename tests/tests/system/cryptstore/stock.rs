//! The stock programs' encrypted stores: imported, and written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use claviger_attest::KeyAlgorithm;
use claviger_tests::broker::Broker;
use claviger_tests::certificate::Leaf;
use claviger_tests::fleet::{self, Fleet};
use claviger_tests::programs::{Call, command, workspace};
use serde_json::{Value, json};

use super::Keys;

const MEASUREMENT: &str = "d44a9721e169650f0e2373f7e3bfccf940aa155cab21e26075f7d129a538cdd4";

fn captured(name: &str) -> PathBuf {
    workspace().join("client/tests/data/stock").join(name)
}

/// An import of a captured store.
fn import(keys: &Keys, store: &str, seal: &str) -> Call {
    let call = keys.call("import --format certifier").with("--in", captured(&format!("{store}.bin")));
    call.with("--seal", seal)
}

fn simulated() -> String {
    format!("simulated-enclave:{}", captured("cf_utility.measurement").display())
}

fn tags(items: &Value) -> Vec<(&str, u64)> {
    let tag = |item: &'_ Value| item["tag"].as_str().map(str::len).unwrap_or_default();
    assert!(items.as_array().unwrap().iter().all(|item| tag(item) > 0 || item.get("why").is_some()));
    let items = items.as_array().unwrap().iter();
    items.map(|item| (item["tag"].as_str().unwrap(), item["version"].as_u64().unwrap_or_default())).collect()
}

#[test]
fn captured_stores_are_imported_by_each_of_their_seals() {
    let keys = Keys::new();
    let hex = format!("simulated-enclave:measurement={MEASUREMENT}");
    for seal in [simulated(), hex] {
        let told = import(&keys, "server_cryptstore_cbc_simulated", &seal).run().ok();
        let expected = [("primary-store-encryption-key", 1), ("key-client-test-key", 1), ("entry-key", 1)];
        assert_eq!(tags(&told["items"]), expected);
        assert_eq!((&told["identity"], &told["overtaken"]), (&Value::Null, &json!([])));
        let left = [("dom0-admission-certificate", 0), ("dom0-private-auth-key", 0)];
        assert_eq!(tags(&told["left_out"]), left);
        assert!(told["left_out"][0]["why"].as_str().unwrap().contains("--policy-cert"));
    }
    assert_eq!(keys.get("key-client-test-key"), b"01234567890123456789012345678901\n");

    let derived = "2b7e151628aed2a6abf7158809cf4f3c01020304050607080102030405060708";
    let sealing = fs::read(captured("sev_dummy_seal_key.hex")).unwrap();
    let sealing = hex::decode(sealing.trim_ascii()).unwrap();
    keys.write("derived.hex", format!("{derived}\n")).write("derived.bin", hex::decode(derived).unwrap());
    keys.write("seal.hex", hex::encode(&sealing)).write("seal.bin", &sealing);
    for seal in
        ["derived-key=derived.hex", "derived-key=derived.bin", "seal-key=seal.hex", "seal-key=seal.bin"]
    {
        let told = import(&keys, "client_cryptstore_gcm_sev", &format!("sev-enclave:{seal}")).run().ok();
        assert_eq!((tags(&told["items"]).len(), tags(&told["left_out"]).len()), (0, 2), "{seal}");
    }
    let told = import(&keys, "policy_store_gcm_simulated", &simulated()).run().ok();
    assert_eq!(tags(&told["items"]), [("app-symmetric-key", 1)]);
    keys.call("get app-symmetric-key --out -").run().failed(3).is("not-exportable");
}

#[test]
fn what_is_refused_changes_nothing_and_says_why() {
    let keys = Keys::new();
    keys.put("entry-key", b"something else");
    let before = keys.files();
    let other = format!("simulated-enclave:measurement={}", "ab".repeat(32));
    keys.write("short", [1; 31]).write("seal.bin", [1; 64]);
    let store = "server_cryptstore_cbc_simulated";
    for (seal, code, status, word) in [
        (other.as_str(), "other-measurement", 3, MEASUREMENT),
        ("sev-enclave:seal-key=seal.bin", "other-seal", 3, "seal"),
        ("sev-enclave:derived-key=short", "malformed", 3, "32 bytes"),
        ("sev-enclave:seal-key=short", "malformed", 3, "64 bytes"),
        ("simulated-enclave:short", "malformed", 3, "measurement"),
        ("simulated-enclave:absent", "file", 1, "absent"),
        (&simulated(), "conflict", 5, "entry-key"),
    ] {
        import(&keys, store, seal).run().failed(status).is(code).says(&[word]);
    }
    let file = fs::read(captured("server_cryptstore_cbc_simulated.bin")).unwrap();
    let cut = &file[..file.len() - 1];
    let mut broken = file.clone();
    *broken.last_mut().unwrap() ^= 1;
    for (bytes, status, code) in [
        (broken, 1, "damaged"),
        (cut.to_vec(), 3, "malformed"),
        ([file.as_slice(), b"\0"].concat(), 3, "malformed"),
        (vec![0; (16 << 20) + 1], 3, "too-large"),
    ] {
        keys.write("store", bytes);
        let call = keys.call("import --format certifier --in store").with("--seal", simulated());
        call.run().failed(status).is(code);
    }
    assert!(keys.files() == before);
}

#[test]
fn a_store_with_broken_entries_is_salvaged_by_those_who_say_so() {
    let keys = Keys::new();
    let store = "server_cryptstore_after_errors";
    let before = keys.files();
    let refused = import(&keys, store, &simulated()).run();
    refused.failed(3).is("malformed").says(&["entry 6", "nodata", "entry 10", "--salvage"]);
    assert!(keys.files() == before);

    let one = import(&keys, store, &simulated()).args("--tag OTHER --as renamed").run().ok();
    assert_eq!(tags(&one["items"]), [("renamed", 1)]);
    import(&keys, store, &simulated()).args("--tag absent").run().failed(4).is("not-found");

    let told = import(&keys, store, &simulated()).arg("--salvage").run().ok();
    assert_eq!(tags(&told["items"]).len(), 7);
    assert_eq!(tags(&told["left_out"])[..3], [("", 0), ("nodata", 0), ("ver-test", 0)]);
    assert_eq!(told["overtaken"], json!([{"tag": "ver-test", "stock_version": 2, "latest": 3}]));
    assert_eq!(keys.get("ver-test"), b"C");
    assert_eq!(keys.get("ver-test --version 2"), b"D");
    let text = import(&keys, store, &simulated()).arg("--salvage").run_text();
    let text = String::from_utf8(text.stdout().to_vec()).unwrap();
    for said in ["left out an entry without a tag", "of ver-test stock programs used version 2"] {
        assert!(text.contains(said), "{text}");
    }
}

/// Every kind of key that stock programs make, as they made it.
const KEYS: [&str; 12] = [
    "ecc-256-private",
    "ecc-256-public",
    "ecc-384-private",
    "ecc-384-public",
    "rsa-1024-private",
    "rsa-1024-public",
    "rsa-2048-private",
    "rsa-2048-public",
    "rsa-3072-private",
    "rsa-3072-public",
    "rsa-4096-private",
    "rsa-4096-public",
];
const ENTRIES: [&str; 3] = ["entry-aesg", "entry-primary-store-encryption-key", "entry-pub1"];
const SYMMETRIC: [&str; 5] =
    ["aes-128", "aes-256", "aes-256-gcm", "aes-256-cbc-hmac-sha256", "aes-256-cbc-hmac-sha384"];

#[test]
fn every_kind_of_stock_key_goes_into_a_stock_store_and_comes_back_the_same() {
    let (here, there) = (Keys::new(), Keys::new());
    let files = workspace().join("proto/tests/data/keys");
    for name in KEYS {
        let file = files.join(format!("{name}.key_message.pb"));
        here.call(&format!("put {name} --format key-message")).with("--in", file).run().ok();
    }
    for name in ENTRIES {
        let file = files.join(format!("{name}.cryptstore_entry.pb"));
        here.call(&format!("put {name} --format entry")).with("--in", file).run().ok();
    }
    for kind in SYMMETRIC {
        here.call(&format!("generate {kind} --kind {kind}")).run().ok();
    }
    here.write("cf.measurement", [7; 32]);
    for algorithm in ["aes-256-gcm", "aes-256-cbc-hmac-sha256"] {
        let export = here.call("export --all --format certifier --seal simulated-enclave:cf.measurement");
        let told = export.with("--algorithm", algorithm).args("--out store").run().ok();
        assert_eq!((told["tags"].as_array().unwrap().len(), &told["algorithm"]), (20, &json!(algorithm)));
        assert_eq!(fs::metadata(here.path("store")).unwrap().permissions().mode() & 0o777, 0o600);
        there.write("store", fs::read(here.path("store")).unwrap()).write("cf.measurement", [7; 32]);
        there.call("import --format certifier --in store --seal simulated-enclave:cf.measurement").run().ok();
    }
    for name in KEYS {
        let stock = fs::read(files.join(format!("{name}.key_message.pb"))).unwrap();
        assert!(there.get(name) == stock, "{name}");
        // Not only kept: read, and written again.
        let pem = there.get(&format!("{name} --format pem"));
        assert!(pem.starts_with(b"-----BEGIN P"), "{name}");
    }
    for name in KEYS.iter().chain(&ENTRIES).chain(&SYMMETRIC) {
        assert!(here.get(name) == there.get(name), "{name}");
        let print = |keys: &Keys| keys.call(&format!("print {name}")).run().ok();
        assert_eq!(print(&here), print(&there), "{name}");
        assert_ne!(print(&there)["holds"], Value::Null, "{name}");
    }
}

#[test]
fn only_the_latest_version_is_written_unless_one_is_named() {
    let keys = Keys::new();
    keys.put("a", b"one");
    keys.put("a", b"two");
    keys.call("put hidden --in - --not-exportable").stdin(b"hidden").run().ok();
    keys.write("cf.measurement", [7; 32]).write("seal.bin", [9; 64]);
    let export = |line: &str| keys.call(&format!("export --format certifier --out store {line}"));
    let simulated = "--seal simulated-enclave:cf.measurement";
    for (line, version) in [("a a", 2), ("a --version 1", 1)] {
        export(&format!("{line} {simulated}")).run().ok();
        let there = Keys::new();
        there.write("store", fs::read(keys.path("store")).unwrap()).write("cf.measurement", [7; 32]);
        there.call(&format!("import --format certifier --in store {simulated}")).run().ok();
        assert_eq!(there.list(), [("a".to_owned(), version)]);
    }
    export(&format!("--all {simulated}")).run().failed(3).is("not-exportable").says(&["hidden"]);
    export("--all --seal sev-enclave:seal-key=seal.bin").run().ok();
    export(&format!("a --with-identity {simulated}")).run().failed(1).is("not-enrolled");
    export("a --seal sev-enclave:device")
        .run()
        .failed(1)
        .is("evidence")
        .says(&["/dev/sev-guest", "derived-key"]);
}

#[test]
fn options_of_one_form_are_mistakes_in_the_other() {
    let keys = Keys::new();
    keys.put("a", b"a");
    keys.write("f", [7; 32]);
    for line in [
        "export a --out o",
        "export --out o --to f",
        "export a --all --out o --to f",
        "export a --out o --seal simulated-enclave:f",
        "export a --out o --to f --format certifier",
        "export a --out o --to f --seal simulated-enclave:f --format certifier",
        "export a --out o --to f --algorithm aes-256-gcm",
        "export a --out o --to f --with-identity",
        "export a --out o --format certifier --seal simulated-enclave:f --policy-store p",
        "export a --out o --format certifier --seal simulated-enclave:f --algorithm aes-256-cbc-hmac-sha384",
        "export a --out o --format certifier --seal tpm-enclave:f",
        "export --all --version 1 --out o --format certifier --seal simulated-enclave:f",
        "import --in f",
        "import --in f --seal simulated-enclave:f",
        "import --in f --key f --format certifier",
        "import --in f --key f --salvage",
        "import --in f --key f --tag a",
        "import --in f --key f --policy-cert f",
        "import --in - --format certifier --seal simulated-enclave:-",
    ] {
        keys.call(line).run().failed(2).is("usage");
    }
    assert!(!keys.path("o").exists());
}

/// A machine's stores as its stock programs have them, beside `keys`; and what an import of one needs.
fn stock_machine(keys: &Keys, fleet: &Fleet, name: &str) -> String {
    let leaf = Leaf { algorithm: KeyAlgorithm::Rsa2048, ..Leaf::stock(MEASUREMENT) };
    let state = fleet.state_of(name, &fleet.authority().issue(&leaf));
    keys.write("cf.measurement", hex::decode(MEASUREMENT).unwrap());
    let put = command("key-client").args("cryptstore put disk-key --in -").with("--state-dir", &state);
    put.stdin(name.as_bytes()).run().ok();
    let export = command("key-client").current_dir(keys.dir.path());
    let line = format!("--out {name}.cs --policy-store {name}.ps --seal simulated-enclave:cf.measurement");
    let told = export.args("cryptstore export disk-key --format certifier --with-identity").args(&line);
    assert_eq!(told.with("--state-dir", &state).run().ok()["identity"], json!("dom1"));
    format!(
        "import --format certifier --seal simulated-enclave:cf.measurement --policy-cert {}",
        fleet.policy_cert.display()
    )
}

#[test]
fn a_stock_machine_s_identity_goes_on_with_our_agent() {
    let broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "dom1", "--algorithm rsa-2048 --format certifier");
    fleet.create_on(&broker, "members").ok();
    let keys = Keys::new();
    let import = stock_machine(&keys, &fleet, "vm");
    let told = keys.call(&import).args("--in vm.cs").run().ok();
    assert_eq!(tags(&told["items"]), [("disk-key", 1)]);
    assert_eq!((&told["identity"]["domain"], &told["left_out"]), (&json!("dom1"), &json!([])));
    assert_eq!(keys.get("disk-key"), b"vm");

    // At once, and without enrolling.
    let state = keys.path("state");
    fleet::store(&broker, &state, "shared", b"from ours").run().ok();
    let retrieved = fleet::retrieve(&broker, &state, "shared").args("--out -").run_text();
    assert_eq!(retrieved.stdout(), b"from ours");
    let status = command("key-client").arg("status").with("--state-dir", &state).run().ok();
    assert_eq!(status["domain"], json!("dom1"));

    // The policy store has the same identity; that of another machine isn't taken in its place.
    let told = keys.call(&import).args("--in vm.ps").run().ok();
    assert_eq!(told["identity"]["domain"], json!("dom1"));
    stock_machine(&keys, &fleet, "other");
    let before = keys.files();
    let refused = keys.call(&import).args("--in other.cs --as other-key").run();
    refused.failed(3).is("already-enrolled").says(&["dom1", "--policy-cert"]);
    assert!(keys.files() == before);
    // Nor one that the given policy certificate isn't for.
    let elsewhere = Fleet::generate(broker.dir(), "elsewhere", "--algorithm rsa-2048");
    let fresh = Keys::new();
    fresh.write("vm.cs", fs::read(keys.path("vm.cs")).unwrap());
    fresh.write("cf.measurement", hex::decode(MEASUREMENT).unwrap());
    let line = "import --format certifier --in vm.cs --seal simulated-enclave:cf.measurement";
    let refused = fresh.call(line).with("--policy-cert", &elsewhere.policy_cert).run();
    refused.failed(3).is("refused").says(&["no identity"]);
    assert_eq!(fresh.list(), []);
}
