//! Key slots on the command line: passphrases, several slots, shares.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::programs::{command, program};
use claviger_tests::tools::have;
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

/// Runs a command on a terminal of its own, types these lines when it asks, and gives what was on the screen.
fn typed(words: &[&str], lines: &[&str]) -> (i32, String) {
    const SCRIPT: &str = "
import os, pty, sys, termios, time
lines, words = sys.argv[1].split('|'), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(words[0], words)
screen = b''
asked = 0
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    screen += piece
    if asked < len(lines) and screen.count(b': ') > asked and screen.endswith(b': '):
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(terminal, lines[asked].encode() + b'\\n')
        asked += 1
sys.stdout.buffer.write(screen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";
    let python = std::process::Command::new("python3")
        .args(["-c", SCRIPT, &lines.join("|")])
        .args(words)
        .output()
        .unwrap();
    (python.status.code().unwrap(), String::from_utf8_lossy(&python.stdout).into_owned())
}

#[test]
fn a_passphrase_is_typed_twice_and_not_shown() {
    if !have("python3", "python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (broker, data) = (program("key-broker"), data.to_str().unwrap());
    let broker = broker.to_str().unwrap();
    let init = [broker, "init", "--data-dir", data, "--key-slot", "passphrase"];
    let (code, screen) = typed(&init, &[PASSPHRASE, "correct horse battery stapel"]);
    assert!(code == 3 && screen.contains("aren't the same") && !screen.contains("horse"), "{code} {screen}");
    assert!(!Path::new(data).exists());
    let (code, screen) = typed(&init, &[PASSPHRASE, PASSPHRASE]);
    assert!(code == 0 && screen.contains("again") && !screen.contains("horse"), "{code} {screen}");
    let change = [broker, "slot", "change-passphrase", "--data-dir", data];
    let new = "another long passphrase";
    let (code, screen) = typed(&change, &["not it", new, new]);
    assert!(code == 3 && screen.contains("isn't the passphrase"), "{code} {screen}");
    let (code, screen) = typed(&change, &[PASSPHRASE, new, new]);
    assert!(code == 0 && screen.contains("changed") && !screen.contains("another"), "{code} {screen}");
    let (code, screen) =
        typed(&[broker, "slot", "add", "--data-dir", data, "--key-slot", "passphrase"], &[PASSPHRASE]);
    assert!(code == 3 && screen.contains("isn't the passphrase"), "{code} {screen}");
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let init = command("key-broker").args("init --key-slot passphrase");
    let init = init.with("--data-dir", dir.path().join("data"));
    // A session of its own has no terminal to open.
    let failure = match init.run().code() {
        Some(3) => true,
        code => panic!("{code:?}"),
    };
    assert!(failure && !dir.path().join("data").exists());
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
    broker.slot("list").run().failed(1).is("in-use").says(&["stop"]);
    broker
        .slot("add --key-slot passphrase")
        .with("--new-passphrase-file", &file)
        .run()
        .failed(1)
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

/// Splits the root key; where the shares are.
fn split(broker: &Broker, shares: u8, threshold: u8) -> Vec<PathBuf> {
    let dir = broker.dir().join("shares");
    let line = format!("split --shares {shares} --threshold {threshold}");
    let made = broker.slot(&line).with("--out-dir", &dir).run().ok();
    assert_eq!(made["needed"], threshold);
    made["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap().into()).collect()
}

#[test]
fn shares_open_the_root_key_and_add_another_slot() {
    let mut broker = Broker::init(Setup::default());
    let files = split(&broker, 5, 3);
    assert_eq!(files.len(), 5);
    for file in &files {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(file).unwrap();
        assert!(text.starts_with("claviger-share-1-") && text.lines().count() == 1, "{text}");
    }
    let combine = |chosen: &[usize]| {
        let combine = broker.slot("combine");
        chosen.iter().fold(combine, |combine, at| combine.with("--share-file", &files[*at]))
    };
    fs::rename(broker.key_file(), broker.dir().join("aside")).unwrap();
    let slot = combine(&[4, 0, 2]).run().ok()["slot"].clone();
    assert_eq!(slot, slots(&broker)[1]["slot"]);
    combine(&[0, 1, 2, 3, 4]).run().ok();
    combine(&[0, 1]).run().failed(3).says(&["2 of 3"]);
    combine(&[0, 1, 0]).run().failed(3).says(&["share 1", "already"]);

    let file = broker.file("passphrase", PASSPHRASE);
    let lines: Vec<u8> = [1, 2, 3].iter().flat_map(|at: &usize| fs::read(&files[*at]).unwrap()).collect();
    let added = broker.slot("combine --share-file - --key-slot passphrase");
    added.with("--new-passphrase-file", &file).stdin(lines).run().ok()["added"].as_str().unwrap();
    broker.configure(config(&file));
    broker.serve();
    assert_eq!(readyz(&broker), 200);
}

#[test]
fn wrong_mistyped_and_foreign_shares_are_told() {
    let (broker, other) = (Broker::init(Setup::default()), Broker::init(Setup::default()));
    let (files, foreign) = (split(&broker, 3, 2), split(&other, 3, 2));
    let combine = |second: &Path| {
        broker.slot("combine").with("--share-file", &files[0]).with("--share-file", second).run()
    };
    combine(&foreign[1]).failed(3).says(&["share 2", "doesn't have"]);
    let text = fs::read_to_string(&files[1]).unwrap();
    let wrong = |text: &str| broker.file("wrong.txt", text);
    let last = if text.trim_end().ends_with('0') { "1\n" } else { "0\n" };
    combine(&wrong(&format!("{}{last}", &text[..text.len() - 2]))).failed(3).says(&["mistyped", "wrong.txt"]);
    combine(&wrong(&text.replace("share-1-", "share-2-"))).failed(3).says(&["version"]);
    combine(&wrong("hello\n")).failed(3).says(&["no share"]);
    combine(&wrong("")).failed(3).says(&["1 of 2"]);
    combine(Path::new("nowhere.txt")).failed(1);
    combine(&wrong(&text.to_uppercase())).ok();
    for (shares, threshold) in [("3", "1"), ("2", "3"), ("1", "1"), ("0", "0")] {
        let split = broker.slot("split").with("--shares", shares).with("--threshold", threshold);
        split.with("--out-dir", broker.dir().join("none")).run().failed(3).says(&["2 to 255"]);
    }
    broker.slot("split --shares 256 --threshold 2 --out-dir -").run().failed(2);
    // What is there isn't replaced, and no slot is made without its shares.
    let again = broker.slot("split --shares 3 --threshold 2").with("--out-dir", files[0].parent().unwrap());
    again.run().failed(1).says(&["share-1.txt"]);
    assert_eq!(slots(&broker).len(), 2);
    assert!(!broker.dir().join("none").exists());
}

#[test]
fn shares_can_be_shown_instead() {
    let broker = Broker::init(Setup::default());
    let shown = broker.slot("split --shares 2 --threshold 2 --out-dir -").run_text();
    assert_eq!(shown.code(), Some(0), "{shown}");
    broker.slot("combine --share-file -").stdin(shown.stdout()).run().ok();
    let made = broker.slot("split --shares 2 --threshold 2 --out-dir -").run().ok();
    assert_eq!(made["shares"].as_array().unwrap().len(), 2);
}
