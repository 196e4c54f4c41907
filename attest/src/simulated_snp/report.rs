//! Reports, field by field.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};

use crate::error::KeyError;
use crate::key::SigningKey;
use crate::kind::sev_snp::{SNP_REPORT_LEN, SnpProduct};

/// A report before it is signed. Fields as in the ABI (56860 §7.3); what a version lacks is left zero.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "fakes", expect(missing_docs, reason = "the names are the ABI's"))]
pub struct ReportForm {
    pub version: u32,
    pub guest_svn: u32,
    pub policy: u64,
    pub family_id: [u8; 16],
    pub image_id: [u8; 16],
    pub vmpl: u32,
    pub signature_algorithm: u32,
    pub current_tcb: [u8; 8],
    pub platform_info: u64,
    pub key_info: u32,
    pub report_data: [u8; 64],
    pub measurement: [u8; 48],
    pub host_data: [u8; 32],
    pub id_key_digest: [u8; 48],
    pub author_key_digest: [u8; 48],
    pub report_id: [u8; 32],
    pub report_id_ma: [u8; 32],
    pub reported_tcb: [u8; 8],
    pub cpuid: [u8; 3],
    pub chip_id: [u8; 64],
    pub committed_tcb: [u8; 8],
    /// Major, minor, build.
    pub current_firmware: (u8, u8, u8),
    /// Major, minor, build.
    pub committed_firmware: (u8, u8, u8),
    pub launch_tcb: [u8; 8],
    pub launch_mitigations: u64,
    pub current_mitigations: u64,
    /// Bytes that are put over all the others before signing: offset and bytes.
    pub over: Vec<(usize, Vec<u8>)>,
}

impl ReportForm {
    /// The bytes, with a signature field of zeros.
    pub fn unsigned(&self) -> [u8; SNP_REPORT_LEN] {
        let mut raw = [0; SNP_REPORT_LEN];
        let mut put = |at: usize, bytes: &[u8]| raw[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x00, &self.version.to_le_bytes());
        put(0x04, &self.guest_svn.to_le_bytes());
        put(0x08, &self.policy.to_le_bytes());
        put(0x10, &self.family_id);
        put(0x20, &self.image_id);
        put(0x30, &self.vmpl.to_le_bytes());
        put(0x34, &self.signature_algorithm.to_le_bytes());
        put(0x38, &self.current_tcb);
        put(0x40, &self.platform_info.to_le_bytes());
        put(0x48, &self.key_info.to_le_bytes());
        put(0x50, &self.report_data);
        put(0x90, &self.measurement);
        put(0xc0, &self.host_data);
        put(0xe0, &self.id_key_digest);
        put(0x110, &self.author_key_digest);
        put(0x140, &self.report_id);
        put(0x160, &self.report_id_ma);
        put(0x180, &self.reported_tcb);
        if self.version >= 3 {
            put(0x188, &self.cpuid);
        }
        put(0x1a0, &self.chip_id);
        put(0x1e0, &self.committed_tcb);
        let ((major, minor, build), committed) = (self.current_firmware, self.committed_firmware);
        put(0x1e8, &[build, minor, major]);
        put(0x1ec, &[committed.2, committed.1, committed.0]);
        put(0x1f0, &self.launch_tcb);
        if self.version >= 5 {
            put(0x1f8, &self.launch_mitigations.to_le_bytes());
            put(0x200, &self.current_mitigations.to_le_bytes());
        }
        for (at, bytes) in &self.over {
            put(*at, bytes);
        }
        raw
    }

    /// The report, signed by this key of P-384.
    pub(crate) fn signed_by(&self, key: &SigningKey) -> Result<Vec<u8>, KeyError> {
        sign(self.unsigned(), key)
    }
}

/// The CPUID family, model and stepping that reports of this product carry since version 3.
pub(crate) fn cpuid(product: SnpProduct) -> [u8; 3] {
    match product {
        SnpProduct::Milan => [0x19, 0x01, 0x01],
        SnpProduct::Genoa => [0x19, 0x11, 0x01],
        SnpProduct::Turin => [0x1a, 0x02, 0x01],
    }
}

/// Signs the first 0x2a0 bytes of a report anew; the rest of it stays as it is.
pub(crate) fn sign(mut raw: [u8; SNP_REPORT_LEN], key: &SigningKey) -> Result<Vec<u8>, KeyError> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key.pkcs8_der())
        .map_err(|_| KeyError::Unsupported)?;
    let signature = pair.sign(&SystemRandom::new(), &raw[..0x2a0]).map_err(|_| KeyError::Failed)?;
    let (r, s) = signature.as_ref().split_at(48);
    for (at, number) in [(0x2a0, r), (0x2e8, s)] {
        raw[at..at + 48].copy_from_slice(number);
        raw[at..at + 48].reverse();
    }
    Ok(raw.to_vec())
}
