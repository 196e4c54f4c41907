//! The launch digest.

use sev::measurement::vmsa::{GuestFeatures as Features, VMMType, VMSA};

use super::MeasureError;
use super::boot::BootHashes;
use super::firmware::{Firmware, SectionKind};
use super::page_info::Chain;
use super::vcpu::{GuestFeatures, VcpuType};
use crate::digest::sha384;
use crate::measurement::Measurement;

/// The most vCPUs of a machine: QEMU's own limit for the machine type `q35`.
pub const MAX_VCPUS: u32 = 4096;

/// A launch measured up to its vCPUs, whose pages come last.
#[derive(Clone)]
pub struct SnpLaunch {
    before_vcpus: Chain,
    reset_address: u32,
}

impl SnpLaunch {
    /// Measures firmware and, where a kernel is started directly, what the firmware will compare it with.
    pub fn new(firmware: &Firmware<'_>, boot: Option<&BootHashes>) -> Result<Self, MeasureError> {
        if boot.is_some() && !firmware.measures_kernel() {
            return Err(MeasureError::NoKernelHashes);
        }
        let mut chain = Chain::new();
        chain.normal(firmware.address(), firmware.image());
        for section in firmware.sections() {
            match section.kind {
                SectionKind::Memory | SectionKind::CallingArea => chain.zero(section.address, section.pages),
                SectionKind::Secrets => chain.secrets(section.address),
                SectionKind::Cpuid => chain.cpuid(section.address),
                SectionKind::KernelHashes => match (boot, firmware.hash_table_offset()) {
                    (Some(boot), Some(offset)) => {
                        const OUTSIDE: MeasureError =
                            MeasureError::Firmware("its table for kernel hashes reaches out of its page");
                        chain.normal(section.address, &boot.page(offset).ok_or(OUTSIDE)?);
                    }
                    _ => chain.zero(section.address, section.pages),
                },
            }
        }
        Ok(Self { before_vcpus: chain, reset_address: firmware.reset_address() })
    }

    #[expect(
        clippy::missing_panics_doc,
        reason = "a page is written into memory, and 48 bytes are a measurement"
    )]
    /// The launch digest with so many vCPUs, 1 to [`MAX_VCPUS`], of this type.
    pub fn measurement(
        &self,
        vcpus: u32,
        vcpu_type: VcpuType,
        features: GuestFeatures,
    ) -> Result<Measurement, MeasureError> {
        if !(1..=MAX_VCPUS).contains(&vcpus) {
            return Err(MeasureError::Vcpus);
        }
        let registers = VMSA::new(
            self.reset_address.into(),
            vcpu_type.cpu(),
            VMMType::QEMU,
            Some(vcpus.into()),
            Features(features.bits()),
        );
        // The first vCPU's page, and the one that all further ones have.
        let pages = registers.pages(2).expect("registers are written into memory");
        let digests: Vec<_> = pages.iter().map(|page| sha384(page)).collect();
        let mut chain = self.before_vcpus.clone();
        for vcpu in 0..vcpus {
            chain.vmsa(&digests[usize::from(vcpu > 0)]);
        }
        Ok(Measurement::from_bytes(&chain.digest()).expect("48 bytes are a measurement"))
    }
}
