//! A domain's keys.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use aws_lc_rs::hmac;
use claviger_proto::{DomainName, ResourceName, Secret};

use crate::layout::Generation;
use crate::seal::{Aad, RecordKey, RecordKind, SealError, SealKey, expand};

/// The keys of one domain, made from its domain key: they seal its records and make the engine's keys out of
/// names. Shared as `Arc`; no `Debug`, no `Clone`; zeroized when the last holder lets go.
pub struct DomainKeys {
    name: DomainName,
    generation: Generation,
    epoch: u32,
    records: SealKey,
    digests: hmac::Key,
    destroyed: AtomicBool,
}

impl DomainKeys {
    pub(crate) fn derive(name: DomainName, generation: Generation, epoch: u32, key: &[u8; 32]) -> Self {
        let prk = Prk::new_less_safe(HKDF_SHA256, key);
        let derived = |label: &[u8]| expand::<32>(&prk, &[b"claviger domain v1 ", label]);
        Self {
            name,
            generation,
            epoch,
            records: SealKey::new(&derived(b"records")),
            digests: hmac::Key::new(hmac::HMAC_SHA256, derived(b"digests").as_slice()),
            destroyed: AtomicBool::new(false),
        }
    }

    /// Whose keys they are.
    pub fn domain(&self) -> &DomainName {
        &self.name
    }

    /// Which domain of that name, ever: random, so that a domain deleted and made again is another one.
    pub fn generation(&self) -> &[u8; 16] {
        &self.generation
    }

    /// Which of the domain's keys, counted from 1.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether the domain has been deleted. From then on nothing of it is found.
    pub fn is_destroyed(&self) -> bool {
        self.destroyed.load(Ordering::Acquire)
    }

    pub(crate) fn destroy(&self) {
        self.destroyed.store(true, Ordering::Release);
    }

    /// The directory, under the data directory's `audit/`, of the domain's segments: a digest that tells
    /// nothing of the name.
    pub fn audit_dir_name(&self) -> String {
        hex::encode(&self.digest(b"audit directory", &[])[..16])
    }

    /// A name's digest: the same for the same name, and to whoever hasn't the key a random number.
    pub(crate) fn name_digest(&self, name: &ResourceName) -> [u8; 32] {
        self.digest(b"resource", name.as_str().as_bytes())
    }

    /// A keyed digest for one purpose, whose names differ in more than their end.
    pub(crate) fn digest(&self, purpose: &[u8], of: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.digests);
        context.update(purpose);
        context.update(&[0]);
        context.update(of);
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }

    /// What is common to the additional data of all the domain's records.
    pub(crate) fn aad<'a>(&self, kind: RecordKind) -> Aad<'a> {
        Aad { kind, generation: self.generation, key_epoch: self.epoch, ..Aad::default() }
    }

    pub(crate) fn seal(&self, aad: &Aad<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        self.records.seal(aad, plaintext)
    }

    /// The key of one sealed record, for whoever may read that.
    pub(crate) fn record_key(&self, sealed: &[u8]) -> Result<RecordKey, SealError> {
        self.records.record_key(sealed)
    }

    pub(crate) fn open(&self, aad: &Aad<'_>, sealed: &[u8]) -> Result<Secret, SealError> {
        self.records.open(aad, sealed)
    }
}
