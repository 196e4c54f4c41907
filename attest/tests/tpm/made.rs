//! What the tests are made of: the captured quotes, and quotes of a key of our own.

use std::time::Duration;

use claviger_attest::{
    EvidenceKind, Issuer, KeyAlgorithm, Measurement, PolicyCertificate, ReferenceValue, ReferenceValues,
    SigningKey, TpmActivation, TpmQuote, self_signed_policy, sha256,
};
use claviger_proto::DomainName;
use claviger_proto::key::PublicKey;
use rustls_pki_types::UnixTime;

/// The binding that the captured quotes are of.
pub(crate) const BINDING: [u8; 64] = [7; 64];
/// The registers that they are over.
pub(crate) const PCRS: &str = "sha256:7";
/// What the tests' activations are answered with.
pub(crate) const SECRET: [u8; 32] = [1; 32];

/// A captured quote: the key's public area, the quote, the signature.
pub(crate) struct Captured {
    pub(crate) public: &'static [u8],
    pub(crate) quote: &'static [u8],
    pub(crate) signature: &'static [u8],
}

macro_rules! captured {
    ($name:literal) => {
        Captured {
            public: include_bytes!(concat!("../data/tpm/", $name, "/ak.pub")),
            quote: include_bytes!(concat!("../data/tpm/", $name, "/quote.bin")),
            signature: include_bytes!(concat!("../data/tpm/", $name, "/signature.bin")),
        }
    };
}

pub(crate) const RSA: Captured = captured!("rsa");
pub(crate) const P256: Captured = captured!("p256");
pub(crate) const P384: Captured = captured!("p384");

/// 2026-12-11, when everything is valid.
pub(crate) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_mins(29_950_000))
}

pub(crate) fn seconds() -> i64 {
    i64::try_from(now().as_secs()).unwrap()
}

/// A domain's policy key with its certificate.
pub(crate) fn issuer(algorithm: KeyAlgorithm) -> Issuer {
    let domain: DomainName = "fleet".parse().unwrap();
    let key = SigningKey::generate(algorithm).unwrap();
    let certificate = self_signed_policy(&key, &domain, now(), 30).unwrap();
    Issuer::new(key, certificate, &domain).unwrap()
}

pub(crate) fn root(issuer: &Issuer) -> PublicKey {
    root_of(issuer.certificate())
}

pub(crate) fn root_of(certificate: &PolicyCertificate) -> PublicKey {
    PublicKey::from_spki_der(certificate.spki_der()).unwrap()
}

/// An activation of this key that [`SECRET`] answers, as an owner keeps it.
pub(crate) fn activation(public: &[u8]) -> TpmActivation {
    let text = serde_json::json!({
        "format": 1, "made": seconds(), "endorsement_key": "", "quote_key": hex::encode(public),
        "secret": hex::encode(sha256(&SECRET)),
    });
    serde_json::from_value(text).unwrap()
}

pub(crate) fn certificate(issuer: &Issuer, public: &[u8]) -> Vec<u8> {
    activation(public).certify(&SECRET, issuer, now(), 30).unwrap()
}

/// A domain that trusts the digest of these registers, under this root.
pub(crate) fn trusting(digest: [u8; 32], pcrs: &str, root: PublicKey) -> ReferenceValues {
    let measurement = Measurement::from_bytes(&digest).unwrap();
    let value = ReferenceValue::new(EvidenceKind::Tpm, measurement, None, vec![root]).unwrap();
    let mut values = ReferenceValues::default();
    values.add(value.with_pcrs(Some(pcrs.parse().unwrap())).unwrap());
    values
}

/// The digest in a quote.
pub(crate) fn digest(quote: &[u8]) -> [u8; 32] {
    TpmQuote::parse(quote).unwrap().pcr_digest()
}

/// The public area that this key would have as a quote key: the captured one, with another point.
pub(crate) fn public_area(key: &SigningKey) -> Vec<u8> {
    let point = key.public().ec_point().unwrap();
    let mut area = P256.public.to_vec();
    let at = area.len() - 68;
    area[at + 2..at + 34].copy_from_slice(&point[1..33]);
    area[at + 36..].copy_from_slice(&point[33..]);
    area
}

/// A `TPMT_SIGNATURE` by a P-256 key.
pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let der = key.sign(message).unwrap();
    let mut out = vec![0, 0x18, 0, 0x0b];
    let mut rest = &der[2..];
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        out.extend(u16::try_from(number.len()).unwrap().to_be_bytes());
        out.extend(number);
        rest = after;
    }
    out
}
