//! JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037).

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::curve::Curve;
use super::ec::{self, EcPrivate, EcPublic};
use super::ed25519::{EdPrivate, EdPublic};
use super::number::strip;
use super::rsa::{RsaPrivate, RsaPublic};
use super::{KeyKind, PrivateKey, PrivateNumbers, PublicKey, PublicNumbers, SymmetricKey, SymmetricKind};
use crate::{ParseError, Secret};

/// Largest JWK that is read, in bytes; one of RSA-4096 has 3 300, without a certificate.
pub const MAX_JWK: usize = 16 << 10;

/// A JSON Web Key: a private key with its public half, a public key, or a symmetric key. Other members than the
/// key's own (`kid`, `use`, `x5c`, …) are left out when it is read and aren't written.
pub enum Jwk {
    /// `RSA`, `EC` or `OKP` with its private numbers.
    Private(PrivateKey),
    /// `RSA`, `EC` or `OKP` without them.
    Public(PublicKey),
    /// `oct`.
    Symmetric(SymmetricKey),
}

const ED25519: &str = "Ed25519";
const A256GCM: &str = "A256GCM";
const MISSING: ParseError = ParseError::Key("the JWK lacks a member that its kty has");

/// The members that matter. They are borrowed, so that no copy of a secret is made: a value with an escape in
/// it can't be, and is refused.
#[derive(Deserialize)]
struct Members<'a> {
    kty: &'a str,
    alg: Option<&'a str>,
    crv: Option<&'a str>,
    x: Option<&'a str>,
    y: Option<&'a str>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    d: Option<&'a str>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    dp: Option<&'a str>,
    dq: Option<&'a str>,
    qi: Option<&'a str>,
    k: Option<&'a str>,
    oth: Option<IgnoredAny>,
}

type Octets = Zeroizing<Vec<u8>>;

/// A member's octets: base64url without padding, one spelling for each value.
fn octets(member: Option<&str>) -> Result<Octets, ParseError> {
    let text = member.ok_or(MISSING)?;
    // Allocated once, at the most that it can be.
    let mut bytes = Zeroizing::new(vec![0; text.len() / 4 * 3 + 3]);
    let length = Base64UrlUnpadded::decode(text, &mut bytes)
        .map_err(|_| ParseError::Key("a member of the JWK isn't base64url without padding"))?
        .len();
    bytes.truncate(length);
    Ok(bytes)
}

/// A number of as many octets as it needs (RFC 7518 section 2, `Base64urlUInt`).
fn number(member: Option<&str>) -> Result<Octets, ParseError> {
    let bytes = octets(member)?;
    if bytes.is_empty() || strip(&bytes).len() != bytes.len() {
        return Err(ParseError::Key("a number of the JWK is empty or has leading zeros"));
    }
    Ok(bytes)
}

/// A coordinate or private number, which has all octets of its curve (RFC 7518 section 6.2).
fn field(curve: &Curve, member: Option<&str>) -> Result<Octets, ParseError> {
    let bytes = octets(member)?;
    if bytes.len() == curve.size() {
        Ok(bytes)
    } else {
        Err(ParseError::Key("a number of the JWK isn't as long as its curve's numbers are"))
    }
}

impl Jwk {
    /// Reads one JWK of at most [`MAX_JWK`] bytes. A set of keys (`keys`) isn't one. An `oct` key is AES-128 or
    /// AES-256 by its length, or AES-256-GCM with `"alg":"A256GCM"`.
    pub fn from_json(json: &[u8]) -> Result<Self, ParseError> {
        if json.len() > MAX_JWK {
            return Err(ParseError::Key("a JWK has at most 16 KiB"));
        }
        let members: Members<'_> = serde_json::from_slice(json).map_err(|_| {
            ParseError::Key("it isn't one JWK (RFC 7517): an object with a kty, each member once")
        })?;
        match members.kty {
            "RSA" => members.rsa(),
            "EC" => members.ec(),
            "OKP" => members.okp(),
            "oct" => members.oct(),
            _ => Err(ParseError::Key("its kty is none of RSA, EC, OKP and oct")),
        }
    }

    /// As one line of JSON without white space. A symmetric key with a MAC has no JWK: no algorithm of JOSE uses one.
    pub fn to_json(&self) -> Result<Zeroizing<String>, ParseError> {
        Ok(match self {
            Self::Private(key) => private_json(&key.numbers()),
            Self::Public(key) => public_json(&key.numbers()),
            Self::Symmetric(key) if key.kind().has_mac() => {
                return Err(ParseError::Key("no JWK has a key for AES-CBC and an HMAC of full length"));
            }
            Self::Symmetric(key) => {
                let alg = (key.kind() == SymmetricKind::Aes256Gcm).then_some(A256GCM);
                let mut json = Json::new("oct");
                if let Some(alg) = alg {
                    json.text("alg", alg);
                }
                json.octets("k", key.bits());
                json.end()
            }
        })
    }
}

