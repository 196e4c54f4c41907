//! `key-admin measure`: what it writes, what it says, what it refuses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../attest/tests/firmware/mod.rs"]
mod firmware;

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use claviger_attest::{PolicyFile, TrustPolicy};
use firmware::Image;
use serde_json::Value;
use tempfile::TempDir;

const PLAIN: &str = "measure snp --ovmf ovmf --vcpus 4 --vcpu-type EPYC-v4";
const BOOT: &str = "measure snp --ovmf ovmf --kernel kernel --initrd initrd --vcpus 4 --vcpu-type EPYC-v4";

fn desk() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ovmf"), Image::default().build()).unwrap();
    fs::write(dir.path().join("old"), Image::without_kernel_hashes().build()).unwrap();
    fs::write(dir.path().join("kernel"), b"a kernel").unwrap();
    fs::write(dir.path().join("initrd"), b"an initrd").unwrap();
    dir
}

fn key_admin(dir: &Path, line: &str) -> Output {
    let mut command = Command::cargo_bin("key-admin").unwrap();
    command
        .env_remove("CLAVIGER_ADMIN_SOCKET")
        .current_dir(dir)
        .args(line.split_whitespace())
        .output()
        .unwrap()
}

fn told(dir: &Path, line: &str) -> Value {
    let output = key_admin(dir, &format!("{line} --output json"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Gives the error's message.
#[track_caller]
fn fails(dir: &Path, line: &str, exit_status: i32, code: &str) -> String {
    let output = key_admin(dir, &format!("{line} --output json"));
    assert_eq!(
        output.status.code(),
        Some(exit_status),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stdout.is_empty());
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], code, "{error}");
    error["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn several_counts_and_types_are_measured_at_once() {
    let dir = desk();
    let one = |line: &str| told(dir.path(), line)["measurements"][0]["measurement"].clone();
    let line = "measure snp --ovmf ovmf --vcpus 1,2,1 --vcpu-type EPYC-v4,epyc-milan";
    let all = told(dir.path(), line);
    let all = all["measurements"].as_array().unwrap();
    assert_eq!(all.len(), 4, "each once");
    for each in all {
        let (vcpus, vcpu_type) = (&each["vcpus"], each["vcpu_type"].as_str().unwrap());
        let line = format!("measure snp --ovmf ovmf --vcpus {vcpus} --vcpu-type {vcpu_type}");
        assert_eq!(each["measurement"], one(&line));
        assert_eq!(each["guest_features"], "0x1");
    }
    let text = String::from_utf8(key_admin(dir.path(), line).stdout).unwrap();
    assert_eq!(text.lines().count(), 5);
    assert!(text.starts_with("VCPUS  VCPU-TYPE   MEASUREMENT\n1      EPYC-v4     "), "{text}");
    assert_ne!(one(BOOT), one(PLAIN));
    assert_ne!(one(BOOT), one(&format!("{BOOT} --append -quiet")));
}

#[test]
fn a_policy_file_is_written_whole_and_never_over_another() {
    let dir = desk();
    let line = format!("{BOOT} --append quiet --label web --write-policy policy.toml");
    let measured = told(dir.path(), &line);
    assert_eq!(measured["policy"], "policy.toml");
    let digest = measured["measurements"][0]["measurement"].as_str().unwrap();
    let policy = fs::read_to_string(dir.path().join("policy.toml")).unwrap();
    let table = format!(
        "[[measurement]]\n# 4 vCPUs of type EPYC-v4, guest features 0x1\nkind = \"sev-snp\"\nvalue = \"{digest}\"\nlabel = \"web\"\n"
    );
    assert!(policy.ends_with(&format!("\nformat = 1\n\n{table}")), "{policy}");
    let file: PolicyFile = toml::from_str(&policy).unwrap();
    let read = TrustPolicy::from_file(file).unwrap();
    let values: Vec<_> = read.references.iter().map(|value| value.measurement().to_string()).collect();
    assert_eq!(values, [digest]);
    assert!(policy.contains("#   command line \"quiet\"\n"));
    fails(dir.path(), &line, 3, "exists");
    assert_eq!(fs::read_to_string(dir.path().join("policy.toml")).unwrap(), policy);

    // To append to one: the tables alone, with the result aside for who wants it.
    let beside = key_admin(dir.path(), &line.replace("policy.toml", "- --output json"));
    assert_eq!(String::from_utf8(beside.stdout).unwrap(), table);
    let aside: Value = serde_json::from_slice(&beside.stderr).unwrap();
    assert_eq!(aside["measurements"], measured["measurements"]);
    assert!(key_admin(dir.path(), &line.replace("policy.toml", "-")).stderr.is_empty());
}

#[test]
fn what_a_file_is_called_can_t_become_a_line_of_the_policy() {
    let dir = desk();
    let name = "ovmf\nformat = 2";
    fs::rename(dir.path().join("ovmf"), dir.path().join(name)).unwrap();
    let mut command = Command::cargo_bin("key-admin").unwrap();
    let rest = "--vcpus 1 --vcpu-type EPYC --write-policy p".split(' ');
    let run = command.current_dir(dir.path()).args(["measure", "snp", "--ovmf", name]).args(rest);
    run.assert().success();
    let policy = fs::read_to_string(dir.path().join("p")).unwrap();
    assert!(!policy.contains("\nformat = 2") && policy.contains("\nformat = 1"), "{policy}");
}

#[test]
fn bad_input_is_refused_and_nothing_is_written() {
    let dir = desk();
    let here = dir.path();
    fs::write(here.join("cut"), &Image::default().build()[..5000]).unwrap();
    let policy = "--write-policy out.toml";
    let message = fails(here, &format!("{} {policy}", BOOT.replace("ovmf --k", "old --k")), 3, "refused");
    assert!(message.contains("old can't be used") && message.contains("kernel wouldn't be measured"));
    for file in ["kernel", "cut"] {
        fails(here, &format!("{} {policy}", PLAIN.replace("ovmf --v", &format!("{file} --v"))), 3, "refused");
    }
    fails(here, &PLAIN.replace("ovmf --v", "absent --v"), 1, "file");
    fails(here, &BOOT.replace("initrd --v", "absent --v"), 1, "file");
    fails(here, &BOOT.replace("kernel --i", ". --i"), 1, "file");
    fails(here, "measure simulated absent", 1, "file");
    for wrong in [
        "--vcpus 0 --vcpu-type EPYC",
        "--vcpus 4097 --vcpu-type EPYC",
        "--vcpus 1, --vcpu-type EPYC",
        "--vcpus 1 --vcpu-type Skylake",
        "--vcpus 1",
        "--vcpu-type EPYC",
        "--vcpus 1 --vcpu-type EPYC --guest-features 0x20",
        "--vcpus 1 --vcpu-type EPYC --guest-features x",
        "--vcpus 1 --vcpu-type EPYC --initrd initrd",
        "--vcpus 1 --vcpu-type EPYC --append quiet",
        "--vcpus 1 --vcpu-type EPYC --label a,b",
    ] {
        fails(here, &format!("measure snp --ovmf ovmf {wrong} {policy}"), 2, "usage");
    }
    assert!(!here.join("out.toml").exists());
}
