//! The key service's messages: there and back, one thing wrong at a time, and bytes of any kind.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use claviger_proto::frame::HEADER;
use claviger_proto::key_service::{
    Echo, Outcome, Refusal, Request, Retrieve, Store, decode_request, decode_response, encode_response,
};
use claviger_proto::limits::{MAX_DATA, MAX_KEY_SERVICE_FRAME};
use claviger_proto::{DomainName, Entry, EntryType, ErrorCode, ParseError, ResourceName, Secret, Version};
use common::data;
use proptest::prelude::*;
use prost::Message as _;

fn dom0() -> DomainName {
    "dom0".parse().unwrap()
}

// The wire as the stock schema has it, and our fields beside it, seen from outside.

#[derive(Clone, PartialEq, prost::Message)]
struct RequestWire {
    #[prost(string, optional, tag = "1")]
    resource_name: Option<String>,
    #[prost(string, optional, tag = "2")]
    request_type: Option<String>,
    #[prost(string, optional, tag = "3")]
    value_type: Option<String>,
    #[prost(int32, optional, tag = "4")]
    version: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "5")]
    data: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseWire {
    #[prost(string, optional, tag = "1")]
    resource_name: Option<String>,
    #[prost(string, optional, tag = "2")]
    response_type: Option<String>,
    #[prost(string, optional, tag = "3")]
    status: Option<String>,
    #[prost(bytes = "vec", optional, tag = "4")]
    data: Option<Vec<u8>>,
    #[prost(string, optional, tag = "100")]
    request_id: Option<String>,
    #[prost(string, optional, tag = "101")]
    error_code: Option<String>,
    #[prost(string, optional, tag = "102")]
    error_message: Option<String>,
    #[prost(int32, optional, tag = "103")]
    stored_version: Option<i32>,
}

fn store_wire() -> RequestWire {
    RequestWire {
        resource_name: Some("a".to_owned()),
        request_type: Some("store".to_owned()),
        value_type: Some("binary-blob".to_owned()),
        version: Some(0),
        data: Some(b"secret".to_vec()),
    }
}

fn decode(wire: &RequestWire) -> Result<Request, ParseError> {
    decode_request(&dom0(), &wire.encode_to_vec()).request
}

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

fn refusal(code: ErrorCode) -> Outcome {
    Outcome::Refused(Refusal::new(code, "said to people"))
}

fn wire(request_id: Option<&str>, outcome: Outcome) -> ResponseWire {
    ResponseWire::decode(encode_response(&Echo::default(), request_id, &outcome).as_slice()).unwrap()
}

const CODES: [ErrorCode; 14] = [
    ErrorCode::Malformed,
    ErrorCode::TooLarge,
    ErrorCode::UnknownRequest,
    ErrorCode::InvalidName,
    ErrorCode::ReservedName,
    ErrorCode::NotFound,
    ErrorCode::Conflict,
    ErrorCode::CertificateRefused,
    ErrorCode::AttestationRefused,
    ErrorCode::Sealed,
    ErrorCode::Busy,
    ErrorCode::Unavailable,
    ErrorCode::Deadline,
    ErrorCode::Refused,
];

#[test]
fn t16_a_refusal_never_carries_data() {
    for code in CODES {
        for request_id in [None, Some("r1")] {
            let wire = wire(request_id, refusal(code));
            assert_eq!(wire.data, None, "{code}");
            assert_eq!(wire.stored_version, None, "{code}");
            assert_eq!(wire.status.as_deref(), Some("failed"));
            assert_eq!(wire.response_type.as_deref(), Some("final"));
        }
    }
    // And if a peer sends one that does, nothing of it is handed on.
    let sly = ResponseWire {
        status: Some("failed".to_owned()),
        data: Some(some_entry().encode().to_vec()),
        ..ResponseWire::default()
    };
    assert!(matches!(decode_response(&sly.encode_to_vec(), None).unwrap().outcome, Outcome::Refused(_)));
}

#[test]
fn a_stock_peer_gets_none_of_our_fields() {
    let outcomes =
        || [refusal(ErrorCode::Busy), Outcome::Stored(Version::FIRST), Outcome::Retrieved(some_entry())];
    for outcome in outcomes() {
        let ResponseWire { request_id, error_code, error_message, stored_version, .. } = wire(None, outcome);
        assert_eq!((request_id, error_code, error_message, stored_version), (None, None, None, None));
    }
    for outcome in outcomes() {
        assert!(field_numbers(&encode_response(&Echo::default(), None, &outcome)).iter().all(|n| *n < 100));
    }
    for outcome in outcomes() {
        assert_eq!(wire(Some("r1"), outcome).request_id.as_deref(), Some("r1"));
    }
}

/// The numbers of a message's outermost fields, whatever its schema.
fn field_numbers(mut message: &[u8]) -> Vec<u32> {
    let mut numbers = Vec::new();
    while !message.is_empty() {
        let (number, wire_type) = prost::encoding::decode_key(&mut message).unwrap();
        let context = prost::encoding::DecodeContext::default();
        prost::encoding::skip_field(wire_type, number, &mut message, context).unwrap();
        numbers.push(number);
    }
    numbers
}

#[test]
fn every_code_has_one_text_and_comes_back() {
    for code in CODES {
        assert_eq!(ErrorCode::from_text(code.as_str()), Some(code));
        let body = encode_response(&Echo::default(), Some("r1"), &refusal(code));
        let Outcome::Refused(read) = decode_response(&body, None).unwrap().outcome else { panic!("{code}") };
        assert_eq!(read, Refusal::new(code, "said to people"));
        assert_eq!(serde_json_name(code), code.as_str());
    }
    assert_eq!(ErrorCode::from_text("Busy"), None);
}

