//! Every captured message of the stock key service: what ours makes of it.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use claviger_proto::frame::{HEADER, body_length};
use claviger_proto::key_service::{
    Dialect, Outcome, Refusal, Request, Response, Store, decode_request, decode_response, encode_response,
};
use claviger_proto::limits::MAX_KEY_SERVICE_FRAME;
use claviger_proto::{DomainName, Entry, EntryType, ErrorCode, ParseError, Version};
use common::data;

fn dom0() -> DomainName {
    "dom0".parse().unwrap()
}

/// A captured frame, as the broker reads it.
fn request(file: &str) -> Result<Request, ParseError> {
    let frame = data(&format!("keyservice/{file}.request.frame"));
    let (header, body) = frame.split_at(HEADER);
    let length = body_length(header.try_into().unwrap(), MAX_KEY_SERVICE_FRAME)?;
    assert_eq!(body.len(), length, "{file}");
    decode_request(Dialect::Stock, &dom0(), body).request()
}

fn response(file: &str) -> Response {
    decode_response(&data(&format!("keyservice/{file}.response.frame"))[HEADER..], None).unwrap()
}

fn retrieve(file: &str) -> (String, Option<u32>) {
    match request(file).unwrap_or_else(|error| panic!("{file}: {error}")) {
        Request::Retrieve(retrieve) => (retrieve.name.into(), retrieve.version.map(Version::get)),
        _ => panic!("{file}"),
    }
}

fn store(file: &str) -> Store {
    match request(file).unwrap_or_else(|error| panic!("{file}: {error}")) {
        Request::Store(store) => store,
        _ => panic!("{file}"),
    }
}

fn entry(file: &str) -> Entry {
    match response(file).outcome {
        Outcome::Retrieved(entry) => entry,
        _ => panic!("{file}"),
    }
}

#[test]
fn every_captured_request_is_accounted_for() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/keyservice")).unwrap();
    let requests =
        files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".request.frame"));
    assert_eq!(requests.count(), RETRIEVES.len() + STORES.len() + REFUSED.len() + ENTRIES.len());
}

const RETRIEVES: [(&str, &str, Option<u32>); 13] = [
    ("retrieve_bad_version", "key-client-test-key", Some(99)),
    ("retrieve_key_message_entry", "primary-store-encryption-key", None),
    ("retrieve_missing", "nope", None),
    ("retrieve_not_exportable", "dom0-private-auth-key", None),
    ("retrieve_server_cert", "dom0-admission-certificate", None),
    ("stock_retrieve_entry", "entry-key", None),
    ("stock_retrieve_sev", "key-client-test-key", None),
    ("stock_retrieve_sim", "key-client-test-key", None),
    ("version_1_retrieve_v0", "ver-test", None),
    ("version_2_retrieve_v0", "ver-test", None),
    ("version_3_retrieve_v0", "ver-test", None),
    ("version_4_retrieve_v0", "ver-test", None),
    ("version_5_retrieve", "ver-test2", None),
];

#[test]
fn captured_retrieves_are_read() {
    for (file, name, version) in RETRIEVES {
        assert_eq!(retrieve(file), (name.to_owned(), version), "{file}");
    }
    for file in ["retrieve_not_exportable", "retrieve_server_cert"] {
        assert!(request(file).unwrap().name().unwrap().is_reserved_in(&dom0()), "{file}");
    }
}

const BLOB: &[u8] = b"01234567890123456789012345678901\n";
const STORES: [(&str, &str, Option<u32>, &[u8]); 6] = [
    ("stock_store", "key-client-test-key", None, BLOB),
    ("version_1_store_v0_A", "ver-test", None, b"A"),
    ("version_2_store_v0_B", "ver-test", None, b"B"),
    ("version_3_store_v0_C", "ver-test", None, b"C"),
    ("version_4_store_v2_D", "ver-test", Some(2), b"D"),
    ("version_5_store_new_v5", "ver-test2", Some(5), b"A"),
];

#[test]
fn captured_stores_of_blobs_are_read() {
    for (file, name, version, blob) in STORES {
        let store = store(file);
        assert_eq!((store.name.as_str(), store.version.map(Version::get)), (name, version), "{file}");
        assert_eq!((store.entry_type.as_str(), store.exportable), ("binary-blob", true), "{file}");
        assert!(store.blob.expose() == blob, "{file}");
    }
}

const ENTRIES: [&str; 2] = ["stock_store_entry", "store_entry_other_tag"];

