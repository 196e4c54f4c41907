//! The proof value of verified evidence, and the one way to it.

use claviger_proto::trust::EvidencePackage;
use prost::Message as _;
use rustls_pki_types::UnixTime;

use crate::digest::sha384;
use crate::error::AttestError;
use crate::instance::MachineClaims;
use crate::kind::sev_snp::{ChipId, SnpChainCache, SnpProduct, SnpRevocationList, SnpSigner};
use crate::kind::{Claims, EvidenceKind, Pending};
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
/// holds this key and answered this challenge. Only [`verify`], [`Screened::verify`] and, without a
/// challenge, [`crate::ScreenedStock::verify`] make one.
#[derive(Clone, Debug)]
pub struct Attested {
    kind: EvidenceKind,
    claims: Claims,
    spki: Vec<u8>,
    evidence_digest: [u8; 48],
}

impl Attested {
    pub(crate) fn new(kind: EvidenceKind, claims: Claims, spki: Vec<u8>, evidence_digest: [u8; 48]) -> Self {
        Self { kind, claims, spki, evidence_digest }
    }

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

/// The certificate that has to be found for evidence that came without: AMD's key distribution service has it
/// under these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndorsementNeeded {
    /// Which kind of key signed.
    pub signer: Option<SnpSigner>,
    /// Of which product; `None` where the report is too old to say it.
    pub product: Option<SnpProduct>,
    /// Of which chip; `None` where it is hidden, so that nothing can be found.
    pub chip_id: Option<ChipId>,
    /// At which TCB: the report's 8 bytes.
    pub reported_tcb: [u8; 8],
}

/// What a verifier adds to evidence: certificates and revocation lists from elsewhere, and what it remembers.
/// None of it is trusted by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Endorsements<'a> {
    /// Certificates, DER or PEM, in any order.
    pub certificates: &'a [Vec<u8>],
    /// Revocation lists, DER or PEM.
    pub crls: &'a [Vec<u8>],
    /// Revocation lists that were verified before; each is held against the chains of its own root.
    pub lists: &'a [SnpRevocationList],
    /// Chains that were verified before.
    pub cache: Option<&'a SnpChainCache>,
}

/// Evidence that passed all that costs no signature: it is well-formed, made for this channel, and of something
/// that the domain trusts, if it is true. Only [`screen`] makes one, and only [`Screened::verify`] believes it.
#[derive(Clone, Debug)]
pub struct Screened {
    kind: EvidenceKind,
    pending: Pending,
    spki: Vec<u8>,
    evidence_digest: [u8; 48],
}

impl Screened {
    /// The certificate that has to be found before it can be verified; `None` if the evidence brought it, or
    /// needs none.
    pub fn needs(&self) -> Option<EndorsementNeeded> {
        self.pending.needs()
    }

    /// Verifies the signatures, up to a root that counts.
    pub fn verify(self, endorsements: &Endorsements<'_>, now: UnixTime) -> Result<Attested, AttestError> {
        let claims = self.pending.verify(endorsements, seconds(now))?;
        Ok(Attested { kind: self.kind, claims, spki: self.spki, evidence_digest: self.evidence_digest })
    }
}

/// Checks all of the evidence, as submitted, that costs no signature: its form, what the domain trusts, what this
/// channel expects.
pub fn screen(
    submitted_type: &str,
    evidence: &EvidencePackage,
    policy: &ReferenceValues,
    expected: &Expected<'_>,
    now: UnixTime,
) -> Result<Screened, AttestError> {
    let kind = evidence.enclave_type.parse::<EvidenceKind>().map_err(|_| AttestError::UnknownKind)?;
    if submitted_type != kind.submitted_evidence_type() {
        return Err(AttestError::SubmittedType { expected: kind.submitted_evidence_type() });
    }
    let pending = kind.screen(evidence, policy, expected, seconds(now))?;
    let evidence_digest = evidence_digest(evidence);
    Ok(Screened { kind, pending, spki: expected.spki.to_vec(), evidence_digest })
}

pub(crate) fn evidence_digest(evidence: &EvidencePackage) -> [u8; 48] {
    sha384(&evidence.encode_to_vec())
}

/// Both steps at once, for evidence that brings all its certificates.
///
/// Verifies evidence of any kind, as submitted, against what the domain trusts and this channel expects.
pub fn verify(
    submitted_type: &str,
    evidence: &EvidencePackage,
    policy: &ReferenceValues,
    expected: &Expected<'_>,
    now: UnixTime,
) -> Result<Attested, AttestError> {
    screen(submitted_type, evidence, policy, expected, now)?.verify(&Endorsements::default(), now)
}

pub(crate) fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
