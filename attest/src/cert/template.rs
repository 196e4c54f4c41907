//! From the parts of a certificate to a signed one (RFC 5280 §4.1).

use aws_lc_rs::rand;

use super::der::{self, tlv};
use crate::digest::sha256;
use crate::error::{IssueError, KeyError};
use crate::key::{KeyAlgorithm, SigningKey};

pub(super) const COMMON_NAME: &[u8] = &[0x55, 4, 3];
pub(super) const ORGANIZATION: &[u8] = &[0x55, 4, 10];

pub(super) const SUBJECT_KEY_ID: &[u8] = &[0x55, 29, 14];
pub(super) const KEY_USAGE: &[u8] = &[0x55, 29, 15];
pub(super) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 29, 17];
pub(super) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 29, 19];
pub(super) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 29, 35];
pub(super) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 29, 37];

pub(super) const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
pub(super) const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// Bits of keyUsage as in its last byte: digitalSignature.
pub(super) const DIGITAL_SIGNATURE: u8 = 0x80;
/// keyCertSign.
pub(super) const KEY_CERT_SIGN: u8 = 0x04;
/// cRLSign.
pub(super) const CRL_SIGN: u8 = 0x02;

/// What goes into a certificate.
pub(super) struct Template<'a> {
    /// The issuer's whole Name, as in its own certificate.
    pub(super) issuer: &'a [u8],
    /// The whole Name of whom it is for.
    pub(super) subject: &'a [u8],
    /// The `SubjectPublicKeyInfo`, whole.
    pub(super) spki: &'a [u8],
    /// First and last second of validity.
    pub(super) validity: (u64, u64),
    /// Extensions, each whole.
    pub(super) extensions: &'a [Vec<u8>],
}

impl Template<'_> {
    /// Signs it, with a new random serial.
    pub(super) fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, IssueError> {
        let algorithm = signature_algorithm(key.algorithm());
        let serial = random_serial()?;
        let not_before = der::time(self.validity.0).ok_or(IssueError::Validity)?;
        let not_after = der::time(self.validity.1).ok_or(IssueError::Validity)?;
        let extensions: Vec<&[u8]> = self.extensions.iter().map(Vec::as_slice).collect();
        let extensions = tlv(der::context_constructed(3), &[&tlv(der::SEQUENCE, &extensions)]);
        let tbs = tlv(
            der::SEQUENCE,
            &[
                &tlv(der::context_constructed(0), &[&tlv(der::INTEGER, &[&[2]])]), // version 3
                &tlv(der::INTEGER, &[&serial]),
                &algorithm,
                self.issuer,
                &tlv(der::SEQUENCE, &[&not_before, &not_after]),
                self.subject,
                self.spki,
                if self.extensions.is_empty() { &[] } else { &extensions },
            ],
        );
        let signature = key.sign(&tbs)?;
        Ok(tlv(der::SEQUENCE, &[&tbs, &algorithm, &tlv(der::BIT_STRING, &[&[0], &signature])]))
    }
}

/// A certification request (RFC 2986 §4), without attributes.
pub(super) fn request(subject: &[u8], key: &SigningKey) -> Result<Vec<u8>, KeyError> {
    let version = tlv(der::INTEGER, &[&[0]]);
    let attributes = tlv(der::context_constructed(0), &[]);
    let info = tlv(der::SEQUENCE, &[&version, subject, key.public().spki_der(), &attributes]);
    let signature = key.sign(&info)?;
    let algorithm = signature_algorithm(key.algorithm());
    Ok(tlv(der::SEQUENCE, &[&info, &algorithm, &tlv(der::BIT_STRING, &[&[0], &signature])]))
}

// 16 bytes: positive, never shorter, and far beyond guessing or meeting twice.
fn random_serial() -> Result<[u8; 16], KeyError> {
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| KeyError::Failed)?;
    serial[0] = serial[0] & 0x3f | 0x40;
    Ok(serial)
}

fn signature_algorithm(key: KeyAlgorithm) -> Vec<u8> {
    const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
    match key {
        KeyAlgorithm::P256 => tlv(der::SEQUENCE, &[&tlv(der::OID, &[ECDSA_SHA256])]),
        KeyAlgorithm::P384 => tlv(der::SEQUENCE, &[&tlv(der::OID, &[ECDSA_SHA384])]),
        // RFC 8410 §3: no parameters.
        KeyAlgorithm::Ed25519 => tlv(der::SEQUENCE, &[&tlv(der::OID, &[ED25519])]),
        // RFC 4055 §5: the parameters are NULL.
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => {
            tlv(der::SEQUENCE, &[&tlv(der::OID, &[RSA_SHA256]), &[5, 0]])
        }
    }
}

/// A Name of one attribute per RDN, in this order.
pub(super) fn name(attributes: &[(&[u8], &str)]) -> Vec<u8> {
    let rdns: Vec<_> = attributes
        .iter()
        .map(|(oid, text)| {
            let value = tlv(der::UTF8_STRING, &[text.as_bytes()]);
            tlv(der::SET, &[&tlv(der::SEQUENCE, &[&tlv(der::OID, &[oid]), &value])])
        })
        .collect();
    tlv(der::SEQUENCE, &rdns.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// One extension, whole.
pub(super) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[der::BOOLEAN, 1, 0xff] } else { &[] };
    tlv(der::SEQUENCE, &[&tlv(der::OID, &[oid]), critical, &tlv(der::OCTET_STRING, &[value])])
}

/// basicConstraints, critical.
pub(super) fn basic_constraints(ca: bool) -> Vec<u8> {
    let flag: &[u8] = if ca { &[der::BOOLEAN, 1, 0xff] } else { &[] };
    extension(BASIC_CONSTRAINTS, true, &tlv(der::SEQUENCE, &[flag]))
}

/// basicConstraints, critical, of an authority that has no other below it.
pub(super) fn authority_without_others() -> Vec<u8> {
    let value = [der::BOOLEAN, 1, 0xff, der::INTEGER, 1, 0];
    extension(BASIC_CONSTRAINTS, true, &tlv(der::SEQUENCE, &[&value]))
}

/// subjectKeyIdentifier of a key: RFC 7093 has it that any hash of it, shortened, will do.
pub(super) fn subject_key_id(spki: &[u8]) -> Vec<u8> {
    extension(SUBJECT_KEY_ID, false, &tlv(der::OCTET_STRING, &[&sha256(spki)[..20]]))
}

/// keyUsage, critical, with these bits.
pub(super) fn key_usage(bits: u8) -> Vec<u8> {
    let unused = u8::try_from(bits.trailing_zeros()).unwrap_or(0);
    extension(KEY_USAGE, true, &tlv(der::BIT_STRING, &[&[unused, bits]]))
}

/// extendedKeyUsage.
pub(super) fn extended_key_usage(purposes: &[&[u8]]) -> Vec<u8> {
    let purposes: Vec<_> = purposes.iter().map(|oid| tlv(der::OID, &[oid])).collect();
    let purposes: Vec<_> = purposes.iter().map(Vec::as_slice).collect();
    extension(EXTENDED_KEY_USAGE, false, &tlv(der::SEQUENCE, &purposes))
}

/// subjectAltName with one DNS name.
pub(super) fn dns_name(name: &str) -> Vec<u8> {
    extension(SUBJECT_ALT_NAME, false, &tlv(der::SEQUENCE, &[&tlv(der::context(2), &[name.as_bytes()])]))
}
