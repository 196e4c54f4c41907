//! TCB versions (ABI 56860 §2.2, `TCB_VERSION`): security version numbers, compared part by part.

use serde::{Deserialize, Serialize};

use super::product::SnpProduct;

/// The parts of a TCB version, each a security version number. A part that a product lacks is 0.
///
/// As a floor (in a policy), a part that isn't named demands nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnpTcb {
    /// The first mutable code that the processor runs; Turin only.
    pub fmc: u8,
    /// The AMD Secure Processor's bootloader.
    pub bootloader: u8,
    /// Its operating system.
    pub tee: u8,
    /// The SEV-SNP firmware.
    pub snp: u8,
    /// The lowest microcode patch level of all cores.
    pub microcode: u8,
}

impl SnpTcb {
    /// Reads the 8 bytes as this product orders them; `None` where a reserved byte isn't zero.
    pub fn parse(product: SnpProduct, bytes: [u8; 8]) -> Option<Self> {
        match (product, bytes) {
            (SnpProduct::Milan | SnpProduct::Genoa, [bootloader, tee, 0, 0, 0, 0, snp, microcode]) => {
                Some(Self { fmc: 0, bootloader, tee, snp, microcode })
            }
            (SnpProduct::Turin, [fmc, bootloader, tee, snp, 0, 0, 0, microcode]) => {
                Some(Self { fmc, bootloader, tee, snp, microcode })
            }
            _ => None,
        }
    }

    /// The 8 bytes as this product orders them.
    pub fn to_bytes(self, product: SnpProduct) -> [u8; 8] {
        let Self { fmc, bootloader, tee, snp, microcode } = self;
        match product {
            SnpProduct::Milan | SnpProduct::Genoa => [bootloader, tee, 0, 0, 0, 0, snp, microcode],
            SnpProduct::Turin => [fmc, bootloader, tee, snp, 0, 0, 0, microcode],
        }
    }

    /// The parts with their names.
    pub fn parts(self) -> [(&'static str, u8); 5] {
        [
            ("fmc", self.fmc),
            ("bootloader", self.bootloader),
            ("tee", self.tee),
            ("snp", self.snp),
            ("microcode", self.microcode),
        ]
    }

    /// The first part that is lower than in `floor`, with both numbers. A lower part is never made up for by
    /// a higher one.
    pub(super) fn below(self, floor: Self) -> Option<(&'static str, u8, u8)> {
        let pairs = self.parts().into_iter().zip(floor.parts());
        pairs.map(|((name, have), (_, need))| (name, have, need)).find(|(_, have, need)| have < need)
    }
}
