//! Requests to a stock key server: no field of ours, and names as they are, for it keeps tags byte for byte.

use prost::Message as _;
use zeroize::Zeroizing;

use super::super::request::kind;
use super::{ENTRY_VALUE, RequestMessage};
use crate::{Entry, ResourceName, Version};

/// Serializes a retrieve. A stock server takes no notice of the version.
pub fn encode_stock_retrieve(name: &ResourceName, version: Option<Version>) -> Zeroizing<Vec<u8>> {
    let mut message = RequestMessage::default();
    message.resource_name = Some(name.to_string());
    message.request_type = Some(kind::RETRIEVE.to_owned());
    message.version = Some(Version::to_wire(version));
    Zeroizing::new(message.encode_to_vec())
}

/// Serializes a store. It carries the whole entry, which is the only form in which a stock server keeps an entry's
/// type, and whether it is exportable; in the other, `binary-blob`, it makes up both.
pub fn encode_stock_store(entry: &Entry) -> Zeroizing<Vec<u8>> {
    let mut message = RequestMessage::default();
    message.resource_name = Some(entry.tag.clone());
    message.request_type = Some(kind::STORE.to_owned());
    message.value_type = Some(ENTRY_VALUE.to_owned());
    message.version = Some(Version::to_wire(entry.version));
    message.data = Some(std::mem::take(&mut *entry.encode()));
    Zeroizing::new(message.encode_to_vec())
}
