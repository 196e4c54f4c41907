//! Admission's messages.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

use claviger_proto::key_service::Refusal;
use claviger_proto::trust::{
    EvidenceItem, EvidencePackage, NONCE, PURPOSE_AUTHENTICATION, TrustRequest, TrustResponse,
};
use claviger_proto::{ErrorCode, ParseError};
use proptest::prelude::*;
use prost::Message as _;

#[derive(Clone, PartialEq, prost::Message)]
struct Wire {
    #[prost(string, optional, tag = "1")]
    status: Option<String>,
    #[prost(bytes = "vec", optional, tag = "4")]
    artifact: Option<Vec<u8>>,
    #[prost(string, optional, tag = "100")]
    request_id: Option<String>,
    #[prost(string, optional, tag = "101")]
    error_code: Option<String>,
    #[prost(string, optional, tag = "102")]
    error_message: Option<String>,
}

fn request() -> TrustRequest {
    TrustRequest {
        requesting_enclave_tag: "requesting-enclave".to_owned(),
        providing_enclave_tag: "providing-enclave".to_owned(),
        submitted_evidence_type: "vse-attestation-package".to_owned(),
        purpose: PURPOSE_AUTHENTICATION.to_owned(),
        support: Some(EvidencePackage {
            prover_type: "vse-verifier".to_owned(),
            enclave_type: "simulated-enclave".to_owned(),
            items: vec![EvidenceItem { evidence_type: "cert".to_owned(), serialized: vec![1, 2] }],
        }),
        new_key: None,
    }
}

fn refused() -> TrustResponse {
    TrustResponse::Refused(Refusal::new(ErrorCode::AttestationRefused, "said to people"))
}

#[test]
fn requests_come_back_and_must_carry_evidence() {
    let (read, evidence) = TrustRequest::decode_body(&request().encode_body()).unwrap();
    assert_eq!(TrustRequest { support: Some(evidence), ..read }, request());
    let bare = TrustRequest { support: None, ..request() };
    assert_eq!(TrustRequest::decode_body(&bare.encode_body()), Err(ParseError::Missing("evidence")));
    assert_eq!(TrustRequest::decode_body(b""), Err(ParseError::Missing("evidence")));
}

#[test]
fn answers_come_back() {
    let by = TrustResponse::AdmittedBy { certificate: vec![1, 2], issuer: vec![3] };
    for answer in [TrustResponse::Challenge([7; NONCE]), TrustResponse::Admitted(vec![1, 2]), by, refused()] {
        let body = answer.encode_body(Some("r1"));
        assert_eq!(TrustResponse::decode_body(&body), Ok((answer, Some("r1".to_owned()))));
    }
}

#[test]
fn t16_a_refusal_never_carries_a_certificate() {
    for request_id in [None, Some("r1")] {
        let wire = Wire::decode(refused().encode_body(request_id).as_slice()).unwrap();
        assert_eq!((wire.status.as_deref(), wire.artifact), (Some("failed"), None));
    }
    let sly = Wire { status: Some("failed".to_owned()), artifact: Some(vec![1]), ..Wire::default() };
    let (read, _) = TrustResponse::decode_body(&sly.encode_to_vec()).unwrap();
    assert!(matches!(read, TrustResponse::Refused(_)));
}

#[test]
fn a_stock_peer_gets_none_of_our_fields() {
    for answer in [refused(), TrustResponse::Admitted(vec![1])] {
        let wire = Wire::decode(answer.encode_body(None).as_slice()).unwrap();
        assert_eq!((wire.request_id, wire.error_code, wire.error_message), (None, None, None));
    }
}

#[test]
fn a_challenge_has_its_one_length() {
    for length in [0, NONCE - 1, NONCE + 1] {
        let wire = Wire {
            status: Some("request-further-authentication".to_owned()),
            artifact: Some(vec![7; length]),
            ..Wire::default()
        };
        assert!(TrustResponse::decode_body(&wire.encode_to_vec()).is_err(), "{length}");
    }
}

#[test]
fn an_admission_without_a_certificate_is_malformed() {
    let wire = Wire { status: Some("succeeded".to_owned()), ..Wire::default() };
    assert!(TrustResponse::decode_body(&wire.encode_to_vec()).is_err());
}

proptest! {
    #[test]
    fn t20_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = TrustRequest::decode_body(&bytes);
        let _ = TrustResponse::decode_body(&bytes);
    }
}
