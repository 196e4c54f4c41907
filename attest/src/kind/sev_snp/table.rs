//! The certificate table that a host hands to its guest (GHCB 56421 §4.1.8.1, extended guest request): entries
//! of GUID, offset and length, ended by a GUID of zeros; then what they point to.

/// Bytes of an entry.
const ENTRY: usize = 24;
/// Most entries that are read: there are seven kinds.
const MAX_ENTRIES: usize = 16;
/// Longest table: a host gives whole pages, and what is in it needs three.
pub const MAX_CERTIFICATE_TABLE: usize = 64 * 1024;

/// What an entry is, by its GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableEntry {
    /// A VCEK certificate.
    Vcek,
    /// A VLEK certificate.
    Vlek,
    /// The ASK, or the ASVK in its place.
    Ask,
    /// The ARK.
    Ark,
    /// A certificate revocation list.
    Crl,
}

/// The GUIDs, in the byte order of RFC 4122, which is the one that is used in tables.
const GUIDS: [(TableEntry, [u8; 16]); 5] = [
    (TableEntry::Vcek, 0x63da_758d_e664_4564_adc5_f4b9_3be8_accd_u128.to_be_bytes()),
    (TableEntry::Vlek, 0xa807_4bc2_a25a_483e_aae6_39c0_45a0_b8a1_u128.to_be_bytes()),
    (TableEntry::Ask, 0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782_u128.to_be_bytes()),
    (TableEntry::Ark, 0xc0b4_06a4_a803_4952_9743_3fb6_014c_d0ae_u128.to_be_bytes()),
    (TableEntry::Crl, 0x92f8_1bc3_5811_4d3d_97ff_d19f_88dc_67ea_u128.to_be_bytes()),
];

impl TableEntry {
    fn of_guid(guid: &[u8]) -> Option<Self> {
        GUIDS.into_iter().find(|(_, known)| known == guid).map(|(entry, _)| entry)
    }

    fn guid(self) -> [u8; 16] {
        GUIDS.into_iter().find(|(entry, _)| *entry == self).map_or([0; 16], |(_, guid)| guid)
    }
}

/// Reads a table: what each known entry points to. Unknown GUIDs are a provider's own business and are passed
/// over; a table without its end, an entry that points outside or into the entries, or a second one of a kind
/// is refused.
pub fn read_certificate_table(bytes: &[u8]) -> Result<Vec<(TableEntry, &[u8])>, &'static str> {
    if bytes.len() > MAX_CERTIFICATE_TABLE {
        return Err("it is too long");
    }
    let mut entries = Vec::new();
    for at in 0.. {
        let entry = bytes.get(at * ENTRY..(at + 1) * ENTRY).ok_or("its last entry isn't all zero")?;
        let (guid, place) = entry.split_at(16);
        if guid == [0; 16] {
            let start = (at + 1) * ENTRY;
            return resolve(bytes, start, entries);
        }
        if at == MAX_ENTRIES {
            return Err("it has too many entries");
        }
        entries.push((TableEntry::of_guid(guid), place));
    }
    Err("it has no end")
}

fn resolve<'a>(
    bytes: &'a [u8],
    start: usize,
    entries: Vec<(Option<TableEntry>, &[u8])>,
) -> Result<Vec<(TableEntry, &'a [u8])>, &'static str> {
    let mut found: Vec<(TableEntry, &[u8])> = Vec::with_capacity(entries.len());
    for (entry, place) in entries {
        let number = |at: usize| {
            let bytes = [place[at], place[at + 1], place[at + 2], place[at + 3]];
            usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
        };
        let (offset, length) = (number(0), number(4));
        let end = offset.checked_add(length).ok_or("an entry points outside of it")?;
        let blob = bytes.get(offset..end).ok_or("an entry points outside of it")?;
        if offset < start {
            return Err("an entry points into the entries");
        }
        let Some(entry) = entry else { continue };
        if found.iter().any(|(known, _)| *known == entry) {
            return Err("it has two entries of one kind");
        }
        found.push((entry, blob));
    }
    Ok(found)
}

/// Writes a table, as a host would.
pub fn write_certificate_table(blobs: &[(TableEntry, &[u8])]) -> Vec<u8> {
    let mut offset = (blobs.len() + 1) * ENTRY;
    let mut out = Vec::new();
    for (entry, blob) in blobs {
        out.extend_from_slice(&entry.guid());
        out.extend_from_slice(&u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&u32::try_from(blob.len()).unwrap_or(u32::MAX).to_le_bytes());
        offset += blob.len();
    }
    out.extend_from_slice(&[0; ENTRY]);
    for (_, blob) in blobs {
        out.extend_from_slice(blob);
    }
    out
}