/// The name that serde gives a unit variant.
fn serde_json_name(code: ErrorCode) -> String {
    serde_json::to_value(code).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn an_over_long_name_is_not_repeated() {
    let wire = RequestWire { resource_name: Some("a".repeat(256)), ..store_wire() };
    let decoded = decode_request(&dom0(), &wire.encode_to_vec());
    let body = encode_response(&decoded.echo, None, &refusal(ErrorCode::InvalidName));
    assert_eq!(ResponseWire::decode(body.as_slice()).unwrap().resource_name, None);
}

fn some_entry() -> Entry {
    Entry {
        tag: "a/b".to_owned(),
        entry_type: EntryType::binary_blob(),
        version: Version::new(3),
        entered: 1_795_498_962,
        exportable: true,
        blob: Secret::copy_from(b"canary"),
    }
}

fn names() -> impl Strategy<Value = ResourceName> {
    r"(dom0|[A-Za-z0-9_-]{1,8})(/(dom0|[A-Za-z0-9_-][A-Za-z0-9._-]{0,8})){0,4}"
        .prop_map(|text| text.parse().unwrap())
}

fn versions() -> impl Strategy<Value = Option<Version>> {
    (0..=i32::MAX).prop_map(|number| Version::from_wire(number).unwrap())
}

proptest! {
    #[test]
    fn requests_come_back(
        name in names(),
        version in versions(),
        entry_type in "[!-~]{1,64}",
        exportable: bool,
        blob in prop::collection::vec(any::<u8>(), 1..200),
        is_store: bool,
    ) {
        let entry_type: EntryType = entry_type.parse().unwrap();
        let sent = if is_store {
            let (name, entry_type) = (name.clone(), entry_type.clone());
            Request::Store(Store { name, version, entry_type, exportable, blob: Secret::copy_from(&blob) })
        } else {
            Request::Retrieve(Retrieve { name: name.clone(), version })
        };
        let body = sent.encode(&dom0());
        prop_assert!(body.len() <= MAX_KEY_SERVICE_FRAME);
        match decode_request(&dom0(), &body).request.unwrap() {
            Request::Retrieve(read) => {
                prop_assert!(!is_store);
                prop_assert_eq!((read.name, read.version), (name, version));
            }
            Request::Store(read) => {
                prop_assert!(is_store);
                prop_assert_eq!((read.name, read.version, read.entry_type), (name, version, entry_type));
                prop_assert_eq!(read.exportable, exportable);
                prop_assert!(read.blob.expose() == blob);
            }
        }
    }

    #[test]
    fn answers_come_back(
        tag in names(),
        version in versions(),
        entered in 0..253_402_300_800_i64,
        exportable: bool,
        blob in prop::collection::vec(any::<u8>(), 1..200),
        request_id in prop::option::of("[a-z0-9-]{1,36}"),
    ) {
        let tag = tag.to_string();
        let entry_type = EntryType::binary_blob();
        let sent = Entry { tag: tag.clone(), entry_type, version, entered, exportable, blob: Secret::copy_from(&blob) };
        let body = encode_response(&Echo::default(), request_id.as_deref(), &Outcome::Retrieved(sent));
        let read = decode_response(&body, None).unwrap();
        prop_assert_eq!(read.request_id.as_deref(), request_id.as_deref());
        let Outcome::Retrieved(entry) = read.outcome else { panic!("retrieved") };
        prop_assert_eq!((entry.tag, entry.version, entry.entered), (tag, version, entered));
        prop_assert_eq!(entry.exportable, exportable);
        prop_assert!(entry.blob.expose() == blob);

        let stored = version.unwrap_or(Version::FIRST);
        let body = encode_response(&Echo::default(), Some("r1"), &Outcome::Stored(stored));
        let Outcome::Stored(read) = decode_response(&body, None).unwrap().outcome else { panic!("stored") };
        prop_assert_eq!(read, stored);
    }

    #[test]
    fn t20_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_request(&dom0(), &bytes);
        let _ = decode_response(&bytes, None);
        let _ = Entry::decode(&bytes);
    }

    #[test]
    fn t20_damaged_frames_never_panic(i: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        for file in ["stock_store_entry.request", "stock_retrieve_entry.response", "retrieve_server_cert.response"] {
            let mut bytes = data(&format!("keyservice/{file}.frame"))[HEADER..].to_vec();
            let at = i.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len()).max(at + 1));
            let _ = decode_request(&dom0(), &bytes);
            let _ = decode_response(&bytes, None);
        }
    }

    #[test]
    fn t11_whatever_is_accepted_has_a_name_of_this_domain(
        name in prop_oneof![r"[a-c./%\\*-]{0,10}", any::<String>()],
        tag in prop_oneof![r"[a-c./%\\*-]{0,10}", any::<String>()],
        as_entry: bool,
    ) {
        let data = Entry { tag: tag.clone(), ..some_entry() }.encode().to_vec();
        let wire = if as_entry {
            RequestWire { resource_name: Some(name.clone()), value_type: None, data: Some(data), ..store_wire() }
        } else {
            RequestWire { resource_name: Some(name.clone()), ..store_wire() }
        };
        let meant = if as_entry { tag } else { name };
        match decode(&wire) {
            Ok(request) => prop_assert_eq!(request.name(), &ResourceName::parse_in(&dom0(), &meant).unwrap()),
            Err(error) => prop_assert_eq!(error, ResourceName::parse_in(&dom0(), &meant).unwrap_err()),
        }
    }
}
