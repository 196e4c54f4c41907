//! `key-client trace`: each way in which a machine gets no key has its own diagnosis, at its own step.

mod proof;

use std::net::SocketAddr;
use std::path::Path;

use claviger_attest::KeyAlgorithm;
use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, Leaf};
use claviger_tests::fleet::{Fleet, Machine, store};
use claviger_tests::programs::{Call, Run, command};
use serde_json::{Value, json};
use time::Duration;

fn start(preset: &str) -> (Broker, Fleet, Machine) {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", preset);
    let machine = fleet.admitted(&broker, "vm");
    (broker, fleet, machine)
}

fn trace(at: SocketAddr, state: &Path) -> Call {
    let call = command("key-client").arg("trace");
    call.with("--broker", at.to_string()).with("--state-dir", state)
}

fn trace_admission(at: SocketAddr, fleet: &Fleet) -> Call {
    let call = command("key-client").arg("trace").with("--admission", at.to_string());
    call.with("--domain", &fleet.name).with("--policy-cert", &fleet.policy_cert)
}

/// The outcome of each step that there was something to do in; how the command ended is that of the first that failed.
#[track_caller]
fn outcomes(run: &Run) -> Vec<(String, String)> {
    let told: Value = serde_json::from_slice(run.stdout()).unwrap_or_else(|_| panic!("{run}"));
    let steps = told["steps"].as_array().unwrap();
    assert_eq!(told["ok"], json!(run.code() == Some(0)), "{run}");
    let failed = steps.iter().find(|step| step["outcome"] == "failed");
    match failed {
        Some(step) => {
            let error: Value = serde_json::from_str(&run.stderr()).unwrap();
            assert_eq!(error["error"], step["error"], "{run}");
        }
        None => assert!(run.stderr().is_empty(), "{run}"),
    }
    for step in steps {
        assert_eq!(step["microseconds"].is_null(), step["outcome"] == "skipped", "{step}");
    }
    let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
    steps.iter().map(|step| (text(step, "step"), text(step, "outcome"))).collect()
}

/// Everything before this step is well, it failed with this code and these words, and the rest is skipped.
#[track_caller]
fn fails_at(run: &Run, step: &str, status: i32, code: &str, words: &[&str]) {
    assert_eq!(run.code(), Some(status), "{run}");
    let outcomes = outcomes(run);
    let at = outcomes.iter().position(|(_, outcome)| outcome == "failed").unwrap();
    assert_eq!(outcomes[at].0, step, "{run}");
    assert!(
        outcomes[..at].iter().all(|(name, outcome)| outcome == "ok" || name == "own-certificate"),
        "{run}"
    );
    assert!(outcomes[at + 1..].iter().all(|(_, outcome)| outcome == "skipped"), "{run}");
    let error: Value = serde_json::from_str(&run.stderr()).unwrap();
    assert_eq!(error["error"]["code"], code, "{run}");
    for word in words {
        assert!(run.stderr().contains(word), "{word}: {run}");
    }
}

fn details<'a>(told: &'a Value, step: &str) -> &'a Value {
    let steps = told["steps"].as_array().unwrap();
    &steps.iter().find(|other| other["step"] == step).unwrap()["details"]
}

