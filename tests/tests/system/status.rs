//! `key-client status`: who a machine is, without the network.

use std::path::Path;

use claviger_attest::KeyAlgorithm;
use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, Leaf};
use claviger_tests::fleet::Fleet;
use claviger_tests::programs::{Run, command};
use serde_json::{Value, json};
use time::Duration;

fn status(state: &Path) -> Run {
    command("key-client").arg("status").with("--state-dir", state).run()
}

/// It tells on standard output what it found, and ends with 3 and this code.
#[track_caller]
fn is_not_good(run: &Run, code: &str) {
    assert_eq!(run.code(), Some(3), "{run}");
    let told: Value = serde_json::from_slice(run.stdout()).unwrap();
    let error: Value = serde_json::from_str(&run.stderr()).unwrap();
    assert_eq!((&told["state"], &error["error"]["code"]), (&json!(code), &json!(code)), "{run}");
    assert!(told["certificate"]["not_after"].is_i64() && error["error"]["next"].is_string());
}

#[test]
fn a_machine_says_who_it_is_and_what_it_keeps_though_the_broker_is_away() {
    let mut broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let machine = fleet.admitted(&broker, "vm");
    broker.stop();
    let cryptstore = |line: &str| {
        command("key-client").arg("cryptstore").args(line).with("--state-dir", &machine.state).run().ok()
    };
    for line in ["generate a --kind aes-256", "generate a --kind aes-256", "generate b --kind ed25519"] {
        cryptstore(line);
    }
    let told = status(&machine.state).ok();
    assert_eq!((&told["state"], &told["domain"]), (&json!("valid"), &json!("fleet")));
    assert_eq!((&told["items"], &told["versions"]), (&json!(2), &json!(3)));
    assert_eq!(told["policy"]["fingerprint"], hex::encode(fleet.policy.fingerprint()));
    assert_eq!(told["certificate"]["measurement"], machine.measurement);
    let date = |key: &str| told["certificate"][key].as_i64().unwrap();
    let (life, due) = (date("not_after") - date("not_before"), told["due"].as_i64().unwrap());
    assert_eq!(date("not_after") - due, life / 3);
    let key = format!("file:{}", machine.state.join("slot.key").display());
    assert_eq!(told["slots"], json!([key]));
    let text = command("key-client").arg("status").with("--state-dir", &machine.state).run_text();
    let text = String::from_utf8_lossy(text.stdout()).into_owned();
    assert!(text.contains("member of domain fleet: valid") && text.contains("2 items, 3 versions"), "{text}");
}

#[test]
fn what_is_wrong_with_a_certificate_has_a_code_of_its_own() {
    let broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "fleet", "--algorithm p256");
    let leaf = Leaf::stock(&"ab".repeat(32));
    let state = |label: &str, leaf: &Leaf| fleet.state_of(label, &fleet.authority().issue(leaf));
    assert_eq!(status(&state("good", &leaf)).ok()["state"], "valid");
    let due = Leaf { lifetime: Duration::minutes(2), ..leaf.clone() };
    assert_eq!(status(&state("due", &due)).ok()["state"], "due");
    let expired = Leaf { lifetime: -Duration::MINUTE, ..leaf.clone() };
    is_not_good(&status(&state("expired", &expired)), "expired");
    let foreign = Authority::policy("fleet", KeyAlgorithm::P256, Duration::DAY).issue(&leaf);
    is_not_good(&status(&fleet.state_of("foreign", &foreign)), "certificate-refused");
    let early = Leaf { starts_in: Duration::HOUR, ..leaf.clone() };
    is_not_good(&status(&state("early", &early)), "not-yet-valid");
    let policy = Authority::policy("old", KeyAlgorithm::P256, -Duration::MINUTE);
    let old = Fleet::of(broker.dir(), "old", &policy);
    is_not_good(&status(&old.state_of("vm", &policy.issue(&leaf))), "policy-expired");
}

#[test]
fn a_cryptstore_without_an_identity_is_no_fault_and_nothing_at_all_is_one() {
    let dir = tempfile::tempdir().unwrap();
    status(&dir.path().join("nothing")).failed(1).is("not-enrolled");
    let state = dir.path().join("state");
    command("key-client").args("cryptstore init").with("--state-dir", &state).run().ok();
    let told = status(&state).ok();
    assert_eq!(
        (&told["state"], &told["domain"], &told["items"]),
        (&json!("not-enrolled"), &Value::Null, &json!(0))
    );
}
