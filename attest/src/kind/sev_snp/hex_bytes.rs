//! Byte strings of a fixed length that are text in policy files.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Not hex of the right length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// Another length, or other digits.
    #[error("expected {0} hex digits")]
    Digits(usize),
    /// Not a chip's id.
    #[error("a chip's id is 128 hex digits (16 for a turin), not all of them 0")]
    Chip,
}

/// `N` bytes; as text, lowercase hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexBytes<const N: usize>(pub [u8; N]);

impl<const N: usize> FromStr for HexBytes<N> {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let error = HexError::Digits(2 * N);
        hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(error)
    }
}

impl<const N: usize> fmt::Display for HexBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for HexBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> TryFrom<String> for HexBytes<N> {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        text.parse()
    }
}

impl<const N: usize> From<HexBytes<N>> for String {
    fn from(bytes: HexBytes<N>) -> Self {
        bytes.to_string()
    }
}

/// A chip's id. As text, 128 hex digits, or 16 for the 8 bytes of a Turin; the report's field of 64 bytes is
/// filled up with zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChipId([u8; 64]);

impl ChipId {
    /// From the report's 64 bytes; all zero means that the chip is hidden, and is no id.
    pub fn new(bytes: [u8; 64]) -> Option<Self> {
        (bytes != [0; 64]).then_some(Self(bytes))
    }

    /// From the 64 or 8 bytes that a certificate has.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut id = [0; 64];
        if !matches!(bytes.len(), 8 | 64) {
            return None;
        }
        id[..bytes.len()].copy_from_slice(bytes);
        Self::new(id)
    }

    /// The 64 bytes, as in a report.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl FromStr for ChipId {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        hex::decode(text).ok().and_then(|bytes| Self::from_slice(&bytes)).ok_or(HexError::Chip)
    }
}

impl fmt::Display for ChipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for ChipId {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        text.parse()
    }
}

impl From<ChipId> for String {
    fn from(id: ChipId) -> Self {
        id.to_string()
    }
}
