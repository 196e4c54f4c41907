//! What the stock programs' encrypted stores hold, once they are open.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use claviger_proto::stock_store::{
    Flaw, PolicyStore, ProtectedBlob, StockItem, StockStore, encode_cryptstore,
};
use claviger_proto::{Entry, ParseError};
use common::data;
use prost::Message as _;

#[derive(prost::Message)]
struct Cryptstore {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Item>,
    #[prost(string, optional, tag = "9")]
    unknown: Option<String>,
}

#[derive(Clone, prost::Message)]
struct Item {
    #[prost(string, optional, tag = "1")]
    tag: Option<String>,
    #[prost(string, optional, tag = "2")]
    kind: Option<String>,
    #[prost(int32, optional, tag = "3")]
    version: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "5")]
    blob: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "6")]
    exportable: Option<bool>,
    #[prost(string, optional, tag = "7")]
    unknown: Option<String>,
}

fn item(tag: &str, version: i32) -> Item {
    Item {
        tag: Some(tag.to_owned()),
        kind: Some("binary-blob".to_owned()),
        version: Some(version),
        blob: Some(b"secret".to_vec()),
        exportable: Some(true),
        unknown: None,
    }
}

fn cryptstore(plain: &[u8]) -> Vec<StockItem> {
    match StockStore::decode(plain).unwrap() {
        StockStore::Cryptstore(items) => items,
        StockStore::Policy(_) => panic!("expected a cryptstore"),
    }
}

fn policy_store() -> PolicyStore {
    match StockStore::decode(&data("store/policy_store_gcm_simulated.plain.policy_store_message.pb")).unwrap()
    {
        StockStore::Policy(store) => store,
        StockStore::Cryptstore(_) => panic!("expected a policy store"),
    }
}

fn flaws(entries: &[Item]) -> Vec<Option<Flaw>> {
    let plain = Cryptstore { entries: entries.to_vec(), unknown: None }.encode_to_vec();
    cryptstore(&plain).into_iter().map(|item| item.entry.err()).collect()
}

fn refused(plain: &[u8]) -> ParseError {
    StockStore::decode(plain).err().expect("a refusal")
}

#[test]
fn captured_cryptstores_are_read_and_written_as_the_same_bytes() {
    for (name, count) in [
        ("init_cryptstore_gcm_simulated", 2),
        ("client_cryptstore_gcm_sev", 2),
        ("server_cryptstore_cbc_simulated", 5),
    ] {
        let plain = data(&format!("store/{name}.plain.cryptstore.pb"));
        let entries: Vec<Entry> =
            cryptstore(&plain).into_iter().map(|item| item.entry.ok().unwrap()).collect();
        assert_eq!(entries.len(), count, "{name}");
        assert!(entries.iter().all(|entry| entry.version.is_some()), "{name}");
        assert!(encode_cryptstore(&entries).as_slice() == plain, "{name}");
    }
}

#[test]
fn what_the_stock_server_kept_by_mistake_is_found() {
    let items = cryptstore(&data("store/server_cryptstore_after_errors.plain.cryptstore.pb"));
    assert_eq!(items.len(), 12);
    let flaws: Vec<_> = items
        .iter()
        .filter_map(|item| Some((item.place, item.tag.as_str(), item.entry.as_ref().err()?.to_string())))
        .collect();
    let expected = [
        (6, "", "it has no tag"),
        (7, "nodata", "the message has no data"),
        (10, "ver-test", "it isn't the first with its tag as version 2; stock programs never give it"),
    ];
    assert_eq!(flaws, expected.map(|(place, tag, flaw)| (place, tag, flaw.to_owned())));
    // The first of the two is the one that the stock server gives.
    let given = items.iter().find(|item| item.tag == "ver-test").unwrap();
    assert_eq!(given.entry.as_ref().ok().unwrap().blob.expose(), b"D");
}

