//! What an entry can be written as, and what it can be read from: one table ([`TABLE`]), both ways.
//!
//! [`write()`] goes from an entry to a file's bytes, [`read()`] from a file's bytes to what an entry is made of. Both
//! refuse what the table doesn't have, and say what it has instead. `raw` and `entry` are in no row: they take
//! the blob, or the whole entry, as it is, whatever it holds.
//!
//! ```
//! use claviger_proto::format::{self, Format, Source};
//! use claviger_proto::{EntryType, Secret};
//!
//! let jwk = br#"{"kty":"oct","alg":"A256GCM","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}"#;
//! let read = format::read(Source { bytes: Secret::copy_from(jwk), format: Format::Jwk, entry_type: None, name: "web" })?;
//! assert_eq!(read.entry_type.as_str(), EntryType::KEY_MESSAGE);
//!
//! let refused = format::write(&read.into_entry("web"), Format::Pem).err().unwrap();
//! assert_eq!(
//!     refused.to_string(),
//!     "an AES key can't be written as pem; it can be as raw, entry, key-message, jwk or bits"
//! );
//! # Ok::<(), format::FormatError>(())
//! ```

mod content;
mod error;
mod read;
mod write;

use std::fmt;
use std::str::FromStr;

pub use self::content::Content;
pub use self::error::FormatError;
pub use self::read::{Read, Source, read};
pub use self::write::write;

use Format::{
    Bits, Entry, Jwk, KeyMessage, OpenSsh, Pem, Pkcs8Der, Pkcs8Pem, Raw, SpkiDer, SpkiPem, X509Der, X509Pem,
};

/// The shape of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// The blob's bytes as they are.
    #[default]
    Raw,
    /// A whole serialized stock `cryptstore_entry`.
    Entry,
    /// PEM (RFC 7468) of whichever kind fits: `PRIVATE KEY`, `PUBLIC KEY` or `CERTIFICATE`. Read, it may also be an
    /// older `RSA PRIVATE KEY` or `EC PRIVATE KEY`, or an `OPENSSH PRIVATE KEY`.
    Pem,
    /// A serialized stock `key_message`.
    KeyMessage,
    /// PKCS#8 (RFC 5958) as PEM.
    Pkcs8Pem,
    /// PKCS#8 as DER.
    Pkcs8Der,
    /// A public key (`SubjectPublicKeyInfo`, RFC 5280) as PEM; of a private key, its public half.
    SpkiPem,
    /// The same as DER.
    SpkiDer,
    /// A certificate (RFC 5280) as PEM.
    X509Pem,
    /// A certificate as DER.
    X509Der,
    /// A JSON Web Key (RFC 7517).
    Jwk,
    /// An OpenSSH private key (`openssh-key-v1`).
    OpenSsh,
    /// The bits of a symmetric key and nothing else. They don't say what they are for, so they are read as `raw`.
    Bits,
}

impl Format {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 13] = [
        Raw, Entry, Pem, KeyMessage, Pkcs8Pem, Pkcs8Der, SpkiPem, SpkiDer, X509Pem, X509Der, Jwk, OpenSsh,
        Bits,
    ];

    /// The name on command lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Raw => "raw",
            Entry => "entry",
            Pem => "pem",
            KeyMessage => "key-message",
            Pkcs8Pem => "pkcs8-pem",
            Pkcs8Der => "pkcs8-der",
            SpkiPem => "spki-pem",
            SpkiDer => "spki-der",
            X509Pem => "x509-pem",
            X509Der => "x509-der",
            Jwk => "jwk",
            OpenSsh => "openssh",
            Bits => "bits",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(FormatError::Unknown)
    }
}

/// What an entry, or a file, turns out to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Bytes without a known form.
    Bytes,
    /// AES-128, AES-256 or AES-256-GCM.
    Aes,
    /// An AES key and an HMAC key.
    AesWithMac,
    /// An RSA private key.
    RsaPrivate,
    /// An EC private key.
    EcPrivate,
    /// An Ed25519 private key.
    Ed25519Private,
    /// A public key of RSA, EC or Ed25519.
    Public,
    /// A certificate.
    Certificate,
}

impl Shape {
    /// As messages name it, with its article.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "a blob without a known form",
            Self::Aes => "an AES key",
            Self::AesWithMac => "an AES key with its HMAC key",
            Self::RsaPrivate => "an RSA private key",
            Self::EcPrivate => "an EC private key",
            Self::Ed25519Private => "an Ed25519 private key",
            Self::Public => "a public key",
            Self::Certificate => "a certificate",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A row of the table: what may become of one shape, and what it may come from, besides `raw` and `entry`.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is there.
    pub shape: Shape,
    /// What it can be written as.
    pub written: &'static [Format],
    /// What it can be read from.
    pub read: &'static [Format],
}

/// Every conversion there is.
pub const TABLE: &[Row] = &[
    Row { shape: Shape::Bytes, written: &[], read: &[] },
    Row { shape: Shape::Aes, written: &[KeyMessage, Jwk, Bits], read: &[KeyMessage, Jwk] },
    Row { shape: Shape::AesWithMac, written: &[KeyMessage, Bits], read: &[KeyMessage] },
    Row {
        shape: Shape::RsaPrivate,
        written: &[Pem, KeyMessage, Pkcs8Pem, Pkcs8Der, SpkiPem, SpkiDer, Jwk, OpenSsh],
        // OpenSSH leaves two of its numbers out.
        read: &[Pem, KeyMessage, Pkcs8Pem, Pkcs8Der, Jwk],
    },
    Row {
        shape: Shape::EcPrivate,
        written: &[Pem, KeyMessage, Pkcs8Pem, Pkcs8Der, SpkiPem, SpkiDer, Jwk, OpenSsh],
        read: &[Pem, KeyMessage, Pkcs8Pem, Pkcs8Der, Jwk, OpenSsh],
    },
    Row {
        shape: Shape::Ed25519Private,
        written: &[Pem, KeyMessage, Pkcs8Pem, Pkcs8Der, SpkiPem, SpkiDer, Jwk, OpenSsh],
        read: &[Pem, KeyMessage, Pkcs8Pem, Pkcs8Der, Jwk, OpenSsh],
    },
    Row {
        shape: Shape::Public,
        written: &[Pem, KeyMessage, SpkiPem, SpkiDer, Jwk],
        read: &[Pem, KeyMessage, SpkiPem, SpkiDer, Jwk],
    },
    Row {
        shape: Shape::Certificate,
        written: &[Pem, SpkiPem, SpkiDer, X509Pem, X509Der],
        read: &[Pem, X509Pem, X509Der],
    },
];

impl Shape {
    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.shape == self)
    }

    /// What it can be written as, `raw` and `entry` first.
    pub fn written(self) -> impl Iterator<Item = Format> {
        [Raw, Entry].into_iter().chain(self.row().map_or(&[] as &[Format], |row| row.written).iter().copied())
    }

    /// What it can be read from, `raw` and `entry` first.
    pub fn read_from(self) -> impl Iterator<Item = Format> {
        [Raw, Entry].into_iter().chain(self.row().map_or(&[] as &[Format], |row| row.read).iter().copied())
    }
}

/// Names joined for a sentence: `a, b or c`.
fn either(names: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<_> = names.collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
