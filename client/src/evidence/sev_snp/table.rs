//! Certificate tables, as hosts hand them to guests (GHCB specification, section 4.1.8.1): entries of GUID, offset and
//! length up to one of zeros, then the certificates.

/// Largest table, in bytes: what a host gives fits in a few pages.
pub const MAX_TABLE: usize = 64 << 10;

const ENTRY: usize = 16 + 4 + 4;

/// A certificate that a table has a name for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// The key that signs reports, the chip's own.
    Vcek,
    /// The key that signs reports, a cloud provider's.
    Vlek,
    /// AMD's key for either: the ASK, or the ASVK.
    Ask,
    /// AMD's root.
    Ark,
}

impl Certificate {
    /// Its GUID, in the order in which it is written.
    fn guid(self) -> [u8; 16] {
        let guid: u128 = match self {
            Self::Vcek => 0x63da_758d_e664_4564_adc5_f4b9_3be8_accd,
            Self::Vlek => 0xa807_4bc2_a25a_483e_aae6_39c0_45a0_b8a1,
            Self::Ask => 0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782,
            Self::Ark => 0xc0b4_06a4_a803_4952_9743_3fb6_014c_d0ae,
        };
        guid.to_be_bytes()
    }
}

/// The table of these certificates; empty where there is none, `None` where they are larger than [`MAX_TABLE`].
pub(super) fn encode(certificates: &[(Certificate, Vec<u8>)]) -> Option<Vec<u8>> {
    if certificates.is_empty() {
        return Some(Vec::new());
    }
    let (mut table, mut bodies) = (Vec::new(), Vec::new());
    let first = (certificates.len() + 1) * ENTRY;
    for (certificate, bytes) in certificates {
        table.extend_from_slice(&certificate.guid());
        table.extend_from_slice(&u32::try_from(first + bodies.len()).ok()?.to_le_bytes());
        table.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_le_bytes());
        bodies.extend_from_slice(bytes);
    }
    table.extend_from_slice(&[0; ENTRY]);
    table.extend_from_slice(&bodies);
    (table.len() <= MAX_TABLE).then_some(table)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use sev::firmware::host::{CertTableEntry, CertType};

    use super::*;

    #[test]
    fn a_table_is_one_that_the_sev_crate_reads() {
        let all = [
            (Certificate::Vcek, CertType::VCEK),
            (Certificate::Vlek, CertType::VLEK),
            (Certificate::Ask, CertType::ASK),
            (Certificate::Ark, CertType::ARK),
        ];
        let bytes = |at: usize| vec![u8::try_from(at).unwrap() + 1; 10 + at];
        let ours: Vec<_> = all.iter().enumerate().map(|(at, (name, _))| (*name, bytes(at))).collect();
        let mut table = encode(&ours).unwrap();
        let read = CertTableEntry::vec_bytes_to_cert_table(&mut table).unwrap();
        assert_eq!(read.len(), all.len());
        for (at, entry) in read.into_iter().enumerate() {
            assert_eq!((entry.cert_type, entry.data), (all[at].1.clone(), bytes(at)));
        }
    }

    #[test]
    fn none_makes_none_and_too_much_is_refused() {
        assert_eq!(encode(&[]), Some(Vec::new()));
        let body = |length: usize| encode(&[(Certificate::Vcek, vec![0; length])]);
        assert_eq!(body(MAX_TABLE - 2 * ENTRY).map(|table| table.len()), Some(MAX_TABLE));
        assert!(body(MAX_TABLE - 2 * ENTRY + 1).is_none());
    }
}