#[test]
fn what_works_says_what_was_negotiated_and_decided() {
    let (broker, fleet, machine) = start("members");
    store(&broker, &machine.state, "disk", b"a secret").run().ok();
    let run = trace(broker.listen, &machine.state).arg("disk").run();
    let told = run.ok();
    assert!(
        outcomes(&run).iter().all(|(_, outcome)| outcome == "ok")
            && told["steps"].as_array().unwrap().len() == 9
    );
    assert_eq!(
        (&details(&told, "hello")["sni"], &details(&told, "hello")["alpn"]),
        (&json!("fleet"), &json!("claviger/1"))
    );
    let tls = details(&told, "tls");
    assert_eq!((&tls["version"], &tls["group"]), (&json!("TLSv1_3"), &json!("X25519MLKEM768")));
    assert_eq!(details(&told, "server-certificate")["role"], "broker");
    assert_eq!(details(&told, "identity")["measurement"], machine.measurement);
    let request = details(&told, "request");
    assert_eq!((&request["version"], &request["state"]), (&json!("1"), &json!("there")));
    assert!(!String::from_utf8_lossy(run.stdout()).contains("a secret"));
    // Without a name, and admission with what an unenrolled machine has, or an enrolled one.
    trace(broker.listen, &machine.state).run().ok();
    for call in [
        trace_admission(broker.admission, &fleet),
        command("key-client")
            .arg("trace")
            .with("--admission", broker.admission.to_string())
            .with("--state-dir", &machine.state),
    ] {
        let run = call.run();
        run.ok();
        let steps: Vec<_> = outcomes(&run).into_iter().map(|(step, _)| step).collect();
        assert_eq!(steps, ["resolve", "connect", "hello", "server-certificate", "tls", "service"]);
    }
    let text = trace(broker.listen, &machine.state).arg("disk").run_text();
    let text = String::from_utf8_lossy(text.stdout()).into_owned();
    assert_eq!(text.lines().count(), 9, "{text}");
    assert!(text.contains("TLS13_") && text.lines().all(|line| line.contains("  ok ")), "{text}");
}

#[test]
fn the_wrong_port_is_told_as_such_by_every_command() {
    let (broker, fleet, machine) = start("members");
    let hint = &["8120", "key service"];
    fails_at(&trace(broker.admission, &machine.state).arg("disk").run(), "service", 3, "wrong-port", hint);
    fails_at(&trace(broker.admission, &machine.state).run(), "service", 3, "wrong-port", hint);
    fails_at(
        &trace_admission(broker.listen, &fleet).run(),
        "service",
        3,
        "wrong-port",
        &["8123", "admission"],
    );
    // Neither: the page of its health.
    fails_at(&trace(broker.ops, &machine.state).run(), "hello", 1, "tls", &["port"]);

    let at = |line: &str| command("key-client").args(line).with("--state-dir", &machine.state);
    for line in ["retrieve a --out -", "store a --in -", "list", "show a", "delete a --all"] {
        let call = at(line).with("--broker", broker.admission.to_string()).stdin("x");
        call.run().failed(3).is("wrong-port").says(&["admission", "8120"]);
    }
    let new = fleet.machine("new");
    let evidence = format!("simulated-enclave:{}", new.platform.display());
    let enroll =
        command("key-client").args("enroll --domain fleet").with("--policy-cert", &fleet.policy_cert);
    let enroll = enroll.with("--admission", broker.listen.to_string()).with("--evidence", &evidence);
    enroll.with("--state-dir", &new.state).run().failed(3).is("wrong-port").says(&["key service", "8123"]);
    assert!(!new.state.exists());
    // The key service takes this machine's certificate, and would wait for what it has to say.
    let begun = std::time::Instant::now();
    let renew = at("renew").with("--evidence", evidence).with("--admission", broker.listen.to_string());
    renew.run().failed(3).is("wrong-port").says(&["key service", "8123"]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "it isn't waited for");
}

#[test]
fn who_answers_nowhere_or_not_at_all_is_told_at_its_step() {
    let (mut broker, fleet, machine) = start("members");
    let nowhere = command("key-client").args("trace --broker no-such-host.invalid:8120");
    let run = nowhere.with("--state-dir", &machine.state).run();
    fails_at(&run, "resolve", 8, "unreachable", &["no-such-host.invalid"]);
    broker.admin("seal").run().ok();
    fails_at(&trace(broker.listen, &machine.state).arg("disk").run(), "hello", 7, "sealed", &["unseal"]);
    fails_at(&trace_admission(broker.admission, &fleet).run(), "hello", 7, "sealed", &["unseal"]);
    broker.stop();
    fails_at(&trace(broker.listen, &machine.state).run(), "connect", 8, "unreachable", &[]);
}

