//! X.509 certificates (RFC 5280), as far as a key and its file need them.

use der::{Decode as _, Encode as _};
use x509_cert::Certificate as Parsed;

use super::{PublicKey, pem};
use crate::ParseError;

/// Largest certificate that is read, in bytes; they have one or two thousand.
pub const MAX_CERTIFICATE: usize = 64 << 10;

/// A certificate whose form was checked: one whole RFC 5280 certificate in DER and nothing after it. Nothing
/// is said about its signature, its dates or who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: Box<Parsed>,
}

impl Certificate {
    /// Reads DER of at most [`MAX_CERTIFICATE`] bytes.
    pub fn from_der(der: &[u8]) -> Result<Self, ParseError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(ParseError::Certificate("it is larger than 64 KiB"));
        }
        let parsed =
            Parsed::from_der(der).map_err(|_| ParseError::Certificate("it isn't one in DER (RFC 5280)"))?;
        Ok(Self { der: der.to_vec(), parsed: Box::new(parsed) })
    }

    /// The DER, as it was read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As PEM (RFC 7468), `CERTIFICATE`.
    pub fn to_pem(&self) -> String {
        std::mem::take(&mut pem::encode(pem::CERTIFICATE, &self.der))
    }

    /// The `SubjectPublicKeyInfo` DER of the key that it is about, of whatever kind.
    pub fn spki_der(&self) -> Result<Vec<u8>, ParseError> {
        let spki = self.parsed.tbs_certificate().subject_public_key_info();
        spki.to_der().map_err(|_| ParseError::Certificate("its key can't be written again"))
    }

    /// The key that it is about, if it is of a supported kind.
    pub fn public_key(&self) -> Result<PublicKey, ParseError> {
        PublicKey::from_spki_der(&self.spki_der()?)
    }

    /// Whose it is, as text (RFC 4514).
    pub fn subject(&self) -> String {
        self.parsed.tbs_certificate().subject().to_string()
    }

    /// Who made it, as text (RFC 4514).
    pub fn issuer(&self) -> String {
        self.parsed.tbs_certificate().issuer().to_string()
    }

    /// From when and until when it is good, seconds since 1970.
    pub fn dates(&self) -> (i64, i64) {
        let validity = self.parsed.tbs_certificate().validity();
        let seconds = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        (seconds(validity.not_before), seconds(validity.not_after))
    }
}
