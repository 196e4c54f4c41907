//! What is on Claviger's wire, and the words both ends share.
//!
//! Frames, messages, names, versions, entries and key formats. Nothing here does I/O, reads a clock or
//! draws randomness: bytes in, values out. The stock Certifier Framework speaks the same frames and
//! messages; our own fields start at number 100 and are ignored by its programs.

pub mod admin;
pub mod certifier_policy;
mod domain_state;
pub mod entry;
pub mod error;
pub mod evidence;
mod fields;
pub mod format;
pub mod frame;
pub mod key;
pub mod key_service;
pub mod limits;
mod lv;
pub mod name;
pub mod secret;
pub mod stock_store;
pub mod time_text;
pub mod trust;
pub mod version;

pub use domain_state::DomainState;
pub use entry::{Entry, EntryType};
pub use error::{ErrorCode, ParseError};
pub use lv::LvWriter;
pub use name::{DomainName, ResourceName};
pub use secret::Secret;
pub use version::Version;

/// ALPN of our own dialect, on the key service and at admission: many requests on a connection, error
/// codes, request ids, challenges. A peer without ALPN speaks the stock dialect.
pub const ALPN: &[u8] = b"claviger/1";
