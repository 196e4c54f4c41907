//! AMD's certificates (57230), read once; nothing here is verified but their form.

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA384, UnparsedPublicKey};
use claviger_proto::key::{KeyKind, PublicKey};
use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509CertificateParser;
use x509_parser::extensions::{BasicConstraints, KeyUsage};
use x509_parser::nom::Parser as _;
use x509_parser::prelude::FromDer as _;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, X509Name, X509Version};

use super::product::SnpProduct;
use super::report::SnpSigner;

/// Longest certificate that is read; AMD's have under 2 KiB.
pub(super) const MAX_CERTIFICATE: usize = 8 * 1024;

/// id-RSASSA-PSS, id-sha384 and basicConstraints, keyUsage, as DER has them.
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];

/// What AMD's certificates are, by the common name of their subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `SEV-VCEK` or `SEV-VLEK`.
    Vek(SnpSigner),
    /// `SEV-Milan`, … (the ASK) or `SEV-VLEK-Milan`, … (the ASVK).
    Intermediate(SnpSigner, SnpProduct),
    /// `ARK-Milan`, …
    Ark(SnpProduct),
}

impl Class {
    fn of_name(name: &str) -> Option<Self> {
        let product =
            |name: &str| SnpProduct::ALL.iter().copied().find(|product| product.certificate_name() == name);
        if let Some(name) = name.strip_prefix("ARK-") {
            return product(name).map(Self::Ark);
        }
        match name.strip_prefix("SEV-")? {
            "VCEK" => Some(Self::Vek(SnpSigner::Vcek)),
            "VLEK" => Some(Self::Vek(SnpSigner::Vlek)),
            name => match name.strip_prefix("VLEK-") {
                Some(name) => Some(Self::Intermediate(SnpSigner::Vlek, product(name)?)),
                None => Some(Self::Intermediate(SnpSigner::Vcek, product(name)?)),
            },
        }
    }
}

/// First and last second, since 1970.
pub(super) type Dates = (i64, i64);

/// One of AMD's certificates.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) class: Class,
    /// What the issuer's common name says that it is.
    pub(super) issuer_class: Class,
    /// Whole names, DER.
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) serial: Vec<u8>,
    pub(super) dates: Dates,
    /// The `SubjectPublicKeyInfo`.
    pub(super) spki: Vec<u8>,
    /// The key itself, as the SPKI's bit string has it.
    pub(super) key: Vec<u8>,
    pub(super) extensions: Vec<Extension>,
    tbs: Vec<u8>,
    signature: Vec<u8>,
}

/// A certificate's extension.
#[derive(Clone, Debug)]
pub(super) struct Extension {
    pub(super) oid: Vec<u8>,
    pub(super) critical: bool,
    pub(super) value: Vec<u8>,
}

