//! The Certifier Framework's simulation of SEV-SNP, as stock programs send it: a report in AMD's layout under certificates
//! of the framework's own making.
//!
//! Neither has the form of AMD's: the guest's policy is all zeros, the names and the signature's algorithm are others. So
//! nothing of it passes for [`super::sev_snp`], and it is a kind of its own, trusted only where a domain names its ARK. What
//! can be held to AMD's rules is: chip and TCB are those of the VCEK, and a guest that can be debugged or migrated is refused.

mod chain;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use claviger_proto::key::PublicKey;
use claviger_proto::trust::EvidencePackage;

use self::chain::{Chain, Vcek};
use super::sev_snp::{SnpReport, StockItems};
use super::{Claims, EvidenceKind, StockPending};
use crate::attested::{EndorsementNeeded, Endorsements, Expected};
use crate::error::AttestError;
use crate::instance::MachineClaims;
use crate::reference::{ReferenceValue, ReferenceValues};
use crate::stock::{SEV_PACKAGE, StockExpected, sev_report_data};

pub(super) const SUBMITTED_TYPE: &str = SEV_PACKAGE;

/// Anybody can make such a platform, so it is trusted only where the domain names its root.
pub(super) const NEEDS_ROOT: bool = true;

pub(super) const HAS_VMPL: bool = false;

/// Bytes of a measurement, a SHA-384.
pub(super) const MEASUREMENT: usize = 48;

const KIND: EvidenceKind = EvidenceKind::SimulatedSev;
const REPORT: &str = "simulated SEV-SNP report";

/// Bits of the guest's policy (ABI 56860 §4.3): a migration agent may be associated, the guest may be debugged.
const MIGRATE: u32 = 18;
const DEBUG: u32 = 19;

/// Evidence of which everything but the signatures was checked.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    report: SnpReport,
    chain: Chain,
    roots: Vec<PublicKey>,
}

/// Our own protocol has no such evidence: there is nobody who would bind it to a channel.
pub(super) fn screen(
    _: &EvidencePackage,
    _: &ReferenceValues,
    _: &Expected<'_>,
    _: i64,
) -> Result<Pending, AttestError> {
    Err(AttestError::Unbound)
}

/// Checks all that costs no signature.
pub(super) fn screen_stock(
    items: StockItems<'_>,
    policy: &ReferenceValues,
    expected: &StockExpected<'_>,
    now: i64,
) -> Result<StockPending<Pending>, AttestError> {
    let (said, statement) = items.said(expected, now)?;
    let StockItems { certificates, what_was_said, report } = items;
    let measurement = report.measurement();
    let trusted = policy.trusted(KIND, &measurement, now)?;
    let roots = trusted.flat_map(ReferenceValue::roots).cloned().collect();
    let chain = Chain::parse(certificates)?;
    check_report(&report, &chain.vcek, &what_was_said)?;
    chain.check_dates(now)?;
    Ok(StockPending { pending: Pending { report, chain, roots }, said, statement })
}

fn check_report(report: &SnpReport, vcek: &Vcek, what_was_said: &[u8]) -> Result<(), AttestError> {
    let says = |why| Err(AttestError::Statement { part: REPORT, why });
    let policy = |bit: u32| report.policy() >> bit & 1 != 0;
    if report.report_data() != sev_report_data(what_was_said) {
        return says("its report data is the SHA-384 of what was said, and zeros");
    }
    if policy(DEBUG) || policy(MIGRATE) {
        return says("its guest can't be debugged or migrated");
    }
    let [bootloader, tee, .., snp, microcode] = report.reported_tcb();
    if vcek.tcb != [bootloader, tee, snp, microcode] {
        return says("its TCB is its VCEK's");
    }
    if vcek.chip_id != report.raw_chip_id() {
        return says("its chip is its VCEK's");
    }
    Ok(())
}

impl Pending {
    /// The certificates are part of the evidence.
    #[expect(clippy::unused_self, reason = "other kinds look at it")]
    pub(crate) fn needs(&self) -> Option<EndorsementNeeded> {
        None
    }

    pub(crate) fn verify(&self, _: &Endorsements<'_>, now: i64) -> Result<Claims, AttestError> {
        let measurement = self.report.measurement();
        if !self.roots.iter().any(|root| root.same_numbers(&self.chain.ark)) {
            return Err(AttestError::UntrustedRoot(measurement));
        }
        self.chain.check_dates(now)?;
        self.chain.verify()?;
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &self.chain.vcek.point)
            .verify(self.report.signed(), &self.report.signature())
            .map_err(|_| AttestError::Signature(REPORT))?;
        // What chip it claims to be is a file's word, so it makes no instance.
        Ok(Claims { measurement, challenge_fresh: false, machine: MachineClaims::default() })
    }
}
