//! What enrolment and renewal have in common: challenge, evidence, certificate.

use claviger_attest::{
    Binding, EXPORTER_LEN, Peer, PolicyCertificate, Purpose, Role, SigningKey, exporter_label, sha384,
    verify_agent_chain,
};
use claviger_proto::DomainName;
use claviger_proto::key::PublicKey;
use claviger_proto::limits::MAX_ADMISSION_FRAME;
use claviger_proto::trust::{EvidencePackage, NONCE, TrustRequest, TrustResponse};
use rustls_pki_types::UnixTime;

use crate::address::Address;
use crate::error::{Error, Phase, ProtocolFault};
use crate::evidence::Collector;
use crate::tls;
use crate::wire::Wire;

pub(crate) async fn challenge(wire: &mut Wire) -> Result<[u8; NONCE], Error> {
    match receive(wire, None, MAX_ADMISSION_FRAME).await? {
        TrustResponse::Challenge(nonce) => Ok(nonce),
        TrustResponse::Admitted(_) | TrustResponse::AdmittedBy { .. } | TrustResponse::Refused(_) => {
            Err(wire.fault(ProtocolFault::Unrelated))
        }
    }
}

/// An admission certificate, and the delegated issuer's that it came by, if it did.
pub(crate) struct Given {
    pub(crate) certificate: Vec<u8>,
    pub(crate) issuer: Option<Vec<u8>>,
}

pub(crate) async fn submit(wire: &mut Wire, request: &TrustRequest) -> Result<Given, Error> {
    match receive(wire, Some(&request.encode_body()), MAX_ADMISSION_FRAME).await? {
        TrustResponse::Admitted(certificate) => Ok(Given { certificate, issuer: None }),
        TrustResponse::AdmittedBy { certificate, issuer } => Ok(Given { certificate, issuer: Some(issuer) }),
        TrustResponse::Challenge(_) | TrustResponse::Refused(_) => Err(wire.fault(ProtocolFault::Unrelated)),
    }
}

/// The same for what a broker elsewhere gets, an answer of at most `limit` bytes.
pub(crate) async fn submit_within(
    wire: &mut Wire,
    request: &TrustRequest,
    limit: usize,
) -> Result<Vec<u8>, Error> {
    match receive(wire, Some(&request.encode_body()), limit).await? {
        TrustResponse::Admitted(certificate) => Ok(certificate),
        TrustResponse::Challenge(_) | TrustResponse::AdmittedBy { .. } | TrustResponse::Refused(_) => {
            Err(wire.fault(ProtocolFault::Unrelated))
        }
    }
}

/// The broker's next message, the first without one of ours; a refusal is an error at any point.
async fn receive(wire: &mut Wire, message: Option<&[u8]>, limit: usize) -> Result<TrustResponse, Error> {
    let answer = match message {
        None => wire.first(limit).await?,
        Some(message) => wire.exchange(message, limit).await?,
    };
    let decoded = TrustResponse::decode_body(answer);
    match decoded.map_err(|fault| wire.fault(fault))? {
        (TrustResponse::Refused(refusal), request_id) => Err(Error::Refused { refusal, request_id }),
        (response, _) => Ok(response),
    }
}

/// What the evidence has to carry, so that it is worth nothing on any other channel (`docs/protocol.md`, binding).
/// `leaf` is this end's on the channel, `spki` the key that it is about besides the channel's, if any.
pub(crate) fn bind(
    wire: &Wire,
    purpose: Purpose,
    policy: &PolicyCertificate,
    leaf: &[u8],
    spki: Option<&[u8]>,
    nonce: &[u8; NONCE],
) -> Result<[u8; 64], Error> {
    bind_as(Role::Agent, wire, purpose, policy, leaf, spki, nonce)
}

/// The same for who isn't an agent.
pub(crate) fn bind_as(
    role: Role,
    wire: &Wire,
    purpose: Purpose,
    policy: &PolicyCertificate,
    leaf: &[u8],
    spki: Option<&[u8]>,
    nonce: &[u8; NONCE],
) -> Result<[u8; 64], Error> {
    let connection = wire.tls();
    let server_leaf = connection.peer_certificates().and_then(|chain| chain.first());
    let server_leaf = server_leaf.ok_or_else(|| wire.fault(ProtocolFault::Unrelated))?;
    let exporter = connection
        .export_keying_material([0; EXPORTER_LEN], exporter_label(role), Some(nonce))
        .map_err(|source| Error::Tls { address: wire.address().clone(), source })?;
    let spki = spki.map(sha384);
    let binding = Binding {
        role,
        purpose,
        policy_digest: policy.digest(),
        nonce,
        client_leaf: &sha384(leaf),
        server_leaf: &sha384(server_leaf),
        new_spki: spki.as_ref(),
        exporter: &exporter,
    };
    Ok(binding.digest())
}

/// Collects evidence while the channel that it is bound to stays open: when the broker ends that, there is no use for it.
pub(crate) async fn collect(
    wire: &mut Wire,
    collector: &Collector,
    key: &PublicKey,
    binding: &[u8; 64],
    user_data: Option<&[u8]>,
    now: UnixTime,
) -> Result<EvidencePackage, Error> {
    tokio::select! {
        biased;
        evidence = collector.collect(key, binding, user_data, now) => Ok(evidence?),
        () = wire.ended() => Err(match collector.given_up() {
            Some(error) => error.into(),
            None => Error::Closed { address: wire.address().clone(), phase: Phase::Answer },
        }),
    }
}

/// The message that submits evidence.
pub(crate) fn request(purpose: &str, collector: &Collector, evidence: EvidencePackage) -> TrustRequest {
    TrustRequest {
        requesting_enclave_tag: "requesting-enclave".to_owned(),
        providing_enclave_tag: "providing-enclave".to_owned(),
        submitted_evidence_type: collector.kind().submitted_evidence_type().to_owned(),
        purpose: purpose.to_owned(),
        support: Some(evidence),
        new_key: None,
    }
}

/// What the broker sent is worth keeping only if it works: ours, under our domain's policy, valid now.
pub(crate) fn check(
    admission: &Address,
    domain: &DomainName,
    policy: &PolicyCertificate,
    given: &Given,
    key: &SigningKey,
    now: UnixTime,
) -> Result<Peer, Error> {
    let wrong = |fault| Error::Protocol { address: admission.clone(), fault };
    let peer = verify_agent_chain(policy, domain, &given.certificate, given.issuer.as_slice(), now)
        .map_err(|fault| wrong(ProtocolFault::Certificate(fault)))?;
    match tls::certified(&given.certificate, &[], key.pkcs8_der()) {
        Ok(_) => Ok(peer),
        Err(_) => Err(wrong(ProtocolFault::OtherKey)),
    }
}
