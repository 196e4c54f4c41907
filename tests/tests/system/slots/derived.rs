//! Derived keys, on a simulated platform: a broker's beside a recovery slot, and a machine's cryptstore's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::fleet::Fleet;
use claviger_tests::programs::command;

fn platform(broker: &Broker, name: &str) -> PathBuf {
    let dir = broker.dir().join(name);
    command("key-admin").args("simulated init").arg(&dir).run().ok();
    dir
}

fn spec(platform: &std::path::Path) -> String {
    format!("derived:simulated-enclave:{}", platform.display())
}

#[test]
fn a_broker_opens_by_what_its_machine_derives_and_elsewhere_only_by_the_recovery_slot() {
    let mut broker = Broker::init(Setup::default());
    let platform = platform(&broker, "platform");
    let root = fs::read(platform.join("derived_key_root.bin")).unwrap();
    let mode = fs::metadata(platform.join("derived_key_root.bin")).unwrap().permissions().mode() & 0o777;
    assert_eq!((root.len(), mode), (32, 0o600));
    broker.slot("add").with("--key-slot", spec(&platform)).run().ok();
    let listed = broker.slot("list").run().ok();
    assert_eq!(listed["slots"][1]["kind"], "derived");
    // The recovery key is at home.
    let (key, away) = (broker.key_file(), broker.dir().join("away.key"));
    fs::rename(&key, &away).unwrap();
    broker.serve();
    assert_eq!(broker.page("/readyz").0, 200);
    let fleet = Fleet::create(&broker, "fleet", "members");
    broker.stop();
    broker.slot("list").run().ok();

    // Another image.
    let measurement = platform.join("cf_utility.measurement");
    let (own, other) = (fs::read(&measurement).unwrap(), vec![7; 32]);
    fs::write(&measurement, other).unwrap();
    broker.serve();
    assert_eq!(broker.page("/readyz").0, 503);
    assert!(broker.log().contains("another image"), "{}", broker.log());
    broker.admin("unseal --key-file").arg(&away).run().ok();
    assert_eq!(broker.page("/readyz").0, 200);
    broker.stop();
    // Another chip.
    fs::write(&measurement, own).unwrap();
    fs::write(platform.join("derived_key_root.bin"), [9; 32]).unwrap();
    broker.serve();
    assert_eq!(broker.page("/readyz").0, 503);
    broker.stop();
    // None at all: there is no other way from a slot of one platform.
    fs::remove_file(platform.join("derived_key_root.bin")).unwrap();
    broker.serve();
    assert!(broker.log().contains("no key is derived"), "{}", broker.log());
    broker.stop();
    fs::write(platform.join("derived_key_root.bin"), root).unwrap();
    broker.serve();
    fleet.verify_audit(&broker);
}

#[test]
fn it_is_the_only_slot_only_where_that_is_said() {
    let broker = Broker::init(Setup::default());
    let platform = platform(&broker, "platform");
    let init = |dir: &str| {
        let init = command("key-broker").arg("init").with("--data-dir", broker.dir().join(dir));
        init.with("--key-slot", spec(&platform))
    };
    init("alone").run().failed(3).is("refused").says(&["only slot", "--no-recovery"]);
    assert!(!broker.dir().join("alone").exists());
    init("alone").arg("--no-recovery").run().ok();
    let nowhere = command("key-broker").args("init --no-recovery --key-slot derived:other:x");
    nowhere.with("--data-dir", broker.dir().join("other")).run().failed(2).says(&["sev-snp:device"]);
}

#[test]
fn what_is_said_of_a_slot_is_said_of_its_kind() {
    let broker = Broker::init(Setup::default());
    let platform = platform(&broker, "platform");
    let init = command("key-broker").args("init --no-recovery").with("--data-dir", broker.data_dir());
    let there = init.with("--key-slot", spec(&platform)).run().failed(3);
    assert!(there.next.contains("empty directory") && !there.next.contains("key file"), "{}", there.next);
    if !std::path::Path::new("/dev/sev-guest").exists() {
        let device = broker.slot("add").args("--key-slot derived:sev-snp:device").run().failed(1);
        assert!(
            device.next.contains("only /dev/sev-guest") && !device.next.contains("tsm"),
            "{}",
            device.next
        );
    }
    fs::remove_file(platform.join("derived_key_root.bin")).unwrap();
    let missing = broker.slot("add").with("--key-slot", spec(&platform)).run().failed(1);
    assert!(missing.next.contains("derived_key_root.bin"), "{}", missing.next);
}

#[test]
fn a_machine_s_cryptstore_opens_on_that_machine_only() {
    let broker = Broker::init(Setup::default());
    let platform = platform(&broker, "platform");
    let state = broker.dir().join("state");
    let call = |verb: &str| command("key-client").arg("cryptstore").args(verb).with("--state-dir", &state);
    call("init").with("--key-slot", spec(&platform)).run().failed(3).says(&["--no-recovery"]);
    assert!(!state.exists());
    call("init --no-recovery").with("--key-slot", spec(&platform)).run().ok();
    call("generate a --kind bytes-32").run().ok();
    assert_eq!(call("list").run().ok()["items"].as_array().map(Vec::len), Some(1));
    assert!(!state.join("slot.key").exists());
    fs::write(platform.join("cf_utility.measurement"), [7; 32]).unwrap();
    call("list").run().failed(1).says(&["another image"]);
}

#[test]
fn a_slot_keeps_the_vmpl_that_it_was_made_at_and_none_less_privileged_opens_it() {
    let broker = Broker::init(Setup::default());
    let (platform, state) = (broker.dir().join("snp"), broker.dir().join("state"));
    command("key-admin").args("simulated init --kind sev-snp --product genoa").arg(&platform).run().ok();
    let at = |vmpl: u32| {
        let guest = fs::read(platform.join("guest.json")).unwrap();
        let mut guest: serde_json::Value = serde_json::from_slice(&guest).unwrap();
        guest["vmpl"] = vmpl.into();
        fs::write(platform.join("guest.json"), guest.to_string()).unwrap();
    };
    let call = |verb: &str| command("key-client").arg("cryptstore").args(verb).with("--state-dir", &state);
    at(1);
    let slot = format!("derived:sev-snp:simulated={}", platform.display());
    call("init --no-recovery").with("--key-slot", slot).run().ok();
    call("list").run().ok();
    // A caller may mix in its own level or a less privileged one, and no other.
    at(0);
    call("list").run().ok();
    at(2);
    call("list").run().failed(1).says(&["less privileged"]);
}
