//! Writing DER (X.690): only as much as certificates need.
//!
//! A general certificate library would not do here: the issuer's name must be copied byte for byte (peers
//! compare it so), and our extension's OID has an arc of 128 bits.

use time::OffsetDateTime;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// `[n]`, primitive: an implicit tag on something primitive.
pub(crate) const fn context(n: u8) -> u8 {
    0x80 | n
}

/// `[n]`, constructed: an explicit tag, or an implicit one on something constructed.
pub(crate) const fn context_constructed(n: u8) -> u8 {
    0xa0 | n
}

/// One value: tag, length, and the parts one after the other.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
    match significant {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).expect("a length has at most 8 bytes"));
            out.extend_from_slice(long);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// An X.509 `Time` (RFC 5280 §4.1.2.5): `UTCTime` through 2049, `GeneralizedTime` after; `None` past the year
/// 9999.
pub(crate) fn time(unix_seconds: u64) -> Option<Vec<u8>> {
    let t = OffsetDateTime::from_unix_timestamp(i64::try_from(unix_seconds).ok()?).ok()?;
    let rest =
        format!("{:02}{:02}{:02}{:02}{:02}Z", u8::from(t.month()), t.day(), t.hour(), t.minute(), t.second());
    match t.year() {
        year @ 1970..=2049 => {
            Some(tlv(UTC_TIME, &[format!("{:02}", year % 100).as_bytes(), rest.as_bytes()]))
        }
        year @ 2050..=9999 => Some(tlv(GENERALIZED_TIME, &[year.to_string().as_bytes(), rest.as_bytes()])),
        _ => None,
    }
}
