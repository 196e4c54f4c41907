//! What the rules look at.

use super::product::SnpProduct;
use super::report::SnpReport;
use super::requirements::SnpRequirements;

/// What a domain's list says of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// It is trusted.
    Now,
    /// It was, until this second, since 1970.
    Until(i64),
    /// It isn't in it.
    Never,
}

/// A report, and what is demanded of it.
pub(super) struct Case<'a> {
    pub(super) report: &'a SnpReport,
    /// The product, as far as it is known: named by the report, by who asks, or by the VEK's issuer.
    pub(super) product: Option<SnpProduct>,
    /// What the domain demands; `None`: only AMD's own rules count.
    pub(super) demands: Option<&'a SnpRequirements>,
    /// Whether the measurement is one that the domain lists, now; `None`: nobody asked.
    pub(super) listed: Option<Listed>,
    /// The VMPLs that the domain names for this measurement; `None`: nobody asked.
    pub(super) vmpls: Option<&'a [u8]>,
    /// What the guest must have had signed; `None`: nobody asked.
    pub(super) report_data: Option<&'a [u8; 64]>,
}

impl Case<'_> {
    /// A bit of the guest's policy.
    pub(super) fn policy_bit(&self, bit: u32) -> bool {
        self.report.policy() >> bit & 1 != 0
    }

    /// A bit of the platform's information.
    pub(super) fn platform_bit(&self, bit: u32) -> bool {
        self.report.platform_info() >> bit & 1 != 0
    }

    /// The lowest ABI that the guest's policy asks for: major, minor.
    pub(super) fn policy_abi(&self) -> (u8, u8) {
        let [minor, major, ..] = self.report.policy().to_le_bytes();
        (major, minor)
    }
}
