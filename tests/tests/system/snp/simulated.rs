//! The simulated platform that `key-admin` makes: the whole path by its files, and nobody's trust by accident.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::programs::{Call, command};

fn platform(broker: &Broker, name: &str, more: &str) -> PathBuf {
    let dir = broker.dir().join(name);
    let made = command("key-admin").args("simulated init --kind sev-snp").args(more).arg(&dir).run().ok();
    assert_eq!(made["evidence"], format!("sev-snp:simulated={}", dir.display()));
    dir
}

fn edit(platform: &Path, from: &str, to: &str) {
    let path = platform.join("guest.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn enroll(broker: &Broker, fleet: &Fleet, platform: &Path, state: &Path) -> Call {
    let call = command("key-client").arg("enroll").with("--domain", &fleet.name);
    let call = call.with("--policy-cert", &fleet.policy_cert).with("--state-dir", state);
    call.with("--admission", broker.admission.to_string())
        .with("--evidence", format!("sev-snp:simulated={}", platform.display()))
}

#[test]
fn t26_a_simulated_platform_is_trusted_only_where_its_root_is_named() {
    let broker = Broker::start_with(Setup { config: "kds_url = \"\"\n".to_owned(), ..Setup::default() });
    let fleet = Fleet::create(&broker, "fleet", "members");
    for (name, product) in [("milan", "--product milan"), ("genoa", ""), ("turin", "--product turin")] {
        let dir = platform(&broker, name, product);
        for key in ["ark-key.pem", "ask-key.pem", "vcek-key.pem", "derived_key_root.bin"] {
            let mode = fs::metadata(dir.join(key)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{key}");
        }
        let state = broker.dir().join(format!("{name}-state"));
        let policy = fs::read_to_string(dir.join("policy.toml")).unwrap();
        // The same measurement under AMD's roots.
        let unnamed = broker.file("unnamed.toml", policy.replace("roots =", "# roots ="));
        broker.admin("policy apply --domain fleet").arg(unnamed).run().ok();
        enroll(&broker, &fleet, &dir, &state).run().failed(6).is("attestation-refused");
        broker.admin("policy apply --domain fleet").arg(dir.join("policy.toml")).run().ok();
        enroll(&broker, &fleet, &dir, &state).run().ok();
        store(&broker, &state, name, b"secret").run().ok();
        assert_eq!(retrieve(&broker, &state, name).args("--out -").run_text().stdout(), b"secret");
        // What it says of its guest counts.
        let again = broker.dir().join(format!("{name}-again"));
        edit(&dir, "\"debug\": false", "\"debug\": true");
        enroll(&broker, &fleet, &dir, &again).run().failed(6).is("attestation-refused");
        edit(&dir, "\"debug\": true", "\"debug\": false");
        edit(&dir, "\"vmpl\": 0", "\"vmpl\": 1");
        enroll(&broker, &fleet, &dir, &again).run().failed(6).is("attestation-refused");
    }
    assert!(broker.log().contains("root-pinned"), "{}", broker.log());
}

#[test]
fn its_files_are_checked_and_what_is_there_isn_t_replaced() {
    let broker = Broker::init(Setup::default());
    let dir = platform(&broker, "vm", "");
    let init = || command("key-admin").args("simulated init");
    init().arg(&dir).args("--kind sev-snp").run().failed(3).is("exists");
    let short = format!("--measurement {}", "ab".repeat(32));
    init()
        .arg(broker.dir().join("a"))
        .args("--kind sev-snp")
        .args(&short)
        .run()
        .failed(2)
        .says(&["48 bytes"]);
    init().arg(broker.dir().join("a")).args("--product turin").run().failed(2).says(&["--kind sev-snp"]);
    let key = dir.join("vcek-key.pem");
    let other = init().arg(broker.dir().join("a")).args("--kind sev-snp").with("--platform-key", &key);
    other.run().failed(3).says(&["ark-key.pem"]);
    assert!(!broker.dir().join("a").exists());
}

#[test]
fn a_slot_derived_by_it_opens_on_that_platform_for_that_guest_only() {
    let mut broker = Broker::init(Setup::default());
    let dir = platform(&broker, "vm", "");
    edit(&dir, "\"guest-svn\": 0", "\"guest-svn\": 1");
    broker.slot("add").with("--key-slot", format!("derived:sev-snp:simulated={}", dir.display())).run().ok();
    // The recovery key is at home.
    fs::rename(broker.key_file(), broker.dir().join("away.key")).unwrap();
    let mut opens = |what: &str| {
        broker.serve();
        let status = broker.page("/readyz").0;
        broker.stop();
        assert!(matches!(status, 200 | 503), "{what}");
        status == 200
    };
    assert!(opens("as it was"));
    for (from, to) in
        [("\"debug\": false", "\"debug\": true"), ("\"measurement\": \"", "\"measurement\": \"00")]
    {
        let good = fs::read_to_string(dir.join("guest.json")).unwrap();
        edit(&dir, from, to);
        assert!(!opens(to), "{to}");
        fs::write(dir.join("guest.json"), good).unwrap();
    }
    // A later image of the same guest still derives the key of the SVN that the slot names.
    edit(&dir, "\"guest-svn\": 1", "\"guest-svn\": 2");
    assert!(opens("a higher SVN"));
    // An earlier one doesn't, for what was mended since is why the number was raised.
    edit(&dir, "\"guest-svn\": 2", "\"guest-svn\": 0");
    assert!(!opens("a lower SVN"));
    edit(&dir, "\"guest-svn\": 0", "\"guest-svn\": 1");
    fs::write(dir.join("derived_key_root.bin"), [9; 32]).unwrap();
    assert!(!opens("another chip"));
}
