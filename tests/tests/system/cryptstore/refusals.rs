//! Bad input: its own clear error each time, and nothing changes.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use claviger_tests::programs::command;
use rustix::fs::{FlockOperation, flock};

use super::Keys;

/// A cryptstore with something of everything in it, and files beside it.
fn furnished() -> Keys {
    let keys = Keys::new();
    keys.put("blob", b"blob");
    keys.call("generate aes --kind aes-256").run().ok();
    keys.call("generate pair --kind p256").run().ok();
    keys.call("put hidden --in - --not-exportable").stdin("hidden").run().ok();
    keys.write("empty", "").write("noise", "noise").write("large", vec![7; (1 << 20) + 1]);
    keys.write("key.pem", keys.get("pair --format pkcs8-pem"));
    let two = [keys.get("pair --format pkcs8-pem"), keys.get("pair --format pkcs8-pem")].concat();
    keys.write("two.pem", two);
    keys
}

#[test]
fn every_bad_line_has_its_own_answer_and_changes_nothing() {
    let keys = furnished();
    let before = keys.files();
    let long = "n".repeat(256);
    let lines: Vec<(String, i32, &str)> = [
        // No command lines.
        ("", 2, "usage"),
        ("frobnicate", 2, "usage"),
        ("put a", 2, "usage"),
        ("put --in noise", 2, "usage"),
        ("put a --in noise --format der", 2, "usage"),
        ("put a --in noise --version -1", 2, "usage"),
        ("get blob", 2, "usage"),
        ("delete blob", 2, "usage"),
        ("delete blob --all --version 1", 2, "usage"),
        ("delete blob --version 0", 2, "usage"),
        ("generate a", 2, "usage"),
        ("generate a --kind aes-512", 2, "usage"),
        ("export --to key.pem --out x", 2, "usage"),
        ("import --in noise", 2, "usage"),
        ("import --in noise --key key.pem --key-item pair", 2, "usage"),
        // No tags.
        ("put a//b --in noise", 3, "invalid-name"),
        ("put ../a --in noise", 3, "invalid-name"),
        ("get a* --out x", 3, "invalid-name"),
        ("delete é --all", 3, "invalid-name"),
        ("print %2e --public", 3, "invalid-name"),
        ("put private-auth-key --in noise", 3, "reserved-name"),
        ("generate x-admission-certificate --kind p256", 3, "reserved-name"),
        // Nothing there.
        ("get absent --out x", 4, "not-found"),
        ("get blob --version 2 --out x", 4, "not-found"),
        ("print absent", 4, "not-found"),
        ("delete absent --all", 4, "not-found"),
        ("delete blob --version 9", 4, "not-found"),
        ("import --in noise --key-item absent", 3, "malformed"),
        // Not what it is said to be.
        ("put a --in missing", 1, "file"),
        ("put a --in state", 1, "file"),
        ("put a --in empty", 3, "malformed"),
        ("put a --in large", 3, "too-large"),
        ("put a --in noise --format pem", 3, "malformed"),
        ("put a --in noise --format pkcs8-der", 3, "malformed"),
        ("put a --in noise --format jwk", 3, "malformed"),
        ("put a --in noise --format openssh", 3, "malformed"),
        ("put a --in noise --format x509-der", 3, "malformed"),
        ("put a --in noise --format key-message", 3, "malformed"),
        ("put a --in noise --format entry", 3, "malformed"),
        ("put a --in noise --format bits", 3, "refused"),
        ("put a --in noise --type X509-der-cert", 3, "malformed"),
        ("put a --in noise --type key-message-serialized-protobuf", 3, "malformed"),
        ("put a --in key.pem --format x509-pem", 3, "malformed"),
        ("put a --in key.pem --format pem --type X509-der-cert", 3, "refused"),
        ("put a --in two.pem --format pem", 3, "malformed"),
        // Not possible.
        ("put blob --in noise --version 1", 5, "conflict"),
        ("put blob --in noise --version 3", 5, "conflict"),
        ("get blob --format pem --out x", 3, "refused"),
        ("get aes --format pkcs8-pem --out x", 3, "refused"),
        ("get pair --format x509-pem --out x", 3, "refused"),
        ("get pair --format bits --out x", 3, "refused"),
        ("get hidden --out x", 3, "not-exportable"),
        ("get blob --out state", 1, "file"),
        ("print blob --public", 3, "refused"),
        ("print aes --public", 3, "refused"),
        ("init", 3, "exists"),
    ]
    .map(|(line, exit, code)| (line.to_owned(), exit, code))
    .into_iter()
    .chain([(format!("put {long} --in noise"), 3, "invalid-name")])
    .collect();
    for (line, exit, code) in lines {
        keys.call(&line).run().failed(exit).is(code);
    }
    assert_eq!(keys.files(), before);
    assert!(!keys.path("x").exists(), "nothing was written");
    keys.call("put a --in - --type").arg("two words").run().failed(2).is("usage");
    keys.call("put a --in -").stdin("").run().failed(3).is("malformed");
}

