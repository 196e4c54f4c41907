//! Sealed exports: from one machine to another, by way of anybody.

use std::fs;
use std::path::Path;
use std::process::Command;

use claviger_tests::message::Reader;
use claviger_tests::tools;

use serde_json::json;

use super::{Keys, text};

const CANARY: &[u8] = b"canary-7d2e-never-in-the-clear";

/// A recipient's cryptstore, and its public key beside the sender's.
fn recipient(kind: &str, here: &Keys) -> Keys {
    let there = Keys::new();
    there.call(&format!("generate exchange --kind {kind} --not-exportable")).run().ok();
    let pem = there.call("print exchange --public").run_text();
    here.write("exchange.pem", pem.stdout());
    there
}

/// What `export` left beside `from`, put beside `to`.
fn carry(from: &Keys, to: &Keys) -> Vec<u8> {
    let sealed = fs::read(from.path("sealed")).unwrap();
    to.write("sealed", &sealed);
    sealed
}

#[test]
fn what_is_not_exportable_reaches_its_recipient_and_stays_what_it_is() {
    for kind in ["p256", "p384"] {
        let here = Keys::new();
        let there = recipient(kind, &here);
        here.call("put hidden --in - --not-exportable").stdin(CANARY).run().ok();
        here.put("open", b"open");
        here.call("get hidden --out -").run().failed(3).is("not-exportable").says(&["export --to"]);
        let told = here.call("export hidden open --to exchange.pem --out sealed").run().ok();
        assert_eq!((&told["tags"], &told["into"]), (&json!(["hidden", "open"]), &json!("sealed")));
        assert_eq!(told["recipient"], there.call("print exchange").run().ok()["key"]["fingerprint"]);

        let sealed = carry(&here, &there);
        assert!(!sealed.windows(6).any(|window| CANARY.starts_with(window)), "it is sealed");
        let items = there.call("import --in sealed --key-item exchange").run().ok();
        let expected = [json!({"tag": "hidden", "version": 1}), json!({"tag": "open", "version": 1})];
        assert_eq!(items["items"], json!(expected));
        assert_eq!(there.get("open"), b"open");
        assert_eq!(there.call("print hidden").run().ok()["exportable"], false);
        there.call("get hidden --out -").run().failed(3).is("not-exportable");
        // The same again changes nothing.
        let before = there.list();
        there.call("import --in sealed --key-item exchange").run().ok();
        assert_eq!(there.list(), before);
    }
}

#[test]
fn a_recipient_may_keep_its_key_in_a_file_and_rename_what_comes() {
    let here = Keys::new();
    here.call("put hidden --in - --not-exportable").stdin(CANARY).run().ok();
    let there = Keys::new();
    there.call("generate exchange --kind p256").run().ok();
    for (format, file) in [("pkcs8-pem", "key.pem"), ("key-message", "key.bin")] {
        let key = there.get(&format!("exchange --format {format}"));
        there.write(file, &key);
        // The sender may be given either file with the public key in it.
        here.write("exchange", there.get("exchange --format spki-pem"));
        here.call("export hidden --to exchange --out sealed").run().ok();
        carry(&here, &there);
        let renamed = format!("from/{file}");
        let line = format!("import --in sealed --key {file} --as {renamed}");
        assert_eq!(there.call(&line).run().ok()["items"], json!([{"tag": renamed, "version": 1}]));
    }
}

/// The page of the protocol is enough for somebody else to open an export.
#[test]
fn an_export_opens_by_the_rfc_and_the_book_alone() {
    if !tools::have_python_cryptography() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/open_export.py");
    for kind in ["p256", "p384"] {
        let here = Keys::new();
        here.call("put hidden --in - --not-exportable").stdin(CANARY).run().ok();
        here.call(&format!("generate exchange --kind {kind}")).run().ok();
        here.write("key.pem", here.get("exchange --format pkcs8-pem"));
        here.call("export hidden --to key.pem --out sealed").run().ok();
        let mut python = Command::new("python3");
        let output =
            python.arg(&script).args(["sealed", "key.pem"]).current_dir(here.dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let entry = Reader::parse(&output.stdout).bytes(1).expect("an entry").to_vec();
        let entry = Reader::parse(&entry);
        assert_eq!((entry.bytes(1), entry.bytes(5)), (Some(b"hidden".as_slice()), Some(CANARY)));
    }
}

#[test]
fn a_recipient_s_older_key_still_opens_what_was_sealed_for_it() {
    let here = Keys::new();
    let there = recipient("p256", &here);
    here.put("a", b"a");
    here.call("export a --to exchange.pem --out sealed").run().ok();
    carry(&here, &there);
    there.call("generate exchange --kind p256").run().ok();
    there.call("import --in sealed --key-item exchange").run().ok();
    assert_eq!(there.get("a"), b"a");
}

#[test]
fn who_is_not_meant_and_what_was_altered_opens_nothing() {
    let here = Keys::new();
    let there = recipient("p256", &here);
    let other = recipient("p256", &Keys::new());
    here.put("a", CANARY);
    here.call("export a --to exchange.pem --out sealed").run().ok();
    let sealed = carry(&here, &there);
    other.write("sealed", &sealed);
    let before = (there.files(), other.files());
    other.call("import --in sealed --key-item exchange").run().failed(3).is("other-recipient");
    for (at, code, exit) in [
        (0, "malformed", 3),
        (16, "unknown-format", 1),
        (20, "other-recipient", 3),
        (60, "damaged", 1),
        (sealed.len() - 1, "damaged", 1),
    ] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let run = there.write("changed", changed).call("import --in changed --key-item exchange").run();
        run.failed(exit).is(code).says(&["changed"][..usize::from(code != "other-recipient")]);
    }
    there.write("short", &sealed[..sealed.len() / 2]);
    there.call("import --in short --key-item exchange").run().failed(1).is("damaged");
    there.call("import --in - --key-item exchange").stdin("").run().failed(3).is("malformed");
    assert_eq!((there.files(), other.files()), before);
}

#[test]
fn an_import_that_is_in_somebody_s_way_takes_nothing() {
    let here = Keys::new();
    let there = recipient("p256", &here);
    here.put("a", b"a");
    here.put("b", b"b");
    here.call("export a b --to exchange.pem --out sealed").run().ok();
    carry(&here, &there);
    there.put("b", b"another");
    let before = there.files();
    there.call("import --in sealed --key-item exchange").run().failed(5).is("conflict").says(&["--as"]);
    there.call("import --in sealed --key-item exchange --as c").run().failed(3).is("refused");
    assert_eq!(there.files(), before, "a wasn't taken either");
}

#[test]
fn only_a_key_that_can_be_sealed_for_is_a_recipient_s() {
    let keys = Keys::new();
    keys.put("a", CANARY);
    keys.call("generate rsa --kind rsa-2048").run().ok();
    keys.write("rsa.pem", keys.get("rsa --format spki-pem")).write("noise", "noise");
    keys.call("export a --to rsa.pem --out sealed").run().failed(3).is("refused").says(&["P-256", "p256"]);
    keys.call("export a --to noise --out sealed").run().failed(3).is("malformed").says(&["noise"]);
    keys.call("export a --to missing --out sealed").run().failed(1).is("file");
    keys.call("generate pair --kind p256").run().ok();
    let pem = text(&keys.call("print pair --public").run().ok()["public_key"]);
    keys.write("pair.pem", pem);
    keys.call("export a absent --to pair.pem --out sealed").run().failed(4).is("not-found");
    keys.call("export a pair --version 1 --to pair.pem --out sealed").run().failed(2).is("usage");
    assert!(!keys.path("sealed").exists());
}
