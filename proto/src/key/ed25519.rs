//! Ed25519 keys (RFC 8410) inside PKCS#8 and SPKI.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Encode as _};
use pkcs8::PrivateKeyInfoRef;
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use crate::{ParseError, Secret};

/// id-Ed25519 (RFC 8410).
pub(super) const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const MALFORMED: ParseError = ParseError::Key("it isn't an Ed25519 key in DER");
/// Bytes of a seed, and of a public key.
const SIZE: usize = 32;

/// A public key: 32 bytes; whether they are a point is for the cryptographic library to say.
#[derive(Clone, Copy)]
pub(super) struct EdPublic {
    pub(super) bytes: [u8; SIZE],
}

impl EdPublic {
    pub(super) fn new(bytes: &[u8]) -> Result<Self, ParseError> {
        let bytes = bytes.try_into().map_err(|_| ParseError::Key("an Ed25519 public key has 32 bytes"))?;
        Ok(Self { bytes })
    }

    pub(super) fn to_spki(self) -> Result<Vec<u8>, ParseError> {
        let spki = || -> der::Result<Vec<u8>> {
            let subject_public_key = BitStringRef::from_bytes(&self.bytes)?;
            SubjectPublicKeyInfoRef { algorithm: algorithm(), subject_public_key }.to_der()
        };
        spki().map_err(|_| MALFORMED)
    }
}

/// A seed, and the public key that follows from it.
pub(super) struct EdPrivate<'a> {
    pub(super) seed: &'a [u8],
    pub(super) public: EdPublic,
}

impl<'a> EdPrivate<'a> {
    pub(super) fn new(seed: &'a [u8]) -> Result<Self, ParseError> {
        const WRONG: ParseError = ParseError::Key("an Ed25519 private key has 32 bytes");
        if seed.len() != SIZE {
            return Err(WRONG);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| WRONG)?;
        Ok(Self { seed, public: EdPublic::new(pair.public_key().as_ref())? })
    }

    /// The same, of which a public key is claimed.
    pub(super) fn with_public(seed: &'a [u8], claimed: &[u8]) -> Result<Self, ParseError> {
        let key = Self::new(seed)?;
        if key.public.bytes == *claimed {
            Ok(key)
        } else {
            Err(ParseError::Key("its Ed25519 public key isn't its private key's"))
        }
    }

    /// Reads a PKCS#8 key, with or without its public key.
    pub(super) fn from_pkcs8(info: &PrivateKeyInfoRef<'a>) -> Result<Self, ParseError> {
        if info.algorithm.parameters.is_some() {
            return Err(MALFORMED);
        }
        let seed =
            <&OctetStringRef>::from_der(info.private_key.as_bytes()).map_err(|_| MALFORMED)?.as_bytes();
        match &info.public_key {
            None => Self::new(seed),
            Some(claimed) => Self::with_public(seed, claimed.as_bytes().ok_or(MALFORMED)?),
        }
    }

    /// Version 1, without the public key: OpenSSL 3.0 reads no other.
    pub(super) fn to_pkcs8(&self) -> Result<Secret, ParseError> {
        let pkcs8 = || -> der::Result<Secret> {
            // `to_der` allocates once, at the exact length: no copy is left behind by growing.
            let key = Zeroizing::new(OctetStringRef::new(self.seed)?.to_der()?);
            let info = PrivateKeyInfoRef::new(algorithm(), OctetStringRef::new(&key)?);
            Ok(Secret::new(info.to_der()?))
        };
        pkcs8().map_err(|_| MALFORMED)
    }
}

pub(super) fn public_from_spki(info: &SubjectPublicKeyInfoRef<'_>) -> Result<EdPublic, ParseError> {
    if info.algorithm.parameters.is_some() {
        return Err(MALFORMED);
    }
    EdPublic::new(info.subject_public_key.as_bytes().ok_or(MALFORMED)?)
}

fn algorithm() -> AlgorithmIdentifierRef<'static> {
    AlgorithmIdentifierRef { oid: OID, parameters: None }
}
