//! The chain in the engine: what was stored and changed, in the same commit as that.

use prost::Message as _;

use crate::audit::chain::ChainHead;
use crate::audit::{AuditFacts, ChainId};
use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Engine as _, Key, Revision};
use crate::error::{StoreError, damaged, sealed};
use crate::layout;
use crate::seal::RecordKind;
use crate::ticket::TicketSum;
use crate::usage::Usage;

/// Most records that share a seal, so that a block stays far below the largest value of an engine.
const BLOCK: usize = 512;

/// Where a domain's trail in the engine has got to. Kept in the same commit as what moves it.
#[derive(Clone, Copy)]
pub(crate) struct TrailHead {
    pub(crate) chain: ChainHead,
    /// How often what describes the domain was changed.
    pub(crate) domain_serial: u32,
    /// The last checkpoint's number, 0 before the first, and its digest.
    pub(crate) checkpoint: u64,
    pub(crate) checkpoint_digest: [u8; 32],
    /// The sum over the records of launch tickets.
    pub(crate) tickets: TicketSum,
    /// What the domain takes up; `None` where that was never counted.
    pub(crate) usage: Option<Usage>,
    /// The revision of the record itself; `None` before it is first written.
    pub(crate) revision: Option<Revision>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct TrailHeadBody {
    #[prost(uint64, tag = "1")]
    next: u64,
    #[prost(bytes = "vec", tag = "2")]
    hash: Vec<u8>,
    #[prost(uint32, tag = "3")]
    domain_serial: u32,
    #[prost(uint64, tag = "4")]
    checkpoint: u64,
    #[prost(bytes = "vec", tag = "5")]
    checkpoint_digest: Vec<u8>,
    /// Empty before the first ticket.
    #[prost(bytes = "vec", tag = "6")]
    tickets: Vec<u8>,
    /// Absent in records of a version that didn't count.
    #[prost(message, optional, tag = "20")]
    usage: Option<UsageBody>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct UsageBody {
    #[prost(uint64, tag = "1")]
    names: u64,
    #[prost(uint64, tag = "2")]
    bytes: u64,
}

impl TrailHead {
    /// A new domain's.
    pub(crate) fn new(keys: &DomainKeys) -> Self {
        let chain = ChainHead::empty(keys, ChainId::Store);
        Self {
            chain,
            domain_serial: 1,
            checkpoint: 0,
            checkpoint_digest: [0; 32],
            tickets: TicketSum::default(),
            usage: Some(Usage::default()),
            revision: None,
        }
    }

    /// Adds records; gives the sealed blocks to put.
    pub(crate) fn append(
        &mut self,
        keys: &DomainKeys,
        facts: &[AuditFacts],
    ) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        let mut blocks = Vec::new();
        for facts in facts.chunks(BLOCK) {
            let place = layout::audit_block(keys.generation(), self.chain.next);
            let raw = self
                .chain
                .seal(keys, ChainId::Store, &AuditFacts::encode_block(facts))
                .map_err(|e| sealed(e, "audit block", &place))?;
            self.chain = self.chain.after(&raw, facts.len() as u64);
            blocks.push((place, raw));
        }
        Ok(blocks)
    }

    /// The head's own record.
    pub(crate) fn seal(&self, keys: &DomainKeys) -> Result<(Key, Vec<u8>), StoreError> {
        let body = TrailHeadBody {
            next: self.chain.next,
            hash: self.chain.hash.to_vec(),
            domain_serial: self.domain_serial,
            checkpoint: self.checkpoint,
            checkpoint_digest: self.checkpoint_digest.to_vec(),
            tickets: self.tickets.0.to_vec(),
            usage: self.usage.map(|Usage { names, bytes }| UsageBody { names, bytes }),
        };
        let place = layout::audit_head(keys.generation());
        let raw = keys
            .seal(&keys.aad(RecordKind::AuditHead), &body.encode_to_vec())
            .map_err(|e| sealed(e, "audit head", &place))?;
        Ok((place, raw))
    }
}

/// Loads where a domain's trail in the engine has got to.
pub(crate) fn load_head(engine: &AnyEngine, keys: &DomainKeys) -> Result<TrailHead, StoreError> {
    let place = layout::audit_head(keys.generation());
    let broken = || damaged("audit head", &place);
    let (raw, revision) = engine.get(&place)?.ok_or_else(broken)?;
    let opened =
        keys.open(&keys.aad(RecordKind::AuditHead), &raw).map_err(|e| sealed(e, "audit head", &place))?;
    let body = TrailHeadBody::decode(opened.expose()).map_err(|_| broken())?;
    let tickets = if body.tickets.is_empty() { vec![0; 32] } else { body.tickets };
    Ok(TrailHead {
        chain: ChainHead { next: body.next, hash: body.hash.try_into().map_err(|_| broken())? },
        domain_serial: body.domain_serial,
        checkpoint: body.checkpoint,
        checkpoint_digest: body.checkpoint_digest.try_into().map_err(|_| broken())?,
        tickets: TicketSum(tickets.try_into().map_err(|_| broken())?),
        usage: body.usage.map(|UsageBody { names, bytes }| Usage { names, bytes }),
        revision: Some(revision),
    })
}
