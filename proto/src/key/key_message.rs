//! The stock `key_message`.

use prost::Message as _;
use zeroize::Zeroizing;

use super::curve::Curve;
use super::ec::{self, EcPrivate, EcPublic};
use super::ed25519::{EdPrivate, EdPublic};
use super::number::{pad, strip};
use super::rsa::{RsaPrivate, RsaPublic};
use super::wire::{EccWire, KeyWire, PointWire, RsaWire};
use super::{KeyKind, PrivateKey, PrivateNumbers, PublicKey, PublicNumbers};
use crate::{ParseError, Secret};

/// A stock `key_message`: a named key, and perhaps the certificate that goes with it. As secret-carrying as
/// its key: no `Debug`, no `Clone`.
pub struct KeyMessage {
    /// `policyKey`, `auth-key`, …
    pub name: String,
    /// The key.
    pub key: MessageKey,
    /// A DER certificate of that key (field 7).
    pub certificate: Option<Vec<u8>>,
    /// From when it is good, as the stock text ([`crate::time_text`]).
    pub not_before: Option<String>,
    /// Until when it is good, as the stock text.
    pub not_after: Option<String>,
}

/// The key in a [`KeyMessage`].
pub enum MessageKey {
    /// An RSA, EC or Ed25519 private key.
    Private(PrivateKey),
    /// An RSA, EC or Ed25519 public key.
    Public(PublicKey),
    /// Any other type (`aes-256-gcm`, …): kept as it is.
    Other {
        /// The stock name of the type.
        key_type: String,
        /// Its bits (field 6); never empty.
        secret: Secret,
    },
}

/// What the stock programs call the types, without the `-private` or `-public` that mostly follows.
const KINDS: [(&str, KeyKind); 7] = [
    ("rsa-1024", KeyKind::Rsa1024),
    ("rsa-2048", KeyKind::Rsa2048),
    ("rsa-3072", KeyKind::Rsa3072),
    ("rsa-4096", KeyKind::Rsa4096),
    ("ecc-256", KeyKind::P256),
    ("ecc-384", KeyKind::P384),
    // Ours: the stock programs have no Ed25519.
    ("ed25519", KeyKind::Ed25519),
];
const PRIVATE: &str = "-private";
const PUBLIC: &str = "-public";

/// The documented format. The C++ programs write the other one for EC keys; no stock program reads it there.
const FORMAT: &str = "vse-key";
const FORMAT_EC: &str = "vse_key";

impl KeyMessage {
    /// A key with this name and nothing else said of it.
    pub fn of(name: &str, key: MessageKey) -> Self {
        Self { name: name.to_owned(), key, certificate: None, not_before: None, not_after: None }
    }

    /// A named key without a certificate or dates.
    pub fn new(name: impl Into<String>, key: MessageKey) -> Self {
        Self { name: name.into(), key, certificate: None, not_before: None, not_after: None }
    }

    /// Reads a serialized `key_message`. The type, the numbers and (for EC) the curve parameters must agree;
    /// a type without `-private` or `-public` (`rsa-2048`) is private if it carries a private number.
    pub fn decode(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut wire = KeyWire::decode(bytes).map_err(|_| ParseError::Message("key_message"))?;
        if !matches!(wire.key_format.as_deref(), None | Some(FORMAT | FORMAT_EC)) {
            return Err(ParseError::Key("its format isn't vse-key"));
        }
        let key_type = wire.key_type.take().unwrap_or_default();
        let key = if let Some((kind, half)) = parse_type(&key_type) {
            decode_asymmetric(&wire, kind, half)?
        } else {
            let bits = wire.secret_key_bits.take().filter(|bits| !bits.is_empty());
            let secret = Secret::new(bits.ok_or(ParseError::Missing("key"))?);
            MessageKey::Other { key_type, secret }
        };
        Ok(Self {
            name: wire.key_name.take().unwrap_or_default(),
            key,
            certificate: wire.certificate.take().filter(|der| !der.is_empty()),
            not_before: wire.not_before.take(),
            not_after: wire.not_after.take(),
        })
    }

