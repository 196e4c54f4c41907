//! Symmetric keys, as stock programs have them.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, Secret};

/// What a symmetric key is for: the stock name of the type, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SymmetricKind {
    /// AES-128; 16 bytes.
    Aes128,
    /// AES-256; 32 bytes.
    Aes256,
    /// AES-256-GCM; 32 bytes.
    Aes256Gcm,
    /// AES-256-CBC and then HMAC-SHA-256; 64 bytes, AES key first.
    Aes256CbcHmacSha256,
    /// AES-256-CBC and then HMAC-SHA-384; 80 bytes, AES key first.
    Aes256CbcHmacSha384,
}

impl SymmetricKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Aes128, Self::Aes256, Self::Aes256Gcm, Self::Aes256CbcHmacSha256, Self::Aes256CbcHmacSha384];

    /// The stock name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aes128 => "aes-128",
            Self::Aes256 => "aes-256",
            Self::Aes256Gcm => "aes-256-gcm",
            Self::Aes256CbcHmacSha256 => "aes-256-cbc-hmac-sha256",
            Self::Aes256CbcHmacSha384 => "aes-256-cbc-hmac-sha384",
        }
    }

    /// The key's size in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 | Self::Aes256Gcm => 32,
            Self::Aes256CbcHmacSha256 => 64,
            Self::Aes256CbcHmacSha384 => 80,
        }
    }

    /// Whether the key has a second part that authenticates.
    pub fn has_mac(self) -> bool {
        matches!(self, Self::Aes256CbcHmacSha256 | Self::Aes256CbcHmacSha384)
    }
}

impl FromStr for SymmetricKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const UNKNOWN: ParseError = ParseError::Key("its type isn't one of the known AES types");
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UNKNOWN)
    }
}

impl fmt::Display for SymmetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A symmetric key: as long as its kind says; no `Debug`, no `Clone`.
pub struct SymmetricKey {
    kind: SymmetricKind,
    bits: Secret,
}

impl SymmetricKey {
    /// A key of these bytes, if they are as many as the kind has.
    pub fn new(kind: SymmetricKind, bits: Secret) -> Result<Self, ParseError> {
        if bits.len() == kind.size() {
            Ok(Self { kind, bits })
        } else {
            Err(ParseError::Key("it hasn't the number of bytes that its type has"))
        }
    }

    /// What it is for.
    pub fn kind(&self) -> SymmetricKind {
        self.kind
    }

    /// Its bytes. What is done with them is the caller's responsibility.
    pub fn bits(&self) -> &[u8] {
        self.bits.expose()
    }

    /// Hands the bytes over.
    pub fn into_bits(self) -> Secret {
        self.bits
    }
}
