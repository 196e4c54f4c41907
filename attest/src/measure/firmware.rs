//! OVMF images: the table at their end, and the metadata that it points to.
//!
//! edk2: `OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm` has the table, read from its end; `OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm`
//! the metadata. Everything here is from a file: nothing is taken without a look at its bounds.

use super::boot::guid;
use super::{MeasureError, PAGE};

const FOUR_GIB: u64 = 1 << 32;
/// Largest image, in bytes: OVMF has 2 to 16 MiB.
const MAX_IMAGE: usize = 64 << 20;
/// Largest that the sections may be together, in pages (256 MiB): OVMF asks for some hundred.
const MAX_SECTION_PAGES: usize = 1 << 16;

const FOOTER: [u8; 16] = guid(0x96b5_82de, 0x1fb2, 0x45f7, 0xbaea_a366_c55a_082d);
const HASH_TABLE: [u8; 16] = guid(0x7255_371f, 0x3a3b, 0x4b04, 0x927b_1da6_efa8_d454);
const RESET_BLOCK: [u8; 16] = guid(0x00f7_71de, 0x1a7e, 0x4fcb, 0x890e_68c7_7e2f_b44e);
const METADATA: [u8; 16] = guid(0xdc88_6566, 0x984a, 0x4798, 0xa75e_5585_a7bf_67cc);

/// What is after the table: the reset vector.
const AFTER_TABLE: usize = 32;
/// Length and GUID, at the end of each entry.
const ENTRY_HEADER: usize = 2 + 16;
/// Signature, length, version, number of sections.
const METADATA_HEADER: usize = 16;
/// Address, length, type.
const SECTION: usize = 12;

/// Firmware that SEV-SNP can start: an OVMF image, checked.
#[derive(Clone, Debug)]
pub struct Firmware<'a> {
    image: &'a [u8],
    sections: Vec<Section>,
    reset_address: u32,
    hash_table: Option<u32>,
}

/// Pages that the firmware wants to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) kind: SectionKind,
    pub(super) address: u64,
    pub(super) pages: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectionKind {
    /// Pages of zeros.
    Memory,
    /// For the guest's keys.
    Secrets,
    /// For what the CPU can do.
    Cpuid,
    /// An SVSM's calling area, zeros.
    CallingArea,
    /// For [`BootHashes`](super::BootHashes).
    KernelHashes,
}

impl<'a> Firmware<'a> {
    /// Reads an OVMF image.
    pub fn parse(image: &'a [u8]) -> Result<Self, MeasureError> {
        if image.is_empty() || image.len() > MAX_IMAGE || !image.len().is_multiple_of(PAGE) {
            return Err(MeasureError::Firmware("its size isn't a number of pages up to 64 MiB"));
        }
        let table = Table::find(image)?;
        let reset_address = table.number(&RESET_BLOCK)?;
        // An address of 0 stands for none: then nobody knows where further vCPUs start.
        let reset_address = reset_address
            .filter(|address| *address != 0)
            .ok_or(MeasureError::Firmware("it doesn't say where vCPUs start (no SEV-ES reset block)"))?;
        let metadata = table
            .number(&METADATA)?
            .ok_or(MeasureError::Firmware("it has no SEV metadata, as builds without SEV-SNP have none"))?;
        let hash_table = table.number(&HASH_TABLE)?;
        Ok(Self { image, sections: sections(image, metadata)?, reset_address, hash_table })
    }

    /// Whether a kernel that is started directly is measured.
    pub fn measures_kernel(&self) -> bool {
        self.hash_table.is_some() && self.sections.iter().any(|s| s.kind == SectionKind::KernelHashes)
    }

    pub(super) fn image(&self) -> &[u8] {
        self.image
    }

    /// Its first byte's address: it ends at 4 GiB.
    pub(super) fn address(&self) -> u64 {
        FOUR_GIB - self.image.len() as u64
    }

    pub(super) fn sections(&self) -> &[Section] {
        &self.sections
    }

    pub(super) fn reset_address(&self) -> u32 {
        self.reset_address
    }

    /// Where in its page the table of [`BootHashes`](super::BootHashes) is.
    pub(super) fn hash_table_offset(&self) -> Option<usize> {
        self.hash_table.map(|address| address as usize % PAGE)
    }
}

