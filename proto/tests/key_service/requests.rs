//! Requests with one thing wrong.

use claviger_proto::key_service::{Dialect, decode_request};
use claviger_proto::limits::{MAX_DATA, MAX_KEY_SERVICE_FRAME};
use claviger_proto::{Entry, EntryType, ParseError, Secret};
use prost::Message as _;

use super::{RequestWire, decode, dom0, store_wire};

const WHICH: &str = "version, or that all are meant (one of the two)";

#[test]
fn a_store_with_one_thing_wrong_is_refused() {
    type Change = fn(&mut RequestWire);
    assert!(decode(&store_wire()).is_ok());
    let broken: [(Change, ParseError); 10] = [
        (|wire| wire.resource_name = None, ParseError::ResourceName),
        (|wire| wire.resource_name = Some("a/../b".to_owned()), ParseError::ResourceName),
        (|wire| wire.resource_name = Some("a".repeat(256)), ParseError::ResourceNameTooLong),
        (|wire| wire.version = Some(-1), ParseError::NegativeVersion),
        (|wire| wire.version = Some(i32::MIN), ParseError::NegativeVersion),
        (|wire| wire.data = Some(vec![]), ParseError::Missing("data")),
        (|wire| wire.data = Some(vec![0; MAX_DATA + 1]), ParseError::FrameTooLarge),
        (|wire| wire.request_type = None, ParseError::UnknownRequest),
        (|wire| wire.request_type = Some("Store".to_owned()), ParseError::UnknownRequest),
        (
            |wire| wire.value_type = Some("cryptstore-entry".to_owned()),
            ParseError::Message("cryptstore_entry"),
        ),
    ];
    for (change, error) in broken {
        let mut wire = store_wire();
        change(&mut wire);
        assert_eq!(decode(&wire).err(), Some(error));
    }
    let largest = RequestWire { data: Some(vec![7; MAX_DATA]), ..store_wire() };
    assert!(decode(&largest).is_ok());
    assert!(largest.encoded_len() <= MAX_KEY_SERVICE_FRAME);
}

#[test]
fn a_store_of_an_entry_with_one_thing_wrong_is_refused() {
    let good = || Entry {
        tag: "a".to_owned(),
        entry_type: EntryType::binary_blob(),
        version: None,
        entered: 0,
        exportable: true,
        blob: Secret::copy_from(b"secret"),
    };
    let store = |entry: &Entry| {
        let data = Some(entry.encode().to_vec());
        // The request's own name would be good; the entry's tag is the one that counts.
        decode(&RequestWire { value_type: None, data, version: Some(-5), ..store_wire() })
    };
    assert!(store(&good()).is_ok());
    assert_eq!(store(&Entry { tag: String::new(), ..good() }).err(), Some(ParseError::ResourceName));
    assert_eq!(store(&Entry { tag: "../a".to_owned(), ..good() }).err(), Some(ParseError::ResourceName));
    let tag = "a".repeat(256);
    assert_eq!(store(&Entry { tag, ..good() }).err(), Some(ParseError::ResourceNameTooLong));
    assert_eq!(store(&Entry { blob: Secret::default(), ..good() }).err(), Some(ParseError::Missing("data")));
    let blob = Secret::new(vec![0; MAX_DATA + 1]);
    assert_eq!(store(&Entry { blob, ..good() }).err(), Some(ParseError::FrameTooLarge));
}

#[test]
fn an_entry_that_doesnt_say_so_may_not_leave() {
    // Tag 1, type 2, blob 5; nothing else set.
    let entry = Entry::decode(b"\x0a\x01a\x12\x0bbinary-blob\x2a\x01z").unwrap();
    assert_eq!((entry.exportable, entry.version, entry.entered), (false, None, 0));
}

#[test]
fn entry_types_are_one_printable_word() {
    for good in ["binary-blob", "X509-der-cert", "a", "~!"] {
        assert!(good.parse::<EntryType>().is_ok(), "{good}");
    }
    for bad in ["", "a b", "a\n", "a\0", "ä", "\x1b[2J", &"a".repeat(65)] {
        assert_eq!(bad.parse::<EntryType>(), Err(ParseError::EntryType), "{bad:?}");
    }
}

