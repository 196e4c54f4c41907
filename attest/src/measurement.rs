//! Measurements: what a machine runs, as one digest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::ReferenceError;

/// A digest of what a machine runs: 32 bytes (SHA-256, simulated enclaves and TPMs) or 48 (SHA-384, AMD SEV-SNP's
/// launch digest, SEV-SNP ABI §8.17). As text it is lowercase hex, and only that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Measurement(Digest);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Digest {
    Sha256([u8; 32]),
    Sha384([u8; 48]),
}

impl Measurement {
    /// A measurement from its 32 or 48 raw bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReferenceError> {
        match bytes.len() {
            32 => bytes.try_into().map(Digest::Sha256),
            _ => bytes.try_into().map(Digest::Sha384),
        }
        .map(Self)
        .map_err(|_| ReferenceError::Measurement)
    }

    /// The measurement that is this SHA-256.
    pub(crate) fn of_sha256(bytes: [u8; 32]) -> Self {
        Self(Digest::Sha256(bytes))
    }

    /// The measurement that is this SHA-384.
    pub(crate) fn of_sha384(bytes: [u8; 48]) -> Self {
        Self(Digest::Sha384(bytes))
    }

    /// The raw bytes, 32 or 48.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Digest::Sha256(bytes) => bytes,
            Digest::Sha384(bytes) => bytes,
        }
    }
}

impl FromStr for Measurement {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        // One spelling only: certificates carry this text, and names that differ in case must not meet.
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ReferenceError::Measurement);
        }
        let bytes = hex::decode(text).map_err(|_| ReferenceError::Measurement)?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Measurement {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Measurement> for String {
    fn from(measurement: Measurement) -> Self {
        measurement.to_string()
    }
}
