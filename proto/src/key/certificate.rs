//! X.509 certificates (RFC 5280), as far as a key and its file need them.

use der::asn1::{Any, BitString, OctetString};
use der::{Decode as _, Encode as _, Sequence, Tag, Tagged as _};
use x509_cert::certificate::Version;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Validity;

use super::{PublicKey, pem};
use crate::ParseError;

/// Largest certificate that is read, in bytes; they have one or two thousand.
pub const MAX_CERTIFICATE: usize = 64 << 10;

/// A whole certificate (RFC 5280 §4.1). Extensions' identifiers are left as they are: the crate's type for them holds no
/// arc of more than 32 bits, and that of our own extension has 128.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct Parsed {
    tbs: Tbs,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct Tbs {
    #[asn1(context_specific = "0", default = "Default::default")]
    version: Version,
    serial: SerialNumber,
    algorithm: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    spki: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_id: Option<BitString>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    subject_id: Option<BitString>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct Extension {
    id: Any,
    #[asn1(default = "Default::default")]
    critical: bool,
    value: OctetString,
}

impl Parsed {
    fn of(der: &[u8]) -> Option<Self> {
        let parsed = Self::from_der(der).ok()?;
        let mut extensions = parsed.tbs.extensions.iter().flatten();
        extensions.all(|extension| extension.id.tag() == Tag::ObjectIdentifier).then_some(parsed)
    }
}

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
        let parsed = Parsed::of(der).ok_or(ParseError::Certificate("it isn't one in DER (RFC 5280)"))?;
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
        let spki = &self.parsed.tbs.spki;
        spki.to_der().map_err(|_| ParseError::Certificate("its key can't be written again"))
    }

    /// The key that it is about, if it is of a supported kind.
    pub fn public_key(&self) -> Result<PublicKey, ParseError> {
        PublicKey::from_spki_der(&self.spki_der()?)
    }

    /// Whose it is, as text (RFC 4514).
    pub fn subject(&self) -> String {
        self.parsed.tbs.subject.to_string()
    }

    /// Who made it, as text (RFC 4514).
    pub fn issuer(&self) -> String {
        self.parsed.tbs.issuer.to_string()
    }

    /// From when and until when it is good, seconds since 1970.
    pub fn dates(&self) -> (i64, i64) {
        let validity = &self.parsed.tbs.validity;
        let seconds = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        (seconds(validity.not_before), seconds(validity.not_after))
    }
}
