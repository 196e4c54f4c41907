//! Stock evidence: what the Certifier Framework's own programs send. It answers no challenge and names neither channel nor
//! domain, so nothing but its age says that it is new: it is taken while it is, once, and never counts as fresh.

use std::time::Duration;

use claviger_proto::ParseError;
use claviger_proto::evidence::UserData;
use claviger_proto::key::PublicKey;
use claviger_proto::time_text::time_from_text;
use claviger_proto::trust::EvidencePackage;
use prost::Message as _;
use rustls_pki_types::UnixTime;

use crate::attested::{Attested, EndorsementNeeded, Endorsements, evidence_digest, seconds};
use crate::cert::CLOCK_SKEW;
use crate::digest::sha384;
use crate::error::AttestError;
use crate::kind::simulated_enclave::{public_key, required};
use crate::kind::{EvidenceKind, Pending, screen_stock as screen_kind};
use crate::reference::ReferenceValues;

/// A stock package's `enclave_type` of SEV-SNP guests.
pub(crate) const SEV_ENCLAVE: &str = "sev-enclave";

/// The `submitted_evidence_type` that goes with it.
pub(crate) const SEV_PACKAGE: &str = "sev-platform-package";

/// A stock package's `enclave_type` of machines with a TPM.
pub(crate) const TPM_ENCLAVE: &str = "tpm-enclave";

/// The `submitted_evidence_type` that goes with it.
pub(crate) const TPM_PACKAGE: &str = "tpm-platform-package";

/// What stock evidence is held against, beside what the domain trusts.
#[derive(Clone, Copy, Debug)]
pub struct StockExpected<'a> {
    /// The domain's policy key. Evidence that names a policy key must name this one.
    pub policy_key: &'a PublicKey,
    /// How old it may be.
    pub window: Duration,
}

/// What the program itself had signed.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// The key to certify.
    key: PublicKey,
    /// When it was said, in seconds since 1970.
    pub(crate) time: i64,
}

impl Said {
    /// Reads it from its serialized form.
    pub(crate) fn parse(
        part: &'static str,
        bytes: &[u8],
        enclave_type: &str,
        expected: &StockExpected<'_>,
        now: i64,
    ) -> Result<Self, AttestError> {
        let message = ParseError::Message("attestation_user_data");
        let user_data =
            UserData::decode(bytes).map_err(|_| AttestError::Malformed { part, cause: message })?;
        if user_data.enclave_type.as_deref() != Some(enclave_type) {
            return Err(AttestError::Statement { part, why: "its enclave type is its package's" });
        }
        let key = public_key(part, required(part, "enclave_key", user_data.enclave_key.as_ref())?)?;
        Self::of(part, &user_data, key, expected, now)
    }

    /// Checks it: nothing of ours is in it, the policy key is the domain's if it names one, and it is new.
    pub(crate) fn of(
        part: &'static str,
        user_data: &UserData,
        key: PublicKey,
        expected: &StockExpected<'_>,
        now: i64,
    ) -> Result<Self, AttestError> {
        // Evidence of our agents is for one channel. Taken here it would be good without that channel.
        if user_data.binding.is_some() || user_data.evidence_data.is_some() {
            return Err(AttestError::OtherBinding);
        }
        if let Some(named) = &user_data.policy_key
            && !public_key(part, named)?.same_numbers(expected.policy_key)
        {
            return Err(AttestError::Statement { part, why: "a policy key in it is this domain's" });
        }
        let time = time_from_text(required(part, "time", user_data.time.as_deref())?)
            .map_err(|cause| AttestError::Malformed { part, cause })?;
        let skew = i64::try_from(CLOCK_SKEW.as_secs()).unwrap_or(i64::MAX);
        let window = i64::try_from(expected.window.as_secs()).unwrap_or(i64::MAX);
        if time > now.saturating_add(skew) {
            Err(AttestError::NotYetValid(part))
        } else if time < now.saturating_sub(window) {
            Err(AttestError::Old { part, seconds: expected.window.as_secs() })
        } else {
            Ok(Self { key, time })
        }
    }
}

/// What a stock SEV-SNP guest has signed for what it says: its SHA-384, then zeros.
pub fn sev_report_data(what_was_said: &[u8]) -> [u8; 64] {
    let mut data = [0; 64];
    data[..48].copy_from_slice(&sha384(what_was_said));
    data
}

/// Stock evidence that passed all that costs no signature. Only [`screen_stock`] makes one, and only
/// [`ScreenedStock::verify`] believes it.
#[derive(Clone, Debug)]
pub struct ScreenedStock {
    kind: EvidenceKind,
    pending: Pending,
    said: Said,
    statement: [u8; 32],
    evidence_digest: [u8; 48],
    evidence: EvidencePackage,
}

impl ScreenedStock {
    /// The evidence, as it was submitted.
    pub fn evidence(&self) -> &EvidencePackage {
        &self.evidence
    }

    /// SHA-256 of what the platform signed: the same evidence, however it is wrapped, has the same.
    pub fn statement(&self) -> &[u8; 32] {
        &self.statement
    }

    /// When it was said, in seconds since 1970.
    pub fn time(&self) -> i64 {
        self.said.time
    }

    /// The certificate that has to be found before it can be verified; `None` if the evidence brought it, or needs none.
    pub fn needs(&self) -> Option<EndorsementNeeded> {
        self.pending.needs()
    }

    /// Verifies the signatures, up to a root that counts.
    pub fn verify(self, endorsements: &Endorsements<'_>, now: UnixTime) -> Result<Attested, AttestError> {
        let mut claims = self.pending.verify(endorsements, seconds(now))?;
        // Whatever else it proves: it answered nobody's challenge.
        claims.challenge_fresh = false;
        let spki = self.said.key.spki_der().to_vec();
        Ok(Attested::new(self.kind, claims, spki, self.evidence_digest))
    }
}

/// Checks all of stock evidence, as submitted, that costs no signature: its form, what the domain trusts, its age.
pub fn screen_stock(
    submitted_type: &str,
    evidence: &EvidencePackage,
    policy: &ReferenceValues,
    expected: &StockExpected<'_>,
    now: UnixTime,
) -> Result<ScreenedStock, AttestError> {
    let (kind, screened) = screen_kind(submitted_type, evidence, policy, expected, seconds(now))?;
    let crate::kind::StockPending { pending, said, statement } = screened;
    let (evidence_digest, evidence) = (evidence_digest(evidence), evidence.clone());
    Ok(ScreenedStock { kind, pending, said, statement, evidence_digest, evidence })
}
