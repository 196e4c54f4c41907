//! The certificate of a TPM's endorsement key, by whoever made the TPM (TCG EK Credential Profile).

use claviger_proto::ParseError;
use claviger_proto::key::PublicKey;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::extensions::ExtendedKeyUsage;
use x509_parser::prelude::FromDer as _;

use super::SIGNATURES;
use super::template::EXTENDED_KEY_USAGE;
use super::view::View;
use crate::error::AttestError;
use crate::kind::tpm::ActivationError;

const PART: &str = "endorsement key's certificate";

/// tcg-kp-EKCertificate, 2.23.133.8.1.
const ENDORSEMENT_KEY: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];

/// A certificate that reads; its signature isn't verified.
pub(crate) struct EndorsementCertificate<'a> {
    der: CertificateDer<'a>,
    key: PublicKey,
}

impl<'a> EndorsementCertificate<'a> {
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, AttestError> {
        let malformed = |cause| AttestError::Malformed { part: PART, cause };
        let view = View::parse(der).map_err(|_| malformed(ParseError::Certificate("it can't be read")))?;
        let usage = view.extension(EXTENDED_KEY_USAGE).ok().flatten().map(ExtendedKeyUsage::from_der);
        let named =
            |usage: &ExtendedKeyUsage<'_>| usage.other.iter().any(|oid| oid.as_bytes() == ENDORSEMENT_KEY);
        if !matches!(&usage, Some(Ok(([], usage))) if named(usage)) {
            let why = "its purpose is the TCG's for endorsement keys (2.23.133.8.1)";
            return Err(AttestError::Statement { part: PART, why });
        }
        let key = PublicKey::from_spki_der(view.x509().subject_pki.raw).map_err(malformed)?;
        Ok(Self { der: CertificateDer::from(der), key })
    }

    /// The endorsement key.
    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Verifies it up to one of the roots, for the TCG's purpose: all DER.
    pub(crate) fn verify(
        &self,
        between: &[Vec<u8>],
        roots: &[Vec<u8>],
        now: UnixTime,
    ) -> Result<(), ActivationError> {
        let refused = |error: webpki::Error| ActivationError::Chain(error.to_string());
        let roots: Vec<_> = roots.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let anchors = roots.iter().map(anchor_from_trusted_cert).collect::<Result<Vec<_>, _>>();
        let between: Vec<_> = between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let certificate = EndEntityCert::try_from(&self.der).map_err(refused)?;
        // Authorities need not name the purpose; the key's own certificate does, as it was read.
        let usage = KeyUsage::required_if_present(ENDORSEMENT_KEY);
        certificate
            .verify_for_usage(SIGNATURES, &anchors.map_err(refused)?, &between, now, usage, None, None)
            .map_err(refused)?;
        Ok(())
    }
}
