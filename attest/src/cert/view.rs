//! What webpki doesn't say about a certificate that it verifies: read once, without copying.

use rustls_pki_types::UnixTime;
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::extensions::KeyUsage;
use x509_parser::nom::Parser as _;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Version;

use super::der::{PRINTABLE_STRING, UTF8_STRING};
use super::extension::OID_BYTES;
use super::template::{COMMON_NAME, KEY_USAGE, ORGANIZATION};
use super::{AdmissionExtension, Validity};
use crate::error::CertificateError;
use crate::measurement::Measurement;

/// A certificate, parsed; nothing about it is verified.
pub(super) struct View<'a>(X509Certificate<'a>);

impl<'a> View<'a> {
    /// Parses exactly one version 3 certificate; the extensions' contents are left for later.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, CertificateError> {
        let (rest, certificate) = X509CertificateParser::new()
            .with_deep_parse_extensions(false)
            .parse(der)
            .map_err(|_| CertificateError::Malformed)?;
        if !rest.is_empty() {
            return Err(CertificateError::Malformed);
        }
        if certificate.version != X509Version::V3 {
            return Err(CertificateError::Version);
        }
        Ok(Self(certificate))
    }

    /// All of it.
    pub(super) fn x509(&self) -> &X509Certificate<'a> {
        &self.0
    }

    /// Its dates.
    pub(super) fn validity(&self) -> Validity {
        let seconds =
            |t: i64| UnixTime::since_unix_epoch(std::time::Duration::from_secs(t.max(0).unsigned_abs()));
        let validity = &self.0.validity;
        Validity {
            not_before: seconds(validity.not_before.timestamp()),
            not_after: seconds(validity.not_after.timestamp()),
        }
    }

    /// The value of an extension; one that is there twice is an error.
    pub(super) fn extension(&self, oid: &[u8]) -> Result<Option<&'a [u8]>, CertificateError> {
        let mut all = self.0.extensions().iter().filter(|e| e.oid.as_bytes() == oid).map(|e| e.value);
        let first = all.next();
        if all.next().is_some() { Err(CertificateError::Malformed) } else { Ok(first) }
    }

    /// keyUsage, if it is there.
    pub(super) fn key_usage(&self) -> Result<Option<KeyUsage>, CertificateError> {
        let parse = |value| match KeyUsage::from_der(value) {
            Ok(([], usage)) => Ok(usage),
            _ => Err(CertificateError::Malformed),
        };
        self.extension(KEY_USAGE)?.map(parse).transpose()
    }

    /// Our extension, if it is there.
    pub(super) fn admission(&self) -> Result<Option<AdmissionExtension>, CertificateError> {
        let value = self.extension(OID_BYTES).map_err(|_| CertificateError::Extension)?;
        value.map(AdmissionExtension::decode).transpose()
    }

    /// The common names in the subject, each `None` where it isn't plain text.
    pub(super) fn subject_common_names(&self) -> impl Iterator<Item = Option<&'a str>> {
        let names: Vec<_> = self
            .0
            .subject
            .iter_attributes()
            .filter(|attribute| attribute.attr_type().as_bytes() == COMMON_NAME)
            .map(|attribute| {
                let value = attribute.attr_value();
                let text = [UTF8_STRING, PRINTABLE_STRING].map(u32::from).contains(&value.tag().0);
                std::str::from_utf8(value.data).ok().filter(|_| text)
            })
            .collect();
        names.into_iter()
    }

    /// The measurement that the subject names. No organization at all is `None`; any other organization, or
    /// more than one, is an error: nothing may be read into it.
    pub(super) fn measurement(&self) -> Result<Option<Measurement>, CertificateError> {
        let mut organizations =
            self.0.subject.iter_attributes().filter(|a| a.attr_type().as_bytes() == ORGANIZATION);
        let Some(organization) = organizations.next() else { return Ok(None) };
        if organizations.next().is_some() {
            return Err(CertificateError::Subject);
        }
        let value = organization.attr_value();
        let text = [UTF8_STRING, PRINTABLE_STRING].map(u32::from).contains(&value.tag().0);
        std::str::from_utf8(value.data)
            .ok()
            .filter(|_| text)
            .and_then(|name| name.strip_prefix(super::MEASURED))
            .and_then(|hex| hex.parse().ok())
            .map(Some)
            .ok_or(CertificateError::Subject)
    }
}
