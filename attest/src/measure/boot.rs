//! A kernel that is started directly: what the firmware is told to expect of it.

use super::{MeasureError, PAGE};
use crate::digest::sha256;

// GUIDs of QEMU's table (`target/i386/sev.c`, `sev_add_kernel_loader_hashes`), in the byte order of memory.
const TABLE: [u8; 16] = guid(0x9438_d606, 0x4f22, 0x4cc9, 0xb479_a793_d411_fd21);
const COMMAND_LINE: [u8; 16] = guid(0x97d0_2dd8, 0xbd20, 0x4c94, 0xaa78_e771_4d36_ab2a);
const INITRD: [u8; 16] = guid(0x44ba_f731, 0x3a2f, 0x4bd7, 0x9af1_41e2_9169_781d);
const KERNEL: [u8; 16] = guid(0x4de7_9437, 0xabd2, 0x427f, 0xb835_d5b1_72d2_045b);

/// GUID, length, digest.
const ENTRY_LEN: u8 = 16 + 2 + 32;
/// GUID, length, three entries.
const TABLE_LEN: u8 = 16 + 2 + 3 * ENTRY_LEN;
/// The table in memory: a multiple of 16.
const PADDED_LEN: usize = (TABLE_LEN as usize).next_multiple_of(16);

/// A GUID as memory has it: the first three numbers little-endian, the rest as written.
pub(super) const fn guid(first: u32, second: u16, third: u16, rest: u64) -> [u8; 16] {
    let (first, second, third) = (first.to_le_bytes(), second.to_le_bytes(), third.to_le_bytes());
    let rest = rest.to_be_bytes();
    let mut guid = [0; 16];
    let mut at = 0;
    while at < 16 {
        guid[at] = match at {
            0..4 => first[at],
            4..6 => second[at - 4],
            6..8 => third[at - 6],
            _ => rest[at - 8],
        };
        at += 1;
    }
    guid
}

/// The digests of a kernel, its initrd and its command line, as the firmware compares them before it starts the
/// kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootHashes {
    kernel: [u8; 32],
    initrd: [u8; 32],
    command_line: [u8; 32],
}

impl BootHashes {
    /// From the SHA-256 of the kernel's and the initrd's file, and the command line as QEMU is given it (`-append`), to
    /// the byte.
    pub fn new(
        kernel: [u8; 32],
        initrd: Option<[u8; 32]>,
        append: Option<&str>,
    ) -> Result<Self, MeasureError> {
        let append = append.unwrap_or_default();
        if append.contains('\0') {
            return Err(MeasureError::CommandLine);
        }
        // As a string of C's, with its end.
        let command_line = sha256(format!("{append}\0").as_bytes());
        Ok(Self { kernel, initrd: initrd.unwrap_or_else(|| sha256(&[])), command_line })
    }

    /// The page with the table at `offset`, or `None` where it doesn't fit.
    pub(super) fn page(&self, offset: usize) -> Option<[u8; PAGE]> {
        let mut page = [0; PAGE];
        let table = page.get_mut(offset..offset.checked_add(PADDED_LEN)?)?;
        let mut rest = &mut table[..];
        let mut put = |bytes: &[u8]| {
            let (place, after) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
            rest = after;
        };
        put(&TABLE);
        put(&[TABLE_LEN, 0]);
        let entries = [(COMMAND_LINE, self.command_line), (INITRD, self.initrd), (KERNEL, self.kernel)];
        for (guid, digest) in entries {
            put(&guid);
            put(&[ENTRY_LEN, 0]);
            put(&digest);
        }
        Some(page)
    }
}
