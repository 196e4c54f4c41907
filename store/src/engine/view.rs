//! From which end of the pipeline somebody reads.

use crate::engine::{AnyEngine, Engine as _, EngineError, Key, Revision};

/// A view of an engine's values: what is durable, for everybody; or what was applied, for the writer, who plans on
/// top of it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    engine: &'a AnyEngine,
    applied: bool,
}

impl<'a> View<'a> {
    /// What the last transaction applied has left, durable or not. Nothing of it may be told to a peer.
    pub(crate) fn applied(engine: &'a AnyEngine) -> Self {
        Self { engine, applied: true }
    }

    /// The value of a key, and the revision that put it there.
    pub(crate) fn get(self, key: &Key) -> Result<Option<(Vec<u8>, Revision)>, EngineError> {
        if self.applied { self.engine.get_applied(key) } else { self.engine.get(key) }
    }
}

/// What is durable.
impl<'a> From<&'a AnyEngine> for View<'a> {
    fn from(engine: &'a AnyEngine) -> Self {
        Self { engine, applied: false }
    }
}