    /// Serializes as the stock C++ programs do: numbers without leading zeros, EC keys with their curve's
    /// parameters. An Ed25519 key is written in a way of ours, which stock programs refuse as an unknown type.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut wire = KeyWire::default();
        wire.key_name = Some(self.name.clone());
        match &self.key {
            MessageKey::Other { key_type, secret } => {
                wire.key_type = Some(key_type.clone());
                wire.secret_key_bits = Some(secret.expose().to_vec());
            }
            MessageKey::Public(key) => {
                encode_public(&mut wire, &key.numbers());
                wire.key_type = Some(type_text(key.kind, PUBLIC));
            }
            MessageKey::Private(key) => {
                encode_private(&mut wire, &key.numbers());
                wire.key_type = Some(type_text(key.kind, PRIVATE));
            }
        }
        let format = if wire.ecc_key.is_some() { FORMAT_EC } else { FORMAT };
        wire.key_format = Some(format.to_owned());
        wire.certificate.clone_from(&self.certificate);
        wire.not_before.clone_from(&self.not_before);
        wire.not_after.clone_from(&self.not_after);
        // `encode_to_vec` reserves the exact length first, so nothing is left behind by growing.
        Zeroizing::new(wire.encode_to_vec())
    }
}

/// The kind of a stock type, and which half it says it is, if it says so.
fn parse_type(key_type: &str) -> Option<(KeyKind, Option<&'static str>)> {
    KINDS.iter().find_map(|(stem, kind)| match key_type.strip_prefix(stem)? {
        "" => Some((*kind, None)),
        PRIVATE => Some((*kind, Some(PRIVATE))),
        PUBLIC => Some((*kind, Some(PUBLIC))),
        _ => None,
    })
}

fn type_text(kind: KeyKind, half: &str) -> String {
    let stem = KINDS.iter().find(|(_, k)| *k == kind).map_or("", |(stem, _)| stem);
    format!("{stem}{half}")
}

fn decode_asymmetric(
    wire: &KeyWire,
    kind: KeyKind,
    half: Option<&'static str>,
) -> Result<MessageKey, ParseError> {
    let key = match Curve::of_kind(kind) {
        None if kind == KeyKind::Ed25519 => decode_ed25519(wire, half)?,
        None => decode_rsa(wire.rsa_key.as_ref().ok_or(ParseError::Missing("RSA key"))?, half)?,
        Some(curve) => decode_ec(wire.ecc_key.as_ref().ok_or(ParseError::Missing("EC key"))?, curve, half)?,
    };
    let is = match &key {
        MessageKey::Private(key) => Some(key.kind),
        MessageKey::Public(key) => Some(key.kind),
        MessageKey::Other { .. } => None,
    };
    if is == Some(kind) { Ok(key) } else { Err(ParseError::Key("its type and its size don't agree")) }
}

/// Whether to read the private half. Numbers beyond what the type says are left alone.
fn is_private(half: Option<&str>, number: Option<&Vec<u8>>) -> bool {
    half.map_or(number.is_some_and(|n| !n.is_empty()), |half| half == PRIVATE)
}

fn bytes(field: Option<&Vec<u8>>) -> &[u8] {
    field.map_or(&[], Vec::as_slice)
}

fn decode_rsa(wire: &RsaWire, half: Option<&str>) -> Result<MessageKey, ParseError> {
    let public = RsaPublic::new(bytes(wire.modulus.as_ref()), bytes(wire.public_exponent.as_ref()))?;
    if !is_private(half, wire.private_exponent.as_ref()) {
        return PublicNumbers::Rsa(public).to_key().map(MessageKey::Public);
    }
    let secret = [&wire.private_exponent, &wire.p, &wire.q, &wire.dp, &wire.dq, &wire.iqmp];
    let key = RsaPrivate::new(public, secret.map(|field| bytes(field.as_ref())))?;
    PrivateNumbers::Rsa(key).to_key().map(MessageKey::Private)
}

fn decode_ec(wire: &EccWire, curve: &'static Curve, half: Option<&str>) -> Result<MessageKey, ParseError> {
    check_curve(wire, curve)?;
    let point = wire.public_point.as_ref().ok_or(ParseError::Missing("public point"))?;
    let point = ec::point(curve, bytes(point.x.as_ref()), bytes(point.y.as_ref()))?;
    let public = EcPublic::new(curve, &point)?;
    if !is_private(half, wire.private_multiplier.as_ref()) {
        return PublicNumbers::Ec(public).to_key().map(MessageKey::Public);
    }
    let d = pad(bytes(wire.private_multiplier.as_ref()), curve.size())
        .ok_or(ParseError::Key("its private number is longer than its curve allows"))?;
    PrivateNumbers::Ec(EcPrivate::new(public, &d)?).to_key().map(MessageKey::Private)
}

