//! What stock policies are made of beside claims ([`crate::evidence`]): sequences, platforms, environments.
//!
//! Message and field numbers are the stock Certifier Framework's.

use prost::Message;

use crate::ParseError;
use crate::key::MAX_CERTIFICATE;

/// Largest policy file, in bytes: stock simpleserver keeps as much in its store.
pub const MAX_POLICY: usize = 1 << 20;

/// Most blocks of one sequence: a claim has a kilobyte at least, a certificate half of one.
pub const MAX_BLOCKS: usize = 1024;

/// The verb that makes a key or a measurement trusted.
pub const VERB_TRUSTED: &str = "is-trusted";
/// The verb that makes a platform one whose properties will do.
pub const VERB_TRUSTED_PLATFORM: &str = "has-trusted-platform-property";
/// The entity type of a measurement.
pub const ENTITY_MEASUREMENT: &str = "measurement";
/// The entity type of a platform.
pub const ENTITY_PLATFORM: &str = "platform";
/// The only platform type of stock policies.
pub const PLATFORM_SEV_SNP: &str = "amd-sev-snp";
/// The type of a property whose value is a word.
pub const PROPERTY_STRING: &str = "string";
/// The type of a property whose value is a number.
pub const PROPERTY_INT: &str = "int";

/// A sequence of serialized messages or certificates (stock `buffer_sequence`; its `signed_claim_sequence` is the
/// same on the wire). A policy file is one of signed claims, a trust-anchors file one of DER certificates.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BufferSequence {
    /// The blocks, in order.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub blocks: Vec<Vec<u8>>,
}

/// A kind of platform, with what is demanded of it (stock `platform`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Platform {
    /// [`PLATFORM_SEV_SNP`].
    #[prost(string, optional, tag = "1")]
    pub platform_type: Option<String>,
    /// Its attestation key, a serialized `key_message`; absent in stock policies.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub attest_key: Option<Vec<u8>>,
    /// Its properties.
    #[prost(message, optional, tag = "3")]
    pub properties: Option<Properties>,
    /// Whether it has a key; false in stock policies.
    #[prost(bool, optional, tag = "4")]
    pub has_key: Option<bool>,
}

/// A list of properties (stock `properties`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Properties {
    /// The properties, in order.
    #[prost(message, repeated, tag = "1")]
    pub list: Vec<Property>,
}

/// One property of a platform, or what is demanded of it (stock `property`).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Property {
    /// `debug`, `tcb-version`, …
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// [`PROPERTY_STRING`] or [`PROPERTY_INT`].
    #[prost(string, optional, tag = "2")]
    pub value_type: Option<String>,
    /// `=` or `>=`.
    #[prost(string, optional, tag = "3")]
    pub comparator: Option<String>,
    /// `yes` or `no`.
    #[prost(string, optional, tag = "4")]
    pub word: Option<String>,
    /// The number.
    #[prost(uint64, optional, tag = "5")]
    pub number: Option<u64>,
}

/// Reads a message, and only what is known of it: bytes that it isn't written with again (fields that aren't known
/// here, fields twice, something after it) would be there without being understood. `name` is the message's.
pub fn exact<M: Message + Default>(bytes: &[u8], name: &'static str) -> Result<M, ParseError> {
    let message = M::decode(bytes).map_err(|_| ParseError::Message(name))?;
    if message.encode_to_vec() == bytes { Ok(message) } else { Err(ParseError::NotExact(name)) }
}

/// Reads a trust-anchors file: certificates in DER, unparsed, at least one.
pub fn read_anchors(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    const NAME: &str = "buffer_sequence of certificates";
    let BufferSequence { blocks } = exact(bytes, NAME)?;
    let whole = |der: &Vec<u8>| der.len() <= MAX_CERTIFICATE && crate::key::is_der_sequence(der);
    if blocks.is_empty() || blocks.len() > MAX_BLOCKS || !blocks.iter().all(whole) {
        return Err(ParseError::Message(NAME));
    }
    Ok(blocks)
}

/// Writes a sequence.
pub fn write_sequence(blocks: Vec<Vec<u8>>) -> Vec<u8> {
    BufferSequence { blocks }.encode_to_vec()
}
