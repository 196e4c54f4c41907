//! What can go wrong with key slots.

use std::io;
use std::path::PathBuf;

/// Why the root key couldn't be put into a slot, or got out of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// A slot that can't be understood.
    #[error("a key slot is written file:PATH")]
    Spec,
    /// The key file isn't there.
    #[error("the key file {path} isn't there; put it back, or mount what it is on")]
    KeyFileMissing {
        /// The key file.
        path: PathBuf,
    },
    /// Everybody may change the key file.
    #[error("the key file {path} can be changed by everybody (mode {mode:o}); run: chmod 600 {path}")]
    KeyFileMode {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file is a directory, a device or the like.
    #[error("the key file {path} isn't a regular file; give one of 32 or more random bytes")]
    KeyFileKind {
        /// The key file.
        path: PathBuf,
    },
    /// The key file is too short to be a key, or too long to be meant as one.
    #[error("the key file {path} has {found} bytes; a key has 32 to 4096 raw random bytes")]
    KeyFileSize {
        /// The key file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
    },
    /// The key file holds another key.
    #[error("the key file {path} isn't the key of this store; use the one it was made with")]
    WrongKey {
        /// The key file.
        path: PathBuf,
    },
    /// The slots belong to another store.
    #[error("{path} belongs to another store; restore the one of this store")]
    OtherStore {
        /// The file of slots.
        path: PathBuf,
    },
    /// The slots are in a format that this version doesn't know.
    #[error("{path} has format {found}, which this version doesn't know; use the version that wrote it")]
    UnknownFormat {
        /// The file of slots.
        path: PathBuf,
        /// The format found.
        found: u64,
    },
    /// The slots were altered.
    #[error("{path} is damaged; restore it from a back-up")]
    Damaged {
        /// The file of slots.
        path: PathBuf,
    },
    /// The file of slots exists already.
    #[error("{path} exists already; it isn't replaced")]
    Exists {
        /// The file of slots.
        path: PathBuf,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness; try again")]
    Randomness,
    /// The system refused an operation.
    #[error("couldn't {what} {path}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}
