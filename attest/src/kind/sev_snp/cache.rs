//! Chains that were verified, so that a machine's next report costs its own signature only.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::chain::Chain;

/// Most chains that are kept: some hundred bytes each. One for each chip and TCB that is in use will do.
const MAX_CHAINS: usize = 1024;

/// Verified chains, by the digest of everything that they were made from. What depends on the time, on the
/// report or on a domain is never kept: only that these signatures hold under these roots.
#[derive(Default)]
pub struct SnpChainCache(Mutex<Chains>);

#[derive(Default)]
struct Chains {
    known: HashMap<[u8; 32], Arc<Chain>>,
    oldest_first: VecDeque<[u8; 32]>,
}

impl SnpChainCache {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many chains are kept.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn get(&self, identity: &[u8; 32]) -> Option<Arc<Chain>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.get(identity).cloned()
    }

    pub(super) fn put(&self, identity: [u8; 32], chain: Arc<Chain>) {
        let mut chains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if chains.known.insert(identity, chain).is_some() {
            return;
        }
        chains.oldest_first.push_back(identity);
        if chains.oldest_first.len() > MAX_CHAINS
            && let Some(oldest) = chains.oldest_first.pop_front()
        {
            chains.known.remove(&oldest);
        }
    }
}

impl fmt::Debug for SnpChainCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnpChainCache").field("chains", &self.len()).finish()
    }
}
