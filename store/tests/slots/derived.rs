//! Slots of keys that a platform derives.

use claviger_proto::Secret;
use claviger_store::slot::{DerivedFrom, DerivedKey, Factor, SlotError, SlotKind};
use claviger_store::{NewSlot, SlotSpec};

use crate::{Made, context};

fn from(tcb: u64) -> DerivedFrom {
    DerivedFrom { platform: "sev-snp:device".to_owned(), vmpl: 0, guest_svn: 3, tcb }
}

fn derived(from: DerivedFrom, key: u8) -> DerivedKey {
    DerivedKey { from, key: Secret::copy_from(&[key; 32]) }
}

#[test]
fn the_same_key_opens_it_and_no_other() {
    let made = Made::new();
    let (id, _) = made.add(&NewSlot::Derived(derived(from(7), 1)));
    let info = made.read().list().into_iter().find(|slot| slot.id == id).unwrap();
    assert_eq!(info.kind, SlotKind::Derived { from: from(7) });
    let open = |key| made.read().open_with(&context(), &Factor::Derived(key)).map(|opened| opened.slot);
    assert_eq!(open(derived(from(7), 1)).unwrap(), id);
    // Another image, machine or chip.
    assert!(matches!(open(derived(from(7), 2)), Err(SlotError::WrongDerivedKey)));
    // Asked for with something else mixed in.
    assert!(matches!(open(derived(from(8), 1)), Err(SlotError::NoSlotFor { .. })));
}

#[test]
fn what_it_was_derived_from_is_authenticated() {
    let made = Made::new();
    made.add(&NewSlot::Derived(derived(from(7), 1)));
    let text = std::fs::read_to_string(made.slots()).unwrap();
    let changed = text.replace("\"tcb\": 7", "\"tcb\": 6");
    assert_ne!(text, changed);
    std::fs::write(made.slots(), changed).unwrap();
    let opened = made.read().open_with(&context(), &Factor::Derived(derived(from(6), 1)));
    assert!(matches!(opened, Err(SlotError::Damaged { .. })));
}

#[test]
fn a_short_key_makes_no_slot() {
    let made = Made::new();
    let short = DerivedKey { from: from(7), key: Secret::copy_from(&[1; 31]) };
    let refused = made.read().prepare(&context(), &made.root, &NewSlot::Derived(short));
    assert!(matches!(refused, Err(SlotError::DerivedKeyShort)));
}

#[test]
fn it_is_written_with_its_platform() {
    let spec: SlotSpec = "derived:simulated-enclave:/a b".parse().unwrap();
    assert_eq!(spec, SlotSpec::Derived { platform: "simulated-enclave:/a b".to_owned() });
    assert_eq!(spec.to_string(), "derived:simulated-enclave:/a b");
    assert!("derived:".parse::<SlotSpec>().is_err() && "derived".parse::<SlotSpec>().is_err());
}
