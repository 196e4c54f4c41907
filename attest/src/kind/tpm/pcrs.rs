//! Which registers of a TPM a digest is over.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::read::Reader;
use crate::digest::sha256;
use crate::error::{AttestError, ReferenceError};

/// Registers of one bank (PC Client Platform TPM Profile: 24), and the bytes of bits that name them.
const REGISTERS: u8 = 24;
const SELECT: u8 = 3;

/// Registers that whoever is root may set back to zero (PC Client Platform TPM Profile, table of PCR attributes): "debug"
/// and "application support".
const RESETTABLE: u32 = 1 << 16 | 1 << 23;

/// Hashes by which banks are named (TPM 2.0 Library, Part 2, `TPM_ALG_ID`). SHA-1's bank isn't among them: what is in it
/// can be met by other software.
const BANKS: [(u16, &str, usize); 3] =
    [(0x000b, "sha256", 32), (0x000c, "sha384", 48), (0x000d, "sha512", 64)];

/// A selection of PCRs (`TPML_PCR_SELECTION`): banks, each with at least one register, none twice. The order of the banks
/// counts, since the digest goes through them in it.
///
/// As text `sha256:0,2,7`, several banks joined by `+`, as tpm2-tools have it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PcrSelection(Vec<Bank>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Bank {
    /// Of [`BANKS`].
    hash: usize,
    /// Bit n is register n.
    registers: u32,
}

impl PcrSelection {
    /// Reads one as a TPM marshals it.
    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, AttestError> {
        let count = from.u32()?;
        let mut banks = Vec::new();
        // More than there are banks can't be without one twice, so the count sizes nothing.
        for _ in 0..count {
            let algorithm = from.u16()?;
            let hash = BANKS.iter().position(|(id, ..)| *id == algorithm);
            let hash =
                hash.ok_or_else(|| from.says("its registers are those of banks sha256, sha384, sha512"))?;
            if from.u8()? != SELECT {
                return Err(from.says("it selects among 24 registers of a bank"));
            }
            let [low, middle, high] = from.array()?;
            banks.push(Bank { hash, registers: u32::from_le_bytes([low, middle, high, 0]) });
            if !is_selection(&banks) {
                return Err(from.says("every bank is there once, with a register"));
            }
        }
        if banks.is_empty() { Err(from.says("it is about registers")) } else { Ok(Self(banks)) }
    }

    /// Whether all of it could be set back by whoever is root in the machine, so that its digest says nothing.
    fn is_resettable(&self) -> bool {
        self.0.iter().all(|bank| bank.registers & !RESETTABLE == 0)
    }

    /// The digest of these registers where nothing was ever measured into them: SHA-256 over as many zeros.
    pub(crate) fn digest_of_nothing(&self) -> [u8; 32] {
        let bytes = |bank: &Bank| {
            let registers = usize::try_from(bank.registers.count_ones()).unwrap_or_default();
            registers * BANKS[bank.hash].2
        };
        sha256(&vec![0; self.0.iter().map(bytes).sum()])
    }
}

fn is_selection(banks: &[Bank]) -> bool {
    let once = |(at, bank): (usize, &Bank)| !banks[..at].iter().any(|other| other.hash == bank.hash);
    banks.iter().enumerate().all(once) && banks.iter().all(|bank| bank.registers != 0)
}

impl FromStr for PcrSelection {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let banks = text.split('+').map(bank).collect::<Option<Vec<_>>>().ok_or(ReferenceError::Pcrs)?;
        let selection = Self(banks);
        if is_selection(&selection.0) && !selection.is_resettable() {
            Ok(selection)
        } else {
            Err(ReferenceError::Pcrs)
        }
    }
}

