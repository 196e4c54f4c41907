//! What a certificate says, believed or not: for people, never for a decision.

use rustls_pki_types::UnixTime;

use super::view::View;
use crate::digest::sha256;
use crate::error::CertificateError;
use crate::measurement::Measurement;
use crate::role::Role;

/// The `SubjectPublicKeyInfo` of a version 3 certificate, byte for byte as it is there, for bindings. Nothing is
/// verified.
pub fn certificate_spki(der: &[u8]) -> Result<Vec<u8>, CertificateError> {
    Ok(View::parse(der)?.x509().subject_pki.raw.to_vec())
}

/// Longest subject that is told, in characters.
const MAX_SUBJECT: usize = 256;

/// What a certificate says of itself. **Nothing of it is verified**: who a peer is, only [`super::Peer`] says.
#[derive(Clone, Debug)]
pub struct CertificateFacts {
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// The subject's name; without control characters, and cut after 256.
    pub subject: String,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// The role in our extension, where it is there and can be read.
    pub role: Option<Role>,
    /// The measurement in the subject, where there is one.
    pub measurement: Option<Measurement>,
    /// The instance in our extension, where it is there and can be read.
    pub instance: Option<Vec<u8>>,
    /// What the instance is called, likewise.
    pub instance_label: Option<String>,
}

impl CertificateFacts {
    /// Reads a version 3 certificate, DER.
    pub fn read(der: &[u8]) -> Result<Self, CertificateError> {
        let view = View::parse(der)?;
        let validity = view.validity();
        // An impostor chooses its name: it must not reach a terminal as it is.
        let subject = view.x509().subject().to_string();
        let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let extension = view.admission().ok().flatten();
        let (instance, instance_label) =
            extension.as_ref().map(|e| (e.instance.clone(), e.instance_label.clone())).unwrap_or_default();
        Ok(Self {
            instance,
            instance_label,
            fingerprint: sha256(der),
            subject: subject.chars().take(MAX_SUBJECT).map(shown).collect(),
            not_before: validity.not_before,
            not_after: validity.not_after,
            role: extension.map(|extension| extension.role),
            measurement: view.measurement().ok().flatten(),
        })
    }
}
