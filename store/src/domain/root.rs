//! What is sealed under the root key: domain keys, and which removals aren't finished.

use claviger_proto::DomainName;
use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::domain::DomainKeys;
use crate::engine::Key;
use crate::error::{StoreError, damaged, sealed};
use crate::layout::{self, Generation};
use crate::seal::{Aad, RecordKind, SealKey};

/// The body of a domain key's record.
#[derive(prost::Message)]
#[prost(skip_debug)]
struct DomainKeyBody {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
    #[prost(uint32, tag = "3")]
    epoch: u32,
}

impl Drop for DomainKeyBody {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

fn aad(kind: RecordKind, generation: &Generation) -> Aad<'static> {
    Aad { kind, generation: *generation, ..Aad::default() }
}

/// Makes a new domain's keys, and the record that keeps them.
pub(crate) fn new_keys(root: &SealKey, name: &DomainName) -> Result<(DomainKeys, Key, Vec<u8>), StoreError> {
    let mut generation = Generation::default();
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut generation).map_err(|_| StoreError::Randomness)?;
    aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| StoreError::Randomness)?;
    let keys = DomainKeys::derive(name.clone(), generation, 1, &key);
    let body = DomainKeyBody { name: name.to_string(), key: key.to_vec(), epoch: 1 };
    let place = layout::domain_key(&generation);
    let plaintext = Zeroizing::new(body.encode_to_vec());
    let raw = root
        .seal(&aad(RecordKind::DomainKey, &generation), &plaintext)
        .map_err(|e| sealed(e, "domain key", &place))?;
    Ok((keys, place, raw))
}

/// A domain's keys out of the record that keeps them.
pub(crate) fn open_keys(root: &SealKey, place: &Key, raw: &[u8]) -> Result<DomainKeys, StoreError> {
    let broken = || damaged("domain key", place);
    let generation = layout::generation_of(&place.bytes).ok_or_else(broken)?;
    let opened = root
        .open(&aad(RecordKind::DomainKey, &generation), raw)
        .map_err(|e| sealed(e, "domain key", place))?;
    let body = DomainKeyBody::decode(opened.expose()).map_err(|_| broken())?;
    let name: DomainName = body.name.parse().map_err(|_| broken())?;
    let key = Zeroizing::new(<[u8; 32]>::try_from(body.key.as_slice()).map_err(|_| broken())?);
    Ok(DomainKeys::derive(name, generation, body.epoch, &key))
}

/// The record that a domain's removal isn't finished.
pub(crate) fn new_removal(root: &SealKey, generation: &Generation) -> Result<(Key, Vec<u8>), StoreError> {
    let place = layout::removal(generation);
    let raw =
        root.seal(&aad(RecordKind::Removal, generation), &[]).map_err(|e| sealed(e, "removal", &place))?;
    Ok((place, raw))
}

/// Which domain such a record is about.
pub(crate) fn open_removal(root: &SealKey, place: &Key, raw: &[u8]) -> Result<Generation, StoreError> {
    let generation = layout::generation_of(&place.bytes).ok_or_else(|| damaged("removal", place))?;
    root.open(&aad(RecordKind::Removal, &generation), raw).map_err(|e| sealed(e, "removal", place))?;
    Ok(generation)
}
