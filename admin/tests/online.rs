//! The commands that ask a broker, against one that plays back an answer: what they send, what they make of
//! what comes back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Output;
use std::thread::{JoinHandle, spawn};

use assert_cmd::Command;
use claviger_proto::key::{read_private, read_public};
use serde_json::{Value, json};

/// One request, as it came.
struct Heard {
    line: String,
    body: Vec<u8>,
}

/// Answers one request.
fn broker(dir: &Path, status: u16, answer: &Value) -> JoinHandle<Heard> {
    let listener = UnixListener::bind(dir.join("admin.sock")).unwrap();
    let answer = if answer.is_null() { String::new() } else { answer.to_string() };
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
    spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            if header == "\r\n" {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        Heard { line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(), body }
    })
}

fn run(dir: &Path, line: &str) -> Output {
    let mut command = Command::cargo_bin("key-admin").unwrap();
    command.env("CLAVIGER_ADMIN_SOCKET", "admin.sock").current_dir(dir).args(line.split_whitespace());
    command.output().unwrap()
}

/// Runs a command against one answer; gives what the broker heard and what the command said.
fn asked(dir: &Path, line: &str, status: u16, answer: &Value) -> (Heard, Output) {
    let _ = fs::remove_file(dir.join("admin.sock"));
    let broker = broker(dir, status, answer);
    let output = run(dir, &format!("{line} --output json"));
    (broker.join().unwrap(), output)
}

fn domain() -> Value {
    json!({
        "name": "fleet", "preset": "closed", "policy_fingerprint": "ab", "policy_not_after": 2_000_000_000,
        "policy_key_held_by": "broker", "broker_certificate_not_after": 1_900_000_000, "references": 0,
        "created": 1_800_000_000
    })
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_domain_is_created_with_its_key_and_certificate() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        run(dir.path(), "policy-key generate --domain fleet --algorithm p256 --out-dir p").status.success()
    );
    let create = "domain create fleet --policy-key p/policy-key.pem --preset members";
    let (heard, output) = asked(dir.path(), create, 201, &domain());
    assert_eq!(heard.line, "POST /v1/domains");
    assert_eq!(json_of(&output)["name"], "fleet");
    let body: Value = serde_json::from_slice(&heard.body).unwrap();
    let (key, _) = read_private(&fs::read(dir.path().join("p/policy-key.pem")).unwrap()).unwrap();
    assert_eq!(body["policy_key"], hex::encode(key.pkcs8_der()));
    assert_eq!((&body["name"], &body["preset"]), (&"fleet".into(), &"members".into()));
}

#[test]
fn t23_of_a_private_root_only_the_public_half_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run(dir.path(), "simulated init m").status.success());
    let file = fs::read(dir.path().join("m/platform_key_file.bin")).unwrap();
    let measurement = "11".repeat(32);
    let reference = json!({"kind": "simulated-enclave", "measurement": measurement, "label": "deployment", "roots": ["ab"]});
    let add = format!(
        "trust add --domain fleet --kind simulated-enclave --measurement {measurement} --label deployment \
         --attest-root m/platform_key_file.bin"
    );
    let (heard, output) = asked(dir.path(), &add, 201, &reference);
    assert_eq!(heard.line, "POST /v1/domains/fleet/references");
    assert_eq!(json_of(&output), reference);
    let body: Value = serde_json::from_slice(&heard.body).unwrap();
    assert_eq!(body["attest_root"], hex::encode(read_public(&file).unwrap().spki_der()));
    let (private, _) = read_private(&file).unwrap();
    let secret = hex::encode(&private.pkcs8_der()[private.pkcs8_der().len() - 32..]);
    assert!(!String::from_utf8(heard.body).unwrap().contains(&secret));
}

#[test]
fn each_command_asks_for_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let measurement = "11".repeat(32);
    let status = json!({
        "version": "0.1.0", "state": "ready", "broker_id": "b", "domains": 1, "shards": 2, "connections": 0
    });
    let remove = format!("trust remove --domain fleet --kind simulated-enclave --measurement {measurement}");
    let removed = format!("DELETE /v1/domains/fleet/references/simulated-enclave/{measurement}");
    for (line, heard_line, answer) in [
        ("status", "GET /v1/status", status),
        ("domain list", "GET /v1/domains", json!([domain()])),
        ("domain show fleet", "GET /v1/domains/fleet", domain()),
        ("domain delete fleet", "DELETE /v1/domains/fleet", Value::Null),
        ("trust list --domain fleet", "GET /v1/domains/fleet/references", json!([])),
        (&remove, &removed, Value::Null),
        ("acl preset --domain fleet provisioned", "PUT /v1/domains/fleet/acl-preset", domain()),
        ("seal", "POST /v1/seal", json!({"state": "sealed"})),
        ("unseal --forget-shares", "DELETE /v1/unseal/shares", json!({"state": "sealed"})),
    ] {
        let (heard, output) = asked(dir.path(), line, 200, &answer);
        assert_eq!(heard.line, heard_line);
        assert!(json_of(&output).is_object(), "{line}");
    }
}

