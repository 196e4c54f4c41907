//! Key slots on the command line: passphrases, several slots, shares.

mod derived;
mod shares;
mod terminal;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::programs::command;
use serde_json::Value;

const PASSPHRASE: &str = "correct horse battery staple";

/// A broker whose only slot is a passphrase, and the file that has it.
fn with_passphrase() -> (Broker, PathBuf) {
    let broker = Broker::init(Setup::default());
    let file = broker.file("passphrase", PASSPHRASE);
    broker.slot("add --key-slot passphrase").with("--new-passphrase-file", &file).run().ok();
    let first = slots(&broker)[0]["slot"].as_str().unwrap().to_owned();
    broker.slot("remove").arg(first).run().ok();
    fs::remove_file(broker.key_file()).unwrap();
    (broker, file)
}

fn slots(broker: &Broker) -> Vec<Value> {
    broker.slot("list").run().ok()["slots"].as_array().unwrap().clone()
}

fn readyz(broker: &Broker) -> u16 {
    broker.page("/readyz").0
}

fn config(file: &Path) -> String {
    format!("passphrase_file = {:?}", file.display().to_string())
}

#[test]
fn init_makes_a_slot_of_a_passphrase_that_starts_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("passphrase"));
    fs::write(&file, format!("{PASSPHRASE}\n")).unwrap();
    let init = |file: &Path| {
        let init = command("key-broker").args("init --key-slot passphrase").with("--data-dir", &data);
        init.with("--passphrase-file", file).run()
    };
    let short = dir.path().join("short");
    fs::write(&short, "seven77").unwrap();
    init(&short).failed(3).says(&["8 bytes"]);
    assert!(!data.exists(), "nothing was made");
    assert_eq!(init(&file).ok()["key_slot"], "passphrase");
    let table = fs::read_to_string(data.join("slots.json")).unwrap();
    assert!(table.contains("argon2id") && !table.contains("horse"), "{table}");
    let list = command("key-broker").args("slot list").with("--data-dir", &data).run().ok();
    let slot = &list["slots"][0];
    assert_eq!((&slot["kind"], &slot["memory_kib"]), (&"passphrase".into(), &65536.into()));
    for bad in ["passphrase:secret", "password", "file:", "shamir"] {
        let init = command("key-broker").arg("init").with("--data-dir", dir.path().join("other"));
        init.with("--key-slot", bad).run().failed(2).says(&["file:PATH"]);
    }
}

#[test]
fn a_passphrase_file_starts_it_and_a_mistyped_one_leaves_it_sealed() {
    let (mut broker, file) = with_passphrase();
    broker.configure(config(&file));
    broker.serve();
    assert_eq!(readyz(&broker), 200);
    broker.stop();
    let before = fs::read(broker.data_dir().join("slots.json")).unwrap();
    for wrong in ["correct horse battery stapel", "", "two\nlines"] {
        fs::write(&file, wrong).unwrap();
        broker.serve();
        assert_eq!(readyz(&broker), 503);
        let log = broker.log();
        assert!(log.contains("\"ERROR\"") && log.contains("passphrase"), "{log}");
        assert!(!log.contains("stapel") && !log.contains("lines\""), "{log}");
        assert_eq!(broker.admin("status").run().ok()["state"], "sealed");
        broker.stop();
    }
    fs::remove_file(&file).unwrap();
    broker.serve();
    assert_eq!(readyz(&broker), 503);
    broker.stop();
    assert_eq!(fs::read(broker.data_dir().join("slots.json")).unwrap(), before);
    fs::write(&file, PASSPHRASE).unwrap();
    broker.serve();
    assert_eq!(readyz(&broker), 200);
}

#[test]
fn a_wrong_key_file_stops_nothing_where_another_slot_could_open() {
    let mut broker = Broker::init(Setup::default());
    let file = broker.file("passphrase", PASSPHRASE);
    broker.slot("add --key-slot passphrase").with("--new-passphrase-file", &file).run().ok();
    broker.file("root.key", [1; 32]);
    broker.serve();
    assert_eq!(readyz(&broker), 503);
    assert!(broker.log().contains("isn't the key of this store"), "{}", broker.log());
    broker.stop();
    broker.configure(config(&file));
    broker.serve();
    assert_eq!(readyz(&broker), 200);
}

#[test]
fn systemd_s_credential_starts_it() {
    let (mut broker, file) = with_passphrase();
    let credentials = broker.dir().join("credentials");
    fs::create_dir(&credentials).unwrap();
    broker.set_env("CREDENTIALS_DIRECTORY", credentials.display().to_string());
    broker.serve();
    assert_eq!(readyz(&broker), 503);
    broker.stop();
    fs::rename(&file, credentials.join("claviger-passphrase")).unwrap();
    broker.serve();
    assert_eq!(readyz(&broker), 200);
}

