//! A machine's own cryptstore: its identity, the secrets that it retrieved, and what it put there itself, under tags
//! and in versions, sealed in one file of its state directory ([`crate::state`]).
//!
//! ```
//! use claviger_client::cryptstore::{NewKey, Item, Which};
//! use claviger_client::state::StateDir;
//! use claviger_proto::key::SymmetricKind;
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("state");
//! let state = StateDir::new(path);
//! let lock = state.lock_or_make()?;
//! lock.create(None)?; // sealed under a new key file beside it
//!
//! // All of a change is kept, durably, or nothing of it.
//! let now = 1_800_000_000;
//! let version = lock.update(|cryptstore| {
//!     let tag = cryptstore.tag("backup/key")?;
//!     let kind = NewKey::Symmetric(SymmetricKind::Aes256);
//!     cryptstore.put(&tag, Item { exportable: false, ..Item::generate(kind, &tag)? }, None, now)
//! })?;
//! drop(lock);
//!
//! let cryptstore = state.load()?;
//! let tag = cryptstore.tag("backup/key")?;
//! assert_eq!(cryptstore.get(tag.as_str(), Some(version)).unwrap().exportable, false);
//! // What isn't exportable doesn't leave in the clear …
//! assert!(cryptstore.release(&tag, Which::Latest).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! … but it does leave sealed for one recipient, who alone can open it:
//!
//! ```
//! use claviger_client::cryptstore::{Cryptstore, Item, Recipient, SealedExport, Which};
//! use claviger_attest::{KeyAlgorithm, SigningKey};
//! use claviger_proto::Secret;
//!
//! let theirs = SigningKey::generate(KeyAlgorithm::P256)?;
//! let mut here = Cryptstore::empty();
//! let tag = here.tag("backup/key")?;
//! let item = Item { exportable: false, ..Item::blob(Secret::copy_from(b"secret")) };
//! here.put(&tag, item, None, 1_800_000_000)?;
//! let sealed = here.export(&[(tag, Which::Latest)], &Recipient::new(theirs.public())?)?;
//!
//! let mut there = Cryptstore::empty();
//! there.import(SealedExport::parse(&sealed)?.open(&theirs.to_private()?)?)?;
//! assert_eq!(there.get("backup/key", None).unwrap().blob.expose(), b"secret");
//! assert!(!there.get("backup/key", None).unwrap().exportable);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod certifier;
mod content;
mod error;
mod export;
mod generate;
mod info;
mod record;

pub use claviger_attest::NewKey;
pub use content::{Cryptstore, Item, Which};
pub use error::ItemError;
pub use export::{ExportError, MAX_EXPORT, Recipient, SealedExport};
pub use info::{CertificateInfo, Info, KeyInfo};
