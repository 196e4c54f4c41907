//! Certificates in AMD's form.

use aws_lc_rs::signature::RSA_PSS_SHA384;

use crate::cert::der::{self, tlv};
use crate::error::KeyError;
use crate::key::SigningKey;
use crate::kind::sev_snp::{SnpProduct, SnpSigner, SnpTcb};

/// An extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionForm {
    /// Its OID, as DER has it.
    pub oid: Vec<u8>,
    /// Whether it is critical.
    pub critical: bool,
    /// Its value.
    pub value: Vec<u8>,
}

/// A certificate before it is signed.
#[derive(Clone, Debug)]
pub struct CertificateForm {
    /// 2 is version 3.
    pub version: u8,
    /// Big-endian.
    pub serial: Vec<u8>,
    /// The organization in both names.
    pub organization: &'static str,
    /// The issuer's common name.
    pub issuer: String,
    /// The subject's.
    pub subject: String,
    /// First and last second of validity, since 1970.
    pub validity: (u64, u64),
    /// The key's `SubjectPublicKeyInfo`.
    pub spki: Vec<u8>,
    /// In order.
    pub extensions: Vec<ExtensionForm>,
}

impl CertificateForm {
    /// A CA's; `usage` is the byte of its keyUsage.
    pub(crate) fn authority(
        subject: String,
        issuer: String,
        key: &SigningKey,
        usage: u8,
        serial: Vec<u8>,
    ) -> Self {
        let yes = tlv(der::BOOLEAN, &[&[0xff]]);
        let unused = u8::try_from(usage.trailing_zeros()).unwrap_or(0);
        let critical = |arc, value| ExtensionForm { oid: vec![0x55, 0x1d, arc], critical: true, value };
        Self {
            version: 2,
            serial,
            organization: "",
            issuer,
            subject,
            validity: (0, 0),
            spki: key.public().spki_der().to_vec(),
            extensions: vec![
                critical(0x13, tlv(der::SEQUENCE, &[&yes])),
                critical(0x0f, tlv(der::BIT_STRING, &[&[unused, usage]])),
            ],
        }
    }

    /// The root's of a product.
    pub(crate) fn ark(product: SnpProduct, key: &SigningKey) -> Self {
        let name = format!("ARK-{}", product.certificate_name());
        Self::authority(name.clone(), name, key, 0x06, vec![1])
    }

    /// The ASK's (for a VCEK) or ASVK's (for a VLEK).
    pub(crate) fn intermediate(product: SnpProduct, signer: SnpSigner, key: &SigningKey) -> Self {
        let issuer = format!("ARK-{}", product.certificate_name());
        Self::authority(intermediate_name(product, signer), issuer, key, 0x04, vec![1, 0, 1])
    }

    /// The VCEK's, of the chip with this id, or the VLEK's, of this provider.
    pub(crate) fn vek(product: SnpProduct, owner: VekOwner<'_>, tcb: SnpTcb, key: &SigningKey) -> Self {
        let (signer, subject) = match owner {
            VekOwner::Chip(_) => (SnpSigner::Vcek, "SEV-VCEK"),
            VekOwner::Provider(_) => (SnpSigner::Vlek, "SEV-VLEK"),
        };
        Self {
            version: 2,
            serial: vec![0],
            organization: "",
            issuer: intermediate_name(product, signer),
            subject: subject.to_owned(),
            validity: (0, 0),
            spki: key.public().spki_der().to_vec(),
            extensions: vek_extensions(product, owner, tcb),
        }
    }

    /// The part that is signed; `None` where its dates are past the year 9999.
    pub(crate) fn tbs(&self, algorithm: &[u8]) -> Option<Vec<u8>> {
        let extensions: Vec<_> = self.extensions.iter().map(ExtensionForm::der).collect();
        let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
        Some(tlv(
            der::SEQUENCE,
            &[
                &tlv(der::context_constructed(0), &[&tlv(der::INTEGER, &[&[self.version]])]),
                &tlv(der::INTEGER, &[&self.serial]),
                algorithm,
                &name(&self.issuer, self.organization),
                &tlv(der::SEQUENCE, &[&der::time(self.validity.0)?, &der::time(self.validity.1)?]),
                &name(&self.subject, self.organization),
                &self.spki,
                &tlv(der::context_constructed(3), &[&tlv(der::SEQUENCE, &extensions)]),
            ],
        ))
    }

