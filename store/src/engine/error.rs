//! What can go wrong in an engine.

use std::io;
use std::path::PathBuf;

/// What can go wrong in an engine. Nothing here is a client's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Another process has the database open.
    #[error("the store at {path} is in use by another broker; stop that one first")]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The system refused an operation: no space, no permission, a broken disk.
    #[error("the store couldn't {what} ({error}); check the disk's space, mode and health, then start again")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The database itself reports that it is broken.
    #[error("the store's database is broken ({0}); restore a back-up")]
    Broken(String),
    /// A value or a database in a format that this version doesn't know.
    #[error("the store's format {found} is not one this version knows; use the version that wrote it")]
    UnknownFormat {
        /// The format byte found.
        found: u8,
    },
    /// A value that isn't what this engine writes.
    #[error("the store holds a damaged value ({0}); restore a back-up")]
    Damaged(&'static str),
    /// An earlier commit failed.
    #[error("the store takes no more writes since one failed; start the broker again")]
    Stopped,
    /// A key or value beyond the engine's limits.
    #[error("a {0} is larger than the store takes")]
    TooLarge(&'static str),
}
