//! A TPM's signature: `TPMT_SIGNATURE` (TPM 2.0 Library, Part 2), or bare as stock evidence has it.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use claviger_proto::key::{KeyKind, PublicKey};

use super::public::integer;
use super::read::Reader;
use crate::cert::der::{SEQUENCE, tlv};
use crate::error::AttestError;

const PART: &str = "TPM signature";

const RSASSA: u16 = 0x0014;
const ECDSA: u16 = 0x0018;
const SHA256: u16 = 0x000b;

/// Bytes of an RSA-4096 signature, and of a number of P-384.
const MAX_RSA: usize = 512;
const MAX_EC: usize = 48;

/// What stock evidence calls RSASSA-PKCS1-v1_5 with SHA-256 by a key of 2048 bits, the only way in which its TPMs sign.
const STOCK: &str = "RSA-2048-SSA-SHA-256";
const STOCK_LEN: usize = 256;

/// A signature over a SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// RSASSA-PKCS1-v1_5.
    Rsa(Vec<u8>),
    /// ECDSA, as DER (RFC 3279).
    Ecdsa(Vec<u8>),
}

impl Signature {
    /// Reads a `TPMT_SIGNATURE`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let mut from = Reader::new(PART, bytes);
        let algorithm = from.u16()?;
        if ![RSASSA, ECDSA].contains(&algorithm) {
            return Err(from.says("it is RSASSA or ECDSA"));
        }
        if from.u16()? != SHA256 {
            return Err(from.says("it is over a SHA-256"));
        }
        let signature = if algorithm == RSASSA {
            Self::Rsa(from.sized(MAX_RSA)?.to_vec())
        } else {
            let (r, s) = (from.sized(MAX_EC)?, from.sized(MAX_EC)?);
            Self::Ecdsa(tlv(SEQUENCE, &[&integer(r), &integer(s)]))
        };
        from.end().map(|()| signature)
    }

    /// A signature of stock evidence.
    pub(super) fn stock(algorithm: &str, bytes: &[u8]) -> Result<Self, AttestError> {
        if algorithm == STOCK && bytes.len() == STOCK_LEN {
            Ok(Self::Rsa(bytes.to_vec()))
        } else {
            Err(AttestError::Statement { part: PART, why: "it is RSA-2048-SSA-SHA-256, of 256 bytes" })
        }
    }

    /// Verifies it, by the one algorithm that belongs to the key.
    pub(super) fn verify(&self, key: &PublicKey, message: &[u8]) -> Result<(), AttestError> {
        let (algorithm, bytes): (&'static dyn VerificationAlgorithm, _) = match (self, key.kind()) {
            (Self::Rsa(bytes), KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096) => {
                (&RSA_PKCS1_2048_8192_SHA256, bytes)
            }
            (Self::Ecdsa(bytes), KeyKind::P256) => (&ECDSA_P256_SHA256_ASN1, bytes),
            (Self::Ecdsa(bytes), KeyKind::P384) => (&ECDSA_P384_SHA256_ASN1, bytes),
            _ => return Err(AttestError::Statement { part: PART, why: "it is by its certificate's key" }),
        };
        let key = UnparsedPublicKey::new(algorithm, key.spki_der());
        key.verify(message, bytes).map_err(|_| AttestError::Signature("TPM quote"))
    }
}