#[test]
fn what_unseals_is_sent_as_it_is_in_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let ready = json!({"state": "ready"});
    let file = |name: &str, content: &[u8]| fs::write(dir.path().join(name), content).unwrap();
    file("passphrase", b"correct horse\r\n");
    file("key", &[0, 1, 2, b'\n']);
    file("share", b"claviger-share-1-\n");
    for (option, kind, sent) in [
        ("--passphrase-file passphrase", "passphrase", &b"correct horse"[..]),
        ("--key-file key", "key", &[0, 1, 2, b'\n']),
        ("--share-file share", "share", b"claviger-share-1-\n"),
    ] {
        let (heard, output) = asked(dir.path(), &format!("unseal {option}"), 200, &ready);
        assert_eq!(heard.line, "POST /v1/unseal");
        assert_eq!(json_of(&output), ready);
        let body: Value = serde_json::from_slice(&heard.body).unwrap();
        assert_eq!(body, json!({kind: hex::encode(sent)}));
    }
    let (_, output) = asked(
        dir.path(),
        "unseal --share-file share",
        200,
        &json!({"state": "sealed", "shares": {"have": 2, "needed": 3}}),
    );
    assert_eq!(json_of(&output)["shares"]["have"], 2);
}

#[test]
fn an_entry_is_imported_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("key"), [7; 64]).unwrap();
    let answer = json!({"domain": "fleet", "name": "disk", "version": 3});
    let import = "entry import disk --domain fleet --in key --type my-type --version 3 --not-exportable";
    let (heard, output) = asked(dir.path(), import, 201, &answer);
    assert_eq!(heard.line, "POST /v1/domains/fleet/entries");
    assert_eq!(json_of(&output), answer);
    let body: Value = serde_json::from_slice(&heard.body).unwrap();
    let sent = json!({
        "name": "disk", "entry_type": "my-type", "version": 3, "exportable": false, "blob": "07".repeat(64)
    });
    assert_eq!(body, sent);
}

#[test]
fn a_refusal_keeps_its_code_its_exit_status_and_its_words() {
    let dir = tempfile::tempdir().unwrap();
    for (status, code, exit_status) in
        [(404, "not-found", 4), (409, "conflict", 5), (503, "sealed", 7), (400, "refused", 3)]
    {
        let problem = json!({"status": status, "code": code, "title": "kind", "detail": "no such domain"});
        let (_, output) = asked(dir.path(), "domain show fleet", status, &problem);
        assert_eq!(output.status.code(), Some(exit_status));
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(
            (&error["error"]["code"], &error["error"]["message"]),
            (&code.into(), &"no such domain".into())
        );
    }
}

#[test]
fn an_audit_with_findings_is_a_failure_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for (ok, exit_status) in [(true, 0), (false, 1)] {
        let findings = if ok { json!([]) } else { json!(["record 3 of 1-0 doesn't open"]) };
        let report = json!({
            "domain": "fleet", "ok": ok, "records": 4, "checkpoints": 1, "findings": findings,
            "segments": [{"id": "1-0", "records": 4, "ok": ok}]
        });
        let (heard, output) = asked(dir.path(), "audit verify --domain fleet", 200, &report);
        assert_eq!(heard.line, "POST /v1/domains/fleet/audit/verify");
        assert_eq!(output.status.code(), Some(exit_status));
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), report);
    }
}

#[test]
fn what_isn_t_our_api_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for (status, answer) in [(200, json!("hello")), (502, json!("no JSON of ours")), (200, Value::Null)] {
        let (_, output) = asked(dir.path(), "status", status, &answer);
        assert_eq!(output.status.code(), Some(1));
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["code"], "protocol");
    }
}

#[test]
fn a_value_that_was_kept_before_lengths_were_looked_at_is_named_with_what_removes_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("fleet.toml"), "format = 1\n").unwrap();
    let value = "ab".repeat(32);
    let policy = json!({"format": 1, "measurement": [{"kind": "sev-snp", "value": value, "label": "web"}]});
    let shown = json!({
        "domain": "fleet", "revision": 3, "milan": "refused", "warnings": [], "policy": policy,
    });
    for line in ["policy apply fleet.toml --domain fleet", "policy diff fleet.toml --domain fleet"] {
        // The only request: nothing is put in force.
        let (heard, output) = asked(dir.path(), line, 200, &shown);
        assert!(heard.line.starts_with("GET "), "{}", heard.line);
        assert_eq!(output.status.code(), Some(5), "{line}");
        let said = String::from_utf8(output.stderr).unwrap();
        let remove = format!("key-admin trust remove --domain fleet --kind sev-snp --measurement {value}");
        assert!(said.contains(&format!("trusts sev-snp {value}")) && said.contains(&remove), "{said}");
    }
    // What can't be any broker's isn't compared, so that another policy can be put in its place.
    let mut of_broker = shown.clone();
    of_broker["policy"] = json!({"format": 1, "broker": [{"kind": "sev-snp", "value": value}]});
    let (_, output) = asked(dir.path(), "policy diff fleet.toml --domain fleet", 200, &of_broker);
    assert!(output.status.success(), "{output:?}");
    let (_, output) = asked(dir.path(), "policy show --domain fleet", 200, &shown);
    assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains(&value));
}
