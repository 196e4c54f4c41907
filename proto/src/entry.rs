//! Entries: one version of a resource.

use std::fmt;
use std::str::FromStr;

use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::ParseError;
use crate::fields::{Fields, Sink};
use crate::limits::{MAX_DATA, MAX_ENTRY_TYPE};
use crate::time_text::{time_from_text, time_to_text};
use crate::{Secret, Version};

/// What an entry's blob is. Any type is kept as it is; the three named ones have meaning to tools.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntryType(String);

impl EntryType {
    /// Bytes without a meaning to Claviger.
    pub const BINARY_BLOB: &str = "binary-blob";
    /// A DER certificate.
    pub const X509: &str = "X509-der-cert";
    /// A serialized stock `key_message`.
    pub const KEY_MESSAGE: &str = "key-message-serialized-protobuf";

    /// The type of plain bytes.
    pub fn binary_blob() -> Self {
        Self(Self::BINARY_BLOB.to_owned())
    }

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntryType {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fits = (1..=MAX_ENTRY_TYPE).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(ParseError::EntryType) }
    }
}

impl fmt::Display for EntryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One version of a resource, with its secret. As secret-carrying as its blob: no `Debug`, no `Clone`.
pub struct Entry {
    /// The name under which it is kept, as text: a stock tag has no grammar until somebody parses it.
    pub tag: String,
    /// What the blob is.
    pub entry_type: EntryType,
    /// Which version; `None` means "the next" in a put.
    pub version: Option<Version>,
    /// When it was entered, seconds since 1970; 0 when unknown.
    pub entered: i64,
    /// Whether it may leave the store it is in.
    pub exportable: bool,
    /// The secret itself.
    pub blob: Secret,
}

/// The stock `cryptstore_entry`, to be read. Private: it carries a secret, which [`Entry`] takes over.
#[derive(prost::Message)]
#[prost(skip_debug)]
pub(crate) struct CryptstoreEntry {
    #[prost(string, optional, tag = "1")]
    pub(crate) tag: Option<String>,
    #[prost(string, optional, tag = "2")]
    entry_type: Option<String>,
    #[prost(int32, optional, tag = "3")]
    pub(crate) version: Option<i32>,
    #[prost(string, optional, tag = "4")]
    time_entered: Option<String>,
    #[prost(bytes = "vec", optional, tag = "5")]
    blob: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "6")]
    exportable: Option<bool>,
}

impl Drop for CryptstoreEntry {
    fn drop(&mut self) {
        self.blob.zeroize();
    }
}

impl Fields for Entry {
    fn write(&self, out: &mut impl Sink) {
        out.text(1, &self.tag);
        out.text(2, &self.entry_type.0);
        out.int32(3, Version::to_wire(self.version));
        out.text(4, &time_to_text(self.entered));
        out.bytes(5, self.blob.expose());
        out.bool(6, self.exportable);
    }
}

impl Entry {
    /// Serializes as a stock `cryptstore_entry`.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        Fields::encode(self)
    }

    /// Reads a stock `cryptstore_entry`. An unset `exportable` is false, an unset or unreadable time is 0, as
    /// stock stores have them; no type, no blob, or too large a blob is an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, ParseError> {
        let message = CryptstoreEntry::decode(bytes).map_err(|_| ParseError::Message("cryptstore_entry"))?;
        Self::from_wire(message)
    }

    pub(crate) fn from_wire(mut message: CryptstoreEntry) -> Result<Self, ParseError> {
        let blob = Secret::new(message.blob.take().unwrap_or_default());
        check_size(&blob)?;
        let time = message.time_entered.as_deref().unwrap_or_default();
        Ok(Self {
            tag: message.tag.take().unwrap_or_default(),
            entry_type: message.entry_type.as_deref().unwrap_or_default().parse()?,
            version: Version::from_wire(message.version.unwrap_or(0))?,
            entered: time_from_text(time).unwrap_or(0),
            exportable: message.exportable.unwrap_or(false),
            blob,
        })
    }
}

/// An entry's blob must be there, and within the limit.
pub(crate) fn check_size(blob: &Secret) -> Result<(), ParseError> {
    match blob.len() {
        0 => Err(ParseError::Missing("data")),
        n if n > MAX_DATA => Err(ParseError::FrameTooLarge),
        _ => Ok(()),
    }
}
