//! The certificate of a TPM's quote key: that a TPM holds the key, which signs nothing but what the TPM itself made.
//!
//! In stock domains the policy key signs it, as it does admission certificates, whose holders could sign quotes of their own
//! making. So a certificate is taken for a quote key's only if it says so: by the TCG's extended key usage for attestation
//! keys, which ours have and no admission certificate, or by the subject that stock ones have and no admission certificate.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};
use claviger_proto::ParseError;
use claviger_proto::key::{KeyKind, PublicKey};
use rustls_pki_types::UnixTime;
use x509_parser::extensions::{BasicConstraints, ExtendedKeyUsage};
use x509_parser::prelude::FromDer as _;

use super::extension::OID_BYTES;
use super::issue::{self, Issuer, check_subject_key};
use super::template::{
    self, BASIC_CONSTRAINTS, COMMON_NAME, EXTENDED_KEY_USAGE, KEY_USAGE, ORGANIZATION, SUBJECT_ALT_NAME,
    Template,
};
use super::view::View;
use super::{Outside, Validity};
use crate::error::{AttestError, CertificateError, IssueError};

const PART: &str = "quote key's certificate";

/// Largest certificate that is read, in bytes.
const MAX_CERTIFICATE: usize = 8 << 10;

/// tcg-kp-AIKCertificate, 2.23.133.8.3 (TCG EK Credential Profile, the arc of the TCG's key purposes).
pub(super) const ATTESTATION_KEY: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x03];

/// The subject of stock ones, and so of ours.
pub(super) const STOCK_SUBJECT: [(&[u8], &str); 2] = [(ORGANIZATION, "TPM"), (COMMON_NAME, "quote-key")];

/// Extensions that may be critical. All others, if they are, say something that isn't understood here.
const UNDERSTOOD: [&[u8]; 4] = [KEY_USAGE, EXTENDED_KEY_USAGE, BASIC_CONSTRAINTS, SUBJECT_ALT_NAME];

const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const RSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12];
const RSA_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];

/// A certificate that reads, and says that it is a quote key's; its signature isn't verified.
#[derive(Clone, Debug)]
pub(crate) struct QuoteCertificate {
    key: PublicKey,
    validity: Validity,
    tbs: Vec<u8>,
    /// The content of the algorithm's OID.
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

impl QuoteCertificate {
    /// `stock`: the stock subject will do. Who certified such a key by the stock tools saw neither its attributes nor that it
    /// is the key of the activation, so it is believed in stock evidence only, and never on a channel of ours.
    pub(crate) fn parse(der: &[u8], stock: bool) -> Result<Self, AttestError> {
        let unreadable = ParseError::Certificate("it can't be read");
        let malformed = AttestError::Malformed { part: PART, cause: unreadable };
        if der.len() > MAX_CERTIFICATE {
            return Err(malformed);
        }
        let view = View::parse(der).map_err(|_| malformed.clone())?;
        let x509 = view.x509();
        if x509.signature_algorithm != x509.tbs_certificate.signature {
            return Err(malformed);
        }
        check_purpose(&view, stock).map_err(|error| error.unwrap_or(malformed))?;
        let key = PublicKey::from_spki_der(x509.subject_pki.raw)
            .map_err(|cause| AttestError::Malformed { part: PART, cause })?;
        Ok(Self {
            key,
            validity: view.validity(),
            tbs: x509.tbs_certificate.as_ref().to_vec(),
            algorithm: x509.signature_algorithm.algorithm.as_bytes().to_vec(),
            signature: x509.signature_value.data.to_vec(),
        })
    }

    /// The quote key.
    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    pub(crate) fn check_dates(&self, now: i64) -> Result<(), AttestError> {
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.max(0).unsigned_abs()));
        self.validity.check(now).map_err(|outside| match outside {
            Outside::Before => AttestError::NotYetValid(PART),
            Outside::After => AttestError::Expired(PART),
        })
    }

    /// Whether this key signed it. The root is a key alone, so there is no name to be compared.
    pub(crate) fn is_signed_by(&self, root: &PublicKey) -> bool {
        algorithm(&self.algorithm, root.kind()).is_some_and(|algorithm| {
            UnparsedPublicKey::new(algorithm, root.spki_der()).verify(&self.tbs, &self.signature).is_ok()
        })
    }
}

