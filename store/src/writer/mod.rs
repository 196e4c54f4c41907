//! The one writer: many commands, one commit.

mod command;

pub use command::{
    CheckpointDomain, CheckpointSigner, Command, DeleteDomain, DomainChange, Done, NewDomain, PutEntry,
    UpdateDomain,
};

use crate::error::StoreError;
use crate::store::Store;

/// The one writer of a store, owned by the thread that may wait for the disk. There is never a second.
pub struct Writer {
    store: Store,
}

impl Writer {
    /// Does the commands in order and makes them durable with one commit of the engine; one result each, in
    /// order. A command that is refused doesn't hinder the others. After an error of the engine
    /// ([`StoreError::is_fatal`]) every command fails, and every later one.
    pub fn commit(&mut self, commands: Vec<Command>) -> Vec<Result<Done, StoreError>> {
        todo!()
    }

    /// Removes some records of deleted domains, whose keys are gone already; `true` while there are more. To be
    /// called when there is nothing else to do.
    pub fn sweep(&mut self) -> Result<bool, StoreError> {
        todo!()
    }
}
