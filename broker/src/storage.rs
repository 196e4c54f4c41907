//! What an unsealed broker stores with.

use std::path::PathBuf;

use actix::Recipient;
use claviger_store::{Command, Done, Store, StoreError};
use tokio::sync::oneshot;

use crate::actors::store::Commit;
use crate::era::Era;
use crate::net::permits::Place;

/// The open store: its read side, the way to its writer, and where audit segments lie. Every domain of a
/// snapshot carries it, so that a sealed broker, which has no domains, can't reach one either.
pub struct Storage {
    /// Reads, from any thread.
    pub store: Store,
    /// The store actor.
    pub writer: Recipient<Commit>,
    /// Where audit segments lie.
    pub audit_dir: PathBuf,
    /// How long all of this is there.
    pub era: Era,
}

impl Storage {
    /// Has a command committed, durably.
    pub async fn commit(&self, command: Command, place: Option<Place>) -> Result<Done, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.writer.do_send(Commit { command, reply, place });
        // The committer answers everything it takes, so no answer means that it is gone.
        answer.await.unwrap_or(Err(StoreError::Stopped))
    }
}
