//! Admission's messages (port 8123): evidence in, an admission certificate out.
//!
//! *Ours*: after the TLS handshake the broker sends a [`TrustResponse::Challenge`]; the agent answers with a
//! [`TrustRequest`] whose evidence is bound to it; the broker ends with a certificate or a refusal.
//! *Stock*: the same request without a challenge, on plain TCP.

use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::domain_state::DomainState;
use crate::error::{ErrorCode, ParseError};
use crate::key_service::Refusal;

/// Bytes of a challenge's nonce.
pub const NONCE: usize = 32;

/// One piece of evidence: a type's name and its serialized form (stock `evidence`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EvidenceItem {
    /// `signed-claim`, `signed-vse-attestation-report`, `cert`, `sev-attestation`, …
    #[prost(string, tag = "1")]
    pub evidence_type: String,
    /// The serialized message of that type.
    #[prost(bytes = "vec", tag = "2")]
    pub serialized: Vec<u8>,
}

/// What an agent submits (stock `evidence_package`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EvidencePackage {
    /// Who is to prove it; `vse-verifier` from stock programs.
    #[prost(string, tag = "1")]
    pub prover_type: String,
    /// `simulated-enclave`, `sev-enclave`, …
    #[prost(string, tag = "2")]
    pub enclave_type: String,
    /// The pieces, in order.
    #[prost(message, repeated, tag = "3")]
    pub items: Vec<EvidenceItem>,
}

/// A request for an admission certificate (stock `trust_request_message`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TrustRequest {
    /// Stock constant `requesting-enclave`.
    #[prost(string, tag = "1")]
    pub requesting_enclave_tag: String,
    /// Stock constant `providing-enclave`.
    #[prost(string, tag = "2")]
    pub providing_enclave_tag: String,
    /// `vse-attestation-package`, `sev-platform-package`, …
    #[prost(string, tag = "3")]
    pub submitted_evidence_type: String,
    /// `authentication` or `attestation`; ours: `renewal`, and those of brokers.
    #[prost(string, tag = "4")]
    pub purpose: String,
    /// The evidence.
    #[prost(message, optional, tag = "5")]
    pub support: Option<EvidencePackage>,
    /// Ours, and only in a renewal: the key to certify, which isn't the channel's.
    #[prost(message, optional, tag = "100")]
    pub new_key: Option<KeyToCertify>,
}

/// A key that isn't the channel's own, so that the channel doesn't prove that the peer has it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct KeyToCertify {
    /// Its `SubjectPublicKeyInfo`, DER.
    #[prost(bytes = "vec", tag = "1")]
    pub spki: Vec<u8>,
    /// Its signature over the binding of the evidence that comes with it.
    #[prost(bytes = "vec", tag = "2")]
    pub proof: Vec<u8>,
}

/// Purpose of a request for an admission certificate.
pub const PURPOSE_AUTHENTICATION: &str = "authentication";

/// Stock: purpose of a request for the domain's word that a key may attest.
pub const PURPOSE_ATTESTATION: &str = "attestation";

/// Ours: purpose of a request for the next admission certificate of a machine that has one, on a channel that it
/// opened with that one.
pub const PURPOSE_RENEWAL: &str = "renewal";

/// Ours: purpose of a request for a broker's certificate, for its channel's key, and for the domain's state.
pub const PURPOSE_BROKER_ENROLLMENT: &str = "broker-enrollment";

/// Ours: purpose of a request for the domain's state alone, on a channel that a broker opened with its certificate.
pub const PURPOSE_BROKER_STATE: &str = "broker-state";

impl TrustRequest {
    /// Serializes.
    pub fn encode_body(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Reads a request; its evidence must be there.
    pub fn decode_body(body: &[u8]) -> Result<(Self, EvidencePackage), ParseError> {
        let mut request = Self::decode(body).map_err(|_| ParseError::Message("trust_request_message"))?;
        let support = request.support.take().ok_or(ParseError::Missing("evidence"))?;
        Ok((request, support))
    }
}

/// What the broker sends at admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustResponse {
    /// Prove that you are here now: bind your evidence to this nonce and this channel.
    Challenge([u8; NONCE]),
    /// The admission certificate, DER.
    Admitted(Vec<u8>),
    /// The same by a delegated issuer, whose certificate goes with it; both DER.
    AdmittedBy {
        /// The admission certificate.
        certificate: Vec<u8>,
        /// The issuer's.
        issuer: Vec<u8>,
    },
    /// No.
    Refused(Refusal),
}

