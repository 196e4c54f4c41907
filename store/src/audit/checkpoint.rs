//! Checkpoints: the heads of all chains of a domain, joined and signed.

use claviger_proto::{DomainName, LvWriter};
#[cfg(feature = "engine")]
use prost::Message as _;

use crate::audit::ChainId;
use crate::audit::chain::{ChainHead, sha256};
#[cfg(feature = "engine")]
use crate::{
    audit::SegmentHead,
    domain::DomainKeys,
    engine::Key,
    error::{StoreError, damaged, sealed},
    layout,
    seal::{Aad, RecordKind},
};

const LABEL: &[u8] = b"claviger audit checkpoint v1";

/// A checkpoint: how far each chain had got, bound to the checkpoint before it.
pub(crate) struct Checkpoint {
    pub(crate) sequence: u64,
    pub(crate) time: i64,
    pub(crate) previous: [u8; 32],
    pub(crate) heads: Vec<(ChainId, ChainHead)>,
}

/// A checkpoint as it is kept and exported, but for its number.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct CheckpointBody {
    #[prost(int64, tag = "1")]
    time: i64,
    #[prost(bytes = "vec", tag = "2")]
    previous: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    heads: Vec<HeadBody>,
    #[prost(bytes = "vec", tag = "4")]
    signature: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct HeadBody {
    /// Unset for the chain in the engine.
    #[prost(uint32, optional, tag = "1")]
    shard: Option<u32>,
    #[prost(uint64, tag = "2")]
    next: u64,
    #[prost(bytes = "vec", tag = "3")]
    hash: Vec<u8>,
}

impl Checkpoint {
    /// What is signed: everything, and whose it is.
    pub(crate) fn signed_bytes(&self, domain: &DomainName, generation: &[u8; 16]) -> Vec<u8> {
        let mut bytes = LvWriter::new()
            .push(LABEL)
            .push(domain.as_str().as_bytes())
            .push(generation)
            .push(&self.sequence.to_be_bytes())
            .push(&self.time.to_be_bytes())
            .push(&self.previous);
        for (chain, head) in &self.heads {
            bytes = bytes.push(chain.to_string().as_bytes()).push(&head.next.to_be_bytes()).push(&head.hash);
        }
        bytes.into_bytes()
    }

    /// The digest by which the next checkpoint, and whoever keeps it, refers to this one.
    pub(crate) fn digest(signed_bytes: &[u8]) -> [u8; 32] {
        sha256(&[signed_bytes])
    }

    /// Reads a body; gives the signature with it, unchecked.
    pub(crate) fn read(sequence: u64, body: CheckpointBody) -> Option<(Self, Vec<u8>)> {
        let mut heads = Vec::with_capacity(body.heads.len());
        for head in body.heads {
            let chain = match head.shard {
                None => ChainId::Store,
                Some(shard) => ChainId::Shard(u16::try_from(shard).ok()?),
            };
            heads.push((chain, ChainHead { next: head.next, hash: head.hash.try_into().ok()? }));
        }
        let previous = body.previous.try_into().ok()?;
        Some((Self { sequence, time: body.time, previous, heads }, body.signature))
    }
}

#[cfg(feature = "engine")]
impl Checkpoint {
    /// Joins the heads of the shards that are given with that of the engine's chain.
    pub(crate) fn new(
        sequence: u64,
        time: i64,
        previous: [u8; 32],
        store: ChainHead,
        shards: &[SegmentHead],
    ) -> Self {
        let shards = shards.iter().map(SegmentHead::chain_head);
        Self {
            sequence,
            time,
            previous,
            heads: std::iter::once((ChainId::Store, store)).chain(shards).collect(),
        }
    }

    fn body(&self, signature: Vec<u8>) -> CheckpointBody {
        let head = |(chain, head): &(ChainId, ChainHead)| HeadBody {
            shard: chain.shard().map(u32::from),
            next: head.next,
            hash: head.hash.to_vec(),
        };
        let heads = self.heads.iter().map(head).collect();
        CheckpointBody { time: self.time, previous: self.previous.to_vec(), heads, signature }
    }

    /// The sealed record.
    pub(crate) fn seal(&self, keys: &DomainKeys, signature: Vec<u8>) -> Result<(Key, Vec<u8>), StoreError> {
        let place = layout::checkpoint(keys.generation(), self.sequence);
        let raw = keys
            .seal(&Self::aad(keys, &self.sequence.to_be_bytes()), &self.body(signature).encode_to_vec())
            .map_err(|e| sealed(e, "checkpoint", &place))?;
        Ok((place, raw))
    }

    /// Opens a record; gives the signature with it, unchecked.
    pub(crate) fn open(
        keys: &DomainKeys,
        sequence: u64,
        place: &Key,
        raw: &[u8],
    ) -> Result<(Self, Vec<u8>), StoreError> {
        let body = Self::open_body(keys, sequence, place, raw)?;
        Self::read(sequence, body).ok_or_else(|| damaged("checkpoint", place))
    }

    /// Opens a record, as it is exported.
    pub(crate) fn open_body(
        keys: &DomainKeys,
        sequence: u64,
        place: &Key,
        raw: &[u8],
    ) -> Result<CheckpointBody, StoreError> {
        let opened = keys
            .open(&Self::aad(keys, &sequence.to_be_bytes()), raw)
            .map_err(|e| sealed(e, "checkpoint", place))?;
        CheckpointBody::decode(opened.expose()).map_err(|_| damaged("checkpoint", place))
    }

    fn aad<'a>(keys: &DomainKeys, sequence: &'a [u8]) -> Aad<'a> {
        Aad { bound_to: sequence, ..keys.aad(RecordKind::Checkpoint) }
    }
}
