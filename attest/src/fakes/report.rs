//! Reports, and what tests do to them.

use super::platform::{FakeKey, FakePlatform};
use crate::kind::sev_snp::{SNP_REPORT_LEN, SnpProduct};
use crate::simulated_snp::report::{self, ReportForm, cpuid};

impl ReportForm {
    /// A report with which nothing is wrong, of the chip and TCB of a [`FakePlatform`] of this product.
    pub fn good(product: SnpProduct, version: u32) -> Self {
        let tcb = FakePlatform::TCB.to_bytes(product);
        Self {
            version,
            guest_svn: 3,
            // ABI 1.51, SMT allowed, and the bit that must be one.
            policy: 0x0003_0133,
            family_id: [0xfa; 16],
            image_id: [0x1a; 16],
            vmpl: 0,
            signature_algorithm: 1,
            current_tcb: tcb,
            // SMT, TSME, ECC, and the alias check.
            platform_info: if version == 2 { 0b00_0111 } else { 0b10_0111 },
            key_info: 1,
            report_data: [0xb1; 64],
            measurement: [0x5a; 48],
            host_data: [0xd0; 32],
            id_key_digest: [0x1d; 48],
            author_key_digest: [0xa0; 48],
            report_id: [0x12; 32],
            report_id_ma: [0xff; 32],
            reported_tcb: tcb,
            cpuid: cpuid(product),
            chip_id: FakePlatform::chip_id(product),
            committed_tcb: tcb,
            current_firmware: (1, 55, 29),
            committed_firmware: (1, 55, 29),
            launch_tcb: tcb,
            launch_mitigations: 0b11,
            current_mitigations: 0b111,
            over: Vec::new(),
        }
    }

    /// The report, signed by this key.
    pub fn sign(&self, key: &FakeKey) -> Vec<u8> {
        self.signed_by(key).expect("signed")
    }
}

/// Signs the first 0x2a0 bytes of a report anew; the rest of it stays as it is.
pub fn sign_report(raw: [u8; SNP_REPORT_LEN], key: &FakeKey) -> Vec<u8> {
    report::sign(raw, key).expect("signed")
}
