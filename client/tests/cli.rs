//! key-client as it is run: what it prints, what it writes, how it ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use assert_cmd::Command;
use claviger_attest::Role;
use claviger_client::Address;
use claviger_client::state::StateDir;
use claviger_proto::limits::MAX_DATA;
use rustls_pki_types::UnixTime;
use serde_json::{Value, json};
use support::admission::{admit, platform};
use support::messages::broker;
use support::{Domain, measurement, serve, tls};

/// Runs `key-client` with this line, and this on its standard input.
fn run_with(dir: &Path, line: &str, input: &[u8]) -> Output {
    let mut command = Command::cargo_bin("key-client").unwrap();
    command.current_dir(dir).args(line.split_whitespace()).write_stdin(input);
    command.output().unwrap()
}

fn run(dir: &Path, line: &str) -> Output {
    run_with(dir, line, b"")
}

/// The error that a line ends with, told in JSON and nowhere else.
fn error_of(output: &Output, exit_status: i32, code: &str) -> String {
    assert_eq!(output.status.code(), Some(exit_status), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], code, "{error}");
    assert!(!error["error"]["next"].as_str().unwrap().is_empty());
    error["error"]["message"].as_str().unwrap().to_owned()
}

fn fails(dir: &Path, line: &str, exit_status: i32, code: &str) -> String {
    error_of(&run(dir, &format!("{line} --output json")), exit_status, code)
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// A directory in whose `state` a machine of this domain has enrolled.
fn machine(domain: &Domain) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    state.lock_or_make().unwrap().put_identity(&domain.agent(), 0).unwrap();
    dir
}

/// A broker for one connection.
async fn one_broker(domain: &Domain) -> Address {
    let name = domain.name.clone();
    serve(tls(&domain.leaf(Role::Broker), None), |stream| broker(name, stream)).await
}

/// Runs a line against a broker of the domain; `BROKER` in it stands for where that is.
async fn asked(domain: &Domain, dir: &Path, line: &str, input: &'static [u8]) -> Output {
    let at = format!("--broker {} --state-dir state --output json", one_broker(domain).await);
    let (dir, line) = (dir.to_owned(), format!("{line} {at}"));
    tokio::task::spawn_blocking(move || run_with(&dir, &line, input)).await.unwrap()
}

const NOWHERE: &str = "--broker 127.0.0.1:1 --state-dir state";

#[test]
fn mistakes_on_the_command_line_are_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let enroll = "enroll --domain fleet --policy-cert p --state-dir state";
    for line in [
        "",
        "frobnicate",
        &format!("retrieve {NOWHERE}"),
        "retrieve disk --broker nowhere --state-dir state",
        &format!("retrieve disk {NOWHERE} --version -1"),
        &format!("retrieve disk {NOWHERE} --version latest"),
        &format!("retrieve disk {NOWHERE} --out - --into-cryptstore x"),
        &format!("retrieve disk {NOWHERE} --format pem"),
        &format!("retrieve disk {NOWHERE} --out - --format der"),
        &format!("store disk {NOWHERE}"),
        &format!("store disk {NOWHERE} --in - --type two words"),
        &format!("{enroll} --admission b:8123 --evidence magic:x"),
        &format!("{enroll} --admission b:8123 --evidence simulated-enclave:"),
        "enroll --domain Fleet --policy-cert p --state-dir s --admission b:8123 --evidence simulated-enclave:x",
    ] {
        fails(dir.path(), line, 2, "usage");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn help_and_version_are_told() {
    let dir = tempfile::tempdir().unwrap();
    for (line, word) in [
        ("--help", "Exit codes:"),
        ("enroll --help", "Example"),
        ("store --help", "Examples"),
        ("retrieve --help", "Examples"),
        ("--version", "key-client"),
    ] {
        let output = run(dir.path(), line);
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains(word), "{line}");
    }
}

