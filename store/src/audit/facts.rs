//! What a record of the trail says.

use std::borrow::Cow;

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
    /// Where the request came from: an address, or the peer's uid.
    pub source: String,
}

/// The record's body.
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
}

/// Several records that share a seal: a block of the chain in the engine.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct BlockBody {
    #[prost(message, repeated, tag = "1")]
    records: Vec<FactsBody>,
}

impl From<AuditFacts> for FactsBody {
    fn from(facts: AuditFacts) -> Self {
        Self {
            time: facts.time,
            request_id: facts.request_id,
            action: facts.action.into_owned(),
            outcome: facts.outcome.into_owned(),
            peer_fingerprint: facts.peer_fingerprint.map(Vec::from),
            measurement: facts.measurement,
            role: facts.role.into_owned(),
            name: facts.name,
            version: facts.version,
            source: facts.source,
        }
    }
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
            source: self.source,
        })
    }
}

impl AuditFacts {
    /// The body of a record of its own.
    pub(crate) fn encode(self) -> Vec<u8> {
        FactsBody::from(self).encode_to_vec()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        FactsBody::decode(bytes).ok()?.into_facts()
    }

    /// The body of a block.
    pub(crate) fn encode_block(records: Vec<Self>) -> Vec<u8> {
        BlockBody { records: records.into_iter().map(FactsBody::from).collect() }.encode_to_vec()
    }

    pub(crate) fn decode_block(bytes: &[u8]) -> Option<Vec<Self>> {
        BlockBody::decode(bytes).ok()?.records.into_iter().map(FactsBody::into_facts).collect()
    }
}
