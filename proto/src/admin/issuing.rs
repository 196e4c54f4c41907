//! What a broker asks of an owner who keeps the policy key, and what the owner gives.

use serde::{Deserialize, Serialize};

/// What the owner is to sign: certification requests (PKCS#10, DER in hex).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuingRequests {
    /// Of the key that is to admit machines.
    pub issuer: String,
    /// Of the broker's own key in the domain.
    pub broker: String,
}

/// What the owner signed for the latest requests; DER in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallIssuing {
    /// The delegated issuer's certificate.
    pub issuer: String,
    /// The broker's own; may be left out where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_certificate: Option<String>,
}
