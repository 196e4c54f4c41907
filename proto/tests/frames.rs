//! Frames and times.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use claviger_proto::frame::{body_length, header};
use claviger_proto::limits::{MAX_ADMISSION_FRAME, MAX_KEY_SERVICE_FRAME};
use claviger_proto::time_text::{time_from_text, time_to_text};
use claviger_proto::{Entry, ErrorCode, ParseError};
use common::data;
use proptest::prelude::*;

#[test]
fn t20_only_lengths_within_the_limit_are_read() {
    for limit in [1, 16, MAX_ADMISSION_FRAME, MAX_KEY_SERVICE_FRAME] {
        let length = i32::try_from(limit).unwrap();
        assert_eq!(body_length(length.to_le_bytes(), limit), Ok(limit));
        assert_eq!(body_length(1_i32.to_le_bytes(), limit), Ok(1));
        for over in [length + 1, i32::MAX - 1, i32::MAX] {
            assert_eq!(body_length(over.to_le_bytes(), limit), Err(ParseError::FrameTooLarge), "{over}");
        }
        for empty in [0, -1, -2, -1024, i32::MIN + 1, i32::MIN] {
            assert_eq!(body_length(empty.to_le_bytes(), limit), Err(ParseError::EmptyFrame), "{empty}");
        }
    }
    assert_eq!(ErrorCode::from(ParseError::FrameTooLarge), ErrorCode::TooLarge);
}

#[test]
fn a_header_is_little_endian() {
    assert_eq!(header(0x0001_0203), [3, 2, 1, 0]);
    let frame = data("keyservice/stock_store.request.frame");
    assert_eq!(header(frame.len() - 4), frame[..4]);
}

/// As `time_to_string` of the stock programs printed them, and as their entries carry them.
#[test]
fn captured_times_are_read_and_written_alike() {
    for (text, unix) in [
        ("2026-01-02T03:04: 5.00000Z", 1_767_323_045),
        ("2026-01-02T03:04:15.00000Z", 1_767_323_055),
        ("2026-11-24T05:42:42.00000Z", 1_795_498_962),
        ("2026-11-24T05:56:29.00000Z", 1_795_499_789),
        ("2027-11-24T05:42:42.00000Z", 1_827_034_962),
    ] {
        assert_eq!(time_from_text(text), Ok(unix), "{text}");
        assert_eq!(time_to_text(unix), text);
    }
    for file in ["entry-aesg", "entry-primary-store-encryption-key", "entry-pub1"] {
        let bytes = data(&format!("keys/{file}.cryptstore_entry.pb"));
        let entry = Entry::decode(&bytes).unwrap();
        assert!(entry.entered > 1_795_000_000, "{file}");
        assert!(*entry.encode() == bytes, "{file}: not the bytes that the stock program wrote");
    }
}

#[test]
fn texts_that_are_no_time_are_refused() {
    for text in [
        "",
        "Z",
        "T",
        "TZ",
        "now",
        "2026",
        "2026-11-24",
        "2026-11-24T05:42:42.00000",
        "2026-13-24T05:42:42.00000Z",
        "2026-02-30T05:42:42.00000Z",
        "2026-11-24T24:00:00.00000Z",
        "2026-11-24T05:60:00.00000Z",
        "2026-11-24T05:42:60.00000Z",
        "2026-11-24T05:42:-1.00000Z",
        "2026-11-24T05:42Z",
        "2026:11:24T05:42:42.0Z",
        "99999999999-11-24T05:42:42.00000Z",
    ] {
        assert_eq!(time_from_text(text), Err(ParseError::Time), "{text}");
    }
}

proptest! {
    #[test]
    fn t20_any_header_gives_a_bounded_length_or_an_error(bytes: [u8; 4], limit in 0_usize..1 << 21) {
        if let Ok(length) = body_length(bytes, limit) {
            prop_assert!((1..=limit).contains(&length));
            prop_assert_eq!(header(length), bytes);
        }
    }

    #[test]
    fn times_come_back(unix in 0..253_402_300_800_i64) {
        prop_assert_eq!(time_from_text(&time_to_text(unix)), Ok(unix));
    }

    #[test]
    fn t20_any_time_is_written_and_any_text_read(unix: i64, text in ".{0,40}") {
        let _ = time_to_text(unix);
        let _ = time_from_text(&text);
    }
}
