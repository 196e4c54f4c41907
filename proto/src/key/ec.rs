//! EC keys: points (SEC 1) and `ECPrivateKey` (RFC 5915) inside PKCS#8 and SPKI.

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Encode as _};
use pkcs8::PrivateKeyInfoRef;
use sec1::{EcParameters, EcPrivateKey};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::KeyKind;
use super::curve::Curve;
use super::number::pad;
use crate::{ParseError, Secret};

/// id-ecPublicKey (RFC 5480).
pub(super) const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

const MALFORMED: ParseError = ParseError::Key("it isn't an EC key in DER");
const UNCOMPRESSED: u8 = 4;

/// A public point, 04 ‖ x ‖ y, checked for form; whether it lies on the curve is for the cryptographic
/// library to say.
#[derive(Clone, Copy)]
pub(super) struct EcPublic<'a> {
    pub(super) curve: &'static Curve,
    point: &'a [u8],
}

impl<'a> EcPublic<'a> {
    pub(super) fn new(curve: &'static Curve, point: &'a [u8]) -> Result<Self, ParseError> {
        if point.first() != Some(&UNCOMPRESSED) || point.len() != 1 + 2 * curve.size() {
            return Err(ParseError::Key("an EC public point is uncompressed, with both coordinates"));
        }
        let public = Self { curve, point };
        // Numbers of one length compare as their bytes do.
        if public.x() >= curve.p || public.y() >= curve.p {
            return Err(ParseError::Key("its public point isn't on its curve"));
        }
        Ok(public)
    }

    pub(super) fn kind(&self) -> KeyKind {
        self.curve.kind
    }

    pub(super) fn x(&self) -> &'a [u8] {
        &self.point[1..=self.curve.size()]
    }

    pub(super) fn y(&self) -> &'a [u8] {
        &self.point[1 + self.curve.size()..]
    }

    /// 04 ‖ x ‖ y.
    pub(super) fn point(&self) -> &'a [u8] {
        self.point
    }

    pub(super) fn to_spki(self) -> Result<Vec<u8>, ParseError> {
        self.spki().map_err(|_| MALFORMED)
    }

    fn spki(self) -> der::Result<Vec<u8>> {
        let subject_public_key = BitStringRef::from_bytes(self.point)?;
        SubjectPublicKeyInfoRef { algorithm: algorithm(self.curve), subject_public_key }.to_der()
    }
}

/// 04 ‖ x ‖ y of coordinates of any padding.
pub(super) fn point(curve: &Curve, x: &[u8], y: &[u8]) -> Result<Vec<u8>, ParseError> {
    let coordinate =
        |number| pad(number, curve.size()).ok_or(ParseError::Key("its public point isn't on its curve"));
    Ok([&[UNCOMPRESSED], coordinate(x)?.as_slice(), coordinate(y)?.as_slice()].concat())
}

/// A private number, as long as the curve's field, and its public point.
pub(super) struct EcPrivate<'a> {
    pub(super) public: EcPublic<'a>,
    pub(super) d: &'a [u8],
}

impl<'a> EcPrivate<'a> {
    pub(super) fn new(public: EcPublic<'a>, d: &'a [u8]) -> Result<Self, ParseError> {
        let curve = public.curve;
        // The comparison with the order ends early, but on bytes that nearly all keys share.
        if d.len() != curve.size() || d >= curve.order || d.iter().all(|byte| *byte == 0) {
            return Err(ParseError::Key("its private number isn't between 1 and the curve's order"));
        }
        Ok(Self { public, d })
    }

    /// Reads an `ECPrivateKey`; `outer` is the curve that PKCS#8 names around it.
    pub(super) fn from_sec1(der: &'a [u8], outer: Option<&'static Curve>) -> Result<Self, ParseError> {
        let key = EcPrivateKey::from_der(der).map_err(|_| MALFORMED)?;
        let inner = match key.parameters {
            Some(EcParameters::NamedCurve(oid)) => Some(supported(oid)?),
            None => None,
        };
        let curve = match (outer, inner) {
            (Some(outer), Some(inner)) if outer.kind != inner.kind => return Err(MALFORMED),
            (Some(curve), _) | (None, Some(curve)) => curve,
            (None, None) => return Err(MALFORMED),
        };
        let point = key
            .public_key
            .ok_or(ParseError::Key("an EC private key must carry its public point; export it with it"))?;
        Self::new(EcPublic::new(curve, point)?, key.private_key)
    }

    pub(super) fn to_pkcs8(&self) -> Result<Secret, ParseError> {
        self.pkcs8().map_err(|_| MALFORMED)
    }

    fn pkcs8(&self) -> der::Result<Secret> {
        let key = EcPrivateKey { private_key: self.d, parameters: None, public_key: Some(self.public.point) };
        // `to_der` allocates once, at the exact length: no copy is left behind by growing.
        let key = Zeroizing::new(key.to_der()?);
        let info = PrivateKeyInfoRef::new(algorithm(self.public.curve), OctetStringRef::new(&key)?);
        Ok(Secret::new(info.to_der()?))
    }
}

/// The curve of an algorithm's parameters, which must be a name (RFC 5480).
pub(super) fn curve_of(parameters: Option<AnyRef<'_>>) -> Result<&'static Curve, ParseError> {
    let oid = parameters.and_then(|any| any.decode_as().ok()).ok_or(MALFORMED)?;
    supported(oid)
}

fn supported(oid: ObjectIdentifier) -> Result<&'static Curve, ParseError> {
    Curve::of_oid(oid).ok_or(ParseError::Key("its curve is neither P-256 nor P-384"))
}

fn algorithm(curve: &'static Curve) -> AlgorithmIdentifierRef<'static> {
    AlgorithmIdentifierRef { oid: OID, parameters: Some(AnyRef::from(&curve.oid)) }
}
