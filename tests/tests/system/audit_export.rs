//! `key-admin audit export`, `checkpoint`, `verify --export`, `tail` and `query`, with nothing but files and a broker.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use claviger_tests::broker::Broker;
use claviger_tests::fleet::Fleet;
use claviger_tests::message;
use claviger_tests::programs::{Call, command, program};
use serde_json::Value;

struct World {
    broker: Broker,
    fleet: Fleet,
    out: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let broker = Broker::start();
        let fleet = Fleet::create(&broker, "fleet", "members");
        let world = Self { broker, fleet, out: tempfile::tempdir().unwrap() };
        world.use_it();
        world
    }

    /// Two stores and two retrieves.
    fn use_it(&self) {
        let mut channel = self.fleet.channel(&self.broker);
        for name in ["disks/a", "disks/b"] {
            channel.request(&message::store(name, b"secret-of-the-trail")).ok();
            channel.request(&message::retrieve(name)).ok();
        }
    }

    /// A retrieve of what isn't there, or isn't allowed.
    fn use_nothing(&self) {
        let mut channel = self.fleet.channel(&self.broker);
        channel.request(&message::retrieve("disks/z")).refused("not-found");
    }

    fn write(&self, what: &str, name: &str) -> PathBuf {
        let out = self.out.path().join(name);
        let call = self.broker.admin("audit").arg(what).args("--domain fleet");
        call.with("--out", &out).run().ok();
        out
    }
}

/// The verifier is given files and no broker.
fn verify(export: &Path, policy: &Path) -> Call {
    command("key-admin").args("audit verify").with("--export", export).with("--policy-cert", policy)
}

fn found(call: Call) -> Vec<String> {
    let run = call.run();
    assert_eq!(run.code(), Some(1), "{}", run.stderr());
    let report: Value = serde_json::from_slice(run.stdout()).expect("a report");
    let findings = report["findings"].as_array().expect("findings").clone();
    findings.iter().map(|finding| finding.as_str().unwrap().to_owned()).collect()
}

fn says(report: &Value, what: &str) -> bool {
    report["cannot_find"].as_array().unwrap().iter().any(|text| text.as_str().unwrap().contains(what))
}

/// A domain's largest segment.
fn segment(dir: &Path) -> PathBuf {
    let mut all: Vec<PathBuf> = Vec::new();
    for domain in fs::read_dir(dir.join("audit")).unwrap() {
        all.extend(fs::read_dir(domain.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    all.into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).expect("a segment")
}

#[test]
fn an_export_is_checked_with_the_policy_certificate_alone() {
    let world = World::new();
    let export = world.write("export", "fleet.audit");
    assert_eq!(fs::metadata(&export).unwrap().permissions().mode() & 0o777, 0o600);
    let policy = world.fleet.policy_cert.clone();
    let report = verify(&export, &policy).run().ok();
    assert_eq!((&report["ok"], &report["domain"]), (&true.into(), &"fleet".into()));
    assert!(report["records"].as_u64() >= Some(5) && report["checkpoints"].as_u64() >= Some(1), "{report}");
    // What it can't find, it says; this broker holds the policy key.
    assert_eq!(report["broker_holds_policy_key"], true);
    assert!(says(&report, "cut off after checkpoint") && says(&report, "--since"), "{report}");
    assert!(says(&report, "the broker holds it"), "{report}");
    let bytes = fs::read(&export).unwrap();
    assert!(!bytes.windows(19).any(|window| window == b"secret-of-the-trail"));
    // What is there isn't replaced.
    world.broker.admin("audit export --domain fleet").with("--out", &export).run().failed(3);
    assert_eq!(fs::read(&export).unwrap(), bytes);
    world
        .broker
        .admin("audit export --domain nowhere")
        .with("--out", world.out.path().join("x"))
        .run()
        .failed(4);
    assert!(!world.out.path().join("x").exists());

    // Another domain's policy certificate, and no whole file.
    let other = Fleet::create(&world.broker, "other", "members");
    verify(&export, &other.policy_cert).run().failed(1);
    let cut = world.broker.file("cut.audit", &bytes[..bytes.len() - 3]);
    verify(&cut, &policy).run().failed(1);
    command("key-admin").args("audit verify").with("--export", &export).run().failed(2);
    command("key-admin").args("audit verify").run().failed(2);
}

#[test]
fn t42_a_trail_put_back_is_found_by_whoever_kept_a_checkpoint() {
    let world = World::new();
    let (policy, old) = (world.fleet.policy_cert.clone(), world.write("export", "old.audit"));
    world.use_it();
    let kept = world.write("checkpoint", "kept.checkpoint");
    world.use_it();
    let new = world.write("export", "new.audit");
    let report = verify(&new, &policy).with("--since", &kept).run().ok();
    assert!(says(&report, "compare newer checkpoints"), "{report}");
    // An earlier export is as good as a checkpoint.
    verify(&new, &policy).with("--since", &old).run().ok();
    verify(&old, &policy).run().ok();
    let findings = found(verify(&old, &policy).with("--since", &kept));
    assert!(findings.len() == 1 && findings[0].contains("the trail was cut back"), "{findings:?}");
    // A checkpoint tells of no record, and is no trail.
    let bytes = fs::read(&kept).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"disks/a"));
    let findings = found(verify(&kept, &policy));
    assert!(findings.iter().any(|finding| finding.contains("but there are 0")), "{findings:?}");
}