#[test]
fn before_enrolling_nothing_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let message = fails(dir.path(), &format!("retrieve disk {NOWHERE}"), 1, "not-enrolled");
    assert!(message.contains("state"), "{message}");
    let text = run(dir.path(), &format!("retrieve disk {NOWHERE}"));
    let text = String::from_utf8(text.stderr).unwrap();
    assert!(text.starts_with("error: this machine isn't enrolled") && text.contains("\n  next: "), "{text}");
    assert!(!dir.path().join("state").exists());
}

#[test]
fn t11_names_that_are_none_are_refused_before_anything_is_sent() {
    let dir = machine(&Domain::new("fleet"));
    fs::write(dir.path().join("secret"), "x").unwrap();
    let long = "n".repeat(256);
    for name in [&long, "a//b", "../x", "a/./b", "%2e%2e/x", "a*", "é", "/a"] {
        for line in [format!("retrieve {name}"), format!("store {name} --in secret")] {
            let message = fails(dir.path(), &format!("{line} {NOWHERE}"), 3, "invalid-name");
            assert!(message.starts_with("a resource name"), "{message}");
        }
    }
}

#[test]
fn t20_what_is_too_large_or_empty_is_not_sent() {
    let dir = machine(&Domain::new("fleet"));
    let line = format!("store disk {NOWHERE} --in - --output json");
    let message = error_of(&run_with(dir.path(), &line, &vec![1; MAX_DATA + 1]), 3, "too-large");
    assert!(message.contains("1048576 bytes"), "{message}");
    error_of(&run_with(dir.path(), &line, b""), 3, "malformed");
    error_of(&run_with(dir.path(), &line, &vec![1; MAX_DATA]), 8, "unreachable");
    fails(dir.path(), &format!("store disk {NOWHERE} --in missing"), 1, "file");
}

#[test]
fn enrolling_again_is_refused_before_anything_is_asked() {
    let domain = Domain::new("fleet");
    let dir = machine(&domain);
    fs::write(dir.path().join("policy.der"), domain.policy.der()).unwrap();
    let line = "enroll --domain fleet --policy-cert policy.der --admission 127.0.0.1:1 --state-dir state \
                --evidence simulated-enclave:x";
    let output = run(dir.path(), &format!("{line} --output json"));
    error_of(&output, 3, "already-enrolled");
    let next = json_of(&output.stderr)["error"]["next"].as_str().unwrap().to_owned();
    assert!(next.contains("renew") && next.contains("--replace"), "{next}");
    // Told to replace, it goes on: to a broker that isn't there, and the old identity stays.
    fails(dir.path(), &format!("{line} --replace"), 8, "unreachable");
    assert!(StateDir::new(dir.path().join("state")).identity().is_ok());
}

#[test]
fn an_enrolment_that_fails_leaves_nothing() {
    let domain = Domain::new("fleet");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("policy.der"), domain.policy.der()).unwrap();
    let line = "enroll --domain fleet --admission 127.0.0.1:1 --state-dir new --evidence simulated-enclave:x";
    fails(dir.path(), &format!("{line} --policy-cert policy.der"), 8, "unreachable");
    fs::write(dir.path().join("noise"), [7; 100]).unwrap();
    fails(dir.path(), &format!("{line} --policy-cert noise"), 3, "refused");
    fails(dir.path(), &format!("{line} --policy-cert missing"), 1, "file");
    assert!(!dir.path().join("new").exists());
}

