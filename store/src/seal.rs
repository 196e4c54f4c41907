//! Seals: how every record is encrypted.
//!
//! A sealed record is `format byte ‖ 32-byte random salt ‖ ciphertext ‖ 16-byte tag`. The salt gives the record
//! a key of its own, HKDF-Expand(sealing key, label ‖ salt) (RFC 5869; the sealing key is uniform already, so
//! there is nothing to extract), which encrypts once with AES-256-GCM under an all-zero nonce. So no number
//! of records wears a key out, and there is no nonce to repeat. [`Aad`] says what and where the record is; one
//! that was moved, renamed or relabelled doesn't open.

use std::cell::RefCell;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _, Nonce, Tag};
use aws_lc_rs::hkdf::{KeyType, Prk};
use aws_lc_rs::hmac;
use claviger_proto::{LvWriter, Secret};
use zeroize::Zeroizing;

/// The only format there is, first byte of every sealed record.
pub const FORMAT: u8 = 1;

/// Bytes that sealing adds: format, salt, tag.
pub const OVERHEAD: usize = 1 + SALT + TAG;

const SALT: usize = 32;
const TAG: usize = 16;
const HEAD: usize = 1 + SALT;
const RECORD_LABEL: &[u8] = b"claviger record v1";
/// AES-256-GCM, in the additional data, so that a later algorithm can't be mistaken for it.
const ALGORITHM: u8 = 1;

/// What kind of thing a record is. Numbers are part of the format and never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum RecordKind {
    /// A root key in a key slot.
    Slot = 1,
    /// A store's identity.
    Identity = 2,
    /// A domain's key.
    DomainKey = 3,
    /// What describes a domain.
    Domain = 4,
    /// A domain's policy key.
    PolicyKey = 5,
    /// The key of the broker's own certificate in a domain.
    BrokerKey = 6,
    /// A domain whose removal isn't finished.
    Removal = 7,
    /// Which versions a name has.
    Head = 8,
    /// Older versions of a name.
    HeadPage = 9,
    /// One version's secret.
    #[default]
    Entry = 10,
    /// Records of the audit trail.
    Audit = 11,
    /// Where a domain's trail in the engine has got to.
    AuditHead = 12,
    /// A checkpoint of the audit trail.
    Checkpoint = 13,
    /// An item of an agent's own cryptstore.
    Cryptstore = 14,
    /// A launch ticket.
    Ticket = 15,
    /// That something was done which may be done once.
    Once = 16,
    /// The keys that a domain's owner signs for, and by which the broker admits.
    Issuing = 20,
}

/// What a record is and where it belongs: authenticated with it, and known to who opens it. What doesn't
/// apply to a kind stays at its default. The format, the algorithm and the lengths are added.
#[derive(Clone, Copy, Default)]
pub struct Aad<'a> {
    /// What kind of thing it is.
    pub kind: RecordKind,
    /// The domain's generation id, or the store's id for what belongs to no domain.
    pub generation: [u8; 16],
    /// Its name.
    pub name: &'a str,
    /// Its version, or another number that tells it from its like.
    pub version: u32,
    /// An entry's type.
    pub entry_type: &'a str,
    /// Bits; [`Aad::EXPORTABLE`] is the only one.
    pub flags: u32,
    /// When it was entered, seconds since 1970.
    pub entered: i64,
    /// When it expires, seconds since 1970; 0 is never.
    pub expires: i64,
    /// Its state; 1 is "there".
    pub state: u8,
    /// Which of the domain's keys it is sealed under, counted from 1; 0 for the root key.
    pub key_epoch: u32,
    /// Whatever else it is bound to: its position in a chain, say.
    pub bound_to: &'a [u8],
}

impl Aad<'_> {
    /// Set in `flags` when an entry may leave the store.
    pub const EXPORTABLE: u32 = 1;

    fn encode(&self) -> Vec<u8> {
        const FIXED: usize = 10 * 2 + 4 + 16 + 4 + 4 + 8 + 8 + 4;
        let free = self.name.len() + self.entry_type.len() + self.bound_to.len();
        LvWriter::with_capacity(FIXED + free)
            .push(&[FORMAT, ALGORITHM, self.kind as u8, self.state])
            .push(&self.generation)
            .push(self.name.as_bytes())
            .push(&self.version.to_be_bytes())
            .push(self.entry_type.as_bytes())
            .push(&self.flags.to_be_bytes())
            .push(&self.entered.to_be_bytes())
            .push(&self.expires.to_be_bytes())
            .push(&self.key_epoch.to_be_bytes())
            .push(self.bound_to)
            .into_bytes()
    }
}

/// Why something couldn't be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The record's format isn't known here.
    #[error("the record has format {found}, which this version doesn't know; use the version that wrote it")]
    UnknownFormat {
        /// The format byte found.
        found: u8,
    },
    /// It was altered, is another record than it should be, or is sealed under another key.
    #[error("the record is damaged, or sealed under another key; restore a back-up")]
    Damaged,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

/// A key that seals records. No `Debug`, no `Clone`; zeroized when dropped.
///
/// It is the HMAC that HKDF-Expand is made of, with the key set once: that is half of what an expansion costs. On the
/// heap, so that handing it on leaves no copy behind.
pub struct SealKey(Box<hmac::Key>);