#[test]
fn t42_an_audit_log_edited_on_disk_is_found_in_the_export() {
    let world = World::new();
    let policy = world.fleet.policy_cert.clone();
    world.write("checkpoint", "kept.checkpoint");
    let path = segment(&world.broker.data_dir());
    let whole = fs::read(&path).unwrap();
    let mut edited = whole.clone();
    let middle = edited.len() / 2;
    edited[middle] ^= 1;
    fs::write(&path, &edited).unwrap();
    let findings = found(verify(&world.write("export", "edited.audit"), &policy));
    assert!(findings.iter().any(|finding| finding.contains("was altered")), "{findings:?}");
    fs::write(&path, &whole[..95]).unwrap();
    let findings = found(verify(&world.write("export", "emptied.audit"), &policy));
    assert!(findings.iter().any(|finding| finding.contains("but there are 0")), "{findings:?}");
}

#[test]
fn records_are_told_a_line_each_with_the_state_that_they_were_decided_by() {
    let world = World::new();
    let lines = |line: &str| -> Vec<Value> {
        let run = world.broker.admin(line).run();
        let text = String::from_utf8_lossy(run.stdout()).into_owned();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let stores = lines("audit query --domain fleet --action store");
    assert_eq!(stores.len(), 2, "{stores:?}");
    let before = stores[1]["policy_version"].as_u64().expect("a policy version");
    world.broker.admin("acl preset --domain fleet closed").run().ok();
    world.use_nothing();
    let refused = lines("audit query --domain fleet --action retrieve --outcome not-found");
    assert_eq!(refused[0]["policy_version"].as_u64(), Some(before + 1), "{refused:?}");
    let tail = lines("audit tail --domain fleet --lines 3");
    assert_eq!(tail.len(), 3);
    let text = world.broker.admin("audit tail --domain fleet").run_text();
    let text = String::from_utf8_lossy(text.stdout()).into_owned();
    assert!(text.contains(&format!("policy={before}")) && text.contains("disks/b"), "{text}");
}

#[test]
fn a_tail_that_follows_tells_what_comes() {
    let world = World::new();
    let mut tail = std::process::Command::new(program("key-admin"))
        .args(["audit", "tail", "--domain", "fleet", "--follow", "--lines", "1", "--output", "json"])
        .arg("--admin-socket")
        .arg(world.broker.admin_socket())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (told, lines) = std::sync::mpsc::channel();
    let stdout = BufReader::new(tail.stdout.take().unwrap());
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
    let next = || -> Value {
        let line = lines.recv_timeout(Duration::from_mins(1)).expect("a line");
        serde_json::from_str(&line).unwrap()
    };
    let before = next();
    world.use_nothing();
    let after = next();
    assert_eq!((&before["outcome"], &after["outcome"]), (&"ok".into(), &"not-found".into()));
    tail.kill().unwrap();
    tail.wait().unwrap();
}
