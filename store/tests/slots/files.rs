//! One slot, of a file.

use std::fs;
use std::path::PathBuf;

use claviger_store::slot::{NewSlot, SlotContext, SlotError, Slots};
use claviger_store::{RootKey, SlotSpec, StoreId};

use super::{Made, context, error, mode, same, set_mode};

#[test]
fn the_root_key_comes_back_and_t23_the_files_are_private() {
    let made = Made::new();
    assert!(same(&made.open().unwrap(), &made.root));
    assert_eq!((mode(&made.key()), mode(&made.slots())), (0o600, 0o600));
    assert_eq!(fs::read(made.key()).unwrap().len(), 32);
}

#[test]
fn an_existing_key_file_is_the_key_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    fs::write(&key, [9; 40]).unwrap();
    set_mode(&key, 0o400);
    let root = RootKey::generate().unwrap();
    let slots = dir.path().join("slots.json");
    Slots::create(&slots, &context(), &root, &NewSlot::File { path: key.clone() }).unwrap();
    assert_eq!(fs::read(&key).unwrap(), [9; 40]);
    assert!(same(&Slots::read(&slots).unwrap().open(&context()).unwrap(), &root));
}

#[test]
fn t23_a_key_file_that_everybody_can_change_is_refused_and_one_that_others_can_read_is_told() {
    let made = Made::new();
    for bad in [0o602, 0o666] {
        set_mode(&made.key(), bad);
        let error = error(made.open());
        assert!(matches!(error, SlotError::KeyFileMode { mode, .. } if mode == bad));
        assert!(error.to_string().contains("chmod 600"));
    }
    let exposed = || Slots::read(&made.slots()).unwrap().exposed_key_files();
    for told in [0o640, 0o604] {
        set_mode(&made.key(), told);
        made.open().unwrap();
        assert_eq!(exposed(), [(made.key(), told)]);
    }
    set_mode(&made.key(), 0o400);
    made.open().unwrap();
    assert!(exposed().is_empty());
}

#[test]
fn a_directory_with_its_own_key_file_can_be_moved() {
    let made = Made::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = |from: PathBuf| elsewhere.path().join(from.file_name().unwrap());
    fs::rename(made.key(), moved(made.key())).unwrap();
    fs::rename(made.slots(), moved(made.slots())).unwrap();
    assert!(same(&Slots::read(&moved(made.slots())).unwrap().open(&context()).unwrap(), &made.root));
}

#[test]
fn a_missing_a_strange_a_short_and_a_long_key_file_are_told_apart() {
    let made = Made::new();
    for length in [0, 31, 4097] {
        fs::write(made.key(), vec![1; length]).unwrap();
        let wanted = u64::try_from(length).unwrap();
        assert!(matches!(error(made.open()), SlotError::KeyFileSize { found, .. } if found == wanted));
    }
    fs::remove_file(made.key()).unwrap();
    assert!(matches!(error(made.open()), SlotError::KeyFileMissing { path } if path == made.key()));
    fs::create_dir(made.key()).unwrap();
    set_mode(&made.key(), 0o700);
    assert!(matches!(error(made.open()), SlotError::KeyFileKind { .. }));
}

#[test]
fn a_wrong_key_is_told_from_a_damaged_slot() {
    let made = Made::new();
    let right = fs::read(made.key()).unwrap();
    fs::write(made.key(), [1; 32]).unwrap();
    assert!(matches!(error(made.open()), SlotError::WrongKey { .. }));
    fs::write(made.key(), &right).unwrap();
    made.edit(|table| {
        let sealed = table["slots"][0]["sealed"].as_str().unwrap();
        let flipped = if sealed.ends_with('0') { "1" } else { "0" };
        table["slots"][0]["sealed"] = format!("{}{flipped}", &sealed[..sealed.len() - 1]).into();
    });
    assert!(matches!(error(made.open()), SlotError::Damaged { .. }));
    fs::write(made.slots(), "{").unwrap();
    assert!(matches!(error(made.open()), SlotError::Damaged { .. }));
}

#[test]
fn a_commitment_is_checked() {
    let made = Made::new();
    made.edit(|table| table["slots"][0]["commitment"] = "00".repeat(32).into());
    assert!(matches!(error(made.open()), SlotError::WrongKey { .. }));
}

#[test]
fn t30_the_slots_of_another_store_or_purpose_are_refused_even_when_relabelled() {
    let made = Made::new();
    let slots = Slots::read(&made.slots()).unwrap();
    let other_store = SlotContext { store: StoreId::from_bytes([8; 16]), ..context() };
    let other_purpose = SlotContext { purpose: "broker", ..context() };
    for other in [other_store, other_purpose] {
        assert!(matches!(error(slots.open(&other)), SlotError::OtherStore { .. }));
    }
    made.edit(|table| table["store"] = "08".repeat(16).into());
    let relabelled = Slots::read(&made.slots()).unwrap();
    assert!(matches!(error(relabelled.open(&other_store)), SlotError::Damaged { .. }));
    made.edit(|table| {
        table["store"] = "07".repeat(16).into();
        table["purpose"] = "broker".into();
    });
    let relabelled = Slots::read(&made.slots()).unwrap();
    assert!(matches!(error(relabelled.open(&other_purpose)), SlotError::Damaged { .. }));
}

#[test]
fn an_unknown_format_is_refused_and_slots_are_never_overwritten() {
    let made = Made::new();
    let again = Slots::create(&made.slots(), &context(), &made.root, &NewSlot::File { path: made.key() });
    assert!(matches!(again.err().unwrap(), SlotError::Exists { .. }));
    made.edit(|table| {
        *table = serde_json::json!({"format": 2, "whatever": true});
    });
    assert!(matches!(error(made.open()), SlotError::UnknownFormat { found: 2, .. }));
}

#[test]
fn a_slot_is_written_as_on_the_command_line() {
    assert_eq!(SlotSpec::File { path: "/a b".into() }, "file:/a b".parse().unwrap());
    assert_eq!("file:x".parse::<SlotSpec>().unwrap().to_string(), "file:x");
    assert_eq!("passphrase".parse::<SlotSpec>().unwrap(), SlotSpec::Passphrase);
    assert_eq!(SlotSpec::Passphrase.to_string(), "passphrase");
    for bad in ["", "file", "file:", "passphrase:", "passphrase:secret", "shamir", "/etc/key"] {
        assert!(matches!(bad.parse::<SlotSpec>(), Err(SlotError::Spec)));
    }
}
