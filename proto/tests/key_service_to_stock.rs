//! Requests to a stock server, against those that were captured from the stock client.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use claviger_proto::frame::HEADER;
use claviger_proto::key_service::{
    Dialect, Request, decode_request, encode_stock_retrieve, encode_stock_store,
};
use claviger_proto::{Entry, Version};
use common::data;

#[test]
fn a_retrieve_is_the_stock_client_s_byte_for_byte() {
    let name = "key-client-test-key".parse().unwrap();
    let captured = data("keyservice/stock_retrieve_sim.request.frame");
    assert_eq!(*encode_stock_retrieve(&name, None), captured[HEADER..]);
    let other = encode_stock_retrieve(&name, Version::new(2));
    assert_eq!(other[..other.len() - 1], captured[HEADER..captured.len() - 1]);
    assert_eq!(other.last(), Some(&2));
}

#[test]
fn a_store_carries_the_stock_client_s_entry_whole() {
    let captured = data("keyservice/stock_store_entry.request.frame");
    let dom0 = "dom0".parse().unwrap();
    let Ok(Request::Store(store)) = decode_request(Dialect::Stock, &dom0, &captured[HEADER..]).request()
    else {
        panic!("it is a store")
    };
    let entry = Entry {
        tag: store.name.to_string(),
        entry_type: store.entry_type,
        version: store.version,
        // 2026-11-24T05:42:42
        entered: 1_795_498_962,
        exportable: store.exportable,
        blob: store.blob,
    };
    // The captured one is in the request as it is: the bytes of the entry are the same.
    let bytes = entry.encode();
    assert!(captured.windows(bytes.len()).any(|window| window == bytes.as_slice()));
    let request = encode_stock_store(&entry);
    assert!(request.windows(bytes.len()).any(|window| window == bytes.as_slice()));
    // What isn't `binary-blob` is a whole entry to a stock server, whatever it is.
    let captured = [b"\x1a\x00\x20\x01\x2a".as_slice(), b"\x1a\x10cryptstore-entry\x20\x01\x2a".as_slice()];
    assert!(
        data("keyservice/stock_store_entry.request.frame").windows(5).any(|window| window == captured[0])
    );
    assert!(request.windows(captured[1].len()).any(|window| window == captured[1]));
}

#[test]
fn a_name_goes_as_it_is_with_the_domain_in_it_or_not() {
    let name = "dom0/disk".parse().unwrap();
    let request = encode_stock_retrieve(&name, None);
    assert!(request.windows(9).any(|window| window == b"dom0/disk"));
    assert!(!request.windows(10).any(|window| window == b"/dom0/disk"));
}