#[test]
fn slots_are_added_changed_and_removed_and_each_opens_alone() {
    let mut broker = Broker::init(Setup::default());
    let file = broker.file("passphrase", PASSPHRASE);
    let key = broker.dir().join("second.key");
    let spec = format!("file:{}", key.display());
    let added = broker.slot("add --key-slot passphrase").with("--new-passphrase-file", &file).run().ok();
    assert_eq!(added["done"], "added");
    let second = broker.slot("add").with("--key-slot", &spec).with("--passphrase-file", &file).run().ok();
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let kinds: Vec<_> = slots(&broker).iter().map(|slot| slot["kind"].clone()).collect();
    assert_eq!(kinds, ["file", "passphrase", "file"]);

    // The key file of the first is gone: the others open.
    fs::rename(broker.key_file(), broker.dir().join("aside")).unwrap();
    broker.serve();
    assert_eq!(readyz(&broker), 200);
    broker.slot("list").run().failed(5).is("in-use").says(&["stop"]);
    broker
        .slot("add --key-slot passphrase")
        .with("--new-passphrase-file", &file)
        .run()
        .failed(5)
        .is("in-use");
    broker.stop();

    let new = broker.file("new", "another long passphrase");
    let change = |old: &Path| {
        let change = broker.slot("change-passphrase").with("--passphrase-file", old);
        change.with("--new-passphrase-file", &new).run()
    };
    let changed = change(&file).ok()["slot"].as_str().unwrap().to_owned();
    change(&file).failed(3).says(&["isn't the passphrase"]);
    let remove = |slot: &str, by: &Path| broker.slot("remove").arg(slot).with("--passphrase-file", by).run();
    let table = fs::read(broker.data_dir().join("slots.json")).unwrap();
    remove("ffffffff", &new).failed(4).is("not-found").says(&["slot list"]);
    remove(&changed, &file).failed(3);
    assert_eq!(fs::read(broker.data_dir().join("slots.json")).unwrap(), table);
    remove("xyz", &new).failed(2);

    let first = slots(&broker)[0]["slot"].as_str().unwrap().to_owned();
    for slot in [first.as_str(), second["slot"].as_str().unwrap()] {
        assert_eq!(remove(slot, &new).ok()["done"], "removed");
    }
    remove(&changed, &new).failed(3).says(&["last slot"]);
    assert_eq!(slots(&broker).len(), 1);
    broker.configure(config(&new));
    broker.serve();
    assert_eq!(readyz(&broker), 200);
}

#[test]
fn t32_a_change_of_passphrase_that_is_killed_leaves_the_old_or_the_new_one() {
    let broker = Broker::init(Setup::default());
    let mut current = broker.file("passphrase-0", "passphrase number 0");
    broker.slot("add --key-slot passphrase").with("--new-passphrase-file", &current).run().ok();
    let opens = |file: &Path| broker.slot("change-passphrase").with("--passphrase-file", file);
    let (mut changed, mut kept) = (0, 0);
    for round in 1..=12_u32 {
        let next = broker.file(&format!("passphrase-{round}"), format!("passphrase number {round}"));
        let mut change = std::process::Command::new(claviger_tests::programs::program("key-broker"))
            .args(["slot", "change-passphrase", "--data-dir"])
            .arg(broker.data_dir())
            .arg("--passphrase-file")
            .arg(&current)
            .arg("--new-passphrase-file")
            .arg(&next)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(u64::from(40 * round)));
        change.kill().unwrap();
        change.wait().unwrap();
        // One of the two opens, and puts the other in its place or stays: either way the table is whole.
        assert_eq!(slots(&broker).len(), 2);
        let by_next = opens(&next).with("--new-passphrase-file", &next).run();
        if by_next.code() == Some(0) {
            (current, changed) = (next, changed + 1);
        } else {
            by_next.failed(3).says(&["isn't the passphrase"]);
            opens(&current).with("--new-passphrase-file", &current).run().ok();
            kept += 1;
        }
    }
    assert!(changed + kept == 12 && kept > 0, "{changed} changed, {kept} kept");
}

#[test]
fn a_forgotten_passphrase_is_changed_by_another_slot() {
    let broker = Broker::init(Setup::default());
    let (first, second) = (broker.file("first", PASSPHRASE), broker.file("second", "another passphrase"));
    let add =
        |file: &Path| broker.slot("add --key-slot passphrase").with("--new-passphrase-file", file).run().ok();
    let change =
        |line: &str| broker.slot("change-passphrase").args(line).with("--new-passphrase-file", &second).run();
    change("").failed(3).says(&["0 slots"]);
    let old = add(&first)["slot"].as_str().unwrap().to_owned();
    let changed = change("").ok()["slot"].as_str().unwrap().to_owned();
    assert_ne!(changed, old);
    change(&format!("--slot {old}")).failed(4);
    add(&first);
    change("").failed(3).says(&["2 slots", "--slot"]);
    change(&format!("--slot {changed}")).ok();
}

#[test]
fn a_slot_command_that_cannot_open_the_root_key_changes_nothing() {
    let broker = Broker::init(Setup::default());
    let table = fs::read(broker.data_dir().join("slots.json")).unwrap();
    let key = fs::read(broker.key_file()).unwrap();
    let file = broker.file("passphrase", PASSPHRASE);
    let add = || broker.slot("add --key-slot passphrase").with("--new-passphrase-file", &file);
    fs::remove_file(broker.key_file()).unwrap();
    add().run().failed(7).is("sealed").says(&["key file"]);
    broker.file("root.key", [1; 32]);
    add().run().failed(3).says(&["isn't the key"]);
    broker.file("root.key", &key);
    add().with("--passphrase-file", &file).run().failed(3).says(&["no slot"]);
    let short = broker.file("short", "1234567");
    broker.slot("add --key-slot passphrase").with("--new-passphrase-file", &short).run().failed(3);
    broker.slot("add --key-slot stone").run().failed(2);
    assert_eq!(fs::read(broker.data_dir().join("slots.json")).unwrap(), table);
    fs::write(broker.data_dir().join("slots.json"), &table[..table.len() / 2]).unwrap();
    add().run().failed(1).says(&["damaged"]);
    assert!(!broker.dir().join("data/slots.json.new").exists());
}
