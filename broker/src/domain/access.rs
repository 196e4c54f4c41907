//! The owner's own access rules, the principals that they speak of, and what stock programs may do, what is revoked and
//! for how long machines are admitted, as the store keeps them: JSON inside the domain's sealed record.

use std::time::Duration;

use claviger_attest::{ADMISSION_DAYS, Principals, Revocations};
use claviger_proto::admin::{StockPeers, Suspension};
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::Refusal;
use serde::{Deserialize, Serialize};

use super::Registered;

/// See the module. By default there is nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The rules that are in force beside the preset's, as their owner wrote them.
    pub rules: String,
    /// Whom the domain knows as principals.
    pub principals: Principals,
    /// What stock programs may do. Kept only where it is something, so that older brokers read all else.
    #[serde(default, skip_serializing_if = "StockPeers::is_none")]
    pub stock: StockPeers,
    /// What is taken back. Kept only where it is something, as all that follows.
    #[serde(default, skip_serializing_if = "Revocations::is_empty")]
    pub revocations: Revocations,
    /// For how many seconds machines are admitted, where that isn't [`ADMISSION_DAYS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission_seconds: Option<u32>,
    /// Where it answers nobody: since when, and why. It travels with the rules, so brokers elsewhere suspend it as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspension>,
    /// Who administers it over the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Registered>,
    /// Whether a record of the audit is on the disk before its answer leaves, and not only written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub durable_audit: bool,
}

impl Access {
    /// For how long machines are admitted.
    pub fn admission(&self) -> Duration {
        Duration::from_secs(self.admission_seconds.unwrap_or(ADMISSION_DAYS * 86_400).into())
    }

    /// Serializes for the store.
    ///
    /// # Panics
    /// Never: this is plain data, whose serialization can't fail.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("access rules are plain data")
    }

    /// Whether the domain answers its members, who are told why it doesn't.
    pub fn check_suspended(&self) -> Result<(), Refusal> {
        let Some(Suspension { reason, .. }) = &self.suspended else { return Ok(()) };
        let why = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let text = format!(
            "the domain is suspended{why}: it keeps what it has, and answers nobody until it is resumed"
        );
        Err(Refusal::new(ErrorCode::Suspended, text))
    }

    /// Reads what the store holds; nothing at all is none of it.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        if bytes.is_empty() { Ok(Self::default()) } else { serde_json::from_slice(bytes) }
    }
}
