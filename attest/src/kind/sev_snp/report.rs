//! The report: the raw 1184 bytes, and what lies where in them (ABI 56860 §7.3, `ATTESTATION_REPORT`).
//!
//! Nothing is decoded into a structure and encoded again: what is hashed is what came.

use super::hex_bytes::ChipId;
use super::product::SnpProduct;
use super::rules::{Broken, SnpRule};
use crate::measurement::Measurement;

/// Bytes of a report.
pub const SNP_REPORT_LEN: usize = 0x4a0;
/// Bytes that the signature covers.
pub(super) const SIGNED: usize = 0x2a0;

const R: usize = 0x2a0;
const S: usize = 0x2e8;
/// Bytes of a P-384 number; its field in the report has 72.
const NUMBER: usize = 48;

/// A report that reads; nothing it says is verified.
#[derive(Clone, PartialEq, Eq)]
pub struct SnpReport(Box<[u8; SNP_REPORT_LEN]>);

/// The key that signed a report, as the report says (`SIGNING_KEY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SnpSigner {
    /// The chip's own key at this TCB.
    Vcek,
    /// A cloud provider's key at this TCB, loaded into the chip.
    Vlek,
}

/// Why bytes aren't a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAReport {
    Length,
    Version(u32),
}

impl SnpReport {
    /// Takes a report of a known version, 2 to 5. Nothing else is looked at.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NotAReport> {
        let raw: Box<[u8; SNP_REPORT_LEN]> =
            bytes.to_vec().into_boxed_slice().try_into().map_err(|_| NotAReport::Length)?;
        let report = Self(raw);
        match report.version() {
            2..=5 => Ok(report),
            version => Err(NotAReport::Version(version)),
        }
    }

    /// Takes a report of a known version, to be looked at; else the rule that it breaks, and why. Nothing it says
    /// is verified.
    pub fn read(bytes: &[u8]) -> Result<Self, (SnpRule, String)> {
        Self::parse(bytes).map_err(|why| {
            let Broken { rule, why } = why.into();
            (rule, why)
        })
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; SNP_REPORT_LEN] {
        &self.0
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.0[at..at + N]);
        out
    }

    /// VERSION.
    pub fn version(&self) -> u32 {
        u32::from_le_bytes(self.bytes(0x00))
    }

    /// `GUEST_SVN`, of the ID block.
    pub fn guest_svn(&self) -> u32 {
        u32::from_le_bytes(self.bytes(0x04))
    }

    /// POLICY: the guest's.
    pub fn policy(&self) -> u64 {
        u64::from_le_bytes(self.bytes(0x08))
    }

    /// `FAMILY_ID`, of the ID block.
    pub fn family_id(&self) -> [u8; 16] {
        self.bytes(0x10)
    }

    /// `IMAGE_ID`, of the ID block.
    pub fn image_id(&self) -> [u8; 16] {
        self.bytes(0x20)
    }

    /// VMPL of who asked.
    pub fn vmpl(&self) -> u32 {
        u32::from_le_bytes(self.bytes(0x30))
    }

    /// `SIGNATURE_ALGO`; 1 is ECDSA P-384 with SHA-384.
    pub fn signature_algorithm(&self) -> u32 {
        u32::from_le_bytes(self.bytes(0x34))
    }

    /// `CURRENT_TCB`, raw.
    pub fn current_tcb(&self) -> [u8; 8] {
        self.bytes(0x38)
    }

    /// `PLATFORM_INFO`.
    pub fn platform_info(&self) -> u64 {
        u64::from_le_bytes(self.bytes(0x40))
    }

    /// The key information: `AUTHOR_KEY_EN`, `MASK_CHIP_KEY`, `SIGNING_KEY`.
    pub fn key_info(&self) -> u32 {
        u32::from_le_bytes(self.bytes(0x48))
    }

    /// Whether the digest of an author key is there (`AUTHOR_KEY_EN`).
    pub fn has_author_key(&self) -> bool {
        self.key_info() & 1 != 0
    }

    /// Whether the host has the firmware sign nothing (`MASK_CHIP_KEY`).
    pub fn chip_key_masked(&self) -> bool {
        self.key_info() & 2 != 0
    }

    /// Who signed (`SIGNING_KEY`); `None` for none and for reserved values.
    pub fn signer(&self) -> Option<SnpSigner> {
        match (self.key_info() >> 2) & 7 {
            0 => Some(SnpSigner::Vcek),
            1 => Some(SnpSigner::Vlek),
            _ => None,
        }
    }

    /// `REPORT_DATA`: what the guest gave to be signed.
    pub fn report_data(&self) -> [u8; 64] {
        self.bytes(0x50)
    }

    /// MEASUREMENT: the launch digest.
    pub fn measurement(&self) -> Measurement {
        Measurement::of_sha384(self.bytes(0x90))
    }

    /// `HOST_DATA`: what the host gave at launch.
    pub fn host_data(&self) -> [u8; 32] {
        self.bytes(0xc0)
    }

    /// `ID_KEY_DIGEST`; zero where the guest was launched without an ID block.
    pub fn id_key_digest(&self) -> [u8; 48] {
        self.bytes(0xe0)
    }

    /// `AUTHOR_KEY_DIGEST`; zero without one.
    pub fn author_key_digest(&self) -> [u8; 48] {
        self.bytes(0x110)
    }

    /// `REPORT_ID` of this guest: random, for its life.
    pub fn report_id(&self) -> [u8; 32] {
        self.bytes(0x140)
    }

    /// `REPORT_ID_MA`: of its migration agent; all ones without one.
    pub fn report_id_ma(&self) -> [u8; 32] {
        self.bytes(0x160)
    }

    /// `REPORTED_TCB`, raw.
    pub fn reported_tcb(&self) -> [u8; 8] {
        self.bytes(0x180)
    }

    /// Family, model and stepping of the CPU; since version 3.
    pub fn cpuid(&self) -> Option<[u8; 3]> {
        (self.version() >= 3).then(|| self.bytes(0x188))
    }

    /// The product that the CPU's family and model name; since version 3.
    pub fn product(&self) -> Option<SnpProduct> {
        let [family, model, _] = self.cpuid()?;
        SnpProduct::of_cpuid(family, model)
    }

    /// `CHIP_ID`; `None` where the host hides it, or a VLEK signs.
    pub fn chip_id(&self) -> Option<ChipId> {
        ChipId::new(self.bytes(0x1a0))
    }

    /// The same 64 bytes, whatever they are.
    pub(in crate::kind) fn raw_chip_id(&self) -> [u8; 64] {
        self.bytes(0x1a0)
    }

    /// `COMMITTED_TCB`, raw.
    pub fn committed_tcb(&self) -> [u8; 8] {
        self.bytes(0x1e0)
    }

    /// The running firmware's version: major, minor, build.
    pub fn current_firmware(&self) -> (u8, u8, u8) {
        let [build, minor, major] = self.bytes(0x1e8);
        (major, minor, build)
    }

    /// The committed firmware's version: major, minor, build.
    pub fn committed_firmware(&self) -> (u8, u8, u8) {
        let [build, minor, major] = self.bytes(0x1ec);
        (major, minor, build)
    }

    /// `LAUNCH_TCB`, raw.
    pub fn launch_tcb(&self) -> [u8; 8] {
        self.bytes(0x1f0)
    }

    /// `LAUNCH_MIT_VECTOR` and `CURRENT_MIT_VECTOR`; since version 5.
    pub fn mitigations(&self) -> Option<(u64, u64)> {
        (self.version() >= 5)
            .then(|| (u64::from_le_bytes(self.bytes(0x1f8)), u64::from_le_bytes(self.bytes(0x200))))
    }

    /// Where the first reserved byte lies that isn't zero.
    pub(super) fn reserved_not_zero(&self) -> Option<usize> {
        let version = self.version();
        let ranges = [
            0x4c..0x50,
            if version >= 3 { 0x18b..0x1a0 } else { 0x188..0x1a0 },
            0x1eb..0x1ec,
            0x1ef..0x1f0,
            if version >= 5 { 0x208..SIGNED } else { 0x1f8..SIGNED },
            R + NUMBER..S,
            S + NUMBER..SNP_REPORT_LEN,
        ];
        ranges.into_iter().flatten().find(|at| self.0[*at] != 0)
    }

    /// What is signed.
    pub(in crate::kind) fn signed(&self) -> &[u8] {
        &self.0[..SIGNED]
    }

    /// The signature as r ‖ s, big-endian, 48 bytes each; in the report they are little-endian.
    pub fn signature(&self) -> [u8; 2 * NUMBER] {
        let mut out = [0; 2 * NUMBER];
        out[..NUMBER].copy_from_slice(&self.0[R..R + NUMBER]);
        out[NUMBER..].copy_from_slice(&self.0[S..S + NUMBER]);
        out[..NUMBER].reverse();
        out[NUMBER..].reverse();
        out
    }
}

impl std::fmt::Debug for SnpReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnpReport").field("version", &self.version()).finish_non_exhaustive()
    }
}