/// The entries of the table, each found by its GUID.
struct Table<'a>(&'a [u8]);

impl<'a> Table<'a> {
    fn find(image: &'a [u8]) -> Result<Self, MeasureError> {
        const NONE: MeasureError = MeasureError::Firmware("it has no table of GUIDs at its end, as OVMF has");
        let end = image.len().checked_sub(AFTER_TABLE).ok_or(NONE)?;
        let (before, guid, length) = entry(&image[..end]).ok_or(NONE)?;
        if *guid != FOOTER {
            return Err(NONE);
        }
        // The footer's length is the table's, with the footer.
        let start = length.checked_sub(ENTRY_HEADER).and_then(|length| before.len().checked_sub(length));
        let start = start.ok_or(MeasureError::Firmware("its table of GUIDs is damaged"))?;
        Ok(Self(&before[start..]))
    }

    /// The number that an entry begins with; `None` where there is no such entry.
    fn number(&self, wanted: &[u8; 16]) -> Result<Option<u32>, MeasureError> {
        const DAMAGED: MeasureError = MeasureError::Firmware("its table of GUIDs is damaged");
        let mut rest = self.0;
        while !rest.is_empty() {
            let (before, guid, length) = entry(rest).ok_or(DAMAGED)?;
            let data = length.checked_sub(ENTRY_HEADER).and_then(|length| before.len().checked_sub(length));
            let (above, data) = before.split_at(data.ok_or(DAMAGED)?);
            if guid == wanted {
                return data.first_chunk().map(|number| Some(u32::from_le_bytes(*number))).ok_or(DAMAGED);
            }
            rest = above;
        }
        Ok(None)
    }
}

/// The last entry's header: what is before it, its GUID, its length with the header.
fn entry(bytes: &[u8]) -> Option<(&[u8], &[u8; 16], usize)> {
    let (rest, guid) = bytes.split_last_chunk()?;
    let (rest, length) = rest.split_last_chunk()?;
    Some((rest, guid, u16::from_le_bytes(*length).into()))
}

/// The sections of metadata that begin so many bytes before the image's end.
fn sections(image: &[u8], from_end: u32) -> Result<Vec<Section>, MeasureError> {
    const DAMAGED: MeasureError = MeasureError::Firmware("its SEV metadata is damaged");
    let start = image.len().checked_sub(from_end as usize).ok_or(DAMAGED)?;
    let metadata = &image[start..];
    let number = |at: usize| {
        let bytes = metadata.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    };
    if !metadata.starts_with(b"ASEV") || number(8) != Some(1) {
        return Err(MeasureError::Firmware("its SEV metadata isn't of version 1"));
    }
    let (length, count) = (number(4).ok_or(DAMAGED)? as usize, number(12).ok_or(DAMAGED)? as usize);
    let items = metadata.get(METADATA_HEADER..length).ok_or(DAMAGED)?;
    if items.len() / SECTION < count {
        return Err(DAMAGED);
    }
    let sections = items.chunks_exact(SECTION).take(count).map(section).collect::<Result<Vec<_>, _>>()?;
    if sections.iter().map(|section| section.pages).sum::<usize>() > MAX_SECTION_PAGES {
        return Err(MeasureError::Firmware("its SEV metadata asks for more memory than firmware needs"));
    }
    Ok(sections)
}

/// `item` has [`SECTION`] bytes.
fn section(item: &[u8]) -> Result<Section, MeasureError> {
    let number = |at: usize| u32::from_le_bytes([item[at], item[at + 1], item[at + 2], item[at + 3]]);
    let (address, length) = (number(0), number(4) as usize);
    let kind = match number(8) {
        1 => SectionKind::Memory,
        2 => SectionKind::Secrets,
        3 => SectionKind::Cpuid,
        4 => SectionKind::CallingArea,
        0x10 => SectionKind::KernelHashes,
        other => return Err(MeasureError::Section(other)),
    };
    if !length.is_multiple_of(PAGE) {
        return Err(MeasureError::Firmware("a section of its SEV metadata isn't whole pages"));
    }
    let pages = length / PAGE;
    if kind == SectionKind::KernelHashes && pages != 1 {
        return Err(MeasureError::Firmware("its section for kernel hashes isn't one page"));
    }
    Ok(Section { kind, address: address.into(), pages })
}