/// A request of ours with one field of each kind wrong.
#[test]
fn requests_of_ours_with_one_thing_wrong_are_refused() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Ours {
        #[prost(string, optional, tag = "1")]
        name: Option<String>,
        #[prost(string, optional, tag = "2")]
        kind: Option<String>,
        #[prost(int32, optional, tag = "4")]
        version: Option<i32>,
        #[prost(int32, optional, tag = "100")]
        if_latest: Option<i32>,
        #[prost(int64, optional, tag = "101")]
        expires: Option<i64>,
        #[prost(string, optional, tag = "102")]
        key_kind: Option<String>,
        #[prost(bool, optional, tag = "104")]
        all: Option<bool>,
        #[prost(string, optional, tag = "105")]
        prefix: Option<String>,
        #[prost(string, optional, tag = "106")]
        after: Option<String>,
        #[prost(int32, optional, tag = "107")]
        size: Option<i32>,
    }
    type Change = fn(&mut Ours);
    let read = |dialect, wire: &Ours| decode_request(dialect, &dom0(), &wire.encode_to_vec()).request();
    let cases: [(&str, &[(Change, ParseError)]); 6] = [
        (
            "generate",
            &[
                (|w| w.name = None, ParseError::ResourceName),
                (|w| w.key_kind = None, ParseError::Missing("kind of key")),
                (|w| w.key_kind = Some(String::new()), ParseError::Missing("kind of key")),
                (|w| w.key_kind = Some("x".repeat(33)), ParseError::Missing("kind of key")),
                (|w| w.if_latest = Some(-1), ParseError::NegativeVersion),
                (|w| w.expires = Some(0), ParseError::Expiry),
                (|w| w.expires = Some(i64::MIN), ParseError::Expiry),
            ],
        ),
        (
            "rotate",
            &[
                (|w| w.name = Some(String::new()), ParseError::ResourceName),
                (|w| w.if_latest = Some(i32::MIN), ParseError::NegativeVersion),
                (|w| w.expires = Some(-1), ParseError::Expiry),
            ],
        ),
        (
            "list",
            &[
                (|w| w.prefix = Some("x".repeat(256)), ParseError::ResourceNameTooLong),
                (|w| w.after = Some("a/../b".to_owned()), ParseError::ResourceName),
                (|w| w.size = Some(0), ParseError::PageSize),
                (|w| w.size = Some(-5), ParseError::PageSize),
            ],
        ),
        (
            "versions",
            &[
                (|w| w.name = Some("/".to_owned()), ParseError::ResourceName),
                (|w| w.after = Some("x".to_owned()), ParseError::Missing("version to go on from")),
                (|w| w.after = Some("0".to_owned()), ParseError::Missing("version to go on from")),
                (|w| w.size = Some(0), ParseError::PageSize),
            ],
        ),
        ("describe", &[(|w| w.version = Some(-1), ParseError::NegativeVersion)]),
        (
            "delete",
            &[
                (|w| w.version = None, ParseError::Missing(WHICH)),
                (|w| w.version = Some(0), ParseError::Missing(WHICH)),
                (|w| w.all = Some(true), ParseError::Missing(WHICH)),
                (|w| w.version = Some(-1), ParseError::NegativeVersion),
                (|w| w.name = Some("a//b".to_owned()), ParseError::ResourceName),
            ],
        ),
    ];
    for (kind, changes) in cases {
        let good = Ours {
            name: Some("a".to_owned()),
            kind: Some(kind.to_owned()),
            version: Some(3),
            key_kind: Some("aes-256".to_owned()),
            ..Ours::default()
        };
        assert_eq!(read(Dialect::Ours, &good).map(|request| request.kind()).ok(), Some(kind));
        // A stock peer has no such request.
        assert_eq!(read(Dialect::Stock, &good).err(), Some(ParseError::UnknownRequest), "{kind}");
        for (n, (change, error)) in changes.iter().enumerate() {
            let mut wire = good.clone();
            change(&mut wire);
            assert_eq!(read(Dialect::Ours, &wire).err(), Some(*error), "{kind} {n}");
        }
    }
}
