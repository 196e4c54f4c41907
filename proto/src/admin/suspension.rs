//! Suspended domains.

use serde::{Deserialize, Serialize};

/// A domain to suspend: it answers nobody, and keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspend {
    /// Why, for its members too; at most 200 bytes, none of them a control character.
    #[serde(default)]
    pub reason: Option<String>,
}

/// That a domain is suspended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspension {
    /// Since when, seconds since 1970.
    pub since: i64,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}
