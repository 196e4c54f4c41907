//! The owner's own access rules, and the principals that they speak of, as the store keeps them: JSON inside the
//! domain's sealed record.

use claviger_attest::Principals;
use serde::{Deserialize, Serialize};

/// See the module. By default there are neither.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The rules that are in force beside the preset's, as their owner wrote them.
    pub rules: String,
    /// Whom the domain knows as principals.
    pub principals: Principals,
}

impl Access {
    /// Serializes for the store.
    ///
    /// # Panics
    /// Never: this is plain data, whose serialization can't fail.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("access rules are plain data")
    }

    /// Reads what the store holds; nothing at all is neither rules nor principals.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        if bytes.is_empty() { Ok(Self::default()) } else { serde_json::from_slice(bytes) }
    }
}
