//! An OVMF image that a test makes: Debian's has no section for kernel hashes, and none is small.

/// Zero pages, the page of secrets, the page of CPUID values, an SVSM's calling area, kernel hashes.
pub(crate) const MEMORY: u32 = 1;
pub(crate) const SECRETS: u32 = 2;
pub(crate) const CPUID: u32 = 3;
pub(crate) const CALLING_AREA: u32 = 4;
pub(crate) const KERNEL_HASHES: u32 = 0x10;

/// What an image says of itself. [`Default`] is one like edk2's for SEV-SNP, two pages of code long.
#[derive(Clone)]
pub(crate) struct Image {
    /// Bytes of the image.
    pub(crate) size: usize,
    /// Where further vCPUs start.
    pub(crate) reset_address: Option<u32>,
    /// Where the table of kernel hashes is to be.
    pub(crate) hash_table: Option<u32>,
    /// Address, length and type of each section; `None` for no metadata.
    pub(crate) sections: Option<Vec<(u32, u32, u32)>>,
}

impl Default for Image {
    fn default() -> Self {
        let sections = vec![
            (0x80_0000, 0x9000, MEMORY),
            (0x80_a000, 0x3000, MEMORY),
            (0x80_d000, 0x1000, SECRETS),
            (0x80_e000, 0x1000, CPUID),
            (0x80_f000, 0x1000, CALLING_AREA),
            (0x81_0000, 0x1000, KERNEL_HASHES),
            (0x81_1000, 0xf000, MEMORY),
        ];
        Self {
            size: 0x2000,
            reset_address: Some(0x0080_b004),
            hash_table: Some(0x81_0c00),
            sections: Some(sections),
        }
    }
}

/// Bytes from the metadata to the image's end.
pub(crate) const METADATA_FROM_END: usize = 0x400;

impl Image {
    /// Without what kernel hashes need, as Debian builds it.
    pub(crate) fn without_kernel_hashes() -> Self {
        let mut image = Self { hash_table: None, ..Self::default() };
        image.sections.as_mut().expect("sections").retain(|section| section.2 != KERNEL_HASHES);
        image
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        // Code that isn't the same on every page.
        let mut image: Vec<u8> = (0..251).cycle().take(self.size).collect();
        let mut table = Vec::new();
        let mut entry = |guid: u128, data: &[u8]| {
            table.extend_from_slice(data);
            table.extend_from_slice(&u16::try_from(data.len() + 18).expect("a short entry").to_le_bytes());
            table.extend_from_slice(&guid_bytes(guid));
        };
        entry(0x1234_5678_1234_1234_1234_1234_5678_9abc, &[7; 9]);
        if let Some(address) = self.reset_address {
            entry(0x00f7_71de_1a7e_4fcb_890e_68c7_7e2f_b44e, &address.to_le_bytes());
        }
        if let Some(address) = self.hash_table {
            entry(0x7255_371f_3a3b_4b04_927b_1da6_efa8_d454, &[address.to_le_bytes(), [0, 4, 0, 0]].concat());
        }
        if let Some(sections) = &self.sections {
            let from_end = u32::try_from(METADATA_FROM_END).expect("a small number");
            entry(0xdc88_6566_984a_4798_a75e_5585_a7bf_67cc, &from_end.to_le_bytes());
            put(&mut image, METADATA_FROM_END, &metadata(sections));
        }
        let length = u16::try_from(table.len() + 18).expect("a short table");
        table.extend_from_slice(&length.to_le_bytes());
        table.extend_from_slice(&guid_bytes(0x96b5_82de_1fb2_45f7_baea_a366_c55a_082d));
        put(&mut image, table.len() + 32, &table);
        image
    }
}

fn put(image: &mut [u8], from_end: usize, bytes: &[u8]) {
    let start = image.len() - from_end;
    image[start..start + bytes.len()].copy_from_slice(bytes);
}

fn metadata(sections: &[(u32, u32, u32)]) -> Vec<u8> {
    let count = u32::try_from(sections.len()).expect("few sections");
    let mut bytes = b"ASEV".to_vec();
    for number in [16 + 12 * count, 1, count] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for (address, length, kind) in sections {
        for number in [address, length, kind] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
    bytes
}

/// Of a GUID as it is written, the bytes as memory has them.
fn guid_bytes(guid: u128) -> [u8; 16] {
    let mut bytes = guid.to_be_bytes();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}
