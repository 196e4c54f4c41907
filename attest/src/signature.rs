//! How stock claims and reports are signed.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RsaEncoding, UnparsedPublicKey, VerificationAlgorithm,
};
use claviger_proto::key::{KeyKind, PublicKey};

use crate::error::{AttestError, KeyError};
use crate::key::SigningKey;

/// The one way in which a kind of key signs stock messages.
struct Scheme {
    name: &'static str,
    verification: &'static dyn VerificationAlgorithm,
    rsa: &'static dyn RsaEncoding,
}

fn scheme(kind: KeyKind) -> Option<Scheme> {
    let (name, verification, rsa): (_, &'static dyn VerificationAlgorithm, &'static dyn RsaEncoding) =
        match kind {
            KeyKind::Rsa2048 => (STOCK_RSA, &RSA_PKCS1_2048_8192_SHA256, &RSA_PKCS1_SHA256),
            KeyKind::Rsa3072 => ("rsa-3072-sha384-pkcs-sign", &RSA_PKCS1_2048_8192_SHA384, &RSA_PKCS1_SHA384),
            KeyKind::Rsa4096 => ("rsa-4096-sha384-pkcs-sign", &RSA_PKCS1_2048_8192_SHA384, &RSA_PKCS1_SHA384),
            // An EC key ignores the RSA encoding.
            KeyKind::P256 => ("ecc-256-sha256-pkcs-sign", &ECDSA_P256_SHA256_ASN1, &RSA_PKCS1_SHA256),
            KeyKind::P384 => ("ecc-384-sha384-pkcs-sign", &ECDSA_P384_SHA384_ASN1, &RSA_PKCS1_SHA384),
            KeyKind::Rsa1024 | KeyKind::Ed25519 => return None,
        };
    Some(Scheme { name, verification, rsa })
}

/// How stock tools sign claims with an RSA key, whatever its size, and the only way in which simpleserver verifies them.
pub(crate) const STOCK_RSA: &str = "rsa-2048-sha256-pkcs-sign";

/// Whether it is a kind of RSA key that signs.
pub(crate) fn is_rsa(kind: KeyKind) -> bool {
    matches!(kind, KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096)
}

/// A message with the algorithm and signature that came with it.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) part: &'static str,
    pub(crate) message: Vec<u8>,
    pub(crate) algorithm: String,
    pub(crate) signature: Vec<u8>,
}

impl Signed {
    /// Verifies under `key`, with the algorithm that belongs to it, which must be the one named; under an RSA key of any
    /// size also with the one of stock tools, which write no other.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), AttestError> {
        let stock = self.algorithm == STOCK_RSA && is_rsa(key.kind());
        let verification = if stock {
            Some(&RSA_PKCS1_2048_8192_SHA256 as &dyn VerificationAlgorithm)
        } else {
            scheme(key.kind()).filter(|own| own.name == self.algorithm).map(|own| own.verification)
        };
        let verification = verification
            .ok_or(AttestError::Statement { part: self.part, why: "its algorithm is its key's" })?;
        UnparsedPublicKey::new(verification, key.spki_der())
            .verify(&self.message, &self.signature)
            .map_err(|_| AttestError::Signature(self.part))
    }
}

/// Signs a stock message; returns the algorithm's name and the signature.
pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Result<(String, Vec<u8>), KeyError> {
    let scheme = scheme(key.public().kind()).ok_or(KeyError::Unsupported)?;
    Ok((scheme.name.to_owned(), key.sign_with(scheme.rsa, message)?))
}