fn bank(text: &str) -> Option<Bank> {
    let (name, registers) = text.split_once(':')?;
    let hash = BANKS.iter().position(|(_, known, _)| *known == name)?;
    let mut bits = 0;
    for register in registers.split(',') {
        let plain = !register.is_empty() && register.bytes().all(|byte| byte.is_ascii_digit());
        let register = register.parse::<u8>().ok().filter(|register| plain && *register < REGISTERS)?;
        if bits >> register & 1 != 0 {
            return None;
        }
        bits |= 1 << register;
    }
    Some(Bank { hash, registers: bits })
}

impl fmt::Display for PcrSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, bank) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "+" })?;
            let registers: Vec<_> =
                (0..REGISTERS).filter(|register| bank.registers >> register & 1 != 0).collect();
            let registers: Vec<_> = registers.iter().map(u8::to_string).collect();
            write!(f, "{}:{}", BANKS[bank.hash].1, registers.join(","))?;
        }
        Ok(())
    }
}

impl fmt::Debug for PcrSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for PcrSelection {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<PcrSelection> for String {
    fn from(selection: PcrSelection) -> Self {
        selection.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_selection_has_one_text() {
        for (text, shown) in [
            ("sha256:7", "sha256:7"),
            ("sha256:7,0,2", "sha256:0,2,7"),
            ("sha384:0,16,23+sha256:1", "sha384:0,16,23+sha256:1"),
        ] {
            assert_eq!(text.parse::<PcrSelection>().unwrap().to_string(), shown);
        }
        assert_ne!("sha256:1+sha384:1".parse::<PcrSelection>(), "sha384:1+sha256:1".parse());
        for bad in [
            "",
            "sha256",
            "sha256:",
            "sha1:0",
            "sha256:24",
            "sha256:-1",
            "sha256:+1",
            "sha256:1,1",
            "sha256:1,",
            "sha256:1+sha256:2",
            "sha256:1+",
            "SHA256:1",
            "sha256: 1",
            "sha256:300",
            "7",
            // Only registers that anybody sets back.
            "sha256:16",
            "sha256:16,23",
            "sha384:23+sha256:16",
        ] {
            assert_eq!(bad.parse::<PcrSelection>(), Err(ReferenceError::Pcrs), "{bad}");
        }
    }

    #[test]
    fn what_a_tpm_marshals_is_read_strictly() {
        let read = |bytes: &[u8]| {
            let mut reader = Reader::new("selection", bytes);
            let selection = PcrSelection::read(&mut reader)?;
            reader.end().map(|()| selection.to_string())
        };
        assert_eq!(read(&[0, 0, 0, 1, 0, 0x0b, 3, 0x80, 0, 0]).unwrap(), "sha256:7");
        let two = [0, 0, 0, 2, 0, 0x0c, 3, 1, 0x80, 0x80, 0, 0x0b, 3, 2, 0, 0];
        assert_eq!(read(&two).unwrap(), "sha384:0,15,23+sha256:1");
        for bad in [
            &[0, 0, 0, 0][..],
            &[0, 0, 0, 1, 0, 0x0b, 3, 0, 0, 0],
            &[0, 0, 0, 1, 0, 0x04, 3, 1, 0, 0],
            &[0, 0, 0, 1, 0, 0x0b, 4, 1, 0, 0, 0],
            &[0, 0, 0, 1, 0, 0x0b, 3, 1, 0],
            &[0, 0, 0, 2, 0, 0x0b, 3, 1, 0, 0],
            &[0, 0, 0, 2, 0, 0x0b, 3, 1, 0, 0, 0, 0x0b, 3, 2, 0, 0],
            &[0xff, 0xff, 0xff, 0xff, 0, 0x0b, 3, 1, 0, 0],
        ] {
            read(bad).unwrap_err();
        }
    }

    #[test]
    fn nothing_measured_is_zeros() {
        let of = |text: &str| text.parse::<PcrSelection>().unwrap().digest_of_nothing();
        assert_eq!(of("sha256:7"), sha256(&[0; 32]));
        assert_eq!(of("sha256:0,7+sha384:1"), sha256(&[0; 112]));
    }
}
