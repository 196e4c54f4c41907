//! Admission: a machine proves what it runs and gets a certificate for a key that it just made.

use claviger_attest::{
    Binding, EXPORTER_LEN, KeyAlgorithm, Peer, PolicyCertificate, Purpose, Role, SigningKey, exporter_label,
    self_signed_agent, sha384, verify_agent,
};
use claviger_proto::DomainName;
use claviger_proto::key::PublicKey;
use claviger_proto::limits::MAX_ADMISSION_FRAME;
use claviger_proto::trust::{NONCE, PURPOSE_AUTHENTICATION, TrustRequest, TrustResponse};
use rustls_pki_types::UnixTime;

use crate::address::Address;
use crate::channel::Options;
use crate::error::{Error, ProtocolFault};
use crate::evidence::Collector;
use crate::identity::Identity;
use crate::tls::{self, Session, Trust};
use crate::wire::Wire;

/// What to enroll as, and with which proof.
pub struct Enrollment<'a> {
    /// The domain to become a member of.
    pub domain: &'a DomainName,
    /// Its policy certificate, which the broker has to be under and the admission certificate as well.
    pub policy: &'a PolicyCertificate,
    /// Where the evidence comes from.
    pub collector: &'a Collector,
    /// Of which kind the new key is; P-256 unless there is a reason.
    pub algorithm: KeyAlgorithm,
}

/// An enrolment that succeeded.
pub struct Admitted {
    /// The machine's new identity.
    pub identity: Identity,
    /// What its certificate says: measurement, dates, fingerprint.
    pub peer: Peer,
}

/// Makes a key, proves what this machine runs to the broker's admission port, and returns the identity that
/// it is admitted as. The certificate was checked: it is under the policy certificate, an agent's, valid
/// now, and for that key.
///
/// Nothing is kept anywhere: put the identity into a [`StateDir`](crate::state::StateDir).
pub async fn enroll(
    admission: &Address,
    enrollment: &Enrollment<'_>,
    options: &Options,
) -> Result<Admitted, Error> {
    let key = SigningKey::generate(enrollment.algorithm)?;
    let now = options.time.current_time().ok_or(Error::NoClock)?;
    let leaf = self_signed_agent(&key, now)?;
    let trust = Trust {
        domain: enrollment.domain.clone(),
        policy: enrollment.policy.clone(),
        measurements: options.measurements.clone(),
    };
    let session = Session::self_signed(trust, &leaf, key.pkcs8_der(), &options.time)?;
    let mut wire = Wire::connect(admission, &session, options.timeouts).await?;
    let nonce = challenge(&mut wire).await?;
    let binding = bind(&wire, enrollment, &leaf, key.public(), &nonce)?;
    let evidence = enrollment.collector.collect(key.public(), &binding, now)?;
    let request = TrustRequest {
        requesting_enclave_tag: "requesting-enclave".to_owned(),
        providing_enclave_tag: "providing-enclave".to_owned(),
        submitted_evidence_type: enrollment.collector.kind().submitted_evidence_type().to_owned(),
        purpose: PURPOSE_AUTHENTICATION.to_owned(),
        support: Some(evidence),
    };
    let certificate = submit(&mut wire, &request).await?;
    let peer = check(&wire, enrollment, &certificate, &key, now)?;
    let (domain, policy) = (enrollment.domain.clone(), enrollment.policy.clone());
    Ok(Admitted { identity: Identity::new(domain, policy, certificate, key.to_private()?), peer })
}

async fn challenge(wire: &mut Wire) -> Result<[u8; NONCE], Error> {
    match receive(wire, None).await? {
        TrustResponse::Challenge(nonce) => Ok(nonce),
        TrustResponse::Admitted(_) | TrustResponse::Refused(_) => Err(wire.fault(ProtocolFault::Unrelated)),
    }
}

async fn submit(wire: &mut Wire, request: &TrustRequest) -> Result<Vec<u8>, Error> {
    match receive(wire, Some(&request.encode_body())).await? {
        TrustResponse::Admitted(certificate) => Ok(certificate),
        TrustResponse::Challenge(_) | TrustResponse::Refused(_) => Err(wire.fault(ProtocolFault::Unrelated)),
    }
}

/// The broker's next message; a refusal is an error at any point.
async fn receive(wire: &mut Wire, message: Option<&[u8]>) -> Result<TrustResponse, Error> {
    let answer = wire.exchange(message, MAX_ADMISSION_FRAME).await?;
    let decoded = TrustResponse::decode_body(answer);
    match decoded.map_err(|fault| wire.fault(fault))? {
        (TrustResponse::Refused(refusal), request_id) => Err(Error::Refused { refusal, request_id }),
        (response, _) => Ok(response),
    }
}

/// What the evidence has to carry, so that it is worth nothing on any other channel (`docs/protocol.md`, binding).
fn bind(
    wire: &Wire,
    enrollment: &Enrollment<'_>,
    leaf: &[u8],
    key: &PublicKey,
    nonce: &[u8; NONCE],
) -> Result<[u8; 64], Error> {
    let connection = wire.tls();
    let server_leaf = connection.peer_certificates().and_then(|chain| chain.first());
    let server_leaf = server_leaf.ok_or_else(|| wire.fault(ProtocolFault::Unrelated))?;
    let exporter = connection
        .export_keying_material([0; EXPORTER_LEN], exporter_label(Role::Agent), Some(nonce))
        .map_err(|source| Error::Tls { address: wire.address().clone(), source })?;
    let binding = Binding {
        role: Role::Agent,
        purpose: Purpose::Enroll,
        policy_digest: enrollment.policy.digest(),
        nonce,
        client_leaf: &sha384(leaf),
        server_leaf: &sha384(server_leaf),
        new_spki: Some(&sha384(key.spki_der())),
        exporter: &exporter,
    };
    Ok(binding.digest())
}

/// What the broker sent is worth keeping only if it works: ours, under our domain's policy, valid now.
fn check(
    wire: &Wire,
    enrollment: &Enrollment<'_>,
    certificate: &[u8],
    key: &SigningKey,
    now: UnixTime,
) -> Result<Peer, Error> {
    let peer = verify_agent(enrollment.policy, enrollment.domain, certificate, now)
        .map_err(|fault| wire.fault(ProtocolFault::Certificate(fault)))?;
    match tls::certified(certificate, key.pkcs8_der()) {
        Ok(_) => Ok(peer),
        Err(_) => Err(wire.fault(ProtocolFault::OtherKey)),
    }
}
