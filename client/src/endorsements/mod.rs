//! Endorsements: the certificates of chips' keys (VCEK), for evidence that comes without.
//!
//! [`Endorser`] looks in folders, then in its cache, then asks AMD's key distribution service (KDS). Nothing that it
//! gives is trusted by itself: the verifier holds a certificate against AMD's root and against the report. It is to be asked
//! only for evidence whose measurement is listed, after [`claviger_attest::screen`].

mod budget;
mod endorser;
mod error;
mod folder;
mod kds;

use claviger_attest::{ChipId, EndorsementNeeded, SnpProduct, SnpSigner};

pub use budget::Budget;
pub use endorser::{Endorser, Settings};
pub use error::EndorsementError;
pub use kds::{Kds, KdsError};

/// Which certificate: of a chip, at a TCB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vcek {
    product: SnpProduct,
    chip: ChipId,
    tcb: [u8; 8],
}

impl Vcek {
    /// A chip's key at a TCB, as a report has both.
    pub fn new(product: SnpProduct, chip: ChipId, tcb: [u8; 8]) -> Self {
        Self { product, chip, tcb }
    }

    /// What a report needs, the likelier first: one that doesn't say its product is of one of the two that were there
    /// before reports did. None where the chip is hidden, or the key isn't a chip's.
    pub fn needed(needed: &EndorsementNeeded) -> Vec<Self> {
        let Some(chip) = needed.chip_id.filter(|_| needed.signer == Some(SnpSigner::Vcek)) else {
            return Vec::new();
        };
        let products = match &needed.product {
            Some(product) => std::slice::from_ref(product),
            None => &[SnpProduct::Milan, SnpProduct::Genoa],
        };
        products.iter().map(|product| Self::new(*product, chip, needed.reported_tcb)).collect()
    }

    /// The chip's id in lowercase hex, as long as the product has it.
    fn chip_hex(&self) -> String {
        hex::encode(&self.chip.as_bytes()[..self.product.chip_id_len()])
    }

    /// The TCB's 8 bytes in lowercase hex.
    fn tcb_hex(&self) -> String {
        hex::encode(self.tcb)
    }

    /// The parts of the TCB, by the names that the KDS and others give them, in their order (57230, chapter 4).
    fn parts(&self) -> Vec<(&'static str, u8)> {
        match (self.product, self.tcb) {
            (SnpProduct::Milan | SnpProduct::Genoa, [bl, tee, _, _, _, _, snp, ucode]) => {
                vec![("bl", bl), ("tee", tee), ("snp", snp), ("ucode", ucode)]
            }
            (SnpProduct::Turin, [fmc, bl, tee, snp, _, _, _, ucode]) => {
                vec![("bl", bl), ("tee", tee), ("snp", snp), ("ucode", ucode), ("fmc", fmc)]
            }
        }
    }
}

/// Largest certificate that is taken, in bytes: they have below 2 KiB.
const MAX_CERTIFICATE: usize = 16 << 10;

/// Whether these bytes are one DER value of the length that it says: a page of a proxy's isn't.
fn is_one_der(bytes: &[u8]) -> bool {
    match bytes {
        [0x30, 0x82, high, low, rest @ ..] => rest.len() == usize::from(u16::from_be_bytes([*high, *low])),
        [0x30, 0x81, length, rest @ ..] => rest.len() == usize::from(*length),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn needed() -> EndorsementNeeded {
        let chip_id = ChipId::new([0xab; 64]);
        EndorsementNeeded {
            signer: Some(SnpSigner::Vcek),
            product: Some(SnpProduct::Genoa),
            chip_id,
            reported_tcb: [1, 2, 0, 0, 0, 0, 7, 8],
        }
    }

    #[test]
    fn a_report_needs_one_certificate_or_says_too_little() {
        let of = |needed: EndorsementNeeded| {
            Vcek::needed(&needed).into_iter().map(|vcek| vcek.product).collect::<Vec<_>>()
        };
        assert_eq!(of(needed()), [SnpProduct::Genoa]);
        let silent = EndorsementNeeded { product: None, ..needed() };
        assert_eq!(of(silent), [SnpProduct::Milan, SnpProduct::Genoa]);
        assert!(of(EndorsementNeeded { chip_id: None, ..needed() }).is_empty());
        assert!(of(EndorsementNeeded { signer: Some(SnpSigner::Vlek), ..needed() }).is_empty());
        assert!(of(EndorsementNeeded { signer: None, ..needed() }).is_empty());
    }

    #[test]
    fn a_certificate_is_one_der_value_whole() {
        assert!(is_one_der(&[0x30, 0x81, 2, 1, 1]) && is_one_der(&[0x30, 0x82, 0, 1, 1]));
        for bad in [
            &b"<html>"[..],
            &[],
            &[0x30],
            &[0x30, 0x81, 2, 1],
            &[0x30, 0x81, 2, 1, 1, 1],
            &[0x31, 0x81, 1, 1],
        ] {
            assert!(!is_one_der(bad));
        }
    }
}
