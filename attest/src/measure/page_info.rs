//! The digest's chain, page by page (SEV-SNP ABI §8.17.2, table 67, the structure `PAGE_INFO`).

use super::PAGE;
use crate::digest::sha384;

/// What a page is to the firmware of the processor, with its number in `PAGE_INFO`.
#[derive(Clone, Copy)]
enum PageType {
    Normal = 1,
    Vmsa = 2,
    Zero = 3,
    Secrets = 5,
    Cpuid = 6,
}

/// Bytes of `PAGE_INFO`.
const LEN: u16 = 0x70;

/// Where pages of registers are said to be: the last page below bit 52.
const VMSA_ADDRESS: u64 = 0xffff_ffff_f000;

/// The launch digest so far.
#[derive(Clone)]
pub(super) struct Chain([u8; 48]);

impl Chain {
    /// No page yet.
    pub(super) fn new() -> Self {
        Self([0; 48])
    }

    /// Pages with contents, from this address on; `bytes` is whole pages.
    pub(super) fn normal(&mut self, address: u64, bytes: &[u8]) {
        for (page, at) in bytes.chunks(PAGE).zip(addresses(address)) {
            self.add(PageType::Normal, at, &sha384(page));
        }
    }

    /// So many pages of zeros.
    pub(super) fn zero(&mut self, address: u64, pages: usize) {
        for at in addresses(address).take(pages) {
            self.add(PageType::Zero, at, &[0; 48]);
        }
    }

    /// The page that the processor puts the guest's keys into.
    pub(super) fn secrets(&mut self, address: u64) {
        self.add(PageType::Secrets, address, &[0; 48]);
    }

    /// The page that the processor checks what the CPU can do in.
    pub(super) fn cpuid(&mut self, address: u64) {
        self.add(PageType::Cpuid, address, &[0; 48]);
    }

    /// The page of a vCPU's registers.
    pub(super) fn vmsa(&mut self, page_digest: &[u8; 48]) {
        self.add(PageType::Vmsa, VMSA_ADDRESS, page_digest);
    }

    pub(super) fn digest(&self) -> [u8; 48] {
        self.0
    }

    fn add(&mut self, page_type: PageType, address: u64, contents: &[u8; 48]) {
        let mut info = [0; LEN as usize];
        info[..0x30].copy_from_slice(&self.0);
        info[0x30..0x60].copy_from_slice(contents);
        info[0x60..0x62].copy_from_slice(&LEN.to_le_bytes());
        info[0x62] = page_type as u8;
        // 0x63 IMI_PAGE, 0x64..0x67 permissions of the other VMPLs: none in a launch by QEMU.
        info[0x68..].copy_from_slice(&address.to_le_bytes());
        self.0 = sha384(&info);
    }
}

/// The addresses of consecutive pages. All are below 2^33: firmware and its sections are below 4 GiB.
fn addresses(first: u64) -> impl Iterator<Item = u64> {
    (0u64..).map(move |page| first + page * PAGE as u64)
}