#[test]
fn an_entry_has_a_tag_a_version_a_type_and_data() {
    let good = item("a/b", 7);
    assert_eq!(flaws(&[good.clone(), item("a/b", 8), item("c", i32::MAX)]), [None, None, None]);
    let broken = [
        (Item { tag: None, ..good.clone() }, Flaw::NoTag),
        (Item { tag: Some("a b".into()), ..good.clone() }, Flaw::Tag(ParseError::ResourceName)),
        (Item { tag: Some("x".repeat(256)), ..good.clone() }, Flaw::Tag(ParseError::ResourceNameTooLong)),
        (Item { version: None, ..good.clone() }, Flaw::Version(0)),
        (Item { version: Some(0), ..good.clone() }, Flaw::Version(0)),
        (Item { version: Some(-1), ..good.clone() }, Flaw::Version(-1)),
        (Item { kind: None, ..good.clone() }, Flaw::Content(ParseError::EntryType)),
        (Item { blob: None, ..good.clone() }, Flaw::Content(ParseError::Missing("data"))),
        (Item { blob: Some(Vec::new()), ..good.clone() }, Flaw::Content(ParseError::Missing("data"))),
        (Item { blob: Some(vec![0; (1 << 20) + 1]), ..good }, Flaw::Content(ParseError::FrameTooLarge)),
    ];
    for (entry, flaw) in broken {
        assert_eq!(flaws(&[item("before", 1), entry, item("after", 1)]), [None, Some(flaw), None]);
    }
}

#[test]
fn the_second_of_two_is_never_taken_even_where_the_first_is_broken() {
    let second = Flaw::Again(claviger_proto::Version::FIRST);
    assert_eq!(flaws(&[item("a", 1), item("a", 2), item("a", 1)]), [None, None, Some(second)]);
    let broken = Item { blob: None, ..item("a", 1) };
    let missing = Flaw::Content(ParseError::Missing("data"));
    assert_eq!(flaws(&[broken, item("a", 1)]), [Some(missing), Some(second)]);
}

#[test]
fn nothing_unknown_is_passed_over() {
    let entries = vec![item("a", 1)];
    let good = Cryptstore { entries: entries.clone(), unknown: None }.encode_to_vec();
    assert_eq!(cryptstore(&good).len(), 1);
    assert!(cryptstore(&[]).is_empty());
    let unknown = Cryptstore { entries, unknown: Some("x".into()) }.encode_to_vec();
    let inside = Item { unknown: Some("x".into()), ..item("a", 1) };
    let inside = Cryptstore { entries: vec![inside], unknown: None }.encode_to_vec();
    let longer = [good.as_slice(), &[0]].concat();
    for bad in [unknown.as_slice(), &inside, &longer, &good[..good.len() - 1], b"hello"] {
        assert_eq!(refused(bad), ParseError::Message("cryptstore"));
    }
}

#[test]
fn a_policy_store_names_its_domain_and_holds_the_key() {
    let store = policy_store();
    let tags: Vec<_> = store.entries.iter().map(|entry| (entry.tag.as_str(), entry.kind.as_str())).collect();
    let expected = [
        ("public-key-algorithm", "string"),
        ("symmetric-key-algorithm", "string"),
        ("auth-key", "key"),
        ("app-symmetric-key", "key"),
        ("all-certifiers", "certifiers_message"),
    ];
    assert_eq!(tags, expected);
    assert!(store.find(PolicyStore::AUTH_KEY).is_some());
    let certifiers = store.certifiers().unwrap();
    assert_eq!(certifiers.len(), 1);
    assert_eq!(certifiers[0].domain, "dom0");
    assert_eq!(certifiers[0].policy_certificate, data("keys/policy_cert.der"));
    assert_eq!(certifiers[0].admission_certificate, data("keys/server_simulated.cert.der"));
    // Written again it is the same, but for where the domain's services are.
    let plain = data("store/policy_store_gcm_simulated.plain.policy_store_message.pb");
    assert!(store.encode().as_slice() == plain);
    let mut ours = policy_store();
    ours.entries[4].value = certifiers[0].encode();
    assert_eq!(ours.certifiers().unwrap(), certifiers);
}

#[test]
fn a_file_is_two_parts_and_nothing_else() {
    let blob = ProtectedBlob { sealed_key: b"sealed".to_vec(), data: b"data".to_vec() };
    let file = blob.clone().encode();
    assert_eq!(ProtectedBlob::decode(&file).as_ref(), Ok(&blob));
    let cut = &file[..file.len() - 1];
    let (twice, trailing) = ([file.as_slice(), &file].concat(), [file.as_slice(), &[0x18, 1]].concat());
    for bad in [cut, &twice, &trailing, b"hello"] {
        assert_eq!(ProtectedBlob::decode(bad), Err(ParseError::Message("protected_blob_message")));
    }
    assert_eq!(ProtectedBlob::decode(&[]), Err(ParseError::Missing("sealed key")));
    assert_eq!(ProtectedBlob::decode(&file[..8]), Err(ParseError::Missing("encrypted data")));
}
