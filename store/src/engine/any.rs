//! The engines there are.

use crate::engine::{
    Conflict, Engine, EngineError, Found, Key, MemoryEngine, Revision, SledEngine, Tree, Txn, Watch,
};

/// The engines there are. An enum, so that a read is a direct call.
pub enum AnyEngine {
    /// In memory: for tests and the quickstart.
    Memory(MemoryEngine),
    /// In files, with sled.
    Sled(SledEngine),
}

macro_rules! each {
    ($self:ident, $engine:ident => $call:expr) => {
        match $self {
            Self::Memory($engine) => $call,
            Self::Sled($engine) => $call,
        }
    };
}

impl Engine for AnyEngine {
    fn get(&self, key: &Key) -> Result<Option<(Vec<u8>, Revision)>, EngineError> {
        each!(self, engine => engine.get(key))
    }

    fn commit(&self, txns: Vec<Txn>) -> Result<Vec<Result<Revision, Conflict>>, EngineError> {
        each!(self, engine => engine.commit(txns))
    }

    fn scan(
        &self,
        tree: Tree,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Found>, EngineError> {
        each!(self, engine => engine.scan(tree, prefix, after, limit))
    }

    fn revision(&self) -> Revision {
        each!(self, engine => engine.revision())
    }

    fn watch(&self, from: Revision) -> Watch {
        each!(self, engine => engine.watch(from))
    }
}

impl From<MemoryEngine> for AnyEngine {
    fn from(engine: MemoryEngine) -> Self {
        Self::Memory(engine)
    }
}

impl From<SledEngine> for AnyEngine {
    fn from(engine: SledEngine) -> Self {
        Self::Sled(engine)
    }
}
