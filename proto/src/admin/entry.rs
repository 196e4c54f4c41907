//! Entries, which only go in.

use serde::{Deserialize, Serialize};

use super::SecretHex;
use crate::DomainName;

/// An entry to put into a domain. Travels only over the local admin socket; no call gives it back.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportEntry {
    /// Its name.
    pub name: String,
    /// What the blob is.
    pub entry_type: String,
    /// Which version; the next when absent.
    #[serde(default)]
    pub version: Option<u32>,
    /// Whether it may leave the broker again.
    pub exportable: bool,
    /// The secret, in hex.
    pub blob: SecretHex,
}

/// An entry that was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Into which domain.
    pub domain: DomainName,
    /// Its name, as it is kept.
    pub name: String,
    /// Which version it is.
    pub version: u32,
}