/// Ours: the public key in field 100, the seed where symmetric keys have their bits.
fn decode_ed25519(wire: &KeyWire, half: Option<&str>) -> Result<MessageKey, ParseError> {
    let claimed = wire.ed25519_public.as_ref().ok_or(ParseError::Missing("Ed25519 public key"))?;
    if !is_private(half, wire.secret_key_bits.as_ref()) {
        return PublicNumbers::Ed(EdPublic::new(claimed)?).to_key().map(MessageKey::Public);
    }
    let key = EdPrivate::with_public(bytes(wire.secret_key_bits.as_ref()), claimed)?;
    PrivateNumbers::Ed(key).to_key().map(MessageKey::Private)
}

/// Parameters may be left out; those that are there must be the named curve's, or the message means a key on
/// another curve.
fn check_curve(wire: &EccWire, curve: &Curve) -> Result<(), ParseError> {
    let base = wire.base_point.as_ref();
    let fields = [
        (wire.p.as_ref(), curve.p),
        (wire.a.as_ref(), curve.a),
        (wire.b.as_ref(), curve.b),
        (base.and_then(|point| point.x.as_ref()), curve.x),
        (base.and_then(|point| point.y.as_ref()), curve.y),
        (wire.order.as_ref(), curve.order),
    ];
    let differs = |(field, own): &(Option<&Vec<u8>>, &[u8])| field.is_some_and(|n| strip(n) != strip(own));
    let named_otherwise = wire.curve_name.as_deref().is_some_and(|name| name != curve.name);
    if named_otherwise || fields.iter().any(differs) {
        return Err(ParseError::Key("its curve isn't the one that its type names"));
    }
    Ok(())
}

fn point(x: &[u8], y: &[u8]) -> PointWire {
    PointWire { x: Some(strip(x).to_vec()), y: Some(strip(y).to_vec()) }
}

fn encode_public(wire: &mut KeyWire, key: &PublicNumbers<'_>) {
    match key {
        PublicNumbers::Rsa(key) => {
            let rsa = wire.rsa_key.insert(RsaWire::default());
            rsa.modulus = Some(key.n.to_vec());
            rsa.public_exponent = Some(key.e.to_vec());
        }
        PublicNumbers::Ec(key) => {
            let ecc = wire.ecc_key.insert(EccWire::default());
            let curve = key.curve;
            ecc.curve_name = Some(curve.name.to_owned());
            ecc.p = Some(curve.p.to_vec());
            ecc.a = Some(curve.a.to_vec());
            ecc.b = Some(curve.b.to_vec());
            ecc.base_point = Some(point(curve.x, curve.y));
            ecc.public_point = Some(point(key.x(), key.y()));
            ecc.order = Some(curve.order.to_vec());
        }
        PublicNumbers::Ed(key) => wire.ed25519_public = Some(key.bytes.to_vec()),
    }
}

fn encode_private(wire: &mut KeyWire, key: &PrivateNumbers<'_>) {
    match key {
        PrivateNumbers::Rsa(key) => {
            encode_public(wire, &PublicNumbers::Rsa(key.public));
            let rsa = wire.rsa_key.get_or_insert_with(RsaWire::default);
            rsa.private_exponent = Some(key.d.to_vec());
            rsa.p = Some(key.p.to_vec());
            rsa.q = Some(key.q.to_vec());
            rsa.dp = Some(key.dp.to_vec());
            rsa.dq = Some(key.dq.to_vec());
            rsa.iqmp = Some(key.iqmp.to_vec());
        }
        PrivateNumbers::Ec(key) => {
            encode_public(wire, &PublicNumbers::Ec(key.public));
            wire.ecc_key.get_or_insert_with(EccWire::default).private_multiplier =
                Some(strip(key.d).to_vec());
        }
        PrivateNumbers::Ed(key) => {
            encode_public(wire, &PublicNumbers::Ed(key.public));
            wire.secret_key_bits = Some(key.seed.to_vec());
        }
    }
}
