//! What was applied, until it is durable.

use claviger_proto::ResourceName;

use crate::engine::{Engine as _, EngineError, Revision};
use crate::error::StoreError;
use crate::layout::Generation;
use crate::store::Store;
use crate::writer::Done;

/// Commands that were planned and applied, but aren't durable yet, and may not be answered. Those that were begun
/// earlier are finished with them; to finish some takes nothing from others.
#[must_use = "commands that aren't finished are neither durable nor answered"]
pub struct InFlight {
    pub(super) store: Store,
    /// What is settled already, because something followed that takes a commit of its own.
    pub(super) done: Vec<Result<Done, StoreError>>,
    pub(super) group: Group,
}

/// Commands that share what is applied at once.
#[derive(Default)]
pub(super) struct Group {
    pub(super) outcomes: Vec<Result<Done, StoreError>>,
    /// What has to be settled first: what was applied here, or what a refusal was founded on.
    pub(super) last: Option<Revision>,
    /// The names that had their first version.
    pub(super) new_names: Vec<(Generation, Vec<ResourceName>)>,
}

impl Group {
    /// So many commands that failed together.
    pub(super) fn failed(count: usize, error: &StoreError) -> Self {
        let outcomes = (0..count).map(|_| Err(error.clone())).collect();
        Self { outcomes, last: None, new_names: Vec::new() }
    }
}

impl InFlight {
    /// How many commands these are.
    pub fn len(&self) -> usize {
        self.done.len() + self.group.outcomes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes them durable; one result each, in order. Waits for the disk.
    pub fn finish(self) -> Vec<Result<Done, StoreError>> {
        let Self { store, mut done, group } = self;
        let Group { outcomes, last, new_names } = group;
        match last.map_or(Ok(()), |last| store.engine().settle(last)) {
            Ok(()) => {
                for (generation, names) in new_names {
                    store.name_index().add(&generation, names);
                }
                done.extend(outcomes);
            }
            // A refusal too may be founded on what isn't there now.
            Err(error) => {
                let error = failed(error);
                done.extend(outcomes.iter().map(|_| Err(error.clone())));
            }
        }
        done
    }
}

/// An engine that stopped has said why to those whose failure it was.
pub(super) fn failed(error: EngineError) -> StoreError {
    match error {
        EngineError::Stopped => StoreError::Stopped,
        error => error.into(),
    }
}
