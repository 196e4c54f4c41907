//! The key service's messages: there and back, one thing wrong at a time, and bytes of any kind.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use claviger_proto::frame::HEADER;
use claviger_proto::key_service::{
    Dialect, Echo, Generate, Latest, List, Listed, NameInfo, Outcome, PageSize, PutOptions, Refusal, Request,
    Retrieve, Rotate, State, Store, Target, VersionInfo, Versions, Which, decode_request, decode_response,
    encode_response,
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
    decode_request(Dialect::Ours, &dom0(), &wire.encode_to_vec()).request()
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

const WHICH: &str = "version, or that all are meant (one of the two)";

fn refusal(code: ErrorCode) -> Outcome {
    Outcome::Refused(Refusal::new(code, "said to people"))
}

fn wire(request_id: Option<&str>, outcome: &Outcome) -> ResponseWire {
    ResponseWire::decode(encode_response(&Echo::default(), request_id, outcome).as_slice()).unwrap()
}

const CODES: [ErrorCode; 15] = [
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
    ErrorCode::ProofNeeded,
    ErrorCode::Refused,
];

#[test]
fn t16_a_refusal_never_carries_data() {
    for code in CODES {
        for request_id in [None, Some("r1")] {
            let wire = wire(request_id, &refusal(code));
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
        let ResponseWire { request_id, error_code, error_message, stored_version, .. } = wire(None, &outcome);
        assert_eq!((request_id, error_code, error_message, stored_version), (None, None, None, None));
    }
    for outcome in outcomes() {
        assert!(field_numbers(&encode_response(&Echo::default(), None, &outcome)).iter().all(|n| *n < 100));
    }
    for outcome in outcomes() {
        assert_eq!(wire(Some("r1"), &outcome).request_id.as_deref(), Some("r1"));
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
    let decoded = decode_request(Dialect::Ours, &dom0(), &wire.encode_to_vec());
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

fn some_version() -> impl Strategy<Value = Version> {
    (1..=Version::MAX).prop_map(|number| Version::new(number).unwrap())
}

fn options() -> impl Strategy<Value = PutOptions> {
    let latest = prop_oneof![Just(Latest::None), some_version().prop_map(Latest::Is)];
    (prop::option::of(latest), prop::option::of(1..i64::MAX))
        .prop_map(|(if_latest, expires)| PutOptions { if_latest, expires })
}

/// A request carries secrets, so it has no `Debug`; for a failed case its type is enough.
struct Sent(Request);

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.kind())
    }
}

fn requests() -> impl Strategy<Value = Sent> {
    let retrieve = || (names(), versions()).prop_map(|(name, version)| Retrieve { name, version });
    let page = || (1..300_usize).prop_map(|size| PageSize::new(size).unwrap());
    let which = prop_oneof![Just(Which::All), some_version().prop_map(Which::One)];
    let target = (names(), which).prop_map(|(name, versions)| Target { name, versions });
    let blob = prop::collection::vec(any::<u8>(), 1..200);
    let store = (names(), versions(), "[!-~]{1,64}", any::<bool>(), blob, options()).prop_map(
        |(name, version, entry_type, exportable, blob, options)| {
            let (entry_type, blob) = (entry_type.parse().unwrap(), Secret::new(blob));
            Sent(Request::Store(Store { name, version, entry_type, exportable, blob, options }))
        },
    );
    let generate = (names(), "[a-z0-9-]{1,32}", any::<bool>(), options()).prop_map(
        |(name, kind, exportable, options)| {
            Sent(Request::Generate(Generate { name, kind, exportable, options }))
        },
    );
    prop_oneof![
        store,
        generate,
        retrieve().prop_map(|retrieve| Sent(Request::Retrieve(retrieve))),
        retrieve().prop_map(|retrieve| Sent(Request::Describe(retrieve))),
        (names(), options()).prop_map(|(name, options)| Sent(Request::Rotate(Rotate { name, options }))),
        ("[a-z/]{0,20}", prop::option::of(names()), page())
            .prop_map(|(prefix, after, limit)| Sent(Request::List(List { prefix, after, limit }))),
        (names(), prop::option::of(some_version()), page())
            .prop_map(|(name, before, limit)| Sent(Request::Versions(Versions { name, before, limit }))),
        (target, 0..3).prop_map(|(target, which)| match which {
            0 => Sent(Request::Delete(target)),
            1 => Sent(Request::Undelete(target)),
            _ => Sent(Request::Destroy(target)),
        }),
    ]
}

fn infos() -> impl Strategy<Value = VersionInfo> {
    const STATES: [State; 4] = [State::There, State::Expired, State::Deleted, State::Destroyed];
    let times = (any::<i64>(), prop::option::of(1..i64::MAX));
    (some_version(), "[!-~]{1,64}", any::<bool>(), times, prop::sample::select(&STATES[..])).prop_map(
        |(version, entry_type, exportable, (entered, expires), state)| {
            let entry_type = entry_type.parse().unwrap();
            VersionInfo { version, entry_type, exportable, entered, expires, state }
        },
    )
}

fn read_back(outcome: &Outcome) -> Outcome {
    let body = encode_response(&Echo::default(), Some("r1"), outcome);
    // Towards stock peers nothing of it is said.
    let stock = encode_response(&Echo::default(), None, outcome);
    assert!(field_numbers(&stock).iter().all(|number| *number < 100));
    decode_response(&body, None).unwrap().outcome
}

fn versions() -> impl Strategy<Value = Option<Version>> {
    (0..=i32::MAX).prop_map(|number| Version::from_wire(number).unwrap())
}

proptest! {
    #[test]
    fn requests_come_back(Sent(sent) in requests()) {
        let (kind, name) = (sent.kind(), sent.name().cloned());
        let body = sent.encode(&dom0());
        prop_assert!(body.len() <= MAX_KEY_SERVICE_FRAME);
        let read = decode_request(Dialect::Ours, &dom0(), &body).request().unwrap();
        prop_assert_eq!((read.kind(), read.name().cloned()), (kind, name));
        // A request has one encoding, so everything in it came back if that did.
        prop_assert!(*read.encode(&dom0()) == *body);
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
    fn answers_without_secrets_come_back(
        infos in prop::collection::vec(infos(), 1..20),
        names in prop::collection::vec("[a-z/]{1,20}", 0..20),
        next in prop::option::of(some_version()),
        next_name in prop::option::of("[a-z/]{1,20}"),
    ) {
        let names = names.into_iter().zip(infos.iter().cycle().cloned());
        let names = names.map(|(name, latest)| NameInfo { name, latest }).collect();
        let sent = Listed { names, next: next_name };
        let Outcome::Listed(read) = read_back(&Outcome::Listed(sent.clone())) else { panic!("listed") };
        prop_assert_eq!(read, sent);
        let Outcome::Described(read) = read_back(&Outcome::Described(infos[0].clone())) else { panic!("one") };
        prop_assert_eq!(&read, &infos[0]);
        let changed: Vec<_> = infos.iter().map(|info| info.version).collect();
        let Outcome::Changed(read) = read_back(&Outcome::Changed(changed.clone())) else { panic!("changed") };
        prop_assert_eq!(read, changed);
        let sent = Outcome::Versions(infos.clone(), next);
        let Outcome::Versions(read, read_next) = read_back(&sent) else { panic!("versions") };
        prop_assert_eq!((read, read_next), (infos, next));
    }

    #[test]
    fn t20_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_request(Dialect::Ours, &dom0(), &bytes);
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
            let _ = decode_request(Dialect::Ours, &dom0(), &bytes);
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
            Ok(request) => prop_assert_eq!(request.name().unwrap(), &ResourceName::parse_in(&dom0(), &meant).unwrap()),
            Err(error) => prop_assert_eq!(error, ResourceName::parse_in(&dom0(), &meant).unwrap_err()),
        }
    }
}
