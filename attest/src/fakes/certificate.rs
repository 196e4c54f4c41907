//! Certificates and revocation lists in AMD's way, or nearly.

use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PSS_SHA384};

use super::platform::FakeKey;
use crate::cert::der::{self, tlv};

/// How a certificate is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FakeSignature {
    /// As AMD does: RSA-PSS with SHA-384 and 48 bytes of salt.
    Pss,
    /// Honestly, in another way: PKCS#1 v1.5 with SHA-384.
    Pkcs1,
    /// Not at all: zeros.
    Zero,
}

/// An extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeExtension {
    /// Its OID, as DER has it.
    pub oid: Vec<u8>,
    /// Whether it is critical.
    pub critical: bool,
    /// Its value.
    pub value: Vec<u8>,
}

/// A certificate before it is signed.
#[derive(Clone, Debug)]
pub struct FakeCertificate {
    /// 2 is version 3.
    pub version: u8,
    /// Big-endian.
    pub serial: Vec<u8>,
    /// The issuer's common name; the rest of the name is AMD's.
    pub issuer: String,
    /// The subject's.
    pub subject: String,
    /// First and last second of validity, since 1970.
    pub validity: (u64, u64),
    /// The key's `SubjectPublicKeyInfo`.
    pub spki: Vec<u8>,
    /// In order.
    pub extensions: Vec<FakeExtension>,
    /// How it is signed.
    pub signature: FakeSignature,
}

impl FakeCertificate {
    /// The extension of AMD's with these last arcs of its OID (1.3.6.1.4.1.3704.1).
    ///
    /// # Panics
    /// Where there is none.
    pub fn amd_extension(&mut self, arcs: &[u8]) -> &mut FakeExtension {
        let oid = amd_oid(arcs);
        self.extensions.iter_mut().find(|extension| extension.oid == oid).expect("the extension is there")
    }

    /// Leaves it out.
    pub fn drop_amd_extension(&mut self, arcs: &[u8]) {
        let oid = amd_oid(arcs);
        self.extensions.retain(|extension| extension.oid != oid);
    }

    /// The certificate, DER, signed by this key.
    pub fn sign(&self, key: &FakeKey) -> Vec<u8> {
        let time = |at| der::time(at).expect("a time before the year 10000");
        let extensions: Vec<_> = self.extensions.iter().map(FakeExtension::der).collect();
        let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
        let tbs = tlv(
            der::SEQUENCE,
            &[
                &tlv(der::context_constructed(0), &[&tlv(der::INTEGER, &[&[self.version]])]),
                &tlv(der::INTEGER, &[&self.serial]),
                &algorithm(self.signature),
                &name(&self.issuer),
                &tlv(der::SEQUENCE, &[&time(self.validity.0), &time(self.validity.1)]),
                &name(&self.subject),
                &self.spki,
                &tlv(der::context_constructed(3), &[&tlv(der::SEQUENCE, &extensions)]),
            ],
        );
        signed(&tbs, self.signature, key)
    }
}

impl FakeExtension {
    fn der(&self) -> Vec<u8> {
        let critical = if self.critical { tlv(der::BOOLEAN, &[&[0xff]]) } else { Vec::new() };
        let oid = tlv(der::OID, &[&self.oid]);
        tlv(der::SEQUENCE, &[&oid, &critical, &tlv(der::OCTET_STRING, &[&self.value])])
    }
}

/// A revocation list before it is signed.
#[derive(Clone, Debug)]
pub struct FakeCrl {
    /// The issuer's common name.
    pub issuer: String,
    /// First and last second in which it counts, since 1970; the last may be missing.
    pub validity: (u64, Option<u64>),
    /// What it revokes.
    pub revoked: Vec<Vec<u8>>,
    /// Extensions.
    pub extensions: Vec<FakeExtension>,
    /// How it is signed.
    pub signature: FakeSignature,
}

