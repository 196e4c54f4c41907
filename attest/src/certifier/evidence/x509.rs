//! The certificates of a SEV-SNP chain, AMD's or simulated ones: whose key it is, and whether the one before signed it.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA384,
    UnparsedPublicKey, VerificationAlgorithm,
};
use claviger_proto::key::PublicKey;
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::extensions::BasicConstraints;
use x509_parser::nom::Parser as _;
use x509_parser::oid_registry::{
    OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_SIG_ECDSA_WITH_SHA384,
};
use x509_parser::prelude::FromDer as _;

use crate::certifier::error::EvidenceFault;
use crate::certifier::statement::NamedKey;

/// basicConstraints.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

/// A certificate of a chain.
pub(super) struct Link<'a> {
    part: &'static str,
    certificate: X509Certificate<'a>,
    pub(super) key: NamedKey,
}

impl<'a> Link<'a> {
    pub(super) fn read(part: &'static str, der: &'a [u8], now: i64) -> Result<Self, EvidenceFault> {
        let refused = |why| EvidenceFault::Refused(part, why);
        let parsed = X509CertificateParser::new().with_deep_parse_extensions(false).parse(der);
        let Ok(([], certificate)) = parsed else { return Err(refused("it isn't one certificate")) };
        if certificate.signature_algorithm != certificate.tbs_certificate.signature {
            return Err(refused("it names two signature algorithms"));
        }
        let validity = &certificate.validity;
        if !(validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now) {
            return Err(EvidenceFault::Dates(part));
        }
        let key = PublicKey::from_spki_der(certificate.subject_pki.raw)
            .map_err(|_| refused("its key can't be used"))?;
        let name = certificate.subject.iter_common_name().next().and_then(|name| name.as_str().ok());
        let key = NamedKey::new(name.unwrap_or_default(), key);
        Ok(Self { part, certificate, key })
    }

    /// Whether it is a CA's.
    pub(super) fn is_authority(&self) -> bool {
        let constraints = self.extension(BASIC_CONSTRAINTS).map(BasicConstraints::from_der);
        matches!(constraints, Some(Ok(([], constraints))) if constraints.ca)
    }

    /// Refuses one that the issuer's key didn't sign.
    pub(super) fn check_issuer(&self, issuer: &Self) -> Result<(), EvidenceFault> {
        let refused = |why| EvidenceFault::Refused(self.part, why);
        if self.certificate.issuer.as_raw() != issuer.certificate.subject.as_raw() {
            return Err(refused("its issuer isn't the certificate before it"));
        }
        let oid = &self.certificate.signature_algorithm.algorithm;
        let algorithms: [(_, &'static dyn VerificationAlgorithm); 4] = [
            (OID_PKCS1_RSASSAPSS, &RSA_PSS_2048_8192_SHA384),
            (OID_PKCS1_SHA384WITHRSA, &RSA_PKCS1_2048_8192_SHA384),
            (OID_PKCS1_SHA256WITHRSA, &RSA_PKCS1_2048_8192_SHA256),
            (OID_SIG_ECDSA_WITH_SHA384, &ECDSA_P384_SHA384_ASN1),
        ];
        let (_, algorithm) = algorithms
            .into_iter()
            .find(|(known, _)| known == oid)
            .ok_or(refused("it is signed in a way that isn't known"))?;
        UnparsedPublicKey::new(algorithm, issuer.key.key().spki_der())
            .verify(self.certificate.tbs_certificate.as_ref(), &self.certificate.signature_value.data)
            .map_err(|_| EvidenceFault::Signature(self.part))
    }

    /// The value of an extension that is there once.
    pub(super) fn extension(&self, oid: &[u8]) -> Option<&[u8]> {
        let mut all =
            self.certificate.extensions().iter().filter(|extension| extension.oid.as_bytes() == oid);
        let first = all.next()?;
        all.next().is_none().then_some(first.value)
    }
}