impl SealKey {
    /// A sealing key from 32 uniform secret bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(Box::new(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// Seals `plaintext` as the record that `aad` describes. Fails only without randomness.
    pub fn seal(&self, aad: &Aad<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&salt()?);
        sealed.extend_from_slice(plaintext);
        let cipher = self.record_cipher(&sealed[1..HEAD])?;
        let body = InOutBuf::from(&mut sealed[HEAD..]);
        let tag = cipher
            .encrypt_inout_detached(&Nonce::default(), &aad.encode(), body)
            // The only limit is 64 GiB.
            .map_err(|_| SealError::Damaged)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens a sealed record, if it is the one that `aad` describes.
    pub fn open(&self, aad: &Aad<'_>, sealed: &[u8]) -> Result<Secret, SealError> {
        self.record_key(sealed)?.open(aad, sealed)
    }

    /// The key of this one record: it opens no other.
    pub(crate) fn record_key(&self, sealed: &[u8]) -> Result<RecordKey, SealError> {
        let (salt, _) = parts(sealed)?;
        Ok(RecordKey(self.derive(salt)))
    }

    fn record_cipher(&self, salt: &[u8]) -> Result<Aes256Gcm, SealError> {
        Aes256Gcm::new_from_slice(&*self.derive(salt)).map_err(|_| SealError::Damaged)
    }

    fn derive(&self, salt: &[u8]) -> Zeroizing<[u8; 32]> {
        // HKDF-Expand's first block, T(1) = HMAC(key, info ‖ 0x01) (RFC 5869, section 2.3), is all 32 bytes.
        let mut expand = hmac::Context::with_key(&self.0);
        for piece in [RECORD_LABEL, salt, &[1]] {
            expand.update(piece);
        }
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(expand.sign().as_ref());
        key
    }
}

/// A sealed record's salt, and what comes after it.
fn parts(sealed: &[u8]) -> Result<(&[u8], &[u8]), SealError> {
    let (&format, rest) = sealed.split_first().ok_or(SealError::Damaged)?;
    if format != FORMAT {
        return Err(SealError::UnknownFormat { found: format });
    }
    rest.split_at_checked(SALT).ok_or(SealError::Damaged)
}

/// The key of one record. Whoever has it reads that record, and none beside.
pub(crate) struct RecordKey(Zeroizing<[u8; 32]>);

impl RecordKey {
    /// A key that was handed out for its record.
    #[cfg(feature = "audit")]
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes, for who may read the record.
    #[cfg(feature = "engine")]
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Opens its record, if that is the one that `aad` describes.
    pub(crate) fn open(&self, aad: &Aad<'_>, sealed: &[u8]) -> Result<Secret, SealError> {
        let (_, rest) = parts(sealed)?;
        let length = rest.len().checked_sub(TAG).ok_or(SealError::Damaged)?;
        let (body, tag) = rest.split_at(length);
        let tag = Tag::try_from(tag).map_err(|_| SealError::Damaged)?;
        let mut plaintext = Zeroizing::new(body.to_vec());
        Aes256Gcm::new_from_slice(&*self.0)
            .map_err(|_| SealError::Damaged)?
            .decrypt_inout_detached(
                &Nonce::default(),
                &aad.encode(),
                InOutBuf::from(plaintext.as_mut_slice()),
                &tag,
            )
            .map_err(|_| SealError::Damaged)?;
        Ok(Secret::new(std::mem::take(&mut *plaintext)))
    }
}

/// Salts that one draw of randomness gives. They aren't secret, and a draw costs more than its bytes.
const SALTS: usize = 32;

/// A fresh salt.
fn salt() -> Result<[u8; SALT], SealError> {
    thread_local! {
        static DRAWN: RefCell<Vec<[u8; SALT]>> = const { RefCell::new(Vec::new()) };
    }
    DRAWN.with_borrow_mut(|drawn| {
        if drawn.is_empty() {
            let mut fresh = [[0; SALT]; SALTS];
            aws_lc_rs::rand::fill(fresh.as_flattened_mut()).map_err(|_| SealError::Randomness)?;
            drawn.extend_from_slice(&fresh);
        }
        drawn.pop().ok_or(SealError::Randomness)
    })
}

/// `N` bytes of HKDF-Expand with SHA-256.
pub(crate) fn expand<const N: usize>(prk: &Prk, info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = Zeroizing::new([0; N]);
    prk.expand(info, Length(N))
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .expect("HKDF-SHA256 gives up to 8160 bytes, and every caller asks for fewer than 100");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_key_is_what_hkdf_expand_gives() {
        let (key, salt) = ([7; 32], [9; SALT]);
        let prk = Prk::new_less_safe(aws_lc_rs::hkdf::HKDF_SHA256, &key);
        let cipher = Aes256Gcm::new_from_slice(&*expand::<32>(&prk, &[RECORD_LABEL, &salt])).expect("a key");
        let (aad, mut body) = (Aad::default(), b"secret".to_vec());
        let text = InOutBuf::from(body.as_mut_slice());
        let tag = cipher.encrypt_inout_detached(&Nonce::default(), &aad.encode(), text).expect("sealed");
        let record = [&[FORMAT][..], &salt, &body, &tag].concat();
        let opened = SealKey::new(&key).open(&aad, &record).expect("opened");
        assert_eq!(opened.expose(), b"secret");
    }
}
