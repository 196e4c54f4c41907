//! The audit trail.

use serde::{Deserialize, Serialize};

use crate::DomainName;

/// What a verification of a domain's audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// Which domain.
    pub domain: DomainName,
    /// Whether nothing was found.
    pub ok: bool,
    /// Records over all segments.
    pub records: u64,
    /// Each segment.
    pub segments: Vec<AuditSegment>,
    /// Signed checkpoints that were checked.
    pub checkpoints: u64,
    /// What was found, one sentence each.
    pub findings: Vec<String>,
    /// Who holds the policy key: `broker` or `owner`; empty from older brokers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy_key_held_by: String,
}

/// One segment of a domain's audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSegment {
    /// Its id: the shard's, or `store`.
    pub id: String,
    /// How many records it has.
    pub records: u64,
    /// Whether nothing was found in it.
    pub ok: bool,
}

/// When a domain's records are on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditSync {
    /// Before the answer leaves: it survives the machine.
    Durable,
    /// Within the broker's `audit_sync`; before the answer leaves it is written: it survives the process.
    #[default]
    Written,
}

/// How a domain's audit is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditTerms {
    /// When its records are on the disk.
    pub sync: AuditSync,
}

/// Which records of a domain's audit are asked for: those that fit all that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditQuery {
    /// None older than this, seconds since 1970.
    pub since: Option<i64>,
    /// None newer than this.
    pub until: Option<i64>,
    /// Of this resource.
    pub name: Option<String>,
    /// Of this kind: `store`, `retrieve`, `enroll`, …
    pub action: Option<String>,
    /// That ended so: `ok`, or an error code.
    pub outcome: Option<String>,
    /// Of the peer with this certificate, SHA-256 in hex, or the beginning of it.
    pub peer: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// At most so many, the newest; 0 for as many as the broker gives.
    pub limit: usize,
}

/// Records of a domain's audit, the newest last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The records.
    pub records: Vec<AuditRecord>,
    /// Whether there are older ones that fit.
    pub more: bool,
}

/// One record of a domain's audit. What isn't known, or doesn't apply, is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// In which segment: the shard's, or `store`.
    pub segment: String,
    /// Which of the segment's records, from 0.
    pub number: u64,
    /// When, seconds since 1970.
    pub time: i64,
    /// The request's id, as in the broker's log and in the answer.
    pub request_id: String,
    /// What was asked.
    pub action: String,
    /// How it ended: `ok`, or an error code.
    pub outcome: String,
    /// The resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The peer's role; `operator` on the admin socket.
    pub role: String,
    /// SHA-256 of the peer's certificate, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// What the peer runs, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<String>,
    /// Where it came from.
    pub source: String,
    /// Why it ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// By which state of the domain's policy, rules and terms it was decided, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u32>,
    /// How old the fresh evidence on the channel was, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_age: Option<u64>,
    /// Who had proven themselves on the channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<String>,
}
