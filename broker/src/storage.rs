//! What an unsealed broker stores with.

use std::path::PathBuf;

use claviger_store::{Command, Done, Store, StoreError};

use crate::actors::store::{Commits, Desk};
use crate::era::Era;
use crate::net::tenant::{SharedPlace, Tenants};

/// The open store: its read side, the way to its writer, and where audit segments lie. Every domain of a
/// snapshot carries it, so that a sealed broker, which has no domains, can't reach one either.
pub struct Storage {
    /// Reads, from any thread.
    pub store: Store,
    /// The store actor's committer.
    pub writer: Commits,
    /// Where audit segments lie.
    pub audit_dir: PathBuf,
    /// What each domain takes of the broker.
    pub tenants: Tenants,
    /// How long all of this is there.
    pub era: Era,
}

impl Storage {
    /// Has a command committed, durably.
    pub async fn commit(&self, command: Command) -> Result<Done, StoreError> {
        self.writer.commit(command, None, None).await
    }

    /// Has a shard's command committed, durably, and the answer given at the shard's desk.
    pub async fn commit_for(
        &self,
        desk: &Desk,
        command: Command,
        place: SharedPlace,
    ) -> Result<Done, StoreError> {
        self.writer.commit(command, Some(place), Some(desk)).await
    }
}
