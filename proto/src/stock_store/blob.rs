//! The file: a sealed key, and what is encrypted under it.

use prost::Message as _;

use super::decode_exactly;
use crate::ParseError;

/// A stock `protected_blob_message`. Both parts are encrypted, so neither is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedBlob {
    /// A `key_message`, sealed by the enclave.
    pub sealed_key: Vec<u8>,
    /// What is encrypted under that key, as its type says.
    pub data: Vec<u8>,
}

#[derive(prost::Message)]
struct BlobWire {
    #[prost(bytes = "vec", optional, tag = "1")]
    encrypted_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    encrypted_data: Option<Vec<u8>>,
}

impl ProtectedBlob {
    /// Reads the whole file: nothing vouches for what stands around the two parts, so nothing may.
    pub fn decode(bytes: &[u8]) -> Result<Self, ParseError> {
        let wire: BlobWire = decode_exactly(bytes, "protected_blob_message")?;
        Ok(Self {
            sealed_key: wire.encrypted_key.ok_or(ParseError::Missing("sealed key"))?,
            data: wire.encrypted_data.ok_or(ParseError::Missing("encrypted data"))?,
        })
    }

    /// Serializes as the stock programs do.
    pub fn encode(self) -> Vec<u8> {
        BlobWire { encrypted_key: Some(self.sealed_key), encrypted_data: Some(self.data) }.encode_to_vec()
    }
}
