//! The commands that need no broker, as they are run: what they write, what they say, what they refuse.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use claviger_attest::{BrokerMeasurements, PolicyCertificate, verify_agent, verify_broker};
use claviger_proto::key::{read_certificate, read_private};
use rustls_pki_types::UnixTime;
use serde_json::Value;

const MEASUREMENT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn key_admin(dir: &Path, line: &str) -> Output {
    let mut command = Command::cargo_bin("key-admin").unwrap();
    command.env_remove("CLAVIGER_ADMIN_SOCKET").current_dir(dir).args(line.split_whitespace());
    command.output().unwrap()
}

fn succeeds(dir: &Path, line: &str) -> Value {
    let output = key_admin(dir, &format!("{line} --output json"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs what must fail, in both shapes; gives the error's message.
fn fails(dir: &Path, line: &str, exit_status: i32, code: &str) -> String {
    let text = key_admin(dir, line);
    assert_eq!(text.status.code(), Some(exit_status), "{line}: {}", String::from_utf8_lossy(&text.stderr));
    assert!(String::from_utf8_lossy(&text.stderr).starts_with("error: "));
    let json = key_admin(dir, &format!("{line} --output json"));
    assert_eq!(json.status.code(), Some(exit_status));
    assert!(json.stdout.is_empty() && text.stdout.is_empty());
    let error: Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!(error["error"]["code"], code, "{error}");
    assert!(!error["error"]["next"].as_str().unwrap().is_empty());
    error["error"]["message"].as_str().unwrap().to_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn policy(dir: &Path, line: &str) -> PolicyCertificate {
    let made = succeeds(dir, line);
    let file = dir.join(made["policy_certificate"].as_str().unwrap());
    PolicyCertificate::from_der(&read_certificate(&fs::read(file).unwrap()).unwrap()).unwrap()
}

fn certificate(file: PathBuf) -> Vec<u8> {
    read_certificate(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn t23_a_policy_key_is_its_owner_s_alone_and_matches_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    for (algorithm, format, key_file, certificate_file) in [
        ("p384", "pem", "policy-key.pem", "policy-cert.pem"),
        ("p256", "certifier", "policy_key_file.bin", "policy_cert_file.bin"),
        ("ed25519", "pem", "policy-key.pem", "policy-cert.pem"),
        ("rsa-2048", "certifier", "policy_key_file.bin", "policy_cert_file.bin"),
    ] {
        let out = format!("{algorithm}-{format}");
        let made = succeeds(
            dir.path(),
            &format!(
                "policy-key generate --domain fleet --algorithm {algorithm} --format {format} --out-dir {out}"
            ),
        );
        assert_eq!(made["algorithm"], algorithm);
        let (key_file, certificate_file) =
            (dir.path().join(&out).join(key_file), dir.path().join(&out).join(certificate_file));
        assert_eq!((mode(&key_file), mode(&dir.path().join(&out))), (0o600, 0o700));
        let (key, inside) = read_private(&fs::read(&key_file).unwrap()).unwrap();
        let der = certificate(certificate_file);
        assert_eq!(inside.is_some(), format == "certifier");
        assert!(inside.is_none_or(|inside| inside == der));
        let certificate = PolicyCertificate::from_der(&der).unwrap();
        assert_eq!(certificate.spki_der(), key.public().unwrap().spki_der());
        assert_eq!(made["fingerprint"], hex::encode(certificate.fingerprint()));
    }
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let line = "policy-key generate --domain fleet --algorithm p256 --out-dir .";
    fs::write(dir.path().join("policy-key.pem"), "mine").unwrap();
    let message = fails(dir.path(), line, 3, "exists");
    assert!(message.contains("policy-key.pem"), "{message}");
    assert_eq!(fs::read(dir.path().join("policy-key.pem")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no half of a pair is left");
}

#[test]
fn a_simulated_platform_has_the_stock_files_and_may_share_its_root() {
    let dir = tempfile::tempdir().unwrap();
    let one = succeeds(dir.path(), &format!("simulated init one --measurement {MEASUREMENT}"));
    assert_eq!(
        (&one["measurement"], &one["attest_root"]),
        (&MEASUREMENT.into(), &"one/platform_key_file.bin".into())
    );
    for file in ["attest_key_file.bin", "platform_key_file.bin", "platform_attest_endorsement.bin"] {
        assert_eq!(mode(&dir.path().join("one").join(file)), 0o600, "{file}");
    }
    assert_eq!(
        fs::read(dir.path().join("one/cf_utility.measurement")).unwrap(),
        hex::decode(MEASUREMENT).unwrap()
    );
    let two = succeeds(dir.path(), "simulated init two --platform-key one/platform_key_file.bin");
    assert_eq!(two["attest_root"], "one/platform_key_file.bin");
    assert_eq!(two["measurement"].as_str().unwrap().len(), 64);
    assert!(
        !dir.path().join("two/platform_key_file.bin").exists(),
        "a shared root's key isn't copied around"
    );
    fails(dir.path(), "simulated init one", 3, "exists");
}

#[test]
fn an_identity_is_what_was_asked_for_and_signed_by_the_policy_key() {
    let dir = tempfile::tempdir().unwrap();
    let policy = policy(dir.path(), "policy-key generate --domain fleet --algorithm p256 --out-dir p");
    let issue = "identity issue --domain fleet --policy-key p/policy-key.pem";
    let agent = succeeds(
        dir.path(),
        &format!("{issue} --measurement {MEASUREMENT} --new-key p256 --out-dir agent --days 3"),
    );
    assert_eq!((&agent["role"], &agent["measurement"]), (&"agent".into(), &MEASUREMENT.into()));
    let (domain, now) = ("fleet".parse().unwrap(), UnixTime::now());
    let der = certificate(dir.path().join("agent/identity-cert.pem"));
    let peer = verify_agent(&policy, &domain, &der, now).unwrap();
    assert_eq!(peer.measurement().unwrap().to_string(), MEASUREMENT);
    assert!(peer.not_after().as_secs() - now.as_secs() <= 3 * 86_400);
    assert_eq!(mode(&dir.path().join("agent/identity-key.pem")), 0o600);

    succeeds(dir.path(), &format!("{issue} --role broker --new-key p256 --out-dir broker"));
    let der = certificate(dir.path().join("broker/identity-cert.pem"));
    assert!(verify_broker(&policy, &domain, &der, &BrokerMeasurements::Any, now).is_ok());
    assert!(verify_agent(&policy, &domain, &der, now).is_err());
}

#[test]
fn a_request_is_certified_for_the_key_that_signed_it_and_for_nothing_else_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let policy = policy(dir.path(), "policy-key generate --domain fleet --algorithm p256 --out-dir p");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "owner");
    let request = params.serialize_request(&key).unwrap();
    fs::write(dir.path().join("csr.pem"), request.pem().unwrap()).unwrap();
    fs::write(dir.path().join("csr.der"), request.der()).unwrap();
    let issue = format!(
        "identity issue --domain fleet --policy-key p/policy-key.pem --policy-cert p/policy-cert.pem --measurement {MEASUREMENT}"
    );
    for form in ["pem", "der"] {
        let issued = succeeds(dir.path(), &format!("{issue} --csr csr.{form} --out-dir {form}"));
        assert!(issued["key"].is_null());
        let der = certificate(dir.path().join(form).join("identity-cert.pem"));
        assert!(verify_agent(&policy, &"fleet".parse().unwrap(), &der, UnixTime::now()).is_ok());
        let text = String::from_utf8_lossy(&der).into_owned();
        assert!(!text.contains("evil.example") && !text.contains("owner"));
        let public = rcgen::PublicKeyData::subject_public_key_info(&key);
        assert!(der.windows(public.len()).any(|window| window == public));
    }

    // Another key than the one that signed it: the last byte of the public key is the one before the attributes.
    let mut forged = request.der().to_vec();
    let public = rcgen::PublicKeyData::subject_public_key_info(&key);
    let end = forged.windows(public.len()).position(|window| window == public).unwrap() + public.len() - 1;
    forged[end] ^= 1;
    fs::write(dir.path().join("forged.der"), &forged).unwrap();
    let message = fails(dir.path(), &format!("{issue} --csr forged.der --out-dir forged"), 3, "refused");
    assert!(message.contains("signature"), "{message}");
    let mut longer = request.der().to_vec();
    longer.push(0);
    fs::write(dir.path().join("longer.der"), &longer).unwrap();
    fails(dir.path(), &format!("{issue} --csr longer.der --out-dir forged"), 3, "refused");
    assert!(!dir.path().join("forged").exists());
}

#[test]
fn a_key_and_a_certificate_that_aren_t_a_pair_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for domain in ["a", "b"] {
        policy(
            dir.path(),
            &format!("policy-key generate --domain {domain} --algorithm p256 --out-dir {domain}"),
        );
    }
    let issue = format!("identity issue --domain a --measurement {MEASUREMENT} --new-key p256 --out-dir out");
    let pair = "--policy-key a/policy-key.pem --policy-cert b/policy-cert.pem";
    let message = fails(dir.path(), &format!("{issue} {pair}"), 3, "refused");
    assert!(message.contains("isn't the key of the policy certificate"), "{message}");
    // Given no certificate, the one beside the key is taken; without that it has to be named.
    fs::rename(dir.path().join("a/policy-cert.pem"), dir.path().join("elsewhere.pem")).unwrap();
    fails(dir.path(), &format!("{issue} --policy-key a/policy-key.pem"), 3, "refused");
    assert!(!dir.path().join("out").exists());
    succeeds(dir.path(), &format!("{issue} --policy-key a/policy-key.pem --policy-cert elsewhere.pem"));
}

#[test]
fn nothing_is_issued_for_a_domain_with_the_policy_key_of_another() {
    let dir = tempfile::tempdir().unwrap();
    policy(dir.path(), "policy-key generate --domain a --algorithm p256 --out-dir p");
    let issue = format!(
        "identity issue --policy-key p/policy-key.pem --measurement {MEASUREMENT} --new-key ed25519 --out-dir out"
    );
    let message = fails(dir.path(), &format!("{issue} --domain b"), 3, "refused");
    assert!(message.contains("domain a, not of b"), "{message}");
    assert!(!dir.path().join("out").exists());
    succeeds(dir.path(), &format!("{issue} --domain a"));
}

#[test]
fn a_certificate_in_a_stock_key_file_is_found() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), "policy-key generate --domain a --algorithm p256 --format certifier --out-dir a");
    fs::remove_file(dir.path().join("a/policy_cert_file.bin")).unwrap();
    let issue = "identity issue --domain a --policy-key a/policy_key_file.bin --new-key p256 --out-dir out";
    succeeds(dir.path(), &format!("{issue} --measurement {MEASUREMENT}"));
}

#[test]
fn mistakes_on_the_command_line_are_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    for line in [
        "frobnicate",
        "policy-key generate --domain Fleet --out-dir x",
        "policy-key generate --domain fleet --algorithm rsa-1024 --out-dir x",
        "policy-key generate --domain fleet",
        "domain create fleet --policy-key k --preset open",
        "trust add --domain fleet --kind magic --measurement 00",
        "identity issue --domain fleet --policy-key k --new-key p256 --out-dir x",
        "identity issue --domain fleet --policy-key k --new-key p256 --csr c --measurement 00 --out-dir x",
        "policy-key generate --domain fleet --days 0 --out-dir x",
        "policy-key generate --domain fleet --algorithm ed25519 --format certifier --out-dir x",
    ] {
        fails(dir.path(), line, 2, "usage");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn help_and_version_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let help = key_admin(dir.path(), "--help");
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Exit codes:"));
    for noun in ["policy-key generate", "identity issue", "domain create", "trust add", "acl preset"] {
        let help = key_admin(dir.path(), &format!("{noun} --help"));
        assert!(String::from_utf8_lossy(&help.stdout).contains("Example"), "{noun}");
    }
    assert!(key_admin(dir.path(), "--version").status.success());
}

#[test]
fn without_a_broker_an_online_command_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let message = fails(dir.path(), "status", 8, "unreachable");
    assert!(message.contains("no admin socket is named"), "{message}");
    let message = fails(dir.path(), "domain list --admin-socket nowhere.sock", 8, "unreachable");
    assert!(message.contains("nowhere.sock"), "{message}");
}
