//! Frames and messages.

use claviger_proto::key_service::{
    Asked, Decoded, Dialect, Echo, Outcome, Proof, Refusal, Request, decode_request, decode_response,
    encode_response,
};
use claviger_proto::trust::{TrustRequest, TrustResponse};
use claviger_proto::{DomainName, DomainState, Entry, ErrorCode, ParseError, frame};

const REQUEST_ID: &str = "00000000000000000000000000000001";

fn domain() -> DomainName {
    "dom0".parse().expect("a domain name")
}

/// Four bytes of header, then four of limit.
pub fn frame(data: &[u8]) {
    let Some((header, limit)) = data.split_first_chunk::<{ frame::HEADER }>() else { return };
    let Some(limit) = limit.first_chunk().map(|limit| u32::from_le_bytes(*limit) as usize) else { return };
    if let Ok(length) = frame::body_length(*header, limit) {
        assert!((1..=limit).contains(&length));
        assert_eq!(frame::header(length), *header);
    }
}

/// An entry by itself, as it lies in files and stores.
pub fn entry(data: &[u8]) {
    let Ok(entry) = Entry::decode(data) else { return };
    same_entry(&entry, &Entry::decode(&entry.encode()).expect("its own encoding"));
}

fn same_entry(one: &Entry, other: &Entry) {
    assert_eq!(one.tag, other.tag);
    assert_eq!(one.entry_type, other.entry_type);
    assert_eq!(one.version, other.version);
    assert_eq!(one.entered, other.entered);
    assert_eq!(one.exportable, other.exportable);
    assert!(one.blob == other.blob, "the blobs differ");
}

/// What a home broker gives of a domain. What is accepted comes again whole, with its secrets.
pub fn domain_state(data: &[u8]) {
    let Ok(state) = DomainState::decode(data) else { return };
    let encoded = state.encode();
    let again = DomainState::decode(&encoded).expect("an accepted state is accepted again");
    assert!(*again.encode() == *encoded, "the states differ");
    assert!(state.policy_key == again.policy_key, "the keys differ");
    assert_eq!((state.generation, state.serial, state.time), (again.generation, again.serial, again.time));
    assert_eq!((&state.preset, &state.trust, &state.access), (&again.preset, &again.trust, &again.access));
    assert_eq!(state.certificate, again.certificate);
}

/// A request of the key service, in a domain, in either dialect.
pub fn request(data: &[u8]) {
    let Decoded { asked: stock, .. } = decode_request(Dialect::Stock, &domain(), data);
    let Decoded { echo, asked } = decode_request(Dialect::Ours, &domain(), data);
    if let Ok(stock) = stock {
        let stock = matches!(stock, Asked::Request(Request::Store(_) | Request::Retrieve(_)));
        assert!(stock, "stock peers have no other");
    }
    match asked {
        Err(error) => refused(&echo, &error.into()),
        Ok(Asked::Request(request)) => sent_again(request),
        Ok(Asked::Challenge) => {}
        Ok(Asked::Proof(proof)) => proof_sent_again(&proof),
    }
}

/// An answer to a challenge comes through whole; PEM has one spelling only once it is ours.
fn proof_sent_again(proof: &Proof) {
    let after = decode_request(Dialect::Ours, &domain(), &proof.clone().encode()).asked;
    match after {
        Ok(Asked::Proof(after)) => assert!(after == *proof, "the proof changed on its way"),
        // In our own spelling it may be longer than what is taken.
        Err(error) => assert_eq!(error, ParseError::FrameTooLarge),
        Ok(_) => panic!("our own encoding of an accepted proof is no proof"),
    }
}

/// A refusal says its code to our peers, nothing to stock ones, and carries data to nobody.
fn refused(echo: &Echo, refusal: &Refusal) {
    let code = refusal.code;
    for (id, expected) in [(Some(REQUEST_ID), code), (None, ErrorCode::NotFound)] {
        let answer = encode_response(echo, id, &Outcome::Refused(refusal.clone()));
        let read = decode_response(&answer, None).expect("our own answer");
        assert_eq!(read.request_id.as_deref(), id);
        match read.outcome {
            Outcome::Refused(read) => assert_eq!(read.code, expected),
            _ => panic!("a refusal was read as a success"),
        }
    }
}

/// A request has one encoding, so all of it came through if that did.
fn sent_again(request: Request) {
    let (kind, name) = (request.kind(), request.name().cloned());
    let sent = request.encode(&domain());
    let Ok(after) = decode_request(Dialect::Ours, &domain(), &sent).request() else {
        panic!("our own encoding of an accepted request is refused");
    };
    assert!((after.kind(), after.name().cloned()) == (kind, name), "it became another");
    assert!(*after.encode(&domain()) == *sent, "the request changed on its way");
}

/// An answer of the key service, as a client reads it.
pub fn response(data: &[u8]) {
    let Ok(response) = decode_response(data, None) else { return };
    let id = response.request_id.unwrap_or_default();
    let answer = encode_response(&Echo::default(), Some(&id), &response.outcome);
    let again = decode_response(&answer, None).expect("our own answer");
    assert_eq!(again.request_id.as_deref(), Some(id.as_str()));
    let sent = encode_response(&Echo::default(), Some(&id), &again.outcome);
    assert!(*sent == *answer, "the answer changed on its way");
}

/// A request at admission.
pub fn trust_request(data: &[u8]) {
    let Ok((mut request, evidence)) = TrustRequest::decode_body(data) else { return };
    let before = (request.clone(), evidence.clone());
    request.support = Some(evidence);
    let again = TrustRequest::decode_body(&request.encode_body()).expect("our own encoding");
    assert!(before == again, "the request changed on its way");
}

/// An answer at admission.
pub fn trust_response(data: &[u8]) {
    let Ok((response, id)) = TrustResponse::decode_body(data) else { return };
    let id = id.unwrap_or_default();
    let again = TrustResponse::decode_body(&response.encode_body(Some(&id))).expect("our own answer");
    assert_eq!(again, (response, Some(id)));
}
