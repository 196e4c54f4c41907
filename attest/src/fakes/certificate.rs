//! Certificates and revocation lists in AMD's way, or nearly.

use std::ops::{Deref, DerefMut};

use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PSS_SHA384};

use super::platform::FakeKey;
use crate::cert::der::{self, tlv};
use crate::simulated_snp::certificate::{self, CertificateForm, ExtensionForm, NULL, amd_oid, name, pss};

/// The organization in AMD's names.
pub(super) const AMD: &str = "Advanced Micro Devices";

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
pub type FakeExtension = ExtensionForm;

/// A certificate before it is signed. Its fields are those of its form.
#[derive(Clone, Debug)]
pub struct FakeCertificate {
    pub(super) form: CertificateForm,
    /// How it is signed.
    pub signature: FakeSignature,
}

impl Deref for FakeCertificate {
    type Target = CertificateForm;

    fn deref(&self) -> &CertificateForm {
        &self.form
    }
}

impl DerefMut for FakeCertificate {
    fn deref_mut(&mut self) -> &mut CertificateForm {
        &mut self.form
    }
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
        let tbs = self.form.tbs(&algorithm(self.signature)).expect("times before the year 10000");
        signed(&tbs, self.signature, key)
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
                &name(&self.issuer, AMD),
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
    let rsa = |encoding| key.sign_with(encoding, tbs).expect("signed");
    let signature = match how {
        FakeSignature::Pss => rsa(&RSA_PSS_SHA384),
        FakeSignature::Pkcs1 => rsa(&RSA_PKCS1_SHA384),
        FakeSignature::Zero => vec![0; 512],
    };
    certificate::signed(tbs, &algorithm(how), &signature)
}

fn algorithm(how: FakeSignature) -> Vec<u8> {
    const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c];
    match how {
        FakeSignature::Pkcs1 => tlv(der::SEQUENCE, &[&tlv(der::OID, &[PKCS1]), NULL]),
        FakeSignature::Pss | FakeSignature::Zero => pss(),
    }
}