/// The stock `trust_response_message`, and our fields.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct TrustResponseMessage {
    #[prost(string, optional, tag = "1")]
    status: Option<String>,
    #[prost(string, optional, tag = "2")]
    requesting_enclave_tag: Option<String>,
    #[prost(string, optional, tag = "3")]
    providing_enclave_tag: Option<String>,
    #[prost(bytes = "vec", optional, tag = "4")]
    artifact: Option<Vec<u8>>,
    #[prost(string, optional, tag = "100")]
    request_id: Option<String>,
    #[prost(string, optional, tag = "101")]
    error_code: Option<String>,
    #[prost(string, optional, tag = "102")]
    error_message: Option<String>,
    /// What lies between the policy certificate and the artifact, where anything does.
    #[prost(bytes = "vec", optional, tag = "103")]
    issuer: Option<Vec<u8>>,
}

const SUCCEEDED: &str = "succeeded";
const FAILED: &str = "failed";
const CHALLENGE: &str = "request-further-authentication";

impl TrustResponse {
    /// Serializes. `request_id` is `None` towards stock peers, who get none of our fields.
    pub fn encode_body(&self, request_id: Option<&str>) -> Vec<u8> {
        let mut message = TrustResponseMessage {
            requesting_enclave_tag: Some("requesting-enclave".to_owned()),
            providing_enclave_tag: Some("providing-enclave".to_owned()),
            request_id: request_id.map(str::to_owned),
            ..TrustResponseMessage::default()
        };
        let (status, artifact) = match self {
            Self::Challenge(nonce) => (CHALLENGE, Some(nonce.to_vec())),
            Self::Admitted(certificate) => (SUCCEEDED, Some(certificate.clone())),
            Self::AdmittedBy { certificate, issuer } => {
                message.issuer = Some(issuer.clone());
                (SUCCEEDED, Some(certificate.clone()))
            }
            Self::Refused(refusal) => {
                if request_id.is_some() {
                    message.error_code = Some(refusal.code.as_str().to_owned());
                    message.error_message = Some(refusal.message.clone());
                }
                (FAILED, None)
            }
        };
        message.status = Some(status.to_owned());
        message.artifact = artifact;
        message.encode_to_vec()
    }

    /// Serializes what a broker elsewhere is given, which may be a secret.
    pub fn encode_state(state: &DomainState, request_id: &str) -> Zeroizing<Vec<u8>> {
        let mut message = TrustResponseMessage {
            status: Some(SUCCEEDED.to_owned()),
            requesting_enclave_tag: Some("requesting-enclave".to_owned()),
            providing_enclave_tag: Some("providing-enclave".to_owned()),
            artifact: Some(std::mem::take(&mut *state.encode())),
            request_id: Some(request_id.to_owned()),
            ..TrustResponseMessage::default()
        };
        let body = Zeroizing::new(message.encode_to_vec());
        message.artifact.zeroize();
        body
    }

    /// Reads what the broker sent, and its request id.
    pub fn decode_body(body: &[u8]) -> Result<(Self, Option<String>), ParseError> {
        const WHAT: ParseError = ParseError::Message("trust_response_message");
        let message = TrustResponseMessage::decode(body).map_err(|_| WHAT)?;
        let artifact = message.artifact.unwrap_or_default();
        let response = match message.status.as_deref() {
            Some(CHALLENGE) => Self::Challenge(artifact.try_into().map_err(|_| WHAT)?),
            Some(SUCCEEDED) if artifact.is_empty() => return Err(ParseError::Missing("certificate")),
            Some(SUCCEEDED) => match message.issuer {
                None => Self::Admitted(artifact),
                Some(issuer) => Self::AdmittedBy { certificate: artifact, issuer },
            },
            _ => {
                let code = message.error_code.as_deref().and_then(ErrorCode::from_text);
                let text = message.error_message.unwrap_or_else(|| "the server answered: failed".to_owned());
                Self::Refused(Refusal::new(code.unwrap_or(ErrorCode::AttestationRefused), text))
            }
        };
        Ok((response, message.request_id))
    }
}
