//! What the admin API says (JSON over HTTP, today on the broker's Unix socket).
//!
//! | call | body | answer |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/domains` | | list of [`Domain`] |
//! | `POST /v1/domains` | [`CreateDomain`] | [`Domain`] |
//! | `GET /v1/domains/{domain}` | | [`Domain`] |
//! | `DELETE /v1/domains/{domain}` | | |
//! | `PUT /v1/domains/{domain}/acl-preset` | [`SetPreset`] | [`Domain`] |
//! | `GET /v1/domains/{domain}/acl-rules` | | [`AclRules`] |
//! | `PUT /v1/domains/{domain}/acl-rules` | [`AclRules`] | [`AclRules`] |
//! | `GET /v1/domains/{domain}/principals` | | list of [`Principal`] |
//! | `POST /v1/domains/{domain}/principals` | [`AddPrincipal`] | [`Principal`] |
//! | `DELETE /v1/domains/{domain}/principals/{name}` | | |
//! | `GET /v1/domains/{domain}/references` | | list of [`Reference`] |
//! | `POST /v1/domains/{domain}/references` | [`AddReference`] | [`Reference`] |
//! | `DELETE /v1/domains/{domain}/references/{kind}/{measurement}` | | |
//! | `GET /v1/domains/{domain}/policy` | | [`TrustPolicy`] |
//! | `PUT /v1/domains/{domain}/policy` | [`ApplyPolicy`] | [`AppliedPolicy`] |
//! | `GET /v1/domains/{domain}/tickets` | | list of [`Ticket`] |
//! | `POST /v1/domains/{domain}/tickets` | [`CreateTickets`] | list of [`Ticket`] |
//! | `DELETE /v1/domains/{domain}/tickets/{id}` | | |
//! | `POST /v1/domains/{domain}/audit/verify` | | [`AuditReport`] |
//! | `POST /v1/domains/{domain}/audit/search` | [`AuditQuery`] | [`AuditPage`] |
//! | `POST /v1/domains/{domain}/entries` | [`ImportEntry`] | [`Imported`] |
//! | `POST /v1/unseal` | [`Unseal`] | [`SealState`] |
//! | `DELETE /v1/unseal/shares` | | [`SealState`] |
//! | `POST /v1/seal` | | [`SealState`] |
//!
//! Every failure is a [`Problem`]. No call returns secret data.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::ErrorCode;
use crate::{DomainName, Secret};

/// Where the broker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has no root key and serves nothing.
    Sealed,
    /// It serves.
    Ready,
    /// It finishes what it began and takes nothing new.
    Draining,
}

/// The broker, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Where it is in its life.
    pub state: State,
    /// Its id, made at `init`.
    pub broker_id: String,
    /// How many domains it serves.
    pub domains: usize,
    /// How many shards serve them.
    pub shards: usize,
    /// Open connections of the key service and of admission together.
    pub connections: usize,
    /// Where its domains come from, if from another broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
}

/// The home broker that a broker gets its domains from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// The address of its admission.
    pub address: String,
    /// Each domain that is pulled.
    pub domains: Vec<PulledDomain>,
}

/// How it goes with a domain that is pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulledDomain {
    /// Which.
    pub domain: DomainName,
    /// `waiting` before the first pull has ended, `ok`, `unreachable` (it is served as it was last), `refused` by home, or
    /// `not-taken`, for what came can't be.
    pub state: String,
    /// What is wrong, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When home was last heard, in this run of the broker, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ok: Option<i64>,
}

/// What to unseal a broker with. Travels only over the local admin socket.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unseal {
    /// A passphrase.
    Passphrase(SecretHex),
    /// The bytes of a key file.
    Key(SecretHex),
    /// A share's line. It is kept until there are enough of them, or the broker ends.
    Share(SecretHex),
}

/// Whether the broker is sealed, and how far it is from being so no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealState {
    /// Where it is in its life.
    pub state: State,
    /// The shares that have come so far, if any have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<ShareCount>,
}

/// Shares that have come, of those that are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareCount {
    /// How many have come.
    pub have: u8,
    /// How many are needed.
    pub needed: u8,
}

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

/// A domain to create. The policy key travels only over the local admin socket.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateDomain {
    /// Its name.
    pub name: DomainName,
    /// The policy certificate, DER in hex.
    pub policy_certificate: String,
    /// The policy key, PKCS#8 DER in hex.
    pub policy_key: SecretHex,
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
    /// When the broker's own certificate in the domain ends, seconds since 1970.
    pub broker_certificate_not_after: i64,
    /// How many measurements it trusts.
    pub references: usize,
    /// When it was created, seconds since 1970.
    pub created: i64,
}

/// The preset to put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPreset {
    /// `closed`, `members` or `provisioned`.
    pub preset: String,
}

/// The access rules of a domain's own, in force beside its preset's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AclRules {
    /// A rule or role to a line; nothing is none.
    pub rules: String,
}

/// The access rules of a domain's own that are in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AclRulesInForce {
    /// A rule or role to a line; nothing is none.
    pub rules: String,
    /// What may be meant otherwise than it is said, a sentence each.
    pub warnings: Vec<String>,
}

/// A principal to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddPrincipal {
    /// Its name in the domain.
    pub name: String,
    /// Its certificate, or that of an authority over it; DER in hex.
    pub certificate: String,
}

/// A certificate by which a domain knows a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Its name in the domain.
    pub name: String,
    /// SHA-256 of the certificate, hex.
    pub fingerprint: String,
    /// Whether it is an authority's: whoever has a certificate under it with this name as its common name.
    pub authority: bool,
    /// When the certificate ends, seconds since 1970.
    pub not_after: i64,
}

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

/// Launch tickets to make. The tickets themselves stay with who asks; the broker gets their digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTickets {
    /// The id of each, hex: SHA-256 of its host data, which is SHA-256 of the ticket.
    pub ids: Vec<String>,
    /// What to call the machines that they are for.
    #[serde(default)]
    pub label: Option<String>,
    /// For how long they are good, in seconds.
    pub expires_in: i64,
}

/// A launch ticket, as the broker knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id, SHA-256 of its host data, hex: the instance that it makes.
    pub id: String,
    /// What its owner calls the machine that it is for.
    pub label: Option<String>,
    /// `new`, `used`, `expired` or `revoked`.
    pub state: String,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// From when on nobody can use it, seconds since 1970.
    pub expires: i64,
    /// SHA-256 of the admission certificate that came of it, hex.
    pub used_by: Option<String>,
    /// When it was used, seconds since 1970.
    pub used_at: Option<i64>,
    /// How often somebody came with it when it couldn't be used.
    pub refused: u32,
    /// When that was last, seconds since 1970.
    pub refused_last: Option<i64>,
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
}

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
}

/// Why an admin call failed, after RFC 9457 (`application/problem+json`), with a stable code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: ErrorCode,
    /// What happened, in short.
    pub title: String,
    /// What happened here, and what to do next.
    pub detail: String,
}

/// Secret bytes in JSON, as hex. No `Debug`, no `Clone`; zeroized where we hold them.
pub struct SecretHex(pub Secret);

impl Serialize for SecretHex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(self.0.expose())))
    }
}

impl<'de> Deserialize<'de> for SecretHex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // The error must not repeat the input.
        let bytes = hex::decode(text.as_bytes()).map_err(|_| serde::de::Error::custom("not hex"))?;
        Ok(Self(Secret::new(bytes)))
    }
}
