//! Policies, policy keys and certificates of the stock Certifier Framework: what it wrote is read, what is written it reads.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use claviger_attest::{PolicyFile, TrustPolicy};
use claviger_proto::certifier_policy::read_anchors;
use claviger_proto::key::{read_certificate, read_private};
use serde_json::Value;

/// When all that was captured is valid.
const AT: &str = "--at 2026-12-11T14:40:00Z";
const IMPORT: &str = "policy import policy.bin --domain dom0 --policy-cert policy_cert.der";
const PROVE: &str = "policy prove policy.bin --domain dom0 --policy-cert policy_cert.der";

/// A directory with what was captured.
fn captured() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stock")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    dir
}

fn run(dir: &Path, line: &str) -> Output {
    let mut command = Command::cargo_bin("key-admin").unwrap();
    command.env_remove("CLAVIGER_ADMIN_SOCKET").current_dir(dir).args(line.split_whitespace());
    command.output().unwrap()
}

fn succeeds(dir: &Path, line: &str) -> Value {
    let output = run(dir, &format!("{line} --output json"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(dir: &Path, line: &str) -> String {
    let output = run(dir, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn fails(dir: &Path, line: &str, exit_status: i32, says: &str) {
    let output = run(dir, line);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit_status), "{line}: {stderr}");
    assert!(stderr.contains(says) && output.stdout.is_empty(), "{line}: {stderr}");
}

fn policy(text: &str) -> TrustPolicy {
    let file: PolicyFile = toml::from_str(text).unwrap();
    TrustPolicy::from_file(file).unwrap()
}

/// Another domain's policy key, in stock form, and a policy file.
fn fleet(dir: &Path) {
    succeeds(
        dir,
        "policy-key generate --domain fleet --algorithm rsa-2048 --format certifier --out-dir fleet",
    );
    succeeds(dir, "simulated init machine");
    let measurement = hex::encode(fs::read(dir.join("machine/cf_utility.measurement")).unwrap());
    let table = format!(
        "format = 1\n[[measurement]]\nkind = \"simulated-enclave\"\nvalue = \"{measurement}\"\nlabel = \"web\"\n\
         roots = [\"machine/platform_key_file.bin\"]\n"
    );
    fs::write(dir.join("fleet.toml"), table).unwrap();
}

#[test]
fn an_import_is_told_claim_by_claim_and_written_as_a_policy_file() {
    let dir = captured();
    let told = succeeds(dir.path(), &format!("{IMPORT} {AT}"));
    assert_eq!(told["claims"].as_array().unwrap().len(), 5);
    assert_eq!(told["claims"][1]["becomes"], "a trusted measurement of kind simulated-enclave");
    assert_eq!(told["written"], Value::Null);
    let says = text(dir.path(), &format!("{IMPORT} {AT}"));
    assert!(says.contains("  3: Key[rsa, policyKey, aa5c") && says.contains("nothing was written"), "{says}");

    text(dir.path(), &format!("{IMPORT} {AT} --out dom0.toml"));
    let written = fs::read_to_string(dir.path().join("dom0.toml")).unwrap();
    assert!(written.starts_with("# domain dom0, from a stock policy of 5 claims\n"));
    assert_eq!(policy(&written), policy(told["policy"].as_str().unwrap()));
    assert_eq!(policy(&written).references.len(), 2);
    fails(dir.path(), &format!("{IMPORT} {AT} --out dom0.toml"), 3, "exists");
    let aside = run(dir.path(), &format!("{IMPORT} {AT} --out -"));
    assert_eq!(String::from_utf8(aside.stdout).unwrap(), written);
    let warnings = String::from_utf8(aside.stderr).unwrap();
    assert!(warnings.contains("warning: tcb-version: = 3458764513820573973"), "{warnings}");
}

#[test]
fn an_import_is_all_or_nothing() {
    let dir = captured();
    let good = fs::read(dir.path().join("policy.bin")).unwrap();
    let last = good.len() - 1;
    let mut signature = good.clone();
    signature[last] ^= 1;
    let import = IMPORT.replace("policy.bin", "bad.bin");
    for (bytes, says) in [
        (signature, "claim 5: its signature doesn't verify"),
        ([good.as_slice(), b"\0"].concat(), "it isn't a sequence of signed claims"),
        (b"garbage".to_vec(), "it isn't a sequence of signed claims"),
        (Vec::new(), "it has 0 claims"),
    ] {
        fs::write(dir.path().join("bad.bin"), bytes).unwrap();
        fails(dir.path(), &format!("{import} {AT} --out bad.toml"), 3, says);
        assert!(!dir.path().join("bad.toml").exists());
    }
    let late = "--at 2027-12-04T00:00:00Z";
    fails(dir.path(), &format!("{IMPORT} {late}"), 3, "claim 1: it expired at 2027-12-03T05:57:45Z");
    fails(dir.path(), &format!("{IMPORT} --at 2026-11-24T05:57:44Z"), 3, "isn't valid before");
    fails(dir.path(), &format!("{} {AT}", IMPORT.replace("dom0", "dom1")), 3, "of domain dom0, not of dom1");
    fails(dir.path(), &format!("{IMPORT} {AT} --apply"), 2, "cannot be used with");
    fails(dir.path(), &format!("{IMPORT} --dry-run"), 2, "--apply");
}

#[test]
fn what_is_exported_is_a_stock_policy() {
    let dir = tempfile::tempdir().unwrap();
    fleet(dir.path());
    let export = "policy export --format certifier --domain fleet --policy-key fleet/policy_key_file.bin --file fleet.toml";
    let told = succeeds(dir.path(), &format!("{export} --out policy.bin --days 30"));
    assert_eq!(told["claims"].as_array().unwrap().len(), 2);
    assert!(told["warnings"].as_array().unwrap().iter().any(|w| w.as_str().unwrap().contains("labels")));
    let import = "policy import policy.bin --domain fleet --policy-cert fleet/policy_cert_file.bin";
    let again = succeeds(dir.path(), import);
    assert_eq!(again["claims"][0]["says"], told["claims"][0]["says"]);
    assert_eq!(policy(again["policy"].as_str().unwrap()).references.len(), 1);
    fails(dir.path(), &format!("{export} --out policy.bin"), 3, "exists");
    fails(dir.path(), &format!("{export} --out none.bin --kind sev-snp"), 3, "nothing that can be exported");
    let strict =
        fs::read_to_string(dir.path().join("fleet.toml")).unwrap() + "[instance]\ndemand = \"ticket\"\n";
    fs::write(dir.path().join("fleet.toml"), strict).unwrap();
    fails(dir.path(), &format!("{export} --out none.bin"), 3, "would admit more");
    assert!(!dir.path().join("none.bin").exists());
    let wider = run(dir.path(), &format!("{export} --out wider.bin --wider"));
    assert!(String::from_utf8_lossy(&wider.stderr).contains("warning: instance.demand is"));
    let ours = "policy-key generate --domain fleet --out-dir ours";
    succeeds(dir.path(), ours);
    let export = export.replace("fleet/policy_key_file.bin", "ours/policy-key.pem");
    fails(dir.path(), &format!("{export} --out none.bin --wider"), 3, "under RSA keys only");
}

#[test]
fn a_proof_is_told_step_by_step() {
    let dir = captured();
    for (evidence, rules) in [
        ("simulated_rsa2048.request.frame", &[3, 5, 5, 6, 1][..]),
        ("sev_rsa2048.request.frame", &[3, 5, 5, 5, 6, 3, 8, 9, 10, 6, 1]),
    ] {
        let told = succeeds(dir.path(), &format!("{PROVE} {AT} --evidence {evidence}"));
        let steps = told["steps"].as_array().unwrap();
        assert_eq!(steps.iter().map(|step| step["rule"].as_i64().unwrap()).collect::<Vec<_>>(), rules);
        assert_eq!(told["proven"], steps.last().unwrap()["conclusion"]);
        let says = text(dir.path(), &format!("{PROVE} {AT} --evidence {evidence}"));
        assert!(says.contains("\nstep 1:\n") && says.contains("    imply via rule 1\n"), "{says}");
    }
    // Without the length before it, it is the same request.
    let frame = fs::read(dir.path().join("simulated_rsa2048.request.frame")).unwrap();
    fs::write(dir.path().join("body"), &frame[4..]).unwrap();
    let attestation = succeeds(dir.path(), &format!("{PROVE} {AT} --evidence body --purpose attestation"));
    assert!(attestation["proven"].as_str().unwrap().ends_with("is-trusted-for-attestation"));
    fails(dir.path(), &format!("{PROVE} {AT} --evidence bad_signature.request.frame"), 6, "not proven");
    fails(dir.path(), &format!("{PROVE} {AT} --evidence policy.bin"), 3, "no request with evidence");
    fails(dir.path(), &format!("{PROVE} --at 2028-01-01T00:00:00Z --evidence body"), 3, "expired");
}

#[test]
fn a_policy_key_is_converted_both_ways_and_stays_the_same() {
    let dir = captured();
    succeeds(dir.path(), "policy-key convert --policy-key policy_key.key_message.pb --out-dir ours");
    let back = "policy-key convert --policy-key ours/policy-key.pem --format certifier --out-dir stock";
    let told = succeeds(dir.path(), back);
    assert_eq!((&told["domain"], &told["algorithm"]), (&"dom0".into(), &"rsa-2048".into()));
    let bytes = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_eq!(bytes("stock/policy_key_file.bin"), bytes("policy_key.key_message.pb"));
    assert_eq!(bytes("stock/policy_cert_file.bin"), bytes("policy_cert.der"));
    let (key, none) = read_private(&bytes("ours/policy-key.pem")).unwrap();
    assert!(none.is_none());
    assert!(key.pkcs8_der() == read_private(&bytes("policy_key.key_message.pb")).unwrap().0.pkcs8_der());
    assert_eq!(read_certificate(&bytes("ours/policy-cert.pem")).unwrap(), bytes("policy_cert.der"));

    succeeds(dir.path(), "policy-key generate --domain other --algorithm ed25519 --out-dir other");
    let ed = "policy-key convert --policy-key other/policy-key.pem --format certifier --out-dir none";
    fails(dir.path(), ed, 2, "no Ed25519 keys");
    let mixed =
        "policy-key convert --policy-key other/policy-key.pem --policy-cert policy_cert.der --out-dir none";
    fails(dir.path(), mixed, 3, "of another key");
    assert!(!dir.path().join("none").exists());
}

#[test]
fn every_form_of_a_policy_key_and_certificate_signs() {
    let dir = captured();
    succeeds(dir.path(), "policy-key convert --policy-key policy_key.key_message.pb --out-dir ours");
    fleet(dir.path());
    let anchors = "policy-key anchors fleet/policy_cert_file.bin ours/policy-cert.pem --out anchors.bin";
    succeeds(dir.path(), anchors);
    let files = [
        "--policy-key policy_key.key_message.pb",
        "--policy-key policy_key.key_message.pb --policy-cert policy_cert.der",
        "--policy-key ours/policy-key.pem",
        "--policy-key ours/policy-key.pem --policy-cert policy_key.key_message.pb",
        "--policy-key ours/policy-key.pem --policy-cert trust_anchors.buffer_sequence.pb",
        "--policy-key ours/policy-key.pem --policy-cert anchors.bin",
    ];
    for (at, files) in files.into_iter().enumerate() {
        let export = "policy export --format certifier --domain dom0 --file fleet.toml";
        succeeds(dir.path(), &format!("{export} {files} --out {at}.bin"));
        let import = format!("policy import {at}.bin --domain dom0 --policy-cert anchors.bin");
        assert_eq!(succeeds(dir.path(), &import)["claims"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn of_several_anchors_the_one_of_the_domain_is_meant() {
    let dir = captured();
    fleet(dir.path());
    let join = "policy-key anchors trust_anchors.buffer_sequence.pb fleet/policy_key_file.bin";
    let told = succeeds(dir.path(), &format!("{join} --out anchors.bin"));
    let domains: Vec<_> =
        told["certificates"].as_array().unwrap().iter().map(|it| it["domain"].clone()).collect();
    assert_eq!(domains, ["dom0", "fleet"]);
    assert_eq!(read_anchors(&fs::read(dir.path().join("anchors.bin")).unwrap()).unwrap().len(), 2);
    assert_eq!(succeeds(dir.path(), "policy-key anchors anchors.bin")["certificates"], told["certificates"]);
    let import = IMPORT.replace("policy_cert.der", "anchors.bin");
    succeeds(dir.path(), &format!("{import} {AT}"));
    let none = import.replace("dom0", "dom1");
    fails(dir.path(), &format!("{none} {AT}"), 3, "none of those that the file holds is domain dom1's");
    let convert =
        "policy-key convert --policy-key policy_key.key_message.pb --policy-cert anchors.bin --out-dir none";
    fails(dir.path(), convert, 3, "nothing says which is meant");
    fails(dir.path(), &format!("{join} anchors.bin --out none.bin"), 3, "is there twice");

    succeeds(dir.path(), "policy-key generate --domain dom0 --algorithm p256 --out-dir again");
    let both = "policy-key anchors policy_cert.der again/policy-cert.pem --out both.bin";
    assert!(!succeeds(dir.path(), both)["warnings"].as_array().unwrap().is_empty());
    let import = IMPORT.replace("policy_cert.der", "both.bin");
    fails(dir.path(), &format!("{import} {AT}"), 3, "several of domain dom0");
}
