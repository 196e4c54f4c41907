//! What a domain takes back, and for how long it admits.

use serde::{Deserialize, Serialize};

/// Something to revoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddRevocation {
    /// `certificate`, `enrolment`, `instance`, `measurement` or `principal`.
    pub kind: String,
    /// What of that kind: a certificate's SHA-256 (for an enrolment, of its first certificate), an instance's id or label, a
    /// measurement, a principal's name.
    pub what: String,
    /// Why, at most 128 bytes.
    #[serde(default)]
    pub reason: Option<String>,
    /// For how long, in seconds; until it is taken back where that is absent.
    #[serde(default)]
    pub lasts: Option<i64>,
}

/// Something that is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// `certificate`, `enrolment`, `instance`, `measurement` or `principal`.
    pub kind: String,
    /// What of that kind.
    pub what: String,
    /// Why.
    pub reason: String,
    /// The role of who did it.
    pub by: String,
    /// When, seconds since 1970.
    pub since: i64,
    /// Until when it counts, seconds since 1970.
    pub until: Option<i64>,
}

/// For how long machines are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmissionTerms {
    /// In seconds: at least 30 minutes, at most 365 days. What is admitted already keeps its dates.
    pub lasts: u64,
}