impl Certificate {
    /// Reads a certificate that is one of AMD's by its names, is of version 3, and is signed in AMD's way.
    pub(super) fn parse(der: &[u8]) -> Result<Self, &'static str> {
        if der.len() > MAX_CERTIFICATE {
            return Err("it is too long");
        }
        let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
        let Ok(([], x509)) = parser.parse(der) else { return Err("it isn't a certificate, or not only one") };
        if x509.version != X509Version::V3 {
            return Err("it isn't of version 3");
        }
        let tbs = &x509.tbs_certificate;
        if x509.signature_algorithm != tbs.signature || !is_pss_sha384(&x509.signature_algorithm) {
            return Err("it isn't signed with RSA-PSS, SHA-384, MGF1 of SHA-384 and 48 bytes of salt");
        }
        if !frame_is_der(der, tbs.as_ref(), &x509.signature_value.data) {
            return Err("what isn't signed of it isn't DER");
        }
        if x509.signature_value.unused_bits != 0 || x509.issuer_uid.is_some() || x509.subject_uid.is_some() {
            return Err("it has parts that AMD's don't have");
        }
        let class =
            class_of(&x509.subject).ok_or("its subject isn't the name of one of AMD's certificates")?;
        let issuer_class = class_of(&x509.issuer).ok_or("its issuer isn't the name of one of AMD's")?;
        Ok(Self {
            class,
            issuer_class,
            subject: x509.subject.as_raw().to_vec(),
            issuer: x509.issuer.as_raw().to_vec(),
            serial: number(x509.raw_serial()).to_vec(),
            dates: (x509.validity.not_before.timestamp(), x509.validity.not_after.timestamp()),
            spki: tbs.subject_pki.raw.to_vec(),
            key: tbs.subject_pki.subject_public_key.data.to_vec(),
            extensions: x509.extensions().iter().map(Extension::of).collect(),
            tbs: tbs.as_ref().to_vec(),
            signature: x509.signature_value.data.to_vec(),
        })
    }

    /// Whether its key is of this kind.
    pub(super) fn has_key(&self, kind: KeyKind) -> bool {
        PublicKey::from_spki_der(&self.spki).is_ok_and(|key| key.kind() == kind)
    }

    /// The value of an extension; `Err` if it is there twice.
    pub(super) fn extension(&self, oid: &[u8]) -> Result<Option<&[u8]>, &'static str> {
        let mut all = self.extensions.iter().filter(|extension| extension.oid == oid);
        let first = all.next().map(|extension| extension.value.as_slice());
        if all.next().is_some() { Err("an extension is there twice") } else { Ok(first) }
    }

    /// Whether it is a CA that may sign certificates, and nothing critical in it is unknown.
    pub(super) fn check_authority(&self) -> Result<(), &'static str> {
        let known = |oid: &[u8]| oid == BASIC_CONSTRAINTS || oid == KEY_USAGE;
        if self.extensions.iter().any(|extension| extension.critical && !known(&extension.oid)) {
            return Err("it has a critical extension that isn't known");
        }
        let constraints = self.extension(BASIC_CONSTRAINTS)?.ok_or("it has no basicConstraints")?;
        let ca = matches!(BasicConstraints::from_der(constraints), Ok(([], constraints)) if constraints.ca);
        let usage = self.extension(KEY_USAGE)?.ok_or("it has no keyUsage")?;
        let signs = matches!(KeyUsage::from_der(usage), Ok(([], usage)) if usage.key_cert_sign());
        if ca && signs { Ok(()) } else { Err("it isn't a CA that may sign certificates") }
    }

    /// Whether the key with this SPKI signed it.
    pub(super) fn signed_by(&self, spki: &[u8]) -> bool {
        verify_rsa(spki, &self.tbs, &self.signature)
    }
}

impl Extension {
    fn of(extension: &x509_parser::extensions::X509Extension<'_>) -> Self {
        Self {
            oid: extension.oid.as_bytes().to_vec(),
            critical: extension.critical,
            value: extension.value.to_vec(),
        }
    }
}

/// Verifies AMD's way of signing.
pub(super) fn verify_rsa(spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, spki).verify(message, signature).is_ok()
}

/// Whether what is around the signed part is only what DER makes of it, so that no byte is free: the header, the
/// signed part's own algorithm again, and the 512 bytes of signature. The parser is more forgiving.
pub(super) fn frame_is_der(der: &[u8], tbs: &[u8], signature: &[u8]) -> bool {
    const SIGNATURE: &[u8] = &[0x03, 0x82, 0x02, 0x01, 0x00];
    let Some(&[high, low]) = der.get(2..4) else { return false };
    let rest = der.strip_prefix(&[0x30, 0x82, high, low]).and_then(|body| {
        let length = usize::from(u16::from_be_bytes([high, low]));
        (length == body.len()).then(|| body.strip_prefix(tbs)).flatten()
    });
    let algorithm = rest.and_then(|rest| rest.strip_suffix(signature)?.strip_suffix(SIGNATURE));
    algorithm.is_some_and(|bytes| !bytes.is_empty() && tbs.windows(bytes.len()).any(|part| part == bytes))
}

/// A serial without the zeros in front.
pub(super) fn number(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|b| **b == 0).count()..]
}

fn class_of(name: &X509Name<'_>) -> Option<Class> {
    let mut names = name.iter_common_name();
    let class = Class::of_name(names.next()?.as_str().ok()?)?;
    names.next().is_none().then_some(class)
}

/// Whether an algorithm is RSASSA-PSS with SHA-384 throughout and 48 bytes of salt.
pub(super) fn is_pss_sha384(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    if algorithm.algorithm.as_bytes() != RSASSA_PSS {
        return false;
    }
    let Some(Ok(parameters)) = algorithm.parameters.as_ref().map(RsaSsaPssParams::try_from) else {
        return false;
    };
    let null_or_none = |any: Option<&Any<'_>>| any.is_none_or(|any| any.as_null().is_ok());
    let hash = parameters
        .hash_algorithm()
        .is_some_and(|hash| hash.algorithm.as_bytes() == SHA384 && null_or_none(hash.parameters.as_ref()));
    let mask = parameters
        .mask_gen_algorithm()
        .is_ok_and(|mask| mask.mgf.as_bytes() == MGF1 && mask.hash.as_bytes() == SHA384);
    hash && mask && parameters.salt_length() == 48 && parameters.trailer_field() == 1
}