fn algorithm(oid: &[u8], root: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
    let rsa = matches!(root, KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096);
    Some(match (oid, root) {
        (RSA_SHA256, _) if rsa => &RSA_PKCS1_2048_8192_SHA256,
        (RSA_SHA384, _) if rsa => &RSA_PKCS1_2048_8192_SHA384,
        (RSA_SHA512, _) if rsa => &RSA_PKCS1_2048_8192_SHA512,
        (ECDSA_SHA256, KeyKind::P256) => &ECDSA_P256_SHA256_ASN1,
        (ECDSA_SHA384, KeyKind::P256) => &ECDSA_P256_SHA384_ASN1,
        (ECDSA_SHA256, KeyKind::P384) => &ECDSA_P384_SHA256_ASN1,
        (ECDSA_SHA384, KeyKind::P384) => &ECDSA_P384_SHA384_ASN1,
        _ => return None,
    })
}

/// What it is for. The error is `None` where an extension can't be read.
fn check_purpose(view: &View<'_>, stock: bool) -> Result<(), Option<AttestError>> {
    let says = |why| Some(AttestError::Statement { part: PART, why });
    let unread = |_: CertificateError| None;
    let foreign = |extension: &&x509_parser::extensions::X509Extension<'_>| {
        extension.critical && !UNDERSTOOD.contains(&extension.oid.as_bytes())
    };
    if view.x509().extensions().iter().any(|extension| foreign(&extension)) {
        return Err(says("nothing critical is in it that isn't understood"));
    }
    if view.extension(OID_BYTES).map_err(unread)?.is_some() {
        return Err(says(MACHINE));
    }
    let constraints = view.extension(BASIC_CONSTRAINTS).map_err(unread)?.map(BasicConstraints::from_der);
    match constraints {
        None => {}
        Some(Ok(([], constraints))) if !constraints.ca => {}
        Some(Ok(([], _))) => return Err(says("it is no authority's")),
        Some(_) => return Err(None),
    }
    if view.key_usage().map_err(unread)?.is_some_and(|usage| !usage.digital_signature()) {
        return Err(says("its key is for signatures"));
    }
    if is_attestation_key(view)? || (stock && has_stock_subject(view)) {
        Ok(())
    } else if has_stock_subject(view) {
        Err(says(STOCK))
    } else {
        Err(says(MACHINE))
    }
}

const MACHINE: &str =
    "it is a TPM's quote key's (by the TCG's key purpose, or the stock subject), and not a machine's own";

const STOCK: &str = "it has the TCG's key purpose: one of the stock subject alone is taken in stock evidence only (certify the \
                     key anew: key-admin tpm challenge, tpm certify)";

/// Whether its only purpose is the TCG's for attestation keys.
fn is_attestation_key(view: &View<'_>) -> Result<bool, Option<AttestError>> {
    let Some(value) = view.extension(EXTENDED_KEY_USAGE).map_err(|_| None)? else { return Ok(false) };
    let Ok(([], usage)) = ExtendedKeyUsage::from_der(value) else { return Err(None) };
    let common = usage.any
        || usage.server_auth
        || usage.client_auth
        || usage.code_signing
        || usage.email_protection
        || usage.time_stamping
        || usage.ocsp_signing;
    Ok(!common && matches!(&usage.other[..], [only] if only.as_bytes() == ATTESTATION_KEY))
}

fn has_stock_subject(view: &View<'_>) -> bool {
    let attributes: Vec<_> = view
        .x509()
        .subject
        .iter_attributes()
        .map(|attribute| (attribute.attr_type().as_bytes(), attribute.attr_value().data))
        .collect();
    let stock = STOCK_SUBJECT.map(|(oid, text)| (oid, text.as_bytes()));
    attributes.len() == stock.len() && stock.iter().all(|one| attributes.contains(one))
}

impl Issuer {
    /// Certifies a TPM's quote key, for `days`. Whoever calls this knows that a TPM holds the key, and that it signs nothing
    /// but what the TPM made ([`crate::TpmActivation`]).
    pub(crate) fn quote_certificate(
        &self,
        key: &PublicKey,
        now: UnixTime,
        days: u32,
    ) -> Result<Vec<u8>, IssueError> {
        check_subject_key(key.spki_der())?;
        let mut extensions = vec![
            template::basic_constraints(false),
            template::key_usage(template::DIGITAL_SIGNATURE),
            template::extended_key_usage(&[ATTESTATION_KEY]),
        ];
        extensions.extend(self.authority_key_id());
        Template {
            issuer: self.certificate().subject_der(),
            subject: &template::name(&STOCK_SUBJECT),
            spki: key.spki_der(),
            validity: self.validity(now, issue::days(days))?,
            extensions: &extensions,
        }
        .sign(self.key())
    }
}
