//! Key slots: where the root key lies, sealed under something that the owner of the store has.
//!
//! `slots.json` says how to get at the root key; each slot seals the same root key under another factor. To
//! add a kind of slot: a file here, a variant of [`SlotSpec`].

mod error;
mod file;
mod table;
mod wrap;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use error::SlotError;
pub use table::Slots;

use crate::StoreId;

/// How a slot is written on a command line: `file:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotSpec {
    /// A file whose 32 or more raw bytes are the key.
    File {
        /// Where it is.
        path: PathBuf,
    },
}

impl FromStr for SlotSpec {
    type Err = SlotError;

    fn from_str(text: &str) -> Result<Self, SlotError> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File { path: path.into() }),
            _ => Err(SlotError::Spec),
        }
    }
}

impl fmt::Display for SlotSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path } => write!(f, "file:{}", path.display()),
        }
    }
}

/// Whose slots these are: authenticated with every slot, so that one can't be moved to another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotContext<'a> {
    /// What the store is for: `broker`, `agent`.
    pub purpose: &'a str,
    /// Which one it is.
    pub store: StoreId,
}
