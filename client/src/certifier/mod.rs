//! Stock Certifier programs on the other end: `cf_key_server` and `simpleserver`.
//!
//! Their certificates say no role, so that every certified machine could play the server. What stands in the role's
//! place is a fingerprint that somebody pinned: see [`Peer::Certifier`].

mod admission;
mod error;
mod fingerprint;
mod key_server;
mod look;
mod plain;

use std::collections::BTreeSet;

pub use admission::{certify, recertify};
pub use error::CertifierError;
pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use key_server::KeyServer;
pub use look::{Look, look};

/// What a machine's requests go to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// A Claviger broker, known by the role in its certificate.
    #[default]
    Claviger,
    /// A stock key server, known by one of these fingerprints of its certificate; without one, none is accepted.
    Certifier(BTreeSet<Fingerprint>),
}
