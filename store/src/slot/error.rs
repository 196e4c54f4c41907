//! What can go wrong with key slots.

use std::io;
use std::path::PathBuf;

use crate::slot::SlotId;

/// Why the root key couldn't be put into a slot, or got out of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// A slot that can't be understood.
    #[error("a key slot is written file:PATH, passphrase or derived:KIND:WHERE")]
    Spec,
    /// Not the name of a slot.
    #[error("a slot is named by 8 hex digits, as `slot list` shows them")]
    Id,
    /// No such slot.
    #[error("there is no slot {slot}; `slot list` shows those there are")]
    NoSlot {
        /// The slot named.
        slot: SlotId,
    },
    /// No slot of the kind that what was given could open.
    #[error("no slot of this store is opened by {what}; `slot list` shows what each asks for")]
    NoSlotFor {
        /// What was given.
        what: &'static str,
    },
    /// The last slot can't go.
    #[error("this is the last slot: without it nobody could open the store; add another first")]
    LastSlot,
    /// As many slots as there may be.
    #[error("there are {0} slots already, which is the most; remove one first")]
    TooManySlots(usize),
    /// Not a passphrase.
    #[error("a passphrase is one line of 1 to 1024 bytes")]
    PassphraseForm,
    /// A new passphrase that is too easily found.
    #[error("a new passphrase has at least 8 bytes; take a longer one")]
    PassphraseShort,
    /// Another passphrase.
    #[error("this isn't the passphrase; nothing was changed")]
    WrongPassphrase,
    /// A key that opens no slot.
    #[error("this isn't the key of a slot of this store; nothing was changed")]
    WrongKeyBytes,
    /// A key that is too short to be derived by a platform.
    #[error("a derived key has at least 32 bytes; the platform gave fewer")]
    DerivedKeyShort,
    /// The platform derives another key.
    #[error(
        "this machine derives another key than the one of the slot: it is another image, another machine, or another chip"
    )]
    WrongDerivedKey,
    /// There isn't the memory that the slot's passphrase asks for.
    #[error("there isn't enough free memory for the passphrase ({mib} MiB); free some and try again")]
    Memory {
        /// How much is needed.
        mib: u32,
    },
    /// Numbers that don't make a split.
    #[error("a key is split into 2 to 255 shares, of which at least 2 are needed")]
    SplitPlan,
    /// Not a share.
    #[error("this is no share; one is a line that begins with claviger-share-")]
    ShareForm,
    /// A share of a later version.
    #[error("this share is of another version of Claviger; use the one that made it")]
    ShareVersion,
    /// A share with a mistake in it.
    #[error("this share is mistyped: its checksum doesn't fit; compare it with the original")]
    ShareMistyped,
    /// A share of another store, or of a slot that was removed.
    #[error("share {number} belongs to slot {slot}, which this store doesn't have")]
    ForeignShare {
        /// Its number.
        number: u8,
        /// The slot that it names.
        slot: SlotId,
    },
    /// A share of another slot than those before.
    #[error("share {number} belongs to another slot than those before, which are of slot {slot}")]
    OtherSlotsShare {
        /// Its number.
        number: u8,
        /// The slot of those before.
        slot: SlotId,
    },
    /// A share that the slot didn't give out.
    #[error("share {number} isn't the one that its slot gave out; ask its holder for the original")]
    WrongShare {
        /// Its number.
        number: u8,
    },
    /// A share that is there already.
    #[error("share {number} is there already; another one is needed")]
    RepeatedShare {
        /// Its number.
        number: u8,
    },
    /// Not enough shares.
    #[error("{have} of {needed} shares are there; more are needed")]
    TooFewShares {
        /// How many are there.
        have: u8,
        /// How many are needed.
        needed: u8,
    },
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
    /// The file of slots is larger than any that was written.
    #[error("{path} is larger than a file of slots can be; restore it from a back-up")]
    TooLarge {
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

impl SlotError {
    /// Whether it is the store's own fault, or its machine's: nothing that is given instead would mend it.
    pub fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::OtherStore { .. }
                | Self::UnknownFormat { .. }
                | Self::Damaged { .. }
                | Self::TooLarge { .. }
                | Self::Memory { .. }
                | Self::Randomness
                | Self::Io { .. }
        )
    }
}
