//! Keys in the formats that meet here: PKCS#8 and SPKI (ours), PEM (files), the stock `key_message`, JWK, OpenSSH.
//! Which of them an entry can be written as, or read from, says [`crate::format`].
//!
//! Form is checked here (sizes, presence, one encoding per key); whether the numbers make a good key is
//! checked by the cryptographic library that loads it.

mod certificate;
mod curve;
mod ec;
mod ed25519;
pub(crate) mod file;
mod jwk;
mod key_message;
mod number;
mod openssh;
pub(crate) mod pem;
mod rsa;
mod symmetric;
mod wire;

use std::fmt;

use der::Decode as _;
use pkcs8::PrivateKeyInfoRef;
use spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

pub use self::certificate::{Certificate, MAX_CERTIFICATE};
pub(crate) use self::file::is_der_sequence;
pub use self::file::{read_anchor_certificates, read_certificate, read_private, read_public, read_root};
pub use self::jwk::{Jwk, MAX_JWK};
pub use self::key_message::{KeyMessage, MessageKey};
pub use self::openssh::{MAX_OPENSSH, read_openssh, write_openssh};
pub use self::symmetric::{SymmetricKey, SymmetricKind};
pub use pem::{read_certificates, write_certificates};

use self::ec::{EcPrivate, EcPublic};
use self::ed25519::{EdPrivate, EdPublic};
use self::rsa::{RsaPrivate, RsaPublic};
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
    /// Ed25519 (RFC 8032).
    Ed25519,
}

impl KeyKind {
    /// The name on command lines and in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa1024 => "rsa-1024",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const UNSUPPORTED: ParseError = ParseError::Key("it is neither an RSA, an EC nor an Ed25519 key");

/// A private key, as PKCS#8 DER: no `Debug`, no `Clone`, zeroized when dropped.
pub struct PrivateKey {
    kind: KeyKind,
    der: Secret,
}

impl PrivateKey {
    /// Reads a PKCS#8 key (RFC 5958) of a supported kind: RSA with all CRT numbers, EC with its public point,
    /// Ed25519 with or without its public key. It is kept in one form, whatever form it came in: version 1
    /// without attributes, which every library reads.
    #[expect(clippy::needless_pass_by_value, reason = "the caller's copy of the key ends here")]
    pub fn from_pkcs8_der(der: Secret) -> Result<Self, ParseError> {
        PrivateNumbers::from_pkcs8(der.expose())?.to_key()
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
        match self.numbers() {
            PrivateNumbers::Rsa(key) => PublicNumbers::Rsa(key.public).to_key(),
            PrivateNumbers::Ec(key) => PublicNumbers::Ec(key.public).to_key(),
            PrivateNumbers::Ed(key) => PublicNumbers::Ed(key.public).to_key(),
        }
    }

    /// The private number of an EC key, big-endian and as long as its curve's field; other keys have none.
    pub fn ec_number(&self) -> Option<Secret> {
        match self.numbers() {
            PrivateNumbers::Ec(key) => Some(Secret::copy_from(key.d)),
            PrivateNumbers::Rsa(_) | PrivateNumbers::Ed(_) => None,
        }
    }

    /// As PEM (RFC 7468), `PRIVATE KEY`.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::encode(pem::PRIVATE_KEY, self.pkcs8_der())
    }

    fn numbers(&self) -> PrivateNumbers<'_> {
        PrivateNumbers::from_pkcs8(self.pkcs8_der()).expect("only `PrivateNumbers` makes this DER")
    }
}