#[test]
fn another_domain_is_told_apart_from_a_broker_of_another_policy() {
    let (broker, fleet, machine) = start("members");
    let absent = Fleet::generate(broker.dir(), "absent", "--algorithm p256");
    let state = absent.state_of("vm", &absent.member());
    fails_at(&trace(broker.listen, &state).run(), "hello", 3, "unknown-domain", &["absent"]);
    fails_at(&trace_admission(broker.admission, &absent).run(), "hello", 3, "unknown-domain", &["absent"]);
    // A domain of the same name, on another broker.
    let other = Broker::start();
    let twin = Fleet::create(&other, "fleet", "members");
    let run = trace(other.listen, &machine.state).run();
    fails_at(&run, "server-certificate", 3, "broker-refused", &["policy key"]);
    let told: Value = serde_json::from_slice(run.stdout()).unwrap();
    assert_eq!(details(&told, "server-certificate")["role"], "broker");
    let run = trace_admission(other.admission, &fleet).run();
    fails_at(&run, "server-certificate", 3, "broker-refused", &["policy key"]);
    trace_admission(other.admission, &twin).run().ok();
}

#[test]
fn who_is_not_admitted_or_not_any_more_is_told_so() {
    let (broker, fleet, _) = start("members");
    let leaf = Leaf::stock(&"ab".repeat(32));
    // Each is told by the machine itself, and the broker has the same word on the way on.
    let foreign = Authority::policy("fleet", KeyAlgorithm::P256, Duration::DAY).issue(&leaf);
    let expired = fleet.authority().issue(&Leaf { lifetime: -Duration::MINUTE, ..leaf.clone() });
    let early = fleet.authority().issue(&Leaf { starts_in: Duration::HOUR, ..leaf.clone() });
    for (label, own, code, word) in [
        ("foreign", foreign, "certificate-refused", "enroll"),
        ("expired", expired, "expired", "clock"),
        ("early", early, "not-yet-valid", "clock"),
    ] {
        let run = trace(broker.listen, &fleet.state_of(label, &own)).arg("disk").run();
        assert_eq!(run.code(), Some(3), "{run}");
        let outcomes = outcomes(&run);
        let failed: Vec<_> =
            outcomes.iter().filter(|(_, outcome)| outcome == "failed").map(|(step, _)| step).collect();
        assert_eq!(failed, ["identity", "own-certificate"], "{label}: {run}");
        let error: Value = serde_json::from_str(&run.stderr()).unwrap();
        assert_eq!(error["error"]["code"], code, "{run}");
        assert!(error["error"]["next"].as_str().unwrap().contains(word), "{run}");
    }
}

#[test]
fn what_is_denied_or_missing_is_one_answer_and_a_name_that_is_none_another() {
    let (broker, _fleet, machine) = start("closed");
    let denied = trace(broker.listen, &machine.state).arg("disk").run();
    fails_at(&denied, "request", 4, "not-found", &["acl preset"]);
    // Admitted it is all the same.
    trace(broker.listen, &machine.state).run().ok();
    broker.admin("acl preset --domain fleet members").run().ok();
    let missing = trace(broker.listen, &machine.state).arg("disk").run();
    fails_at(&missing, "request", 4, "not-found", &["acl preset"]);
    trace(broker.listen, &machine.state).arg("a//b").run().failed(3).is("invalid-name");
    store(&broker, &machine.state, "kept", b"x").arg("--not-exportable").run().ok();
    let told = trace(broker.listen, &machine.state).arg("kept").run().ok();
    assert!(details(&told, "request")["says"].as_str().unwrap().contains("not exportable"));
}

#[test]
fn what_a_trace_needs_is_asked_for() {
    for line in [
        "trace",
        "trace --broker 127.0.0.1:1",
        "trace --admission 127.0.0.1:1",
        "trace --admission 127.0.0.1:1 --domain fleet",
        "trace --admission 127.0.0.1:1 --broker 127.0.0.1:1 --state-dir x",
        "trace a --admission 127.0.0.1:1 --state-dir x",
    ] {
        command("key-client").args(line).run().failed(2).is("usage");
    }
}
