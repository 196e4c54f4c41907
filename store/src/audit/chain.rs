//! Chains: each record is bound to all before it.

use aws_lc_rs::digest;
#[cfg(feature = "engine")]
use claviger_proto::Secret;

use crate::audit::ChainId;
#[cfg(feature = "engine")]
use crate::domain::DomainKeys;
#[cfg(feature = "engine")]
use crate::seal::SealError;
use crate::seal::{Aad, RecordKind};

const LABEL: &[u8] = b"claviger audit chain v1";

/// Where a chain has got to: how many records it has, and the hash over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainHead {
    pub(crate) next: u64,
    pub(crate) hash: [u8; 32],
}

impl ChainHead {
    /// A chain without records, of the domain of this generation.
    pub(crate) fn first(generation: &[u8; 16], chain: ChainId) -> Self {
        Self { next: 0, hash: sha256(&[LABEL, generation, chain.to_string().as_bytes()]) }
    }

    /// Where the chain is after a sealed piece with this many records.
    #[must_use]
    pub(crate) fn after(&self, sealed: &[u8], records: u64) -> Self {
        Self { next: self.next + records, hash: sha256(&[&self.hash, sealed]) }
    }

    /// What a piece is bound to that comes next: these records before it, and no others.
    pub(crate) fn bound_to(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&self.next.to_be_bytes());
        bytes[8..].copy_from_slice(&self.hash);
        bytes
    }
}

/// The additional data of a piece of a chain.
pub(crate) fn aad<'a>(generation: [u8; 16], key_epoch: u32, chain: &'a str, bound_to: &'a [u8]) -> Aad<'a> {
    Aad { kind: RecordKind::Audit, generation, key_epoch, name: chain, bound_to, ..Aad::default() }
}

#[cfg(feature = "engine")]
impl ChainHead {
    /// A chain without records.
    pub(crate) fn empty(keys: &DomainKeys, chain: ChainId) -> Self {
        Self::first(keys.generation(), chain)
    }

    /// Seals what comes next. It opens only here: after these records, in this chain.
    pub(crate) fn seal(
        &self,
        keys: &DomainKeys,
        chain: ChainId,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let bound_to = self.bound_to();
        keys.seal(&aad(*keys.generation(), keys.epoch(), &chain.to_string(), &bound_to), plaintext)
    }

    /// Opens what comes next.
    pub(crate) fn open(&self, keys: &DomainKeys, chain: ChainId, sealed: &[u8]) -> Result<Secret, SealError> {
        let bound_to = self.bound_to();
        keys.open(&aad(*keys.generation(), keys.epoch(), &chain.to_string(), &bound_to), sealed)
    }
}

/// SHA-256 over pieces of fixed lengths, or with only the last one's length free.
pub(crate) fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for piece in pieces {
        context.update(piece);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
