//! The stock `key_message`.

use zeroize::Zeroizing;

use super::{PrivateKey, PublicKey};
use crate::{ParseError, Secret};

/// A stock `key_message`: a named key, and perhaps the certificate that goes with it.
pub struct KeyMessage {
    /// `policyKey`, `auth-key`, …
    pub name: String,
    /// The key.
    pub key: MessageKey,
    /// A DER certificate of that key (field 7).
    pub certificate: Option<Vec<u8>>,
    /// From when it is good, as the stock text.
    pub not_before: Option<String>,
    /// Until when it is good, as the stock text.
    pub not_after: Option<String>,
}

/// The key in a [`KeyMessage`].
pub enum MessageKey {
    /// An RSA or EC private key.
    Private(PrivateKey),
    /// An RSA or EC public key.
    Public(PublicKey),
    /// Any other type (`aes-256-gcm`, …): kept as it is.
    Other {
        /// The stock name of the type.
        key_type: String,
        /// Its bits (field 6).
        secret: Secret,
    },
}

impl KeyMessage {
    /// Reads a serialized `key_message`.
    pub fn decode(bytes: &[u8]) -> Result<Self, ParseError> {
        todo!("{}", bytes.len())
    }

    /// Serializes as stock programs do.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        todo!()
    }
}
