//! What a record of the trail says.

use std::borrow::Cow;

/// What a record of the audit trail says. Never a secret, but names and addresses, so it is sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFacts {
    /// When, seconds since 1970.
    pub time: i64,
    /// The request's id, as in the broker's log and the reply.
    pub request_id: String,
    /// What was asked: `store`, `retrieve`, `enroll`, `domain-create`, …
    pub action: Cow<'static, str>,
    /// How it ended: `ok`, or the error code that the peer was told.
    pub outcome: Cow<'static, str>,
    /// SHA-256 of the peer's certificate, if it has one.
    pub peer_fingerprint: Option<[u8; 32]>,
    /// The peer's measurement, if known.
    pub measurement: Option<Vec<u8>>,
    /// The peer's role: `agent`, `broker`; `operator` for the admin socket.
    pub role: Cow<'static, str>,
    /// The resource, if it was about one.
    pub name: Option<String>,
    /// The version, if it was about one.
    pub version: Option<u32>,
    /// Where the request came from: an address, or the peer's uid.
    pub source: String,
}
