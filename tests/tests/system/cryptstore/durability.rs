//! A writer that is killed at any step, and a disk that is full at any step: the old or the new, and a clear error.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};

use claviger_tests::programs::program;
use claviger_tests::tools;
use serde_json::Value;

use super::{Keys, contents};

/// The calls by which a change reaches the disk. A kill between two of them is one before the second.
const STEPS: [&str; 6] = ["write", "fsync", "rename", "unlink", "chmod", "mkdir"];

/// `key-client cryptstore LINE` in this directory, of which the `nth` call of this name meets this fate.
fn tampered(dir: &Path, line: &str, call: &str, fate: &str, nth: usize) -> Output {
    let inject = format!("inject={call}:{fate}:when={nth}");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
    command.arg(program("key-client")).arg("cryptstore").args(line.split(' '));
    command.args(["--state-dir", "state", "--output", "json"]).current_dir(dir).output().unwrap()
}

fn killed(output: &Output) -> bool {
    output.status.signal() == Some(9) || output.status.code() == Some(128 + 9)
}

/// Kills a command at each of its steps in turn, in a directory that `fresh` makes, and looks at what is left. How
/// many times it was killed.
fn killed_everywhere(line: &str, fresh: impl Fn() -> Keys, look: impl Fn(&Keys, &str)) -> usize {
    let mut kills = 0;
    for call in STEPS {
        for nth in 1.. {
            let keys = fresh();
            let output = tampered(keys.dir.path(), line, call, "signal=KILL", nth);
            if !killed(&output) {
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{line}, {call} {nth}: {told}");
                break;
            }
            kills += 1;
            look(&keys, &format!("killed at {call} {nth}"));
        }
    }
    kills
}

#[test]
fn t32_a_writer_that_is_killed_leaves_the_old_or_the_new() {
    if !tools::have("strace", "strace") {
        return;
    }
    let origin = Keys::new();
    origin.put("a", b"one");
    origin.write("two", "two");
    let fresh = || copy_of(&origin);
    let kills = killed_everywhere("put a --in two", fresh, |keys, when| {
        let versions = keys.list().len();
        assert!((1..=2).contains(&versions), "{when}");
        assert_eq!(keys.get("a --version 1"), b"one", "{when}");
        // And the next writer isn't hindered, and cleans up.
        assert_eq!(keys.put("a", b"next"), versions as u64 + 1, "{when}");
        let names: Vec<_> = keys.files().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["cryptstore", "slot.key", "slots.json"], "{when}");
    });
    // write, fsync, rename, fsync; and what is told.
    assert!(kills >= 5, "{kills}");
}

fn copy_of(origin: &Keys) -> Keys {
    let keys = Keys { dir: tempfile::tempdir().unwrap() };
    fs::create_dir(keys.path("state")).unwrap();
    for (name, bytes) in origin.files() {
        fs::write(keys.path("state").join(name), bytes).unwrap();
    }
    fs::write(keys.path("two"), "two").unwrap();
    keys
}

#[test]
fn t32_one_that_is_killed_while_it_is_made_is_made_again() {
    if !tools::have("strace", "strace") {
        return;
    }
    let fresh = || Keys { dir: tempfile::tempdir().unwrap() };
    let kills = killed_everywhere("init", fresh, |keys, when| {
        let again = keys.call("init").run();
        // All of it was there before the kill, or it is now.
        assert!(matches!(again.code(), Some(0 | 3)), "{when}: {again}");
        assert_eq!(keys.put("a", b"one"), 1, "{when}");
        assert_eq!(keys.get("a"), b"one", "{when}");
    });
    // Key file, slots, cryptstore, each with its directory.
    assert!(kills >= 12, "{kills}");
}

#[test]
fn t33_a_full_disk_is_a_clear_error_and_changes_nothing() {
    if !tools::have("strace", "strace") {
        return;
    }
    let keys = Keys::new();
    keys.put("a", b"one");
    keys.write("two", "two");
    let before = keys.files();
    for (line, call, nth) in [
        ("put a --in two", "write", 1),
        ("put a --in two", "fsync", 1),
        ("put a --in two", "rename", 1),
        ("generate k --kind aes-256", "write", 1),
        ("delete a --all", "fsync", 1),
    ] {
        for error in ["ENOSPC", "EDQUOT", "EIO"] {
            let output = tampered(keys.dir.path(), line, call, &format!("error={error}"), nth);
            let told: Value = serde_json::from_slice(&output.stderr).unwrap();
            let told = &told["error"];
            assert_eq!(
                (output.status.code(), &told["code"]),
                (Some(1), &"file".into()),
                "{line} {call}: {told}"
            );
            assert!(told["message"].as_str().unwrap().contains("cryptstore"), "{told}");
            let room = told["next"].as_str().unwrap().contains("make room");
            assert_eq!(room, error != "EIO", "{told}");
            assert_eq!(keys.files(), before, "{line}: {call} fails with {error}");
        }
    }
    // One that can't be made leaves nothing.
    for nth in 1..=3 {
        let dir = tempfile::tempdir().unwrap();
        let output = tampered(dir.path(), "init", "write", "error=ENOSPC", nth);
        assert_eq!(output.status.code(), Some(1), "write {nth}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("make room"), "write {nth}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "write {nth}");
    }
}

/// The same on a disk that is really full: a file system of 64 KiB, where the system lets this user mount one.
#[test]
#[allow(clippy::print_stderr, reason = "a skipped test has to say so")]
fn t33_a_small_disk_fills_up_and_stays_readable() {
    let unshare = ["--map-root-user", "--mount"];
    let possible = tools::have("unshare", "util-linux")
        && Command::new("unshare")
            .args(unshare)
            .args(["mount", "-t", "tmpfs", "none", "/mnt"])
            .output()
            .is_ok_and(|output| {
                // No package makes a system allow it, so it is skipped wherever that isn't allowed.
                if !output.status.success() {
                    eprintln!("skipped: this user may not mount a file system of its own");
                }
                output.status.success()
            });
    if !possible {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("disk")).unwrap();
    fs::create_dir(dir.path().join("kept")).unwrap();
    let script = r#"
        mount -t tmpfs -o size=64k none disk
        "$1" cryptstore init --state-dir disk/state
        printf one | "$1" cryptstore put a --in - --state-dir disk/state
        sha256sum disk/state/cryptstore > before
        head -c 60000 /dev/zero | "$1" cryptstore put a --in - --state-dir disk/state --output json 2> error && exit 9
        sha256sum -c --quiet before
        "$1" cryptstore get a --out - --state-dir disk/state > got
        cp disk/state/* kept
    "#;
    let output = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-euc", script, "sh"])
        .arg(program("key-client"))
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let error: Value = serde_json::from_slice(&fs::read(dir.path().join("error")).unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "file");
    assert!(error["error"]["next"].as_str().unwrap().contains("make room"), "{error}");
    assert_eq!(fs::read(dir.path().join("got")).unwrap(), b"one");
    let names: Vec<_> = contents(&dir.path().join("kept")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["cryptstore", "slot.key", "slots.json"], "nothing is left of the attempt");
}
