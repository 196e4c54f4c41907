//! The platform's keys and certificates, and what it says of its guest.

use rustls_pki_types::UnixTime;

use super::certificate::{CertificateForm, VekOwner};
use super::report::{ReportForm, cpuid};
use crate::digest::sha256;
use crate::error::KeyError;
use crate::key::{KeyAlgorithm, SigningKey};
use crate::kind::sev_snp::{ChipId, SnpProduct, SnpSigner, SnpTcb};

/// The TCB that everything of every simulated platform is at; Turin has all its parts.
const TCB: SnpTcb = SnpTcb { fmc: 2, bootloader: 4, tee: 1, snp: 24, microcode: 219 };

/// In the names of its certificates, where AMD's have AMD.
const ORGANIZATION: &str = "Claviger, simulated: protects nothing";

const DAY: u64 = 86_400;

/// First and last day on which its certificates are valid, from the day they are made: AMD's last as long, and a clock may
/// be behind.
const VALIDITY: (u64, u64) = (1, 7 * 365);

/// Bits of a guest's policy (ABI 56860 §4.3): ABI 1.51, SMT allowed, and the bit that must be one.
const POLICY: u64 = 0x0003_0133;
const POLICY_DEBUG: u64 = 1 << 19;

/// SMT, TSME, ECC, and the alias check (ABI 56860 §8.14.7, `PLATFORM_INFO`).
const PLATFORM_INFO: u64 = 0b10_0111;

/// Its firmware's version: major, minor, build.
const FIRMWARE: (u8, u8, u8) = (1, 55, 29);

/// The newest report version that is known here.
const VERSION: u32 = 5;

/// The keys of a simulated platform: a root, what it signed, and a chip. No `Debug`, no `Clone`: it holds private keys.
pub struct SimulatedSnp {
    product: SnpProduct,
    chip_id: ChipId,
    ark: SigningKey,
    ask: SigningKey,
    vcek: SigningKey,
}

impl SimulatedSnp {
    /// Makes a platform with a new chip, under this root (RSA-4096) or a new one.
    ///
    /// A root of another kind is refused: reports under it would never verify.
    pub fn generate(product: SnpProduct, root: Option<SigningKey>) -> Result<Self, KeyError> {
        let ark = match root {
            Some(root) if root.algorithm() == KeyAlgorithm::Rsa4096 => root,
            Some(_) => return Err(KeyError::Unsupported),
            None => SigningKey::generate(KeyAlgorithm::Rsa4096)?,
        };
        let mut id = [0; 64];
        aws_lc_rs::rand::fill(&mut id[..product.chip_id_len()]).map_err(|_| KeyError::Failed)?;
        Ok(Self {
            product,
            chip_id: ChipId::new(id).ok_or(KeyError::Failed)?,
            ark,
            ask: SigningKey::generate(KeyAlgorithm::Rsa4096)?,
            vcek: SigningKey::generate(KeyAlgorithm::P384)?,
        })
    }

    /// Its chip's id.
    pub fn chip_id(&self) -> ChipId {
        self.chip_id
    }

    /// The root that a domain must name to trust it: the ARK.
    pub fn root(&self) -> &SigningKey {
        &self.ark
    }

    /// The ASK, which signed the VCEK's certificate.
    pub fn ask(&self) -> &SigningKey {
        &self.ask
    }

    /// The VCEK, which signs reports.
    pub fn vcek(&self) -> &SigningKey {
        &self.vcek
    }

    /// The certificates of VCEK, ASK and ARK, DER, valid from now on.
    pub fn certificates(&self, now: UnixTime) -> Result<[Vec<u8>; 3], KeyError> {
        let validity = (now.as_secs().saturating_sub(VALIDITY.0 * DAY), now.as_secs() + VALIDITY.1 * DAY);
        let made =
            |form, key| CertificateForm { organization: ORGANIZATION, validity, ..form }.signed_by(key);
        let vcek =
            CertificateForm::vek(self.product, VekOwner::Chip(self.chip_id.as_bytes()), TCB, &self.vcek);
        let ask = CertificateForm::intermediate(self.product, SnpSigner::Vcek, &self.ask);
        let ark = CertificateForm::ark(self.product, &self.ark);
        Ok([made(vcek, &self.ask)?, made(ask, &self.ark)?, made(ark, &self.ark)?])
    }
}

/// What a simulated platform says of its guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedSnpGuest {
    /// The platform's product.
    pub product: SnpProduct,
    /// The platform's chip.
    pub chip_id: ChipId,
    /// What the guest runs, 48 bytes.
    pub measurement: [u8; 48],
    /// What its host put beside it at launch.
    pub host_data: [u8; 32],
    /// Its security version number.
    pub guest_svn: u32,
    /// The privilege level at which it asks.
    pub vmpl: u32,
    /// Whether its host may debug it.
    pub debug: bool,
}

impl SimulatedSnpGuest {
    /// Its policy, as in reports (ABI 56860 §4.3).
    pub fn policy(&self) -> u64 {
        if self.debug { POLICY | POLICY_DEBUG } else { POLICY }
    }

    /// The TCB that its platform is at, as in reports.
    pub fn tcb(&self) -> [u8; 8] {
        TCB.to_bytes(self.product)
    }

    /// A report that says `report_data`, signed by this VCEK.
    pub fn report(&self, report_data: [u8; 64], vcek: &SigningKey) -> Result<Vec<u8>, KeyError> {
        let tcb = self.tcb();
        let form = ReportForm {
            version: VERSION,
            guest_svn: self.guest_svn,
            policy: self.policy(),
            family_id: [0; 16],
            image_id: [0; 16],
            vmpl: self.vmpl,
            // ECDSA on P-384 with SHA-384.
            signature_algorithm: 1,
            current_tcb: tcb,
            platform_info: PLATFORM_INFO,
            // No author key, and the VCEK signs.
            key_info: 0,
            report_data,
            measurement: self.measurement,
            host_data: self.host_data,
            id_key_digest: [0; 48],
            author_key_digest: [0; 48],
            report_id: sha256(&[self.chip_id.as_bytes().as_slice(), &self.measurement].concat()),
            report_id_ma: [0xff; 32],
            reported_tcb: tcb,
            cpuid: cpuid(self.product),
            chip_id: *self.chip_id.as_bytes(),
            committed_tcb: tcb,
            current_firmware: FIRMWARE,
            committed_firmware: FIRMWARE,
            launch_tcb: tcb,
            launch_mitigations: 0,
            current_mitigations: 0,
            over: Vec::new(),
        };
        form.signed_by(vcek)
    }
}