#[test]
fn captured_stores_of_entries_go_by_the_entry() {
    let [whole, other] = ENTRIES.map(store);
    assert_eq!((whole.name.as_str(), whole.version.map(Version::get)), ("entry-key", Some(1)));
    assert_eq!((whole.entry_type.as_str(), whole.exportable), (EntryType::KEY_MESSAGE, true));
    assert_eq!(whole.blob.len(), 142);

    assert_eq!((other.name.as_str(), other.version.map(Version::get)), ("OTHER", Some(7)));
    assert!(other.blob.expose() == b"zzz");
}

const REFUSED: [(&str, ParseError); 8] = [
    ("request_empty", ParseError::EmptyFrame),
    ("request_negative_length", ParseError::EmptyFrame),
    ("request_malformed", ParseError::Message("key_service_message_request")),
    ("request_signed_nonce", ParseError::UnknownRequest),
    ("request_unknown_type", ParseError::UnknownRequest),
    ("store_garbage_entry", ParseError::Message("cryptstore_entry")),
    ("store_no_data", ParseError::Missing("data")),
    ("store_blob_no_data", ParseError::Missing("data")),
];

#[test]
fn captured_nonsense_is_refused_for_what_it_is() {
    for (file, error) in REFUSED {
        assert_eq!(request(file).err(), Some(error), "{file}");
    }
}

#[test]
fn captured_answers_are_read() {
    for (file, tag, version, entry_type, blob) in [
        ("retrieve_bad_version", "key-client-test-key", 1, "binary-blob", BLOB),
        ("stock_retrieve_sev", "key-client-test-key", 1, "binary-blob", BLOB),
        ("stock_retrieve_sim", "key-client-test-key", 1, "binary-blob", BLOB),
        ("version_1_retrieve_v0", "ver-test", 1, "binary-blob", b"A"),
        ("version_2_retrieve_v0", "ver-test", 1, "binary-blob", b"A"),
        ("version_3_retrieve_v0", "ver-test", 1, "binary-blob", b"A"),
        ("version_4_retrieve_v0", "ver-test", 2, "binary-blob", b"D"),
        ("version_5_retrieve", "ver-test2", 1, "binary-blob", b"A"),
    ] {
        let entry = entry(file);
        let read = (entry.tag.as_str(), entry.version.map(Version::get), entry.entry_type.as_str());
        assert_eq!(read, (tag, Some(version), entry_type), "{file}");
        assert!(entry.exportable, "{file}");
        assert!(entry.blob.expose() == blob, "{file}");
    }
    assert_eq!(entry("retrieve_server_cert").entry_type.as_str(), EntryType::X509);
    assert!(entry("retrieve_server_cert").blob.expose() == data("keys/server_simulated.cert.der"));
    assert_eq!(entry("retrieve_key_message_entry").entry_type.as_str(), EntryType::KEY_MESSAGE);
    assert!(entry("stock_retrieve_entry").blob == store("stock_store_entry").blob);

    for file in STORES.map(|(file, ..)| file).into_iter().chain(["stock_store_entry", "store_no_data"]) {
        assert!(matches!(response(file).outcome, Outcome::Stored(Version::FIRST)), "{file}");
    }
    for file in [
        "request_empty",
        "request_negative_length",
        "request_malformed",
        "request_signed_nonce",
        "request_unknown_type",
        "store_garbage_entry",
        "retrieve_missing",
        "retrieve_not_exportable",
    ] {
        let Outcome::Refused(refusal) = response(file).outcome else { panic!("{file}") };
        assert_eq!(refusal.code, ErrorCode::NotFound, "{file}: a stock server doesn't say more");
        assert_eq!(response(file).request_id, None);
    }
}

fn refused(code: ErrorCode) -> Outcome {
    Outcome::Refused(Refusal::new(code, "said to people"))
}

#[test]
fn answers_are_the_bytes_that_the_stock_server_sends() {
    let echo = |file: &str| {
        decode_request(Dialect::Stock, &dom0(), &data(&format!("keyservice/{file}.request.frame"))[HEADER..])
            .echo
    };
    let stock = |file: &str| data(&format!("keyservice/{file}.response.frame"))[HEADER..].to_vec();
    for (file, outcome) in [
        ("stock_store", Outcome::Stored(Version::FIRST)),
        ("stock_store_entry", Outcome::Stored(Version::FIRST)),
        ("retrieve_missing", refused(ErrorCode::NotFound)),
        ("request_unknown_type", refused(ErrorCode::UnknownRequest)),
        ("retrieve_server_cert", Outcome::Retrieved(entry("retrieve_server_cert"))),
        ("stock_retrieve_entry", Outcome::Retrieved(entry("stock_retrieve_entry"))),
    ] {
        assert!(*encode_response(&echo(file), None, &outcome) == stock(file), "{file}");
    }
}