/// A public key, as `SubjectPublicKeyInfo` DER.
///
/// Every key has exactly one form that is accepted, so equal bytes are equal numbers and the other way
/// round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    der: Vec<u8>,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` (RFC 5280) of a supported kind. Other spellings of the same key
    /// (compressed points, missing RSA parameters) are refused.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, ParseError> {
        let key = PublicNumbers::from_spki(der)?.to_key()?;
        if key.der == der {
            Ok(key)
        } else {
            Err(ParseError::Key("its public key isn't encoded as RFC 3279 and RFC 5480 have it"))
        }
    }

    /// Algorithm and size.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The `SubjectPublicKeyInfo` DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.der
    }

    /// As PEM (RFC 7468), `PUBLIC KEY`.
    pub fn to_pem(&self) -> String {
        std::mem::take(&mut pem::encode(pem::PUBLIC_KEY, &self.der))
    }

    /// The point of an EC key, uncompressed (SEC 1: 04 ‖ x ‖ y); other keys have none.
    pub fn ec_point(&self) -> Option<Vec<u8>> {
        match self.numbers() {
            PublicNumbers::Ec(key) => Some(key.point().to_vec()),
            PublicNumbers::Rsa(_) | PublicNumbers::Ed(_) => None,
        }
    }

    /// The modulus of an RSA key, big-endian without leading zeros; other keys have none.
    pub fn rsa_modulus(&self) -> Option<Vec<u8>> {
        match self.numbers() {
            PublicNumbers::Rsa(key) => Some(key.n.to_vec()),
            PublicNumbers::Ec(_) | PublicNumbers::Ed(_) => None,
        }
    }

    /// Whether both are the same key, whatever padding its numbers once had; the same as `==`.
    pub fn same_numbers(&self, other: &Self) -> bool {
        self == other
    }

    fn numbers(&self) -> PublicNumbers<'_> {
        PublicNumbers::from_spki(&self.der).expect("only `PublicNumbers` makes this DER")
    }
}

/// What a private key consists of, borrowed from wherever it was read.
enum PrivateNumbers<'a> {
    Rsa(RsaPrivate<'a>),
    Ec(EcPrivate<'a>),
    Ed(EdPrivate<'a>),
}

impl<'a> PrivateNumbers<'a> {
    fn from_pkcs8(der: &'a [u8]) -> Result<Self, ParseError> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| ParseError::Key("it isn't PKCS#8 in DER"))?;
        let key = info.private_key.as_bytes();
        match info.algorithm.oid {
            rsa::OID => RsaPrivate::from_pkcs1(key).map(Self::Rsa),
            ec::OID => {
                EcPrivate::from_sec1(key, Some(ec::curve_of(info.algorithm.parameters)?)).map(Self::Ec)
            }
            ed25519::OID => EdPrivate::from_pkcs8(&info).map(Self::Ed),
            _ => Err(UNSUPPORTED),
        }
    }

    fn to_key(&self) -> Result<PrivateKey, ParseError> {
        Ok(match self {
            Self::Rsa(key) => PrivateKey { kind: key.public.kind(), der: key.to_pkcs8()? },
            Self::Ec(key) => PrivateKey { kind: key.public.kind(), der: key.to_pkcs8()? },
            Self::Ed(key) => PrivateKey { kind: KeyKind::Ed25519, der: key.to_pkcs8()? },
        })
    }
}

/// What a public key consists of, borrowed from wherever it was read.
enum PublicNumbers<'a> {
    Rsa(RsaPublic<'a>),
    Ec(EcPublic<'a>),
    Ed(EdPublic),
}

impl<'a> PublicNumbers<'a> {
    fn from_spki(der: &'a [u8]) -> Result<Self, ParseError> {
        const MALFORMED: ParseError = ParseError::Key("it isn't a SubjectPublicKeyInfo in DER");
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| MALFORMED)?;
        let key = info.subject_public_key.as_bytes().ok_or(MALFORMED)?;
        match info.algorithm.oid {
            rsa::OID => RsaPublic::from_pkcs1(key).map(Self::Rsa),
            ec::OID => EcPublic::new(ec::curve_of(info.algorithm.parameters)?, key).map(Self::Ec),
            ed25519::OID => ed25519::public_from_spki(&info).map(Self::Ed),
            _ => Err(UNSUPPORTED),
        }
    }

    fn to_key(&self) -> Result<PublicKey, ParseError> {
        Ok(match self {
            Self::Rsa(key) => PublicKey { kind: key.kind(), der: key.to_spki()? },
            Self::Ec(key) => PublicKey { kind: key.kind(), der: key.to_spki()? },
            Self::Ed(key) => PublicKey { kind: KeyKind::Ed25519, der: key.to_spki()? },
        })
    }
}
