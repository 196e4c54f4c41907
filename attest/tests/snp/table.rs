//! The certificate table.

use claviger_attest::{MAX_CERTIFICATE_TABLE, TableEntry, read_certificate_table, write_certificate_table};
use proptest::prelude::*;

const GOOD: &[(TableEntry, &[u8])] = &[
    (TableEntry::Vcek, b"vcek"),
    (TableEntry::Ask, b"ask"),
    (TableEntry::Ark, b""),
    (TableEntry::Crl, b"list"),
];

#[test]
fn what_is_written_is_read() {
    assert_eq!(read_certificate_table(&write_certificate_table(GOOD)).unwrap(), GOOD);
    assert_eq!(read_certificate_table(&[0; 24]).unwrap(), []);
    // A page with nothing after the end.
    let padded = [write_certificate_table(GOOD), vec![0; 4096]].concat();
    assert_eq!(read_certificate_table(&padded).unwrap(), GOOD);
}

#[test]
fn the_guids_are_the_specified_ones() {
    let bytes = write_certificate_table(&[(TableEntry::Vcek, b"x"), (TableEntry::Vlek, b"")]);
    let text = hex::encode(&bytes);
    let zeros = "00".repeat(24);
    let expected = format!(
        "63da758de6644564adc5f4b93be8accd4800000001000000a8074bc2a25a483eaae639c045a0b8a14900000000000000{zeros}78"
    );
    assert_eq!(text, expected);
}

#[test]
fn entries_that_point_where_they_should_not_are_refused() {
    let good = write_certificate_table(GOOD);
    let at = |offset: usize, value: u32| {
        let mut table = good.clone();
        table[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        read_certificate_table(&table).map(|_| ())
    };
    assert!(at(16, u32::MAX).is_err(), "outside");
    assert!(at(20, u32::MAX).is_err(), "too long");
    assert!(at(16, 0).is_err(), "into the entries");
    assert!(at(20, 12).is_err(), "one byte too long");
}

#[test]
fn a_table_without_an_end_too_long_or_with_a_kind_twice_is_refused() {
    let good = write_certificate_table(GOOD);
    assert!(read_certificate_table(&[]).is_err());
    assert!(read_certificate_table(&good[..4 * 24]).is_err());
    assert!(read_certificate_table(&vec![0; MAX_CERTIFICATE_TABLE]).is_ok());
    assert!(read_certificate_table(&vec![0; MAX_CERTIFICATE_TABLE + 1]).is_err());
    let twice = write_certificate_table(&[(TableEntry::Ark, b"a"), (TableEntry::Ark, b"b")]);
    assert!(read_certificate_table(&twice).is_err());
    let many = vec![(TableEntry::Ark, &b""[..]); 17];
    assert!(read_certificate_table(&write_certificate_table(&many)).is_err());
}

#[test]
fn a_guid_that_is_not_known_is_passed_over() {
    let mut table = write_certificate_table(GOOD);
    table[0] ^= 1;
    assert_eq!(read_certificate_table(&table).unwrap(), &GOOD[1..]);
}

proptest! {
    #[test]
    fn t20_no_table_panics_or_gives_more_than_it_has(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(entries) = read_certificate_table(&bytes) {
            prop_assert!(entries.iter().all(|(_, blob)| blob.len() <= bytes.len()));
        }
    }
}
