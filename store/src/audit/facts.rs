//! What a record of the trail says.

#[cfg(feature = "engine")]
mod encode;

use std::borrow::Cow;
use std::sync::Arc;

use prost::Message as _;

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
    /// Where the request came from: an address, or the peer's uid. The same for all requests of a connection.
    pub source: Arc<str>,
    /// Why it ended so, for people, where the outcome alone doesn't say.
    pub reason: Option<String>,
    /// By which state of what describes the domain it was decided: the domain's serial, counted from 1.
    pub policy_version: Option<u32>,
    /// How old the fresh evidence on the channel was, in seconds, if the peer gave any.
    pub evidence_age: Option<u64>,
    /// The principals who had proven themselves on the channel.
    pub principals: Vec<String>,
}

/// The record's body, to be read. It is written by `encode`, without copies on the way.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct FactsBody {
    #[prost(int64, tag = "1")]
    time: i64,
    #[prost(string, tag = "2")]
    request_id: String,
    #[prost(string, tag = "3")]
    action: String,
    #[prost(string, tag = "4")]
    outcome: String,
    #[prost(bytes = "vec", optional, tag = "5")]
    peer_fingerprint: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "6")]
    measurement: Option<Vec<u8>>,
    #[prost(string, tag = "7")]
    role: String,
    #[prost(string, optional, tag = "8")]
    name: Option<String>,
    #[prost(uint32, optional, tag = "9")]
    version: Option<u32>,
    #[prost(string, tag = "10")]
    source: String,
    #[prost(string, optional, tag = "11")]
    reason: Option<String>,
    #[prost(uint32, optional, tag = "12")]
    policy_version: Option<u32>,
    #[prost(uint64, optional, tag = "13")]
    evidence_age: Option<u64>,
    #[prost(string, repeated, tag = "14")]
    principals: Vec<String>,
}

/// Several records that share a seal: a block of the chain in the engine.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct BlockBody {
    #[prost(message, repeated, tag = "1")]
    records: Vec<FactsBody>,
}

impl FactsBody {
    fn into_facts(self) -> Option<AuditFacts> {
        let peer_fingerprint = match self.peer_fingerprint {
            Some(bytes) => Some(bytes.try_into().ok()?),
            None => None,
        };
        Some(AuditFacts {
            time: self.time,
            request_id: self.request_id,
            action: self.action.into(),
            outcome: self.outcome.into(),
            peer_fingerprint,
            measurement: self.measurement,
            role: self.role.into(),
            name: self.name,
            version: self.version,
            source: self.source.into(),
            reason: self.reason,
            policy_version: self.policy_version,
            evidence_age: self.evidence_age,
            principals: self.principals,
        })
    }
}

/// What a block's body begins with. AES-GCM alone lets whoever chooses two keys make one ciphertext that opens under
/// both, so that a broker could show two parties two different records under one chain. What opens to 32 known bytes
/// first does so under one key only (short of 2^128 tries), so the chain's hash over what is sealed is over what it says.
pub(crate) const COMMITMENT: [u8; 32] = [0; 32];

impl AuditFacts {
    /// Whether a block's body begins as blocks do that open under one key only. Earlier ones don't.
    pub(crate) fn is_committed(block: &[u8]) -> bool {
        block.starts_with(&COMMITMENT)
    }

    pub(crate) fn decode_block(bytes: &[u8]) -> Option<Vec<Self>> {
        // No message begins with a zero: it would be a field without a number.
        let bytes = bytes.strip_prefix(&COMMITMENT).unwrap_or(bytes);
        BlockBody::decode(bytes).ok()?.records.into_iter().map(FactsBody::into_facts).collect()
    }
}

#[cfg(all(test, feature = "engine"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let full = AuditFacts {
            time: -5,
            request_id: "r".to_owned(),
            action: "store".into(),
            outcome: "ok".into(),
            peer_fingerprint: Some([1; 32]),
            measurement: Some(vec![2; 48]),
            role: "agent".into(),
            name: Some("a/b".to_owned()),
            version: Some(u32::MAX),
            source: "s".repeat(300).into(),
            reason: Some("why".to_owned()),
            policy_version: Some(3),
            evidence_age: Some(u64::MAX),
            principals: vec!["a".to_owned(), "b".to_owned()],
        };
        for facts in [AuditFacts::default(), full] {
            let block = AuditFacts::encode_block(&[facts.clone(), AuditFacts::default(), facts.clone()]);
            assert_eq!(
                AuditFacts::decode_block(&block),
                Some(vec![facts.clone(), AuditFacts::default(), facts])
            );
        }
    }
}
