//! Key slots: where the root key lies, sealed under something that the owner of the store has.
//!
//! `slots.json` says how to get at the root key; each slot seals the same root key under another factor, and any
//! one of them is enough. To add a kind of slot: a file here, a variant of [`NewSlot`] and of [`Factor`], and of
//! [`SlotSpec`] if it can be named on a command line.

mod derived;
mod entry;
mod error;
mod file;
mod passphrase;
mod shamir;
mod table;
mod wrap;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use claviger_proto::Secret;

pub use derived::{DerivedFrom, DerivedKey};
pub use entry::{Prepared, SlotInfo, SlotKind};
pub use error::SlotError;
pub use passphrase::{MAX_PASSPHRASE, Passphrase};
pub use shamir::{Gathering, Progress, Share, SplitPlan};
pub use table::{Opened, Slots};

use crate::{RootKey, StoreId};

/// How a slot is written on a command line: `file:PATH`, `passphrase` or `derived:KIND:WHERE`. (Shares aren't written so: a split has
/// numbers, and gives something back.)
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotSpec {
    /// A file whose 32 or more raw bytes are the key.
    File {
        /// Where it is.
        path: PathBuf,
    },
    /// A passphrase. It is never part of a command line: whoever runs it is asked, or names a file.
    Passphrase,
    /// A key that a platform derives for this machine alone.
    Derived {
        /// Which platform.
        platform: String,
    },
}

impl SlotSpec {
    /// What to make, with the passphrase from `ask` or the key from `derive` if one is needed.
    pub fn new_slot<E>(
        &self,
        ask: impl FnOnce() -> Result<Passphrase, E>,
        derive: impl FnOnce(&str) -> Result<DerivedKey, E>,
    ) -> Result<NewSlot, E> {
        match self {
            Self::File { path } => Ok(NewSlot::File { path: path.clone() }),
            Self::Passphrase => ask().map(NewSlot::Passphrase),
            Self::Derived { platform } => derive(platform).map(NewSlot::Derived),
        }
    }
}

impl FromStr for SlotSpec {
    type Err = SlotError;

    fn from_str(text: &str) -> Result<Self, SlotError> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File { path: path.into() }),
            Some(("derived", platform)) if !platform.is_empty() => {
                Ok(Self::Derived { platform: platform.to_owned() })
            }
            None if text == "passphrase" => Ok(Self::Passphrase),
            _ => Err(SlotError::Spec),
        }
    }
}

impl fmt::Display for SlotSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path } => write!(f, "file:{}", path.display()),
            Self::Passphrase => f.write_str("passphrase"),
            Self::Derived { platform } => write!(f, "derived:{platform}"),
        }
    }
}

/// A slot to make. May carry a passphrase: no `Debug`, no `Clone`.
#[non_exhaustive]
pub enum NewSlot {
    /// Under the bytes of a file, which is made (0600, 32 random bytes) when it isn't there.
    File {
        /// Where it is.
        path: PathBuf,
    },
    /// Under a passphrase of at least 8 bytes.
    Passphrase(Passphrase),
    /// Under a random key that is split into shares, which [`Prepared::shares`] gives out once.
    Shares(SplitPlan),
    /// Under a key that a platform derived.
    Derived(DerivedKey),
}

/// What a slot is opened with. May carry secrets: no `Debug`, no `Clone`.
#[non_exhaustive]
pub enum Factor {
    /// The files that the slots name, where they are now.
    KeyFiles,
    /// The bytes of a key file.
    KeyBytes(Secret),
    /// A passphrase.
    Passphrase(Passphrase),
    /// Shares, as many as their slot asks for.
    Shares(Gathering),
    /// A key that a platform derived.
    Derived(DerivedKey),
}

/// Whose slots these are: authenticated with every slot, so that one can't be moved to another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotContext<'a> {
    /// What the store is for: `broker`, `agent`.
    pub purpose: &'a str,
    /// Which one it is.
    pub store: StoreId,
}

/// Which slot of a table: the first 4 bytes of its random salt, written as 8 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId([u8; 4]);

impl SlotId {
    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for SlotId {
    type Err = SlotError;

    fn from_str(text: &str) -> Result<Self, SlotError> {
        let mut bytes = [0; 4];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| SlotError::Id)?;
        Ok(Self(bytes))
    }
}

/// A root key from a factor of 32 or more bytes, however it was got.
type Unsealed = Result<RootKey, SlotError>;
