//! What refusals say, and what stock peers are told.

use claviger_proto::key_service::{
    Dialect, Echo, Outcome, Refusal, decode_request, decode_response, encode_response,
};
use claviger_proto::{ErrorCode, Version};
use prost::Message as _;

use super::{RequestWire, ResponseWire, dom0, field_numbers, refusal, some_entry, store_wire, wire};

const CODES: [ErrorCode; 17] = [
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
    ErrorCode::QuotaExceeded,
    ErrorCode::Unavailable,
    ErrorCode::Deadline,
    ErrorCode::ProofNeeded,
    ErrorCode::Suspended,
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
fn how_long_to_wait_comes_with_a_refusal_and_only_to_our_peers() {
    let busy = || Outcome::Refused(Refusal::new(ErrorCode::Busy, "later").after(1500));
    let body = encode_response(&Echo::default(), Some("r1"), &busy());
    let Outcome::Refused(read) = decode_response(&body, None).unwrap().outcome else { panic!("a refusal") };
    assert_eq!(read.retry_after_ms, Some(1500));
    assert!(!field_numbers(&encode_response(&Echo::default(), None, &busy())).contains(&110));
    // What can't be a time is none.
    let Outcome::Refused(refusal) = busy() else { panic!("a refusal") };
    let odd = Outcome::Refused(Refusal { retry_after_ms: Some(u32::MAX), ..refusal });
    let body = encode_response(&Echo::default(), Some("r1"), &odd);
    let Outcome::Refused(read) = decode_response(&body, None).unwrap().outcome else { panic!("a refusal") };
    assert_eq!(read.retry_after_ms, Some(i32::MAX.cast_unsigned()));
}

#[test]
fn an_over_long_name_is_not_repeated() {
    let wire = RequestWire { resource_name: Some("a".repeat(256)), ..store_wire() };
    let decoded = decode_request(Dialect::Ours, &dom0(), &wire.encode_to_vec());
    let body = encode_response(&decoded.echo, None, &refusal(ErrorCode::InvalidName));
    assert_eq!(ResponseWire::decode(body.as_slice()).unwrap().resource_name, None);
}
