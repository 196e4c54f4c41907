//! vCPUs: which CPU QEMU makes of them, and what they are allowed.

use std::fmt;
use std::str::FromStr;

use sev::measurement::vcpu_types::CpuType;

use super::MeasureError;

/// A CPU type of QEMU's (`-cpu`), of which its signature is measured: family, model, stepping.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VcpuType(CpuType);

const ALL: [CpuType; 18] = [
    CpuType::Epyc,
    CpuType::EpycV1,
    CpuType::EpycV2,
    CpuType::EpycIBPB,
    CpuType::EpycV3,
    CpuType::EpycV4,
    CpuType::EpycRome,
    CpuType::EpycRomeV1,
    CpuType::EpycRomeV2,
    CpuType::EpycRomeV3,
    CpuType::EpycMilan,
    CpuType::EpycMilanV1,
    CpuType::EpycMilanV2,
    CpuType::EpycGenoa,
    CpuType::EpycGenoaV1,
    CpuType::EpycTurin,
    CpuType::EpycTurinV1,
    CpuType::EpycTurinV2,
];

impl VcpuType {
    /// Every type that is known.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter().map(Self)
    }

    pub(super) fn cpu(self) -> CpuType {
        self.0
    }
}

/// All names, for messages.
pub(super) fn names() -> String {
    ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl FromStr for VcpuType {
    type Err = MeasureError;

    /// By its name, in whatever case.
    fn from_str(text: &str) -> Result<Self, MeasureError> {
        let named = |cpu: &CpuType| cpu.to_string().eq_ignore_ascii_case(text);
        ALL.into_iter().find(named).map(Self).ok_or(MeasureError::VcpuType)
    }
}

impl fmt::Display for VcpuType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What the hypervisor turns on for the guest: `SEV_FEATURES` of its registers (APM volume 2, table B-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestFeatures(u64);

impl GuestFeatures {
    /// As a number; bit 0, SEV-SNP itself, has to be set.
    pub fn new(bits: u64) -> Result<Self, MeasureError> {
        (bits & 1 == 1).then_some(Self(bits)).ok_or(MeasureError::GuestFeatures)
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }
}

impl Default for GuestFeatures {
    /// SEV-SNP alone, as KVM has it since Linux 6.9 unless QEMU is told otherwise.
    fn default() -> Self {
        Self(1)
    }
}

impl FromStr for GuestFeatures {
    type Err = MeasureError;

    /// Decimal, or hexadecimal after `0x`.
    fn from_str(text: &str) -> Result<Self, MeasureError> {
        let bits = match text.strip_prefix("0x") {
            Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16),
            _ => text.parse(),
        };
        Self::new(bits.map_err(|_| MeasureError::GuestFeatures)?)
    }
}

impl fmt::Display for GuestFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
