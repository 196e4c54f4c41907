//! A quote: `TPMS_ATTEST` with `TPMS_QUOTE_INFO` in it (TPM 2.0 Library, Part 2).

use super::pcrs::PcrSelection;
use super::read::Reader;
use crate::error::AttestError;

const PART: &str = "TPM quote";

/// `TPM_GENERATED_VALUE`: a restricted key signs nothing from outside that begins so.
const GENERATED: u32 = 0xff54_4347;
/// `TPM_ST_ATTEST_QUOTE`.
const QUOTE: u16 = 0x8018;

/// Largest name of an object, a SHA-512 and which hash it is; as large is what a caller may have signed along
/// (`TPM2B_DATA`).
const MAX_NAME: usize = 66;
/// Largest digest.
const MAX_DIGEST: usize = 64;

/// What a TPM says of its registers. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmQuote {
    signed: Vec<u8>,
    qualified_signer: Vec<u8>,
    extra_data: Vec<u8>,
    clock: TpmClock,
    firmware_version: u64,
    pcrs: PcrSelection,
    pcr_digest: [u8; 32],
}

/// `TPMS_CLOCK_INFO`. The TPM hides counters from verifiers that don't hold its endorsement hierarchy by adding a number
/// of the signing key's to them, so they are comparable among quotes of one key alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TpmClock {
    /// Milliseconds for which it ran, in all.
    pub milliseconds: u64,
    /// How often it was reset.
    pub resets: u32,
    /// How often it was restarted or resumed since.
    pub restarts: u32,
    /// Whether the clock never showed more before.
    pub safe: bool,
}

impl TpmQuote {
    /// Reads one: of registers that are named, with a SHA-256 of them, and nothing else in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let mut from = Reader::new(PART, bytes);
        if from.u32()? != GENERATED {
            return Err(from.says("it was made by the TPM itself (TPM_GENERATED_VALUE)"));
        }
        if from.u16()? != QUOTE {
            return Err(from.says("it is a quote, and no other attestation (TPM_ST_ATTEST_QUOTE)"));
        }
        let qualified_signer = from.sized(MAX_NAME)?.to_vec();
        let extra_data = from.sized(MAX_NAME)?.to_vec();
        let (milliseconds, resets, restarts) = (from.u64()?, from.u32()?, from.u32()?);
        let safe = match from.u8()? {
            0 => false,
            1 => true,
            _ => return Err(from.says("its clock is safe or isn't")),
        };
        let firmware_version = from.u64()?;
        let pcrs = PcrSelection::read(&mut from)?;
        let pcr_digest = from.sized(MAX_DIGEST)?.try_into();
        let pcr_digest = pcr_digest.map_err(|_| from.says("the digest of its registers is a SHA-256"))?;
        from.end()?;
        let clock = TpmClock { milliseconds, resets, restarts, safe };
        let signed = bytes.to_vec();
        Ok(Self { signed, qualified_signer, extra_data, clock, firmware_version, pcrs, pcr_digest })
    }

    /// The bytes that the signature is over.
    pub(super) fn signed(&self) -> &[u8] {
        &self.signed
    }

    /// The qualified name of the key that signed: of the key and all above it. Who verifies can't compute it.
    pub fn qualified_signer(&self) -> &[u8] {
        &self.qualified_signer
    }

    /// What the caller had signed along.
    pub fn extra_data(&self) -> &[u8] {
        &self.extra_data
    }

    /// The TPM's clock and counters.
    pub fn clock(&self) -> TpmClock {
        self.clock
    }

    /// The TPM's firmware version, hidden as the clock's counters are.
    pub fn firmware_version(&self) -> u64 {
        self.firmware_version
    }

    /// Over which registers the digest is.
    pub fn pcrs(&self) -> &PcrSelection {
        &self.pcrs
    }

    /// SHA-256 over the registers, one after the other: the measurement.
    pub fn pcr_digest(&self) -> [u8; 32] {
        self.pcr_digest
    }
}
