//! What AMD SEV-SNP will measure of a machine that is started in a certain way, before it is started.
//!
//! The launch digest is a chain of SHA-384 over every page that is there at the start (SEV-SNP ABI §8.17): the firmware, the
//! pages that its metadata asks for, among them one with the digests of kernel, initrd and command line, and a page of
//! initial registers for each vCPU. [`Firmware`] reads the firmware, [`BootHashes`] has the digests, [`SnpLaunch`] is the
//! chain up to the vCPUs, so that many counts and types of them cost little more than one.
//!
//! The machine is QEMU's with KVM. Pages of registers and CPU types come from the `sev` crate; the rest is here, for
//! that reads files, panics on damaged ones, and takes white space off the ends of a command line, which QEMU doesn't.

mod boot;
mod firmware;
mod launch;
mod page_info;
mod vcpu;

pub use boot::BootHashes;
pub use firmware::Firmware;
pub use launch::{MAX_VCPUS, SnpLaunch};
pub use vcpu::{GuestFeatures, VcpuType};

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// Why there is no launch digest. The caller's fault: what it gave isn't what is measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// Not an OVMF image that SEV-SNP starts, or a damaged one.
    #[error("this isn't firmware that SEV-SNP can start: {0}")]
    Firmware(&'static str),
    /// A section of the metadata that isn't known, so nobody knows how it is measured.
    #[error("the firmware has a metadata section of type {0:#x}, which isn't known here")]
    Section(u32),
    /// A kernel for firmware that doesn't take its digest.
    #[error("this firmware has no place for the digests of a kernel, so the kernel wouldn't be measured")]
    NoKernelHashes,
    /// Too few or too many vCPUs.
    #[error("a machine has 1 to {MAX_VCPUS} vCPUs")]
    Vcpus,
    /// Not a CPU type of QEMU's.
    #[error("this vCPU type is not known; known: {known}", known = vcpu::names())]
    VcpuType,
    /// Not what a guest's features can be.
    #[error("guest features are a number, 0x1 at least: bit 0 says that SEV-SNP is on")]
    GuestFeatures,
    /// A command line that no boot protocol can carry.
    #[error("a kernel's command line has no zero byte")]
    CommandLine,
}
