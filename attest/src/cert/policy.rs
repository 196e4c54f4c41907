//! The policy certificate: a domain's root.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use claviger_proto::key::PublicKey;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, anchor_from_trusted_cert};
use x509_parser::extensions::BasicConstraints;
use x509_parser::prelude::FromDer as _;

use super::template::{BASIC_CONSTRAINTS, SUBJECT_KEY_ID};
use super::view::View;
use super::{Outside, SIGNATURES, Validity, der};
use crate::error::{CertificateError, PolicyError};
use crate::key::KeyAlgorithm;

/// A domain's root: a self-signed CA certificate whose key signs the domain's admissions. Cheap to clone.
#[derive(Clone)]
pub struct PolicyCertificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    subject: Vec<u8>,
    public: PublicKey,
    key_id: Option<Vec<u8>>,
    anchor: TrustAnchor<'static>,
    fingerprint: [u8; 32],
    digest: [u8; 48],
    validity: Validity,
    domain: Option<String>,
}

impl PolicyCertificate {
    /// Reads a policy certificate and checks all but its dates: version 3, self-issued and truly self-signed, a
    /// CA's, a supported key.
    pub fn from_der(bytes: &[u8]) -> Result<Self, PolicyError> {
        let view = View::parse(bytes).map_err(|error| match error {
            CertificateError::Version => PolicyError::Version,
            _ => PolicyError::Malformed,
        })?;
        let x509 = view.x509();
        check_authority(&view)?;
        if x509.subject.iter().next().is_none() {
            return Err(PolicyError::NoSubject);
        }
        if x509.subject.as_raw() != x509.issuer.as_raw() {
            return Err(PolicyError::NotSelfIssued);
        }
        let public = PublicKey::from_spki_der(x509.subject_pki.raw).map_err(|_| PolicyError::Key)?;
        if KeyAlgorithm::of_kind(public.kind()).is_none() {
            return Err(PolicyError::Key);
        }
        let certificate = CertificateDer::from(bytes);
        EndEntityCert::try_from(&certificate).map_err(|_| PolicyError::Malformed)?;
        if !is_signed_by(&view, bytes) {
            return Err(PolicyError::Signature);
        }
        let anchor = anchor_from_trusted_cert(&certificate).map_err(|_| PolicyError::Malformed)?.to_owned();
        Ok(Self(Arc::new(Inner {
            subject: x509.subject.as_raw().to_vec(),
            public,
            key_id: key_id(&view)?,
            anchor,
            fingerprint: array(digest(&SHA256, bytes).as_ref()),
            digest: array(digest(&SHA384, bytes).as_ref()),
            validity: view.validity(),
            domain: domain_of(&view),
            der: bytes.to_vec(),
        })))
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The subject's whole Name, as in a `ClientHello`'s `certificate_authorities` (RFC 8446 §4.2.4).
    pub fn subject_der(&self) -> &[u8] {
        &self.0.subject
    }

    /// The policy key's `SubjectPublicKeyInfo`.
    pub fn spki_der(&self) -> &[u8] {
        self.0.public.spki_der()
    }

    /// The policy key's public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.0.fingerprint
    }

    /// SHA-384 of the certificate, as it enters bindings.
    pub fn digest(&self) -> &[u8; 48] {
        &self.0.digest
    }

    /// Whether the domain is within its dates. webpki never looks at a trust anchor's.
    pub fn check_dates(&self, now: UnixTime) -> Result<(), CertificateError> {
        self.0.validity.check(now).map_err(|outside| match outside {
            Outside::Before => CertificateError::PolicyNotYetValid,
            Outside::After => CertificateError::PolicyExpired,
        })
    }

    /// First second of validity.
    pub fn not_before(&self) -> UnixTime {
        self.0.validity.not_before
    }

    /// Last second of validity.
    pub fn not_after(&self) -> UnixTime {
        self.0.validity.not_after
    }

    /// The domain that the subject names as stock tools and ours do, `O=<domain>/policyAuthority`; `None` where it
    /// is named otherwise. A word for people: what makes a domain is the key.
    pub fn domain_named(&self) -> Option<&str> {
        self.0.domain.as_deref()
    }

    pub(super) fn anchor(&self) -> &TrustAnchor<'static> {
        &self.0.anchor
    }

    pub(super) fn key_id(&self) -> Option<&[u8]> {
        self.0.key_id.as_deref()
    }
}

impl PartialEq for PolicyCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for PolicyCertificate {}

impl fmt::Debug for PolicyCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PolicyCertificate").field(&hex::encode(self.0.fingerprint)).finish()
    }
}

fn check_authority(view: &View<'_>) -> Result<(), PolicyError> {
    let constraints = view.extension(BASIC_CONSTRAINTS).map_err(|_| PolicyError::Malformed)?;
    let ca = match constraints.map(BasicConstraints::from_der) {
        Some(Ok(([], constraints))) => constraints.ca,
        Some(_) => return Err(PolicyError::Malformed),
        None => false,
    };
    let usage = view.key_usage().map_err(|_| PolicyError::Malformed)?;
    if ca && usage.is_none_or(|usage| usage.key_cert_sign()) {
        Ok(())
    } else {
        Err(PolicyError::NotAuthority)
    }
}

/// Whether the key of this certificate (DER) signed it.
pub(super) fn is_signed_by(view: &View<'_>, signer: &[u8]) -> bool {
    let signer = CertificateDer::from(signer);
    let Ok(parsed) = EndEntityCert::try_from(&signer) else { return false };
    let x509 = view.x509();
    let oid = der::tlv(der::OID, &[x509.signature_algorithm.algorithm.as_bytes()]);
    SIGNATURES.iter().filter(|algorithm| algorithm.signature_alg_id().starts_with(&oid)).any(|algorithm| {
        parsed.verify_signature(*algorithm, x509.tbs_certificate.as_ref(), &x509.signature_value.data).is_ok()
    })
}

fn domain_of(view: &View<'_>) -> Option<String> {
    let mut organizations = view.x509().subject.iter_organization();
    let organization = organizations.next()?.as_str().ok()?;
    let domain = organization.strip_suffix(super::POLICY_AUTHORITY)?;
    (organizations.next().is_none() && !domain.is_empty()).then(|| domain.to_owned())
}

/// subjectKeyIdentifier, if it is there.
pub(super) fn key_id(view: &View<'_>) -> Result<Option<Vec<u8>>, PolicyError> {
    let value = view.extension(SUBJECT_KEY_ID).map_err(|_| PolicyError::Malformed)?;
    let read = |value| match x509_parser::extensions::KeyIdentifier::from_der(value) {
        Ok(([], id)) => Ok(id.0.to_vec()),
        _ => Err(PolicyError::Malformed),
    };
    value.map(read).transpose()
}

/// A digest as an array of its own length.
pub(super) fn array<const N: usize>(digest: &[u8]) -> [u8; N] {
    digest.try_into().expect("the digest has the length of its algorithm")
}
