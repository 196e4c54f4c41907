//! Private keys that sign: policy keys, machines' own keys, simulated platforms' keys.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_SHA256, RsaEncoding, RsaKeyPair,
};
use claviger_proto::Secret;
use claviger_proto::key::{KeyKind, PrivateKey, PublicKey};

use crate::error::KeyError;

/// What keys are made: P-384 by default for policy keys, P-256 for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    #[default]
    P384,
    /// Ed25519 (RFC 8032); in certificates as RFC 8410 has it.
    Ed25519,
    /// RSA with 2048 bits, as stock programs have them.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
}

impl KeyAlgorithm {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::P256, Self::P384, Self::Ed25519, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// The name on command lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    pub(crate) fn of_kind(kind: KeyKind) -> Option<Self> {
        match kind {
            KeyKind::P256 => Some(Self::P256),
            KeyKind::P384 => Some(Self::P384),
            KeyKind::Ed25519 => Some(Self::Ed25519),
            KeyKind::Rsa2048 => Some(Self::Rsa2048),
            KeyKind::Rsa3072 => Some(Self::Rsa3072),
            KeyKind::Rsa4096 => Some(Self::Rsa4096),
            // Too weak to sign anything with.
            KeyKind::Rsa1024 => None,
        }
    }
}

impl FromStr for KeyAlgorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::ALL.into_iter().find(|a| a.as_str() == text).ok_or(KeyError::Name)
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A private key ready to sign. No `Debug`, no `Clone`.
pub struct SigningKey {
    pair: Pair,
    algorithm: KeyAlgorithm,
    private: PrivateKey,
    public: PublicKey,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// Makes a new key.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let pkcs8 = match algorithm {
            KeyAlgorithm::P256 => generate_ec(&ECDSA_P256_SHA256_ASN1_SIGNING)?,
            KeyAlgorithm::P384 => generate_ec(&ECDSA_P384_SHA384_ASN1_SIGNING)?,
            KeyAlgorithm::Ed25519 => generate_ed()?,
            KeyAlgorithm::Rsa2048 => generate_rsa(KeySize::Rsa2048)?,
            KeyAlgorithm::Rsa3072 => generate_rsa(KeySize::Rsa3072)?,
            KeyAlgorithm::Rsa4096 => generate_rsa(KeySize::Rsa4096)?,
        };
        Self::from_private(&PrivateKey::from_pkcs8_der(pkcs8).map_err(|_| KeyError::Rejected)?)
    }

    /// Readies a key read from elsewhere.
    pub fn from_private(private: &PrivateKey) -> Result<Self, KeyError> {
        let algorithm = KeyAlgorithm::of_kind(private.kind()).ok_or(KeyError::Unsupported)?;
        let pkcs8 = private.pkcs8_der();
        let pair = match algorithm {
            KeyAlgorithm::P256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).map(Pair::Ec)
            }
            KeyAlgorithm::P384 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8).map(Pair::Ec)
            }
            // "Maybe unchecked": there is no public key in this form of PKCS#8 to check it against.
            KeyAlgorithm::Ed25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(Pair::Ed),
            KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => {
                RsaKeyPair::from_pkcs8(pkcs8).map(Pair::Rsa)
            }
        }
        .map_err(|_| KeyError::Rejected)?;
        let public = private.public().map_err(|_| KeyError::Rejected)?;
        Ok(Self { pair, algorithm, private: copy(private)?, public })
    }

    /// The key in the form that files and stores take.
    pub fn to_private(&self) -> Result<PrivateKey, KeyError> {
        copy(&self.private)
    }

    /// The PKCS#8 DER, for a TLS stack. What is done with it is the caller's responsibility.
    pub fn pkcs8_der(&self) -> &[u8] {
        self.private.pkcs8_der()
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What key it is.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Signs as certificates are signed: RSA PKCS#1 v1.5 with SHA-256, P-256 with SHA-256, P-384 with SHA-384
    /// (ECDSA as DER), Ed25519.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_with(&RSA_PKCS1_SHA256, message)
    }

    /// The same with another RSA encoding; the other keys have only one way to sign.
    pub(crate) fn sign_with(
        &self,
        rsa: &'static dyn RsaEncoding,
        message: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => {
                Ok(pair.sign(&random, message).map_err(|_| KeyError::Failed)?.as_ref().to_vec())
            }
            Pair::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa, &random, message, &mut signature).map_err(|_| KeyError::Failed)?;
                Ok(signature)
            }
        }
    }
}

fn copy(private: &PrivateKey) -> Result<PrivateKey, KeyError> {
    PrivateKey::from_pkcs8_der(Secret::copy_from(private.pkcs8_der())).map_err(|_| KeyError::Rejected)
}

fn generate_ec(algorithm: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm) -> Result<Secret, KeyError> {
    // The document zeroizes itself.
    let document =
        EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(|_| KeyError::Failed)?;
    Ok(Secret::copy_from(document.as_ref()))
}

fn generate_ed() -> Result<Secret, KeyError> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Failed)?;
    Ok(Secret::copy_from(document.as_ref()))
}

fn generate_rsa(size: KeySize) -> Result<Secret, KeyError> {
    let pair = RsaKeyPair::generate(size).map_err(|_| KeyError::Failed)?;
    let document: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Failed)?;
    Ok(Secret::copy_from(document.as_ref()))
}
