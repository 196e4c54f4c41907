//! The key service's messages: there and back, one thing wrong at a time, and bytes of any kind.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod answers;
mod any_bytes;
#[path = "../common/mod.rs"]
mod common;
mod requests;
mod there_and_back;

use claviger_proto::key_service::{
    Dialect, Echo, Outcome, Refusal, Request, decode_request, encode_response,
};
use claviger_proto::{DomainName, Entry, EntryType, ErrorCode, ParseError, Secret, Version};
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

fn refusal(code: ErrorCode) -> Outcome {
    Outcome::Refused(Refusal::new(code, "said to people"))
}

fn wire(request_id: Option<&str>, outcome: &Outcome) -> ResponseWire {
    ResponseWire::decode(encode_response(&Echo::default(), request_id, outcome).as_slice()).unwrap()
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