impl FakeCrl {
    /// The list, DER, signed by this key.
    pub fn sign(&self, key: &FakeKey) -> Vec<u8> {
        let time = |at| der::time(at).expect("a time before the year 10000");
        let from = time(self.validity.0);
        let entry = |serial: &Vec<u8>| tlv(der::SEQUENCE, &[&tlv(der::INTEGER, &[serial]), &from]);
        let revoked: Vec<_> = self.revoked.iter().map(entry).collect();
        let revoked: Vec<&[u8]> = revoked.iter().map(Vec::as_slice).collect();
        let revoked = if revoked.is_empty() { Vec::new() } else { tlv(der::SEQUENCE, &revoked) };
        let extensions: Vec<_> = self.extensions.iter().map(FakeExtension::der).collect();
        let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
        let tbs = tlv(
            der::SEQUENCE,
            &[
                &tlv(der::INTEGER, &[&[1]]),
                &algorithm(self.signature),
                &name(&self.issuer),
                &from,
                &self.validity.1.map(time).unwrap_or_default(),
                &revoked,
                &tlv(der::context_constructed(0), &[&tlv(der::SEQUENCE, &extensions)]),
            ],
        );
        signed(&tbs, self.signature, key)
    }
}

fn signed(tbs: &[u8], how: FakeSignature, key: &FakeKey) -> Vec<u8> {
    let signature = match how {
        FakeSignature::Pss => key.rsa_sign(&RSA_PSS_SHA384, tbs),
        FakeSignature::Pkcs1 => key.rsa_sign(&RSA_PKCS1_SHA384, tbs),
        FakeSignature::Zero => vec![0; 512],
    };
    tlv(der::SEQUENCE, &[tbs, &algorithm(how), &tlv(der::BIT_STRING, &[&[0], &signature])])
}

/// An OID under AMD's arc.
pub(super) fn amd_oid(arcs: &[u8]) -> Vec<u8> {
    [&[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01], arcs].concat()
}

/// A number as DER has it.
pub(super) fn small(number: u8) -> Vec<u8> {
    if number < 0x80 { tlv(der::INTEGER, &[&[number]]) } else { tlv(der::INTEGER, &[&[0, number]]) }
}

fn algorithm(how: FakeSignature) -> Vec<u8> {
    const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
    const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
    const PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
    const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c];
    const NULL: &[u8] = &[0x05, 0x00];
    let oid = |oid| tlv(der::OID, &[oid]);
    if how == FakeSignature::Pkcs1 {
        return tlv(der::SEQUENCE, &[&oid(PKCS1), NULL]);
    }
    let hash = tlv(der::SEQUENCE, &[&oid(SHA384), NULL]);
    let mask = tlv(der::SEQUENCE, &[&oid(MGF1), &hash]);
    let parts = [
        tlv(der::context_constructed(0), &[&hash]),
        tlv(der::context_constructed(1), &[&mask]),
        tlv(der::context_constructed(2), &[&tlv(der::INTEGER, &[&[48]])]),
        tlv(der::context_constructed(3), &[&tlv(der::INTEGER, &[&[1]])]),
    ];
    let parameters = tlv(der::SEQUENCE, &[&parts[0], &parts[1], &parts[2], &parts[3]]);
    tlv(der::SEQUENCE, &[&oid(PSS), &parameters])
}

fn name(common: &str) -> Vec<u8> {
    let attributes: [(u8, u8, &str); 6] = [
        (11, der::UTF8_STRING, "Engineering"),
        (6, der::PRINTABLE_STRING, "US"),
        (7, der::UTF8_STRING, "Santa Clara"),
        (8, der::UTF8_STRING, "CA"),
        (10, der::UTF8_STRING, "Advanced Micro Devices"),
        (3, der::UTF8_STRING, common),
    ];
    let attribute = |(arc, tag, value): &(u8, u8, &str)| {
        let oid = tlv(der::OID, &[&[0x55, 4, *arc]]);
        tlv(der::SET, &[&tlv(der::SEQUENCE, &[&oid, &tlv(*tag, &[value.as_bytes()])])])
    };
    let attributes: Vec<_> = attributes.iter().map(attribute).collect();
    tlv(der::SEQUENCE, &attributes.iter().map(Vec::as_slice).collect::<Vec<_>>())
}
