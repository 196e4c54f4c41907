//! What this machine's requests go to, where that isn't a Claviger broker: sealed like the cryptstore, for whoever changes
//! a pinned fingerprint chooses who plays the server.
//!
//! It is of one policy certificate. One of another, or none, means a Claviger broker, which no stock server passes for.

use std::fs;
use std::io;

use claviger_attest::PolicyCertificate;
use claviger_store::StoreId;
use claviger_store::seal::{Aad, RecordKind};
use prost::Message as _;

use super::{Keys, PURPOSE, StateDir, StateError, StateLock};
use crate::certifier::{Fingerprint, Peer};
use crate::files::{self, FileError};

pub(super) const PEER: &str = "peer";
/// What is written and read, first byte of the file.
const FORMAT: u8 = 1;
/// Most fingerprints that are kept: a server has one, and the next.
const MAX_PINS: usize = 16;
/// Largest file, in bytes.
const MAX_FILE: usize = 8 << 10;

#[derive(prost::Message)]
struct Content {
    /// SHA-256 of the policy certificate under which it holds.
    #[prost(bytes = "vec", tag = "1")]
    policy: Vec<u8>,
    /// SHA-256 of servers' certificates.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pinned: Vec<Vec<u8>>,
}

impl StateDir {
    /// What this machine's requests go to, under its policy certificate.
    pub fn peer(&self, policy: &PolicyCertificate) -> Result<Peer, StateError> {
        let path = self.path.join(PEER);
        let bytes = match files::read_bounded(&path, MAX_FILE) {
            Err(error) if error.kind() == Some(io::ErrorKind::NotFound) => return Ok(Peer::Claviger),
            read => read?,
        };
        let damaged = || StateError::Damaged { path: path.clone() };
        let (format, sealed) = bytes.expose().split_first().ok_or_else(damaged)?;
        if *format != FORMAT {
            return Err(StateError::UnknownFormat { path, found: *format });
        }
        let Keys { id, root } = self.open()?.0;
        let plain = root.seal_key(PURPOSE).open(&aad(id), sealed);
        let plain = plain.map_err(|error| StateError::Seal { path: path.clone(), error })?;
        let content = Content::decode(plain.expose()).map_err(|_| damaged())?;
        if content.policy != policy.fingerprint() {
            return Ok(Peer::Claviger);
        }
        let pinned = content.pinned.iter().map(|pin| pin.as_slice().try_into().ok().map(Fingerprint));
        Ok(Peer::Certifier(pinned.collect::<Option<_>>().ok_or_else(damaged)?))
    }
}

impl StateLock {
    /// Remembers what this machine's requests go to, under this policy certificate.
    pub fn remember_peer(&self, peer: &Peer, policy: &PolicyCertificate) -> Result<(), StateError> {
        let path = self.state.path.join(PEER);
        let Peer::Certifier(pinned) = peer else {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(FileError::system("removing", &path, error).into())
                }
                Ok(()) | Err(_) => Ok(()),
            };
        };
        if pinned.len() > MAX_PINS {
            return Err(StateError::Full { path, limit: MAX_FILE });
        }
        let Keys { id, root } = self.state.open()?.0;
        let pinned = pinned.iter().map(|pin| pin.0.to_vec()).collect();
        let content = Content { policy: policy.fingerprint().to_vec(), pinned };
        let sealed = root.seal_key(PURPOSE).seal(&aad(id), &content.encode_to_vec());
        let sealed = sealed.map_err(|error| StateError::Seal { path: path.clone(), error })?;
        Ok(files::write_private(&path, &[&[FORMAT], sealed.as_slice()].concat())?)
    }
}

/// Its own name, so that it is never taken for a cryptstore.
fn aad(id: StoreId) -> Aad<'static> {
    let version = u32::from(FORMAT);
    Aad { kind: RecordKind::Cryptstore, generation: *id.as_bytes(), name: PEER, version, ..Aad::default() }
}
