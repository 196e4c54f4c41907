//! The root key, sealed under a factor.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use claviger_proto::Secret;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::RootKey;
use crate::seal::{Aad, RecordKind, SealError, SealKey, expand};
use crate::slot::{SlotContext, SlotId};

const LABEL: &[u8] = b"claviger slot v1";

/// A root key sealed under a factor, as it lies in `slots.json`; all in hex.
#[derive(Serialize, Deserialize)]
pub(super) struct Wrapped {
    salt: String,
    /// Commits to the factor: AES-GCM alone would let somebody make one ciphertext that opens under two keys,
    /// and this is also how a wrong key is told from a damaged slot.
    commitment: String,
    sealed: String,
}

/// Why a slot doesn't open.
pub(super) enum Unwrap {
    WrongKey,
    Damaged,
}

fn derive(factor: &Secret, salt: &[u8]) -> (SealKey, Zeroizing<[u8; 32]>) {
    let derived = expand::<64>(&Salt::new(HKDF_SHA256, salt).extract(factor.expose()), &[LABEL]);
    let half = |range: std::ops::Range<usize>| {
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(&derived[range]);
        out
    };
    (SealKey::new(&half(0..32)), half(32..64))
}

/// What a slot's seal is bound to besides its store.
#[derive(Clone, Copy)]
pub(super) struct Bound<'a> {
    /// The kind of slot.
    pub(super) kind: &'a str,
    /// What the kind's own fields in `slots.json` say.
    pub(super) fields: &'a [u8],
}

fn aad<'a>(context: &SlotContext<'a>, bound: Bound<'a>, bound_to: &'a [u8]) -> Aad<'a> {
    Aad {
        kind: RecordKind::Slot,
        generation: *context.store.as_bytes(),
        name: context.purpose,
        entry_type: bound.kind,
        bound_to,
        ..Aad::default()
    }
}

impl Wrapped {
    /// The slot's name in its table: the beginning of its salt, which is random, and authenticated.
    pub(super) fn id(&self) -> Option<SlotId> {
        let mut id = [0; 4];
        hex::decode_to_slice(self.salt.get(..8)?, &mut id).ok()?;
        Some(SlotId::from_bytes(id))
    }

    pub(super) fn new(
        context: &SlotContext<'_>,
        bound: Bound<'_>,
        factor: &Secret,
        root: &RootKey,
    ) -> Result<Self, SealError> {
        let mut salt = [0; 32];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| SealError::Randomness)?;
        let (key, commitment) = derive(factor, &salt);
        let sealed = key.seal(&aad(context, bound, &[&salt, bound.fields].concat()), root.expose())?;
        Ok(Self {
            salt: hex::encode(salt),
            commitment: hex::encode(commitment.as_slice()),
            sealed: hex::encode(sealed),
        })
    }

    pub(super) fn open(
        &self,
        context: &SlotContext<'_>,
        bound: Bound<'_>,
        factor: &Secret,
    ) -> Result<RootKey, Unwrap> {
        let [salt, commitment, sealed] = [&self.salt, &self.commitment, &self.sealed].map(hex::decode);
        let (Ok(salt), Ok(commitment), Ok(sealed)) = (salt, commitment, sealed) else {
            return Err(Unwrap::Damaged);
        };
        let (key, expected) = derive(factor, &salt);
        if !bool::from(expected.as_slice().ct_eq(&commitment)) {
            return Err(Unwrap::WrongKey);
        }
        let bound_to = [&salt, bound.fields].concat();
        let root = key.open(&aad(context, bound, &bound_to), &sealed).map_err(|_| Unwrap::Damaged)?;
        RootKey::from_secret(root).ok_or(Unwrap::Damaged)
    }
}