#[test]
fn a_key_whose_numbers_do_not_belong_together_is_found_when_it_is_put() {
    let keys = furnished();
    let der = keys.get("pair --format pkcs8-der");
    // The private number of a P-256 key in PKCS#8 begins 36 bytes in.
    let mut wrong = der.clone();
    wrong[40] ^= 1;
    let before = keys.files();
    let refused = keys.write("wrong.der", wrong).call("put a --in wrong.der --format pkcs8-der").run();
    refused.failed(3).is("malformed").says(&["belong together"]);
    assert_eq!(keys.files(), before);
    keys.write("right.der", der).call("put a --in right.der --format pkcs8-der").run().ok();
}

#[test]
fn what_is_no_cryptstore_is_said_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let at = |line: &str, state: &Path| {
        command("key-client").arg("cryptstore").args(line).with("--state-dir", state).run()
    };
    let nowhere = dir.path().join("nowhere");
    for line in
        ["list", "get a --out -", "put a --in -", "delete a --all", "generate a --kind p256", "print a"]
    {
        at(line, &nowhere).failed(1).is("not-enrolled").says(&["cryptstore init", "enroll"]);
    }
    let file = dir.path().join("file");
    fs::write(&file, "noise").unwrap();
    at("list", &file).failed(1).is("file");
    at("init", &file).failed(1);
    for slot in ["magic:x", "file:", "passphrase-of-mine"] {
        at(&format!("init --key-slot {slot}"), &nowhere).failed(2).is("usage");
    }
    fs::write(dir.path().join("short.key"), "short").unwrap();
    let short = format!("init --key-slot file:{}", dir.path().join("short.key").display());
    at(&short, &nowhere).failed(1).is("key-slot").says(&["5 bytes"]);
    assert!(!nowhere.exists());
}

#[test]
fn t30_an_altered_cryptstore_is_refused_whole() {
    let keys = furnished();
    let file = keys.path("state/cryptstore");
    let whole = fs::read(&file).unwrap();
    for (at, code) in [(0, "unknown-format"), (1, "key-slot"), (whole.len() - 1, "damaged")] {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        fs::write(&file, &changed).unwrap();
        for line in ["list", "put a --in noise", "get blob --out -"] {
            keys.call(line).run().failed(1).is(code);
        }
        assert_eq!(fs::read(&file).unwrap(), changed, "nobody wrote over it");
    }
    fs::write(&file, whole).unwrap();
    assert_eq!(keys.get("blob"), b"blob");
}

#[test]
fn two_agents_on_one_directory_never_write_at_once() {
    let keys = furnished();
    let directory = fs::File::open(keys.path("state")).unwrap();
    flock(&directory, FlockOperation::LockExclusive).unwrap();
    let begun = Instant::now();
    let failure = keys.call("put a --in noise").run().failed(5);
    failure.is("in-use").says(&["another command", "try again"]);
    assert!(begun.elapsed() >= Duration::from_secs(4), "it waited first");
    assert_eq!(keys.get("blob"), b"blob", "who reads needs no lock");
    // One that comes while another is at it waits, and both are kept.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| keys.put("a", b"second"));
        sleep(Duration::from_millis(300));
        flock(&directory, FlockOperation::Unlock).unwrap();
        assert_eq!(waiting.join().unwrap(), 1);
    });
    std::thread::scope(|scope| {
        let puts: Vec<_> = (0..6).map(|_| scope.spawn(|| keys.put("race", b"x"))).collect();
        let mut versions: Vec<_> = puts.into_iter().map(|put| put.join().unwrap()).collect();
        versions.sort_unstable();
        assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
    });
}
