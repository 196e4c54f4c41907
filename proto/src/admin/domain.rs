//! Domains.

use serde::{Deserialize, Serialize};

use super::{AuditSync, SecretHex, StockPeers, Suspension};
use crate::DomainName;

/// A domain to create. The policy key travels only over the local admin socket.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateDomain {
    /// Its name.
    pub name: DomainName,
    /// The policy certificate, DER in hex.
    pub policy_certificate: String,
    /// The policy key, PKCS#8 DER in hex, for the broker to hold; absent where the owner keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_key: Option<SecretHex>,
    /// ACL preset; `closed` when absent.
    #[serde(default)]
    pub preset: Option<String>,
}

/// A domain, as administration sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Its name.
    pub name: DomainName,
    /// ACL preset in force.
    pub preset: String,
    /// SHA-256 of the policy certificate, hex.
    pub policy_fingerprint: String,
    /// When the policy certificate ends, seconds since 1970.
    pub policy_not_after: i64,
    /// Who holds the policy key: `broker` or `owner`.
    pub policy_key_held_by: String,
    /// Where the owner keeps the policy key: when the delegated issuer ends, seconds since 1970, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_not_after: Option<i64>,
    /// Whether it waits for its owner's first signatures, and serves nobody until then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_owner: bool,
    /// When the broker's own certificate in the domain ends, seconds since 1970; 0 where there is none yet.
    pub broker_certificate_not_after: i64,
    /// How many measurements it trusts.
    pub references: usize,
    /// What stock programs may do in it.
    #[serde(default)]
    pub stock: StockPeers,
    /// For how many seconds it admits machines.
    #[serde(default)]
    pub admission_lasts: u64,
    /// When records of its audit are on the disk.
    #[serde(default)]
    pub audit_sync: AuditSync,
    /// How much of it is revoked.
    #[serde(default)]
    pub revocations: usize,
    /// Where it is suspended, since when and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspension>,
    /// When it was created, seconds since 1970.
    pub created: i64,
}
