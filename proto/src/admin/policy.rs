//! Which machines are admitted: trusted measurements, and the whole policy.

use serde::{Deserialize, Serialize};

use crate::DomainName;

/// A measurement to trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddReference {
    /// Evidence kind, such as `simulated-enclave`.
    pub kind: String,
    /// The measurement, hex.
    pub measurement: String,
    /// A word for people and ACLs, such as `deployment`.
    #[serde(default)]
    pub label: Option<String>,
    /// The attestation root's public key (SPKI DER in hex). Absent: the roots that the domain already names
    /// for this kind.
    #[serde(default)]
    pub attest_root: Option<String>,
    /// Until when it is trusted, seconds since 1970; without an end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// Of which registers it is a digest, such as `sha256:0,2,7`; of kind `tpm` only, which needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcrs: Option<String>,
}

/// What a domain's owner says about which machines it admits. `P` is a policy file, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustPolicy<P> {
    /// Whose.
    pub domain: DomainName,
    /// Counts the changes.
    pub revision: u64,
    /// How Milan platforms are taken: `refused`, `listed-chips` or `waived`.
    pub milan: String,
    /// What may be meant otherwise than it is said.
    pub warnings: Vec<String>,
    /// What it says.
    pub policy: P,
}

/// A policy file to put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyPolicy<P> {
    /// The file.
    pub policy: P,
    /// Only if this is the revision that it replaces.
    #[serde(default)]
    pub if_revision: Option<u64>,
    /// Checks it, and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of a policy file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedPolicy {
    /// Whose.
    pub domain: DomainName,
    /// The revision in force now.
    pub revision: u64,
    /// Whether it says something else than what was in force.
    pub changed: bool,
    /// Whether it was only checked.
    pub dry_run: bool,
    /// How Milan platforms are taken under it.
    pub milan: String,
    /// What may be meant otherwise than it is said.
    pub warnings: Vec<String>,
}

/// A trusted measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Evidence kind.
    pub kind: String,
    /// The measurement, lowercase hex.
    pub measurement: String,
    /// Its label.
    pub label: Option<String>,
    /// SHA-256 of each root's SPKI, hex.
    pub roots: Vec<String>,
    /// Until when it is trusted, seconds since 1970, if not without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// Of which registers it is a digest, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcrs: Option<String>,
}
