//! A TPM key's public area: `TPM2B_PUBLIC` (TPM 2.0 Library, Part 2), as `tpm2_createak -u` and `tpm2_createek -u` write it.

use claviger_proto::key::{KeyKind, PublicKey};

use super::activate::ActivationError;
use super::read::Reader;
use crate::cert::der::{BIT_STRING, INTEGER, OID, SEQUENCE, tlv};
use crate::digest::sha256;
use crate::error::AttestError;

const PART: &str = "TPM key's public area";

const RSA: u16 = 0x0001;
const ECC: u16 = 0x0023;
const NULL: u16 = 0x0010;
const AES: u16 = 0x0006;
const CFB: u16 = 0x0043;
const SHA256: u16 = 0x000b;
const RSASSA: u16 = 0x0014;
const ECDSA: u16 = 0x0018;
const NIST_P256: u16 = 0x0003;
const NIST_P384: u16 = 0x0004;

/// Bits of `TPMA_OBJECT`.
const FIXED_TPM: u32 = 1 << 1;
const FIXED_PARENT: u32 = 1 << 4;
const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;

const MAX_AREA: usize = 1024;
const MAX_DIGEST: usize = 64;
const MAX_RSA: usize = 512;
const MAX_EC: usize = 48;

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0, 0x22];

/// What a TPM says that a key is. Only an activation shows that it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmPublic {
    /// `TPMT_PUBLIC`, of which the name is made.
    area: Vec<u8>,
    attributes: u32,
    /// Cipher, bits and mode, of a key under which others are kept.
    symmetric: Option<(u16, u16, u16)>,
    /// Scheme and hash, of a key that is bound to one.
    scheme: Option<(u16, u16)>,
    key: PublicKey,
}

impl TpmPublic {
    /// Reads one whose name is a SHA-256.
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let mut from = Reader::new(PART, bytes);
        let area = from.sized(MAX_AREA)?;
        from.end()?;
        let mut from = Reader::new(PART, area);
        let (kind, name_algorithm, attributes) = (from.u16()?, from.u16()?, from.u32()?);
        if name_algorithm != SHA256 {
            return Err(from.says("its name is a SHA-256"));
        }
        from.sized(MAX_DIGEST)?;
        let symmetric = match from.u16()? {
            NULL => None,
            cipher => Some((cipher, from.u16()?, from.u16()?)),
        };
        let scheme = match from.u16()? {
            NULL => None,
            scheme => Some((scheme, from.u16()?)),
        };
        let key = match kind {
            RSA => rsa(&mut from)?,
            ECC => ecc(&mut from)?,
            _ => return Err(from.says("it is of RSA or of an elliptic curve")),
        };
        from.end()?;
        Ok(Self { area: area.to_vec(), attributes, symmetric, scheme, key })
    }

    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its name, by which a TPM knows it: which hash, and the hash of its public area.
    pub fn name(&self) -> [u8; 34] {
        let mut name = [0; 34];
        name[..2].copy_from_slice(&SHA256.to_be_bytes());
        name[2..].copy_from_slice(&sha256(&self.area));
        name
    }

    /// Whether a key with such a name quotes, and can't be made to sign what looks like a quote.
    pub(super) fn check_quote_key(&self) -> Result<(), ActivationError> {
        for (bit, name) in [
            (RESTRICTED, "restricted: it would sign what anybody makes up"),
            (SIGN, "sign: it signs nothing"),
            (FIXED_TPM, "fixedTPM: it can be taken to where no TPM is"),
            (FIXED_PARENT, "fixedParent: it can be taken to where no TPM is"),
            (SENSITIVE_DATA_ORIGIN, "sensitiveDataOrigin: somebody knows it who made it elsewhere"),
        ] {
            if self.attributes & bit == 0 {
                return Err(ActivationError::Lacks(name));
            }
        }
        if self.attributes & DECRYPT != 0 {
            return Err(ActivationError::Scheme("it decrypts as well"));
        }
        let scheme = match self.key.kind() {
            KeyKind::P256 | KeyKind::P384 => ECDSA,
            _ => RSASSA,
        };
        if self.scheme != Some((scheme, SHA256)) {
            return Err(ActivationError::Scheme("it isn't bound to RSASSA or ECDSA with SHA-256"));
        }
        Ok(())
    }

    /// Whether it is an endorsement key by the template that all TPMs have (TCG EK Credential Profile, L-1: RSA-2048,
    /// AES-128-CFB, SHA-256), as far as the making of a credential depends on it.
    pub(super) fn check_endorsement_key(&self) -> Result<(), ActivationError> {
        let must = FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | RESTRICTED | DECRYPT;
        let alike = self.attributes & must == must
            && self.attributes & SIGN == 0
            && self.symmetric == Some((AES, 128, CFB))
            && self.key.kind() == KeyKind::Rsa2048;
        if alike { Ok(()) } else { Err(ActivationError::Endorsement) }
    }
}

fn rsa(from: &mut Reader<'_>) -> Result<PublicKey, AttestError> {
    let (bits, exponent) = (from.u16()?, from.u32()?);
    let modulus = from.sized(MAX_RSA)?;
    if modulus.len() * 8 != usize::from(bits) {
        return Err(from.says("its modulus is as long as it says"));
    }
    // Zero stands for the usual one.
    let exponent = if exponent == 0 { 65_537 } else { exponent };
    let numbers = tlv(SEQUENCE, &[&integer(modulus), &integer(&exponent.to_be_bytes())]);
    let algorithm = tlv(SEQUENCE, &[&tlv(OID, &[RSA_ENCRYPTION]), &[5, 0]]);
    spki(&algorithm, &numbers)
}

fn ecc(from: &mut Reader<'_>) -> Result<PublicKey, AttestError> {
    let (curve, length): (_, usize) = match from.u16()? {
        NIST_P256 => (PRIME256V1, 32),
        NIST_P384 => (SECP384R1, 48),
        _ => return Err(from.says("its curve is P-256 or P-384")),
    };
    if from.u16()? != NULL {
        return Err(from.says("no key is derived by it"));
    }
    let mut point = vec![4];
    for _ in 0..2 {
        let number = from.sized(MAX_EC)?;
        let zeros = length.checked_sub(number.len()).ok_or_else(|| from.says("its point is on its curve"))?;
        point.resize(point.len() + zeros, 0);
        point.extend_from_slice(number);
    }
    spki(&tlv(SEQUENCE, &[&tlv(OID, &[EC_PUBLIC_KEY]), &tlv(OID, &[curve])]), &point)
}

fn spki(algorithm: &[u8], key: &[u8]) -> Result<PublicKey, AttestError> {
    PublicKey::from_spki_der(&tlv(SEQUENCE, &[algorithm, &tlv(BIT_STRING, &[&[0], key])]))
        .map_err(|cause| AttestError::Malformed { part: PART, cause })
}

/// A positive INTEGER: the bytes without zeros in front, and one zero where the first bit is set.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let significant = &bytes[zeros..];
    let plus: &[u8] = if significant.first().is_none_or(|byte| byte & 0x80 != 0) { &[0] } else { &[] };
    tlv(INTEGER, &[plus, significant])
}
