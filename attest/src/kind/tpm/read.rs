//! Reading what a TPM marshals (TPM 2.0 Library, Part 1, "Data Marshaling"): integers big-endian, buffers with their
//! length in front.

use crate::error::AttestError;

/// A structure that is read from its start to its end.
pub(super) struct Reader<'a> {
    part: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(part: &'static str, bytes: &'a [u8]) -> Self {
        Self { part, rest: bytes }
    }

    /// What it says otherwise than it must.
    pub(super) fn says(&self, why: &'static str) -> AttestError {
        AttestError::Statement { part: self.part, why }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], AttestError> {
        let (first, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.says(WHOLE))?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn u8(&mut self) -> Result<u8, AttestError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, AttestError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, AttestError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, AttestError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A `TPM2B`: its length, 2 bytes, and as many bytes; at most `most`.
    pub(super) fn sized(&mut self, most: usize) -> Result<&'a [u8], AttestError> {
        let length = usize::from(self.u16()?);
        if length > most {
            return Err(self.says("no part of it is longer than it can be"));
        }
        let (first, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.says(WHOLE))?;
        self.rest = rest;
        Ok(first)
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), AttestError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.says("nothing comes after its end")) }
    }
}

const WHOLE: &str = "it is whole";