#[tokio::test]
async fn an_enrolment_says_who_this_machine_is_now() {
    let domain = Arc::new(Domain::new("fleet"));
    let (platform, references) = platform();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("policy.der"), domain.policy.der()).unwrap();
    let leaf = domain.leaf(Role::Broker);
    let (config, certificate, of) = (tls(&leaf, None), leaf.certificate, domain.clone());
    let admission = serve(config, |stream| admit(of, certificate, references, stream)).await;
    let line = format!(
        "enroll --domain fleet --policy-cert policy.der --admission {admission} --state-dir state \
         --evidence simulated-enclave:{} --output json",
        platform.path().display()
    );
    let at = dir.path().to_owned();
    let output = tokio::task::spawn_blocking(move || run(&at, &line)).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let identity = StateDir::new(dir.path().join("state")).identity().unwrap();
    let peer = identity.verify(UnixTime::now()).unwrap();
    assert_eq!(
        json_of(&output.stdout),
        json!({
            "domain": "fleet",
            "measurement": measurement().to_string(),
            "certificate_fingerprint": hex::encode(peer.fingerprint()),
            "not_after": peer.not_after().as_secs(),
        })
    );
}

#[tokio::test]
async fn a_store_says_which_version_it_became() {
    let domain = Domain::new("fleet");
    let dir = machine(&domain);
    let output = asked(&domain, dir.path(), "store disk --in -", b"canary-secret").await;
    assert_eq!(json_of(&output.stdout), json!({"name": "disk", "version": 7}));
    assert!(output.stderr.is_empty());
}

#[tokio::test]
async fn a_retrieved_secret_goes_where_it_was_told_and_nowhere_else() {
    let domain = Domain::new("fleet");
    let dir = machine(&domain);
    let told = json!({"name": "disk", "version": 7, "type": "binary-blob"});
    let with = |into: Value| {
        let mut told = told.clone();
        told.as_object_mut().unwrap().extend(into.as_object().unwrap().clone());
        told
    };

    let output = asked(&domain, dir.path(), "retrieve disk --out -", b"").await;
    assert_eq!(output.stdout, b"secret", "the secret and nothing else");
    assert_eq!(json_of(&output.stderr), with(json!({"into": "-"})));

    let output = asked(&domain, dir.path(), "retrieve disk --out key", b"").await;
    assert_eq!(json_of(&output.stdout), with(json!({"into": "key"})));
    let file = dir.path().join("key");
    assert_eq!(fs::read(&file).unwrap(), b"secret");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let state = StateDir::new(dir.path().join("state"));
    assert!(state.load().unwrap().get("disk", None).is_none());

    let output = asked(&domain, dir.path(), "retrieve disk", b"").await;
    assert_eq!(json_of(&output.stdout), with(json!({"into": "cryptstore", "tag": "disk"})));
    let output = asked(&domain, dir.path(), "retrieve disk --into-cryptstore spare/disk", b"").await;
    assert_eq!(json_of(&output.stdout), with(json!({"into": "cryptstore", "tag": "spare/disk"})));
    for tag in ["disk", "spare/disk"] {
        assert_eq!(state.load().unwrap().get(tag, None).unwrap().blob.expose(), b"secret");
    }
}

#[tokio::test]
async fn a_refusal_or_a_misfit_writes_nothing() {
    let domain = Domain::new("fleet");
    let dir = machine(&domain);
    let output = asked(&domain, dir.path(), "retrieve forbidden --out key", b"").await;
    error_of(&output, 4, "not-found");
    let output = asked(&domain, dir.path(), "retrieve disk --out key --format pem", b"").await;
    assert!(error_of(&output, 3, "refused").contains("a blob without a known form can't be written as pem"));
    let output =
        asked(&domain, dir.path(), "retrieve disk --into-cryptstore fleet-private-auth-key", b"").await;
    error_of(&output, 3, "reserved-name");
    assert!(!dir.path().join("key").exists());
    fs::create_dir(dir.path().join("key")).unwrap();
    let output = asked(&domain, dir.path(), "retrieve disk --out key", b"").await;
    error_of(&output, 1, "file");
}

#[tokio::test]
async fn t06_a_broker_of_another_policy_is_refused_with_what_to_do() {
    let (domain, other) = (Domain::new("fleet"), Domain::new("fleet"));
    let dir = machine(&domain);
    let output = asked(&other, dir.path(), "store disk --in -", b"canary-secret").await;
    error_of(&output, 3, "broker-refused");
}
