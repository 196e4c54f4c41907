//! The proof value of verified evidence, and the one way to it.

use aws_lc_rs::digest::{SHA384, digest};
use claviger_proto::trust::EvidencePackage;
use prost::Message as _;
use rustls_pki_types::UnixTime;

use crate::error::AttestError;
use crate::instance::MachineClaims;
use crate::kind::{Claims, EvidenceKind};
use crate::measurement::Measurement;
use crate::reference::ReferenceValues;

/// What the evidence must be about: this channel, and the key that asks.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The digest of the [`crate::Binding`], as seen from here.
    pub binding: &'a [u8; 64],
    /// The `SubjectPublicKeyInfo` of the key to certify.
    pub spki: &'a [u8],
}

/// Evidence that was verified, whole: a machine with this measurement, on a platform that the domain trusts,
/// holds this key and answered this challenge. Only [`verify`] makes one.
#[derive(Clone, Debug)]
pub struct Attested {
    kind: EvidenceKind,
    claims: Claims,
    spki: Vec<u8>,
    evidence_digest: [u8; 48],
}

impl Attested {
    /// The kind of evidence.
    pub fn kind(&self) -> EvidenceKind {
        self.kind
    }

    /// What the machine runs.
    pub fn measurement(&self) -> &Measurement {
        &self.claims.measurement
    }

    /// The `SubjectPublicKeyInfo` of the key that was attested.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether it answers a challenge of ours, on this channel.
    pub fn challenge_fresh(&self) -> bool {
        self.claims.challenge_fresh
    }

    /// What it says of the machine itself.
    pub fn machine(&self) -> &MachineClaims {
        &self.claims.machine
    }

    /// SHA-384 of the serialized evidence package.
    pub fn evidence_digest(&self) -> &[u8; 48] {
        &self.evidence_digest
    }
}

/// Verifies evidence of any kind, as submitted, against what the domain trusts and this channel expects.
pub fn verify(
    submitted_type: &str,
    evidence: &EvidencePackage,
    policy: &ReferenceValues,
    expected: &Expected<'_>,
    now: UnixTime,
) -> Result<Attested, AttestError> {
    let kind = evidence.enclave_type.parse::<EvidenceKind>().map_err(|_| AttestError::UnknownKind)?;
    if submitted_type != kind.submitted_evidence_type() {
        return Err(AttestError::SubmittedType { expected: kind.submitted_evidence_type() });
    }
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let claims = kind.verify(evidence, policy, expected, now)?;
    let mut evidence_digest = [0; 48];
    evidence_digest.copy_from_slice(digest(&SHA384, &evidence.encode_to_vec()).as_ref());
    Ok(Attested { kind, claims, spki: expected.spki.to_vec(), evidence_digest })
}