    /// The certificate, DER, signed by this key in AMD's way.
    pub(crate) fn signed_by(&self, key: &SigningKey) -> Result<Vec<u8>, KeyError> {
        let tbs = self.tbs(&pss()).ok_or(KeyError::Failed)?;
        let signature = key.sign_with(&RSA_PSS_SHA384, &tbs)?;
        Ok(signed(&tbs, &pss(), &signature))
    }
}

/// Whose a VEK is.
#[derive(Clone, Copy)]
pub(crate) enum VekOwner<'a> {
    /// A VCEK: the chip's, with its id.
    Chip(&'a [u8; 64]),
    /// A VLEK: a cloud provider's, with its CSP id.
    Provider(&'a str),
}

fn intermediate_name(product: SnpProduct, signer: SnpSigner) -> String {
    match signer {
        SnpSigner::Vcek => format!("SEV-{}", product.certificate_name()),
        SnpSigner::Vlek => format!("SEV-VLEK-{}", product.certificate_name()),
    }
}

fn vek_extensions(product: SnpProduct, owner: VekOwner<'_>, tcb: SnpTcb) -> Vec<ExtensionForm> {
    let extension = |arcs: &[u8], value| ExtensionForm { oid: amd_oid(arcs), critical: false, value };
    let text = |text: &str| tlv(0x16, &[text.as_bytes()]);
    let turin = product == SnpProduct::Turin;
    let stepping = if matches!(owner, VekOwner::Chip(_)) { "-B0" } else { "" };
    let mut all = vec![
        extension(&[1], small(u8::from(turin))),
        extension(&[2], text(&format!("{}{stepping}", product.certificate_name()))),
        extension(&[3, 1], small(tcb.bootloader)),
        extension(&[3, 2], small(tcb.tee)),
        extension(&[3, 3], small(tcb.snp)),
        extension(&[3, 5], small(0)),
        extension(&[3, 6], small(0)),
        extension(&[3, 7], small(0)),
        extension(&[3, 8], small(tcb.microcode)),
    ];
    all.push(if turin { extension(&[3, 9], small(tcb.fmc)) } else { extension(&[3, 4], small(0)) });
    all.push(match owner {
        VekOwner::Chip(id) => extension(&[4], id[..product.chip_id_len()].to_vec()),
        VekOwner::Provider(csp) => extension(&[5], text(csp)),
    });
    all
}

impl ExtensionForm {
    pub(crate) fn der(&self) -> Vec<u8> {
        let critical = if self.critical { tlv(der::BOOLEAN, &[&[0xff]]) } else { Vec::new() };
        let oid = tlv(der::OID, &[&self.oid]);
        tlv(der::SEQUENCE, &[&oid, &critical, &tlv(der::OCTET_STRING, &[&self.value])])
    }
}

/// What is signed, how, and the signature.
pub(crate) fn signed(tbs: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    tlv(der::SEQUENCE, &[tbs, algorithm, &tlv(der::BIT_STRING, &[&[0], signature])])
}

/// An OID under AMD's arc.
pub(crate) fn amd_oid(arcs: &[u8]) -> Vec<u8> {
    [&[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01], arcs].concat()
}

/// A number as DER has it.
fn small(number: u8) -> Vec<u8> {
    if number < 0x80 { tlv(der::INTEGER, &[&[number]]) } else { tlv(der::INTEGER, &[&[0, number]]) }
}

pub(crate) const NULL: &[u8] = &[0x05, 0x00];

/// RSASSA-PSS with SHA-384 throughout and 48 bytes of salt (RFC 4055).
pub(crate) fn pss() -> Vec<u8> {
    const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
    const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
    const PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
    let oid = |oid| tlv(der::OID, &[oid]);
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

/// A name with the attributes and the order of AMD's.
pub(crate) fn name(common: &str, organization: &str) -> Vec<u8> {
    let attributes: [(u8, u8, &str); 6] = [
        (11, der::UTF8_STRING, "Engineering"),
        (6, der::PRINTABLE_STRING, "US"),
        (7, der::UTF8_STRING, "Santa Clara"),
        (8, der::UTF8_STRING, "CA"),
        (10, der::UTF8_STRING, organization),
        (3, der::UTF8_STRING, common),
    ];
    let attribute = |(arc, tag, value): &(u8, u8, &str)| {
        let oid = tlv(der::OID, &[&[0x55, 4, *arc]]);
        tlv(der::SET, &[&tlv(der::SEQUENCE, &[&oid, &tlv(*tag, &[value.as_bytes()])])])
    };
    let attributes: Vec<_> = attributes.iter().map(attribute).collect();
    tlv(der::SEQUENCE, &attributes.iter().map(Vec::as_slice).collect::<Vec<_>>())
}
