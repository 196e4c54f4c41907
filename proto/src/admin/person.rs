//! Who administers a domain over the network.

use serde::{Deserialize, Serialize};

/// Somebody to register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterPerson {
    /// Their certificate, which the domain's policy key signed, DER in hex. It says who and what they are.
    pub certificate: String,
}

/// Somebody who is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// `owner` or `auditor`.
    pub role: String,
    /// What they are called.
    pub name: String,
    /// SHA-256 of their certificate, hex.
    pub fingerprint: String,
    /// Its end, seconds since 1970.
    pub not_after: i64,
    /// Since when they are registered, seconds since 1970.
    pub since: i64,
}
