//! Challenges on an open channel and their answers, on the wire.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

use claviger_proto::key_service::{
    Asked, Challenge, Credentials, Dialect, Echo, FreshEvidence, Needs, Outcome, Proof, Refusal,
    decode_request, decode_response, encode_challenge_request, encode_response,
};
use claviger_proto::trust::{EvidenceItem, EvidencePackage};
use claviger_proto::{DomainName, ErrorCode, ParseError};
use prost::Message as _;

fn dom0() -> DomainName {
    "dom0".parse().unwrap()
}

/// As documented, not as the library has it.
#[derive(Clone, PartialEq, prost::Message)]
struct RequestWire {
    #[prost(string, optional, tag = "2")]
    request_type: Option<String>,
    #[prost(bytes = "vec", optional, tag = "5")]
    data: Option<Vec<u8>>,
    #[prost(string, optional, tag = "6")]
    serialized_credentials: Option<String>,
    #[prost(string, optional, tag = "108")]
    submitted: Option<String>,
    #[prost(message, optional, tag = "109")]
    evidence: Option<EvidencePackage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseWire {
    #[prost(string, optional, tag = "2")]
    response_type: Option<String>,
    #[prost(string, optional, tag = "3")]
    status: Option<String>,
    #[prost(bytes = "vec", optional, tag = "4")]
    data: Option<Vec<u8>>,
    #[prost(string, optional, tag = "101")]
    error_code: Option<String>,
    #[prost(string, repeated, tag = "109")]
    needs: Vec<String>,
}

fn evidence() -> EvidencePackage {
    EvidencePackage {
        prover_type: "vse-verifier".to_owned(),
        enclave_type: "simulated-enclave".to_owned(),
        items: vec![EvidenceItem { evidence_type: "x".to_owned(), serialized: vec![1, 2] }],
    }
}

fn freshness() -> Proof {
    Proof::Freshness(FreshEvidence { submitted: "type".to_owned(), evidence: evidence() })
}

fn principal() -> Proof {
    Proof::Principal(Credentials { chain: vec![vec![1; 100], vec![2; 3]], signature: vec![9; 70] })
}

fn asked(dialect: Dialect, body: &[u8]) -> Result<Asked, ParseError> {
    decode_request(dialect, &dom0(), body).asked
}

#[test]
fn an_answer_comes_through_whole_and_only_in_our_dialect() {
    for proof in [freshness(), principal()] {
        let body = proof.clone().encode();
        assert!(matches!(asked(Dialect::Ours, &body), Ok(Asked::Proof(read)) if read == proof));
        assert_eq!(asked(Dialect::Stock, &body).err(), Some(ParseError::UnknownRequest));
        assert_eq!(
            decode_request(Dialect::Ours, &dom0(), &body).request().err(),
            Some(ParseError::UnknownRequest)
        );
    }
    assert!(matches!(asked(Dialect::Ours, &encode_challenge_request()), Ok(Asked::Challenge)));
    assert_eq!(asked(Dialect::Stock, &encode_challenge_request()).err(), Some(ParseError::UnknownRequest));
    assert_eq!((freshness().kind(), principal().kind()), ("freshness", "principal"));
}

#[test]
fn an_answer_with_one_thing_wrong_is_refused() {
    type Change = fn(&mut RequestWire);
    let fresh = RequestWire::decode(freshness().encode().as_slice()).unwrap();
    assert_eq!(fresh.request_type.as_deref(), Some("freshness"));
    let signed = RequestWire::decode(principal().encode().as_slice()).unwrap();
    assert_eq!(signed.request_type.as_deref(), Some("signed-nonce"));
    let refused = |good: &RequestWire, change: Change| {
        let mut wire = good.clone();
        change(&mut wire);
        asked(Dialect::Ours, &wire.encode_to_vec()).err().unwrap()
    };
    assert_eq!(refused(&fresh, |wire| wire.evidence = None), ParseError::Missing("evidence"));
    assert_eq!(refused(&fresh, |wire| wire.submitted = None), ParseError::Missing("submitted_evidence_type"));
    assert_eq!(refused(&fresh, |wire| wire.data = Some(vec![0; 256 << 10])), ParseError::FrameTooLarge);
    assert_eq!(refused(&signed, |wire| wire.data = None), ParseError::Missing("signature"));
    assert_eq!(refused(&signed, |wire| wire.data = Some(Vec::new())), ParseError::Missing("signature"));
    assert_eq!(refused(&signed, |wire| wire.serialized_credentials = None), ParseError::Pem);
    let with = |pem: &str| {
        let wire = RequestWire { serialized_credentials: Some(pem.to_owned()), ..signed.clone() };
        asked(Dialect::Ours, &wire.encode_to_vec()).err().unwrap()
    };
    assert_eq!(with("AAAA"), ParseError::Pem);
    assert_eq!(with("-----BEGIN CERTIFICATE-----\nAAAA\n"), ParseError::Pem);
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(with(key), ParseError::Certificate(_)), "no private key over the wire");
}

#[test]
fn a_challenge_is_a_refusal_that_our_peers_can_answer() {
    let needs = [
        (Needs::default(), vec![]),
        (Needs { freshness: true, principal: false }, vec!["freshness"]),
        (Needs { freshness: false, principal: true }, vec!["principal"]),
        (Needs { freshness: true, principal: true }, vec!["freshness", "principal"]),
    ];
    for (needs, words) in needs {
        let refusal = Refusal::challenge(Challenge { nonce: [7; 32], needs }, "said to people");
        let ours = encode_response(&Echo::default(), Some("r1"), &Outcome::Refused(refusal.clone()));
        let wire = ResponseWire::decode(ours.as_slice()).unwrap();
        assert_eq!(wire.response_type.as_deref(), Some("request-further-authentication"));
        assert_eq!(wire.status.as_deref(), Some("failed"));
        assert_eq!(wire.data, Some(vec![7; 32]));
        assert_eq!(wire.error_code.as_deref(), Some("proof-needed"));
        assert_eq!(wire.needs, words);
        let Outcome::Refused(read) = decode_response(&ours, None).unwrap().outcome else { panic!() };
        assert_eq!(read, refusal);
        // A stock peer, whose connection ends here, can't tell it from "there is none".
        let refused = Outcome::Refused(Refusal::new(ErrorCode::NotFound, "none"));
        let none = encode_response(&Echo::default(), None, &refused);
        assert_eq!(encode_response(&Echo::default(), None, &Outcome::Refused(refusal)), none);
    }
    let proven = encode_response(&Echo::default(), Some("r1"), &Outcome::Proven);
    assert!(matches!(decode_response(&proven, None).unwrap().outcome, Outcome::Proven));
}

#[test]
fn a_challenge_without_its_32_bytes_is_no_answer() {
    for data in [None, Some(vec![7; 31]), Some(vec![7; 33])] {
        let wire = ResponseWire {
            response_type: Some("request-further-authentication".to_owned()),
            status: Some("failed".to_owned()),
            data,
            ..ResponseWire::default()
        };
        assert!(decode_response(&wire.encode_to_vec(), None).is_err());
    }
}
