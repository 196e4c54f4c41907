//! RSA keys: PKCS#1 (RFC 8017) inside PKCS#8 and SPKI.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode as _, Encode as _};
use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use pkcs8::PrivateKeyInfoRef;
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::KeyKind;
use super::number::{bits, strip};
use crate::{ParseError, Secret};

/// rsaEncryption (RFC 8017 appendix A.1).
pub(super) const OID: ObjectIdentifier = pkcs1::ALGORITHM_OID;

const MALFORMED: ParseError = ParseError::Key("it isn't an RSA key in DER");
const CRT: ParseError =
    ParseError::Key("an RSA private key must have p, q, dp, dq and iqmp; export it with them");

/// Public exponents above this make verification slow for no gain; cryptographic libraries refuse them too.
const MAX_EXPONENT_BITS: usize = 33;

/// The numbers of a public key, stripped and checked for form; whether they are a good key is for the
/// cryptographic library to say.
#[derive(Clone, Copy)]
pub(super) struct RsaPublic<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: &'a [u8],
    kind: KeyKind,
}

impl<'a> RsaPublic<'a> {
    pub(super) fn new(n: &'a [u8], e: &'a [u8]) -> Result<Self, ParseError> {
        let (n, e) = (strip(n), strip(e));
        let kind = match bits(n) {
            1024 => KeyKind::Rsa1024,
            2048 => KeyKind::Rsa2048,
            3072 => KeyKind::Rsa3072,
            4096 => KeyKind::Rsa4096,
            _ => return Err(ParseError::Key("an RSA key has 1024, 2048, 3072 or 4096 bits")),
        };
        let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        if !odd(n) || !odd(e) || !(2..=MAX_EXPONENT_BITS).contains(&bits(e)) {
            return Err(ParseError::Key("its RSA modulus or public exponent can't be one"));
        }
        Ok(Self { n, e, kind })
    }

    pub(super) fn from_pkcs1(der: &'a [u8]) -> Result<Self, ParseError> {
        let key = RsaPublicKeyRef::from_der(der).map_err(|_| MALFORMED)?;
        Self::new(key.modulus.as_bytes(), key.public_exponent.as_bytes())
    }

    pub(super) fn kind(&self) -> KeyKind {
        self.kind
    }

    pub(super) fn to_spki(self) -> Result<Vec<u8>, ParseError> {
        self.spki().map_err(|_| MALFORMED)
    }

    fn spki(self) -> der::Result<Vec<u8>> {
        let key = RsaPublicKeyRef { modulus: UintRef::new(self.n)?, public_exponent: UintRef::new(self.e)? };
        let key = key.to_der()?;
        let subject_public_key = BitStringRef::from_bytes(&key)?;
        SubjectPublicKeyInfoRef { algorithm: algorithm(), subject_public_key }.to_der()
    }
}

/// The numbers of a private key, stripped; borrowed, so that copies have one owner that zeroizes.
pub(super) struct RsaPrivate<'a> {
    pub(super) public: RsaPublic<'a>,
    pub(super) d: &'a [u8],
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
    pub(super) dp: &'a [u8],
    pub(super) dq: &'a [u8],
    pub(super) iqmp: &'a [u8],
}

impl<'a> RsaPrivate<'a> {
    /// `secret` is d, p, q, dp, dq, iqmp; all of them must be there.
    pub(super) fn new(public: RsaPublic<'a>, secret: [&'a [u8]; 6]) -> Result<Self, ParseError> {
        let [d, p, q, dp, dq, iqmp] = secret.map(strip);
        if d.is_empty() {
            return Err(ParseError::Missing("private exponent"));
        }
        let crt = [p, q, dp, dq, iqmp];
        if crt.iter().any(|number| number.is_empty()) {
            return Err(CRT);
        }
        if d.len() > public.n.len() || crt.iter().any(|number| number.len() >= public.n.len()) {
            return Err(ParseError::Key("its RSA numbers are longer than its modulus allows"));
        }
        Ok(Self { public, d, p, q, dp, dq, iqmp })
    }

    pub(super) fn from_pkcs1(der: &'a [u8]) -> Result<Self, ParseError> {
        let key = RsaPrivateKeyRef::from_der(der).map_err(|_| MALFORMED)?;
        if key.other_prime_infos.is_some() {
            return Err(ParseError::Key("an RSA key of more than two primes isn't supported"));
        }
        let public = RsaPublic::new(key.modulus.as_bytes(), key.public_exponent.as_bytes())?;
        let secret =
            [key.private_exponent, key.prime1, key.prime2, key.exponent1, key.exponent2, key.coefficient];
        Self::new(public, secret.map(|number| number.as_bytes()))
    }

    pub(super) fn to_pkcs8(&self) -> Result<Secret, ParseError> {
        self.pkcs8().map_err(|_| MALFORMED)
    }

    fn pkcs8(&self) -> der::Result<Secret> {
        let key = RsaPrivateKeyRef {
            modulus: UintRef::new(self.public.n)?,
            public_exponent: UintRef::new(self.public.e)?,
            private_exponent: UintRef::new(self.d)?,
            prime1: UintRef::new(self.p)?,
            prime2: UintRef::new(self.q)?,
            exponent1: UintRef::new(self.dp)?,
            exponent2: UintRef::new(self.dq)?,
            coefficient: UintRef::new(self.iqmp)?,
            other_prime_infos: None,
        };
        // `to_der` allocates once, at the exact length: no copy is left behind by growing.
        let key = Zeroizing::new(key.to_der()?);
        let info = PrivateKeyInfoRef::new(algorithm(), OctetStringRef::new(&key)?);
        Ok(Secret::new(info.to_der()?))
    }
}

fn algorithm() -> AlgorithmIdentifierRef<'static> {
    AlgorithmIdentifierRef { oid: OID, parameters: Some(AnyRef::NULL) }
}
