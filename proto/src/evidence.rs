//! What stock evidence is made of: claims, signed claims, reports, and what an enclave said.
//!
//! Message and field numbers are the stock Certifier Framework's; [`UserData::binding`] is ours. Every
//! signature covers the *serialized* inner message, so inner messages are kept as the bytes that came.
//! Keys are kept as serialized `key_message`s too, to be read where they are used: all of them are public.

use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::Secret;

/// What a claim's `claim_format` must be.
pub const CLAIM_FORMAT: &str = "vse-clause";
/// What a report's `report_format` must be.
pub const REPORT_FORMAT: &str = "vse-attestation-report";
/// Type of an evidence item that is a [`SignedClaim`].
pub const ITEM_SIGNED_CLAIM: &str = "signed-claim";
/// Type of an evidence item that is a certificate, DER.
pub const ITEM_CERTIFICATE: &str = "cert";
/// Type of an evidence item that is a [`SevAttestation`].
pub const ITEM_SEV_ATTESTATION: &str = "sev-attestation";
/// Type of an evidence item that is a [`TpmAttestation`].
pub const ITEM_TPM_ATTESTATION: &str = "tpm-attestation";
/// Type of an evidence item that is a [`SignedReport`].
pub const ITEM_SIGNED_REPORT: &str = "signed-vse-attestation-report";
/// The verb with which a key vouches for a clause.
pub const VERB_SAYS: &str = "says";
/// The verb that makes a key one that may sign reports.
pub const VERB_TRUSTED_FOR_ATTESTATION: &str = "is-trusted-for-attestation";
/// The descriptor of the claim that an admission gives for the purpose `attestation`.
pub const DESCRIPTOR_PLATFORM_RULE: &str = "platform-rule";
/// The entity type of a key.
pub const ENTITY_KEY: &str = "key";

/// A claim and who signed it (stock `signed_claim_message`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SignedClaim {
    /// The serialized [`Claim`]; the signature covers exactly these bytes.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub claim: Option<Vec<u8>>,
    /// The signer's public key, a serialized `key_message`.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub signing_key: Option<Vec<u8>>,
    /// `rsa-2048-sha256-pkcs-sign`, …
    #[prost(string, optional, tag = "3")]
    pub signing_algorithm: Option<String>,
    /// The signature over [`SignedClaim::claim`].
    #[prost(bytes = "vec", optional, tag = "4")]
    pub signature: Option<Vec<u8>>,
}

/// A statement with its dates (stock `claim_message`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Claim {
    /// [`CLAIM_FORMAT`].
    #[prost(string, optional, tag = "1")]
    pub format: Option<String>,
    /// Free text; empty in stock claims.
    #[prost(string, optional, tag = "2")]
    pub descriptor: Option<String>,
    /// First moment of validity, in the stock time format.
    #[prost(string, optional, tag = "3")]
    pub not_before: Option<String>,
    /// Last moment of validity, in the stock time format.
    #[prost(string, optional, tag = "4")]
    pub not_after: Option<String>,
    /// The serialized [`Clause`].
    #[prost(bytes = "vec", optional, tag = "5")]
    pub clause: Option<Vec<u8>>,
}

/// One sentence: a subject, a verb, and an object or another sentence (stock `vse_clause`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Clause {
    /// About whom, or who says it.
    #[prost(message, optional, tag = "1")]
    pub subject: Option<Entity>,
    /// [`VERB_SAYS`], [`VERB_TRUSTED_FOR_ATTESTATION`], …
    #[prost(string, optional, tag = "2")]
    pub verb: Option<String>,
    /// What the verb applies to, for verbs that have an object.
    #[prost(message, optional, tag = "3")]
    pub object: Option<Entity>,
    /// What is said, for [`VERB_SAYS`].
    #[prost(message, optional, boxed, tag = "4")]
    pub clause: Option<Box<Clause>>,
}

/// Who or what a clause is about (stock `entity_message`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Entity {
    /// [`ENTITY_KEY`], `measurement`, `platform`, `environment`.
    #[prost(string, optional, tag = "1")]
    pub entity_type: Option<String>,
    /// A key, as a serialized public `key_message`.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub key: Option<Vec<u8>>,
    /// A measurement, raw.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub measurement: Option<Vec<u8>>,
    /// A platform with its properties, serialized.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub platform: Option<Vec<u8>>,
    /// A platform together with a measurement, serialized.
    #[prost(bytes = "vec", optional, tag = "5")]
    pub environment: Option<Vec<u8>>,
}

