//! Seals: what was sealed opens as itself, and as nothing else.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use claviger_store::seal::{Aad, FORMAT, OVERHEAD, RecordKind, SealError, SealKey};
use proptest::prelude::*;

const GENERATION: [u8; 16] = [3; 16];

fn aad() -> Aad<'static> {
    Aad {
        kind: RecordKind::Entry,
        generation: GENERATION,
        name: "web/tls/key",
        version: 7,
        entry_type: "binary-blob",
        flags: Aad::EXPORTABLE,
        entered: 1_790_000_000,
        expires: 1_800_000_000,
        state: 1,
        key_epoch: 1,
        bound_to: b"chain",
    }
}

fn key() -> SealKey {
    SealKey::new(&[5; 32])
}

#[test]
fn what_was_sealed_opens() {
    let sealed = key().seal(&aad(), b"secret").unwrap();
    assert_eq!(sealed.len(), 6 + OVERHEAD);
    assert_eq!(key().open(&aad(), &sealed).unwrap().expose(), b"secret");
    let empty = key().seal(&aad(), b"").unwrap();
    assert!(key().open(&aad(), &empty).unwrap().is_empty());
}

#[test]
fn every_seal_has_a_salt_of_its_own() {
    let [a, b] = [(), ()].map(|()| key().seal(&aad(), b"secret").unwrap());
    assert_ne!(a[1..33], b[1..33]);
    assert_ne!(a[33..], b[33..]);
}

#[test]
fn t30_each_part_of_what_a_record_is_must_be_right() {
    let sealed = key().seal(&aad(), b"secret").unwrap();
    let mut other_generation = GENERATION;
    other_generation[15] ^= 1;
    let wrong = [
        Aad { kind: RecordKind::Head, ..aad() },
        Aad { generation: other_generation, ..aad() },
        Aad { name: "web/tls/kez", ..aad() },
        Aad { version: 8, ..aad() },
        Aad { entry_type: "X509-der-cert", ..aad() },
        Aad { flags: 0, ..aad() },
        Aad { entered: 1_790_000_001, ..aad() },
        Aad { expires: 0, ..aad() },
        Aad { state: 2, ..aad() },
        Aad { key_epoch: 2, ..aad() },
        Aad { bound_to: b"", ..aad() },
        // What moves from one field into the next is another record.
        Aad { name: "web/tls/keyb", entry_type: "inary-blob", ..aad() },
    ];
    for (n, wrong) in wrong.iter().enumerate() {
        assert_eq!(key().open(wrong, &sealed).err(), Some(SealError::Damaged), "{n}");
    }
    assert_eq!(SealKey::new(&[6; 32]).open(&aad(), &sealed).err(), Some(SealError::Damaged));
    key().open(&aad(), &sealed).unwrap();
}

#[test]
fn an_unknown_format_is_told_from_damage() {
    let mut sealed = key().seal(&aad(), b"secret").unwrap();
    assert_eq!(sealed[0], FORMAT);
    sealed[0] = 2;
    assert_eq!(key().open(&aad(), &sealed).err(), Some(SealError::UnknownFormat { found: 2 }));
    assert_eq!(key().open(&aad(), b"").err(), Some(SealError::Damaged));
}

proptest! {
    #[test]
    fn any_content_comes_back_and_any_flipped_bit_is_found(
        content in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
        cut in any::<prop::sample::Index>(),
    ) {
        let sealed = key().seal(&aad(), &content).unwrap();
        prop_assert!(key().open(&aad(), &sealed).unwrap().expose() == content);
        let mut flipped = sealed.clone();
        flipped[at.index(sealed.len())] ^= 1 << bit;
        prop_assert!(key().open(&aad(), &flipped).is_err());
        prop_assert!(key().open(&aad(), &sealed[..cut.index(sealed.len())]).is_err());
    }
}
