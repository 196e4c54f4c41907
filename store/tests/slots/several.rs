//! Several slots, and passphrases among them.

use std::fs;

use claviger_proto::Secret;
use claviger_store::slot::{Factor, NewSlot, SlotError, SlotId, SlotKind, Slots, SplitPlan};

use super::{Made, context, err, error, mode, passphrase, same};

#[test]
fn a_passphrase_opens_its_slot_and_another_is_told() {
    let made = Made::new();
    let (id, _) = made.add(&NewSlot::Passphrase(passphrase("correct horse\n")));
    let opened = made.with(&Factor::Passphrase(passphrase("correct horse"))).unwrap();
    assert!(opened.slot == id && same(&opened.root, &made.root));
    for wrong in ["correct horsf", "Correct horse", "correct horse ", "c"] {
        let told = err(made.with(&Factor::Passphrase(passphrase(wrong))));
        assert!(matches!(told, SlotError::WrongPassphrase) && !told.is_ours(), "{wrong}");
    }
    // The other slot is as it was, and the file is private still.
    assert!(same(&made.open().unwrap(), &made.root));
    assert_eq!(mode(&made.slots()), 0o600);
    let info = &made.read().list()[1];
    assert_eq!(info.kind, SlotKind::Passphrase { memory_kib: 65536, passes: 3, lanes: 4 });
    let short = NewSlot::Passphrase(passphrase("seven77"));
    assert!(matches!(err(made.read().prepare(&context(), &made.root, &short)), SlotError::PassphraseShort));
}

#[test]
fn t20_a_forged_slot_takes_no_memory_and_is_told_as_damaged() {
    let made = Made::new();
    made.add(&NewSlot::Passphrase(passphrase("correct horse")));
    for (field, value) in [("memory_kib", u32::MAX), ("passes", 1 << 20), ("lanes", 1 << 20), ("lanes", 0)] {
        let before = fs::read(made.slots()).unwrap();
        made.edit(|table| table["slots"][1]["argon2id"][field] = value.into());
        let told = err(made.with(&Factor::Passphrase(passphrase("correct horse"))));
        assert!(matches!(told, SlotError::Damaged { .. }), "{field}: {told}");
        fs::write(made.slots(), before).unwrap();
    }
    fs::write(made.slots(), vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(matches!(err(Slots::read(&made.slots())), SlotError::TooLarge { .. }));
}

#[test]
fn t30_what_a_slot_says_about_its_factor_is_authenticated() {
    let made = Made::new();
    let (_, shares) = made.add(&NewSlot::Shares(SplitPlan::new(3, 2).unwrap()));
    let factor = || Factor::Shares(made.gather(&[&shares[0], &shares[1]]).unwrap().0);
    made.with(&factor()).unwrap();
    // A digest of a share that nobody has yet.
    made.edit(|table| table["slots"][1]["split"]["digests"][2] = "00".repeat(32).into());
    assert!(matches!(err(made.with(&factor())), SlotError::Damaged { .. }));
    // A slot that says of itself that it is of another kind.
    made.edit(|table| table["slots"][0]["kind"] = "stone".into());
    assert!(matches!(err(Slots::read(&made.slots())), SlotError::Damaged { .. }));
}

#[test]
fn the_bytes_of_a_key_file_open_its_slot_wherever_they_come_from() {
    let made = Made::new();
    let key = fs::read(made.key()).unwrap();
    fs::remove_file(made.key()).unwrap();
    assert!(same(&made.with(&Factor::KeyBytes(Secret::copy_from(&key))).unwrap().root, &made.root));
    let told = err(made.with(&Factor::KeyBytes(Secret::copy_from(&[1; 32]))));
    assert!(matches!(told, SlotError::WrongKeyBytes));
    let told = err(made.with(&Factor::Passphrase(passphrase("x"))));
    assert!(matches!(told, SlotError::NoSlotFor { what: "a passphrase" }));
}

#[test]
fn slots_come_and_go_and_the_last_one_stays() {
    let made = Made::new();
    let other = made.dir.path().join("other.key");
    let (id, _) = made.add(&NewSlot::File { path: other.clone() });
    let mut slots = made.read();
    assert_eq!(slots.list().len(), 2);
    let first = made.first_slot();
    slots.remove(first).unwrap();
    assert!(matches!(err(slots.remove(first)), SlotError::NoSlot { slot } if slot == first));
    assert!(matches!(err(slots.remove(id)), SlotError::LastSlot));
    fs::remove_file(made.key()).unwrap();
    let opened = made.with(&Factor::KeyFiles).unwrap();
    assert!(opened.slot == id && same(&opened.root, &made.root));
    assert_eq!(id.to_string().parse::<SlotId>().unwrap(), id);
    assert!(matches!(err("xyz".parse::<SlotId>()), SlotError::Id));
}

#[test]
fn one_of_several_is_enough_and_a_wrong_file_says_more_than_a_missing_one() {
    let made = Made::new();
    let other = made.dir.path().join("other.key");
    made.add(&NewSlot::File { path: other.clone() });
    let key = fs::read(made.key()).unwrap();
    fs::remove_file(made.key()).unwrap();
    assert!(same(&made.open().unwrap(), &made.root));
    fs::write(made.key(), [1; 32]).unwrap();
    fs::remove_file(&other).unwrap();
    assert!(matches!(error(made.open()), SlotError::WrongKey { path } if path == made.key()));
    fs::write(made.key(), key).unwrap();
    assert!(same(&made.open().unwrap(), &made.root));
}

#[test]
fn a_passphrase_is_changed_in_one_step_that_a_failure_leaves_undone() {
    let made = Made::new();
    let (old, _) = made.add(&NewSlot::Passphrase(passphrase("correct horse")));
    let mut slots = made.read();
    let change = |slots: &Slots| {
        slots.prepare(&context(), &made.root, &NewSlot::Passphrase(passphrase("battery staple"))).unwrap()
    };
    let before = fs::read(made.slots()).unwrap();
    // Where the new file would be made there is a directory.
    let blocked = made.dir.path().join("slots.json.new");
    fs::create_dir(&blocked).unwrap();
    let new = change(&slots);
    assert!(matches!(err(slots.replace(old, new)), SlotError::Io { .. }));
    assert!(matches!(err(slots.remove(old)), SlotError::Io { .. }));
    assert_eq!(fs::read(made.slots()).unwrap(), before);
    assert_eq!(slots.list().len(), 2);
    fs::remove_dir(&blocked).unwrap();
    let new = change(&slots);
    let id = new.id();
    slots.replace(old, new).unwrap();
    assert_eq!(made.with(&Factor::Passphrase(passphrase("battery staple"))).unwrap().slot, id);
    assert!(made.with(&Factor::Passphrase(passphrase("correct horse"))).is_err());
}

#[test]
fn there_are_at_most_16_slots_with_a_name_each() {
    let made = Made::new();
    for _ in 0..15 {
        made.add(&NewSlot::File { path: made.key() });
    }
    let mut slots = made.read();
    let one_more = slots.prepare(&context(), &made.root, &NewSlot::File { path: made.key() }).unwrap();
    assert!(matches!(err(slots.add(one_more)), SlotError::TooManySlots(16)));
    assert_eq!(made.read().list().len(), 16);
    made.edit(|table| table["slots"][1] = table["slots"][0].clone());
    assert!(matches!(err(Slots::read(&made.slots())), SlotError::Damaged { .. }));
    made.edit(|table| table["slots"] = serde_json::json!([]));
    assert!(matches!(err(Slots::read(&made.slots())), SlotError::Damaged { .. }));
}