impl Members<'_> {
    fn rsa(&self) -> Result<Jwk, ParseError> {
        if self.oth.is_some() {
            return Err(ParseError::Key("an RSA key of more than two primes isn't supported"));
        }
        let (modulus, exponent) = (number(self.n)?, number(self.e)?);
        let public = RsaPublic::new(&modulus, &exponent)?;
        let secret = [self.d, self.p, self.q, self.dp, self.dq, self.qi];
        if secret.iter().all(Option::is_none) {
            return PublicNumbers::Rsa(public).to_key().map(Jwk::Public);
        }
        let [d, p, q, dp, dq, qi] = secret;
        let secret = [number(d)?, number(p)?, number(q)?, number(dp)?, number(dq)?, number(qi)?];
        let numbers = secret.each_ref().map(|number| number.as_slice());
        PrivateNumbers::Rsa(RsaPrivate::new(public, numbers)?).to_key().map(Jwk::Private)
    }

    fn ec(&self) -> Result<Jwk, ParseError> {
        let kind = match self.crv {
            Some("P-256") => KeyKind::P256,
            Some("P-384") => KeyKind::P384,
            _ => return Err(ParseError::Key("its curve is neither P-256 nor P-384")),
        };
        let curve = Curve::of_kind(kind).ok_or(MISSING)?;
        let point = ec::point(curve, &field(curve, self.x)?, &field(curve, self.y)?)?;
        let public = EcPublic::new(curve, &point)?;
        if self.d.is_none() {
            return PublicNumbers::Ec(public).to_key().map(Jwk::Public);
        }
        let d = field(curve, self.d)?;
        PrivateNumbers::Ec(EcPrivate::new(public, &d)?).to_key().map(Jwk::Private)
    }

    fn okp(&self) -> Result<Jwk, ParseError> {
        if self.crv != Some(ED25519) {
            return Err(ParseError::Key("its crv isn't Ed25519"));
        }
        let public = octets(self.x)?;
        if self.d.is_none() {
            return PublicNumbers::Ed(EdPublic::new(&public)?).to_key().map(Jwk::Public);
        }
        let seed = octets(self.d)?;
        PrivateNumbers::Ed(EdPrivate::with_public(&seed, &public)?).to_key().map(Jwk::Private)
    }

    fn oct(&self) -> Result<Jwk, ParseError> {
        let bits = octets(self.k)?;
        let kind = match (self.alg, bits.len()) {
            (None, 16) => SymmetricKind::Aes128,
            (None, 32) => SymmetricKind::Aes256,
            (Some(A256GCM), _) => SymmetricKind::Aes256Gcm,
            (None, _) => return Err(ParseError::Key("an oct key without alg has 16 or 32 bytes")),
            (Some(_), _) => return Err(ParseError::Key("the alg of its oct key isn't A256GCM")),
        };
        SymmetricKey::new(kind, Secret::copy_from(&bits)).map(Jwk::Symmetric)
    }
}

fn public_members(json: &mut Json, key: &PublicNumbers<'_>) {
    match key {
        PublicNumbers::Rsa(key) => {
            json.octets("n", key.n);
            json.octets("e", key.e);
        }
        PublicNumbers::Ec(key) => {
            json.text("crv", key.curve.name);
            json.octets("x", key.x());
            json.octets("y", key.y());
        }
        PublicNumbers::Ed(key) => {
            json.text("crv", ED25519);
            json.octets("x", &key.bytes);
        }
    }
}

fn kty(key: &PublicNumbers<'_>) -> &'static str {
    match key {
        PublicNumbers::Rsa(_) => "RSA",
        PublicNumbers::Ec(_) => "EC",
        PublicNumbers::Ed(_) => "OKP",
    }
}

fn public_json(key: &PublicNumbers<'_>) -> Zeroizing<String> {
    let mut json = Json::new(kty(key));
    public_members(&mut json, key);
    json.end()
}

fn private_json(key: &PrivateNumbers<'_>) -> Zeroizing<String> {
    let public = match key {
        PrivateNumbers::Rsa(key) => PublicNumbers::Rsa(key.public),
        PrivateNumbers::Ec(key) => PublicNumbers::Ec(key.public),
        PrivateNumbers::Ed(key) => PublicNumbers::Ed(key.public),
    };
    let mut json = Json::new(kty(&public));
    public_members(&mut json, &public);
    match key {
        PrivateNumbers::Rsa(key) => {
            let members = [("d", key.d), ("p", key.p), ("q", key.q), ("dp", key.dp), ("dq", key.dq)];
            for (name, number) in members {
                json.octets(name, number);
            }
            json.octets("qi", key.iqmp);
        }
        PrivateNumbers::Ec(key) => json.octets("d", key.d),
        PrivateNumbers::Ed(key) => json.octets("d", key.seed),
    }
    json.end()
}

/// One flat object, written into a text that never grows: what it is of may be secret.
struct Json(Zeroizing<String>);

impl Json {
    fn new(kty: &str) -> Self {
        let mut json = Self(Zeroizing::new(String::with_capacity(MAX_JWK)));
        json.0.push_str("{\"kty\":\"");
        json.0.push_str(kty);
        json.0.push('"');
        json
    }

    fn name(&mut self, name: &str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":\"");
    }

    /// A member whose text needs no escape.
    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.0.push_str(text);
        self.0.push('"');
    }

    fn octets(&mut self, name: &str, bytes: &[u8]) {
        let text = Zeroizing::new(Base64UrlUnpadded::encode_string(bytes));
        self.text(name, &text);
    }

    fn end(mut self) -> Zeroizing<String> {
        self.0.push_str("}\n");
        self.0
    }
}
