//! Chains: each record is bound to all before it.

use aws_lc_rs::digest;
use claviger_proto::Secret;

use crate::audit::ChainId;
use crate::domain::DomainKeys;
use crate::seal::{Aad, RecordKind, SealError};

const LABEL: &[u8] = b"claviger audit chain v1";

/// Where a chain has got to: how many records it has, and the hash over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainHead {
    pub(crate) next: u64,
    pub(crate) hash: [u8; 32],
}

impl ChainHead {
    /// A chain without records.
    pub(crate) fn empty(keys: &DomainKeys, chain: ChainId) -> Self {
        Self { next: 0, hash: sha256(&[LABEL, keys.generation(), chain.to_string().as_bytes()]) }
    }

    /// Seals what comes next. It opens only here: after these records, in this chain.
    pub(crate) fn seal(
        &self,
        keys: &DomainKeys,
        chain: ChainId,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let bound_to = self.bound_to();
        keys.seal(&Self::aad(keys, &chain.to_string(), &bound_to), plaintext)
    }

    /// Opens what comes next.
    pub(crate) fn open(&self, keys: &DomainKeys, chain: ChainId, sealed: &[u8]) -> Result<Secret, SealError> {
        let bound_to = self.bound_to();
        keys.open(&Self::aad(keys, &chain.to_string(), &bound_to), sealed)
    }

    /// Where the chain is after a sealed piece with this many records.
    #[must_use]
    pub(crate) fn after(&self, sealed: &[u8], records: u64) -> Self {
        Self { next: self.next + records, hash: sha256(&[&self.hash, sealed]) }
    }

    fn bound_to(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&self.next.to_be_bytes());
        bytes[8..].copy_from_slice(&self.hash);
        bytes
    }

    fn aad<'a>(keys: &DomainKeys, chain: &'a str, bound_to: &'a [u8]) -> Aad<'a> {
        Aad { name: chain, bound_to, ..keys.aad(RecordKind::Audit) }
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
