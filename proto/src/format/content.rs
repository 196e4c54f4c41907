//! What an entry, or a file, holds, once read.

use super::{FormatError, Shape};
use crate::key::{
    Certificate, KeyKind, KeyMessage, MessageKey, PrivateKey, PublicKey, SymmetricKey, SymmetricKind,
};
use crate::{EntryType, ParseError, Secret};

/// What an entry, or a file, holds. May be secret: no `Debug`, no `Clone`.
pub enum Content {
    /// Bytes without a known form.
    Bytes(Secret),
    /// A symmetric key.
    Symmetric(SymmetricKey),
    /// A private key.
    Private(PrivateKey),
    /// A public key.
    Public(PublicKey),
    /// A certificate.
    Certificate(Certificate),
}

impl Content {
    /// What a blob of this type holds. The two types with a meaning are held to it; in any other, a key or a
    /// certificate is found if the blob is one in DER and nothing else.
    pub fn of_blob(entry_type: &EntryType, blob: &Secret) -> Result<Self, ParseError> {
        match entry_type.as_str() {
            EntryType::X509 => Certificate::from_der(blob.expose()).map(Self::Certificate),
            EntryType::KEY_MESSAGE => Self::of_message(KeyMessage::decode(blob.expose())?.key),
            _ => Ok(Self::of_der(blob)),
        }
    }

    pub(super) fn of_message(key: MessageKey) -> Result<Self, ParseError> {
        Ok(match key {
            MessageKey::Private(key) => Self::Private(key),
            MessageKey::Public(key) => Self::Public(key),
            MessageKey::Other { key_type, secret } => {
                let kind: SymmetricKind = key_type.parse()?;
                Self::Symmetric(SymmetricKey::new(kind, secret)?)
            }
        })
    }

    fn of_der(blob: &Secret) -> Self {
        let bytes = blob.expose();
        if let Ok(key) = PrivateKey::from_pkcs8_der(Secret::copy_from(bytes)) {
            Self::Private(key)
        } else if let Ok(key) = PublicKey::from_spki_der(bytes) {
            Self::Public(key)
        } else if let Ok(certificate) = Certificate::from_der(bytes) {
            Self::Certificate(certificate)
        } else {
            Self::Bytes(Secret::copy_from(bytes))
        }
    }

    /// Its row in the table.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Bytes(_) => Shape::Bytes,
            Self::Symmetric(key) if key.kind().has_mac() => Shape::AesWithMac,
            Self::Symmetric(_) => Shape::Aes,
            Self::Private(key) => match key.kind() {
                KeyKind::P256 | KeyKind::P384 => Shape::EcPrivate,
                KeyKind::Ed25519 => Shape::Ed25519Private,
                KeyKind::Rsa1024 | KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => {
                    Shape::RsaPrivate
                }
            },
            Self::Public(_) => Shape::Public,
            Self::Certificate(_) => Shape::Certificate,
        }
    }

    /// The type that an entry of it has when none is asked for.
    pub(super) fn natural_type(&self) -> &'static str {
        match self {
            Self::Bytes(_) => EntryType::BINARY_BLOB,
            Self::Symmetric(_) | Self::Private(_) | Self::Public(_) => EntryType::KEY_MESSAGE,
            Self::Certificate(_) => EntryType::X509,
        }
    }

    /// The blob of an entry of this type. Where the type has no meaning of its own, a key is kept as PKCS#8 or SPKI
    /// DER, a certificate as DER, a symmetric key as its bits. `name` becomes a `key_message`'s key name.
    pub(super) fn into_blob(self, entry_type: &EntryType, name: &str) -> Result<Secret, FormatError> {
        let shape = self.shape();
        let misfit = |holds| FormatError::Type { entry_type: entry_type.clone(), shape, holds };
        match entry_type.as_str() {
            EntryType::X509 => match self {
                Self::Certificate(certificate) => Ok(Secret::copy_from(certificate.der())),
                _ => Err(misfit("a certificate")),
            },
            EntryType::KEY_MESSAGE => match self.into_message_key() {
                Some(key) => Ok(Secret::copy_from(&KeyMessage::new(name, key).encode())),
                None => Err(misfit("a key")),
            },
            _ => Ok(match self {
                Self::Bytes(bytes) => bytes,
                Self::Symmetric(key) => key.into_bits(),
                Self::Private(key) => Secret::copy_from(key.pkcs8_der()),
                Self::Public(key) => Secret::copy_from(key.spki_der()),
                Self::Certificate(certificate) => Secret::copy_from(certificate.der()),
            }),
        }
    }

    /// As a stock message has it; none for what is no key.
    pub(super) fn into_message_key(self) -> Option<MessageKey> {
        match self {
            Self::Private(key) => Some(MessageKey::Private(key)),
            Self::Public(key) => Some(MessageKey::Public(key)),
            Self::Symmetric(key) => {
                let key_type = key.kind().as_str().to_owned();
                Some(MessageKey::Other { key_type, secret: key.into_bits() })
            }
            Self::Bytes(_) | Self::Certificate(_) => None,
        }
    }
}
