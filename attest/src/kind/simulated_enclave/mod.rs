//! The simulated enclave: an endorsement (a platform key says of an attestation key that it may attest) and
//! a report (that key says what runs, and what it had to say).
//!
//! As in stock evidence, with one field of ours beside: the binding. Evidence without it is refused.

mod endorsement;
mod platform;
mod report;

pub use platform::SimulatedPlatform;

use claviger_proto::ParseError;
use claviger_proto::evidence::{ITEM_SIGNED_CLAIM, ITEM_SIGNED_REPORT};
use claviger_proto::key::{KeyMessage, MessageKey, PublicKey};
use claviger_proto::time_text::time_from_text;
use claviger_proto::trust::EvidencePackage;

use self::endorsement::Endorsement;
use self::report::Report;
use super::{Claims, EvidenceKind, StockPending};
use crate::attested::{EndorsementNeeded, Endorsements, Expected};
use crate::error::AttestError;
use crate::instance::MachineClaims;
use crate::reference::ReferenceValues;
use crate::signature;
use crate::stock::StockExpected;

pub(super) const SUBMITTED_TYPE: &str = "vse-attestation-package";

/// Anybody can make such a platform, so it is trusted only where the domain names its root.
pub(super) const NEEDS_ROOT: bool = true;

pub(super) const HAS_VMPL: bool = false;

/// Bytes of a measurement, a SHA-256.
pub(super) const MEASUREMENT: usize = 32;

const KIND: EvidenceKind = EvidenceKind::SimulatedEnclave;

/// Evidence of which everything but the signatures was checked.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    endorsement: Endorsement,
    report: Report,
}

/// Checks what costs no signature, so that evidence of something that nobody trusts makes no work. Nothing is
/// believed before both signatures hold.
pub(super) fn screen(
    package: &EvidencePackage,
    policy: &ReferenceValues,
    expected: &Expected<'_>,
    now: i64,
) -> Result<Pending, AttestError> {
    let pending = Pending::parse(package)?;
    pending.report.check(expected, now)?;
    pending.check(policy, now)?;
    Ok(pending)
}

/// The same for what a stock program sent: it is for no channel.
pub(super) fn screen_stock(
    package: &EvidencePackage,
    policy: &ReferenceValues,
    expected: &StockExpected<'_>,
    now: i64,
) -> Result<StockPending<Pending>, AttestError> {
    let pending = Pending::parse(package)?;
    let (said, statement) = pending.report.check_stock(expected, now)?;
    pending.check(policy, now)?;
    Ok(StockPending { pending, said, statement })
}

impl Pending {
    fn parse(package: &EvidencePackage) -> Result<Self, AttestError> {
        let [endorsement, report] = package.items.as_slice() else { return Err(wrong_items()) };
        if endorsement.evidence_type != ITEM_SIGNED_CLAIM || report.evidence_type != ITEM_SIGNED_REPORT {
            return Err(wrong_items());
        }
        let endorsement = Endorsement::parse(&endorsement.serialized)?;
        Ok(Self { endorsement, report: Report::parse(&report.serialized)? })
    }

    /// All that costs no signature and is about no channel.
    fn check(&self, policy: &ReferenceValues, now: i64) -> Result<(), AttestError> {
        self.endorsement.check(now)?;
        check_reference(policy, &self.report, &self.endorsement, now)
    }

    /// The endorsement is part of the evidence.
    #[expect(clippy::unused_self, reason = "other kinds look at it")]
    pub(crate) fn needs(&self) -> Option<EndorsementNeeded> {
        None
    }

    pub(crate) fn verify(&self, _: &Endorsements<'_>, _: i64) -> Result<Claims, AttestError> {
        self.endorsement.verify_signature()?;
        self.report.verify_signature(&self.endorsement.attest_key)?;
        let machine = MachineClaims { ticket: self.report.ticket, ..MachineClaims::default() };
        Ok(Claims { measurement: self.report.measurement, challenge_fresh: true, machine })
    }
}

fn wrong_items() -> AttestError {
    AttestError::Items { expected: "a signed-claim and a signed-vse-attestation-report" }
}

fn check_reference(
    policy: &ReferenceValues,
    report: &Report,
    endorsement: &Endorsement,
    now: i64,
) -> Result<(), AttestError> {
    let measurement = report.measurement;
    let mut known = policy.trusted(KIND, &measurement, now)?;
    if known.any(|value| value.has_root(&endorsement.platform_key)) {
        Ok(())
    } else {
        Err(AttestError::UntrustedRoot(measurement))
    }
}

/// A field that must be there.
pub(crate) fn required<T>(
    part: &'static str,
    name: &'static str,
    field: Option<T>,
) -> Result<T, AttestError> {
    field.ok_or(AttestError::Malformed { part, cause: ParseError::Missing(name) })
}

/// Reads a public key; a private one has no place in evidence.
pub(crate) fn public_key(part: &'static str, message: &[u8]) -> Result<PublicKey, AttestError> {
    match KeyMessage::decode(message).map_err(|cause| AttestError::Malformed { part, cause })?.key {
        MessageKey::Public(key) => Ok(key),
        _ => Err(AttestError::Statement { part, why: "its keys are public keys" }),
    }
}

/// A validity, from its two texts.
#[derive(Clone, Copy, Debug)]
struct Dates {
    part: &'static str,
    not_before: i64,
    not_after: i64,
}

impl Dates {
    fn parse(part: &'static str, from: Option<&str>, until: Option<&str>) -> Result<Self, AttestError> {
        let time = |name, text| {
            time_from_text(required(part, name, text)?)
                .map_err(|cause| AttestError::Malformed { part, cause })
        };
        Ok(Self { part, not_before: time("not_before", from)?, not_after: time("not_after", until)? })
    }

    fn check(&self, now: i64) -> Result<(), AttestError> {
        if now < self.not_before {
            Err(AttestError::NotYetValid(self.part))
        } else if now > self.not_after {
            Err(AttestError::Expired(self.part))
        } else {
            Ok(())
        }
    }
}
