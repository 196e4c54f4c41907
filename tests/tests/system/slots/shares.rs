//! Shares of a split key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_tests::broker::{Broker, Setup};

use super::{PASSPHRASE, config, readyz, slots};

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
    for (shares, threshold, says) in [
        ("3", "4", "--threshold 4 is more than --shares 3"),
        ("3", "1", "2..=255"),
        ("1", "1", "2..=255"),
        ("0", "0", "2..=255"),
        ("256", "2", "2..=255"),
    ] {
        let split = broker.slot("split").with("--shares", shares).with("--threshold", threshold);
        split.with("--out-dir", broker.dir().join("none")).run().failed(2).is("usage").says(&[says]);
    }
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