/// A report and who signed it (stock `signed_report`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SignedReport {
    /// [`REPORT_FORMAT`].
    #[prost(string, optional, tag = "1")]
    pub format: Option<String>,
    /// The serialized [`ReportInfo`]; the signature covers exactly these bytes.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub report: Option<Vec<u8>>,
    /// The attestation key's public part, a serialized `key_message`.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub signing_key: Option<Vec<u8>>,
    /// `rsa-2048-sha256-pkcs-sign`, …
    #[prost(string, optional, tag = "4")]
    pub signing_algorithm: Option<String>,
    /// The signature over [`SignedReport::report`].
    #[prost(bytes = "vec", optional, tag = "5")]
    pub signature: Option<Vec<u8>>,
}

/// What the platform reports of an enclave (stock `vse_attestation_report_info`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReportInfo {
    /// `simulated-enclave`.
    #[prost(string, optional, tag = "1")]
    pub enclave_type: Option<String>,
    /// What runs there: 32 raw bytes.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub measurement: Option<Vec<u8>>,
    /// First moment of validity, in the stock time format.
    #[prost(string, optional, tag = "3")]
    pub not_before: Option<String>,
    /// Last moment of validity, in the stock time format.
    #[prost(string, optional, tag = "4")]
    pub not_after: Option<String>,
    /// What the enclave asked to have signed: a serialized [`UserData`].
    #[prost(bytes = "vec", optional, tag = "5")]
    pub user_data: Option<Vec<u8>>,
}

/// What the enclave itself says (stock `attestation_user_data`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UserData {
    /// The same as in the report.
    #[prost(string, optional, tag = "1")]
    pub enclave_type: Option<String>,
    /// When it said it, in the stock time format.
    #[prost(string, optional, tag = "2")]
    pub time: Option<String>,
    /// The key to be certified, a serialized public `key_message`.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub enclave_key: Option<Vec<u8>>,
    /// The policy key it means; absent in stock evidence.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub policy_key: Option<Vec<u8>>,
    /// Ours: the 64 bytes that tie this evidence to one channel and one challenge.
    #[prost(bytes = "vec", optional, tag = "100")]
    pub binding: Option<Vec<u8>>,
    /// Ours: a serialized [`EvidenceUserData`].
    #[prost(bytes = "vec", optional, tag = "101")]
    pub evidence_data: Option<Vec<u8>>,
}

/// A SEV-SNP report and what the guest had it vouch for (stock `sev_attestation_message`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SevAttestation {
    /// A serialized [`UserData`]; the report's `REPORT_DATA` begins with its SHA-384.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub what_was_said: Option<Vec<u8>>,
    /// The report, 1184 bytes.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub report: Option<Vec<u8>>,
}

/// A TPM's quote and what the machine had it vouch for (stock `tpm_attestation_message`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TpmAttestation {
    /// A serialized [`UserData`]; the quote's `extraData` is its SHA-256.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub what_was_said: Option<Vec<u8>>,
    /// The quote, a `TPMS_ATTEST`.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub quote: Option<Vec<u8>>,
    /// `RSA-2048-SSA-SHA-256`.
    #[prost(string, optional, tag = "3")]
    pub signing_algorithm: Option<String>,
    /// The signature over [`TpmAttestation::quote`], bare.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub signature: Option<Vec<u8>>,
}

/// Largest [`EvidenceUserData`], serialized, in bytes.
pub const MAX_USER_DATA: usize = 1024;

/// What a machine itself has to say beside its key, whatever its platform: signed with the evidence.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct EvidenceUserData {
    /// A launch ticket: 32 bytes that its domain's broker made, and takes once.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub ticket: Option<Vec<u8>>,
}

impl EvidenceUserData {
    /// The serialized form of one that carries this ticket.
    pub fn with_ticket(ticket: &Secret) -> Zeroizing<Vec<u8>> {
        // `encode_to_vec` measures first, so that the ticket is never copied by growing.
        Zeroizing::new(Self { ticket: Some(ticket.expose().to_vec()) }.encode_to_vec())
    }
}

impl Drop for EvidenceUserData {
    fn drop(&mut self) {
        self.ticket.zeroize();
    }
}

impl std::fmt::Debug for EvidenceUserData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvidenceUserData").finish_non_exhaustive()
    }
}
