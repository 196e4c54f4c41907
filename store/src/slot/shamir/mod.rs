//! The slot of shares: its key is split among people (Shamir 1979), some of whom are needed to open it.
//!
//! A share is a line of text:
//!
//! ```text
//! claviger-share-1-<slot id>-<needed>-<number>-<32 bytes, hex>-<checksum>
//! ```
//!
//! The checksum (4 bytes of SHA-256 of all before it) tells a mistyped share. The slot has a digest of each of its
//! shares, so one that is whole and wrong is told too, before the others are there. A digest of 32 uniformly
//! random bytes says nothing that could be used to find them.

mod field;
mod share;

use aws_lc_rs::digest::{SHA256, digest};
use claviger_proto::Secret;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

pub use share::Share;

use crate::slot::{SlotError, SlotId};

/// Into how many shares, and how many of them are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitPlan {
    shares: u8,
    needed: u8,
}

impl SplitPlan {
    /// 2 to 255 shares, of which 2 or more are needed. (One that is enough by itself is a key file.)
    pub fn new(shares: u8, needed: u8) -> Result<Self, SlotError> {
        if needed < 2 || needed > shares { Err(SlotError::SplitPlan) } else { Ok(Self { shares, needed }) }
    }
}

/// What a slot says about its shares, as it lies in `slots.json`.
#[derive(Serialize, Deserialize)]
pub(super) struct Split {
    pub(super) needed: u8,
    /// SHA-256 for each share, hex, in the order of their numbers.
    pub(super) digests: Vec<String>,
}

/// A key that is split, before it has a slot.
pub(super) struct Fresh {
    pub(super) key: Secret,
    parts: Vec<field::Bytes>,
    plan: SplitPlan,
}

fn random() -> Result<field::Bytes, SlotError> {
    let mut bytes = Zeroizing::new([0; field::SECRET]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| SlotError::Randomness)?;
    Ok(bytes)
}

impl Fresh {
    pub(super) fn new(plan: SplitPlan) -> Result<Self, SlotError> {
        let key = random()?;
        let coefficients = (1..plan.needed).map(|_| random()).collect::<Result<Vec<_>, _>>()?;
        let parts = (1..=plan.shares).map(|x| field::part(&key, &coefficients, x)).collect();
        Ok(Self { key: Secret::copy_from(key.as_slice()), parts, plan })
    }

    pub(super) fn split(&self) -> Split {
        let numbered = (1..=self.plan.shares).zip(&self.parts);
        Split {
            needed: self.plan.needed,
            digests: numbered.map(|(number, part)| hex::encode(part_digest(number, part))).collect(),
        }
    }

    pub(super) fn into_shares(self, slot: SlotId) -> Vec<Share> {
        let needed = self.plan.needed;
        let numbered = (1..=self.plan.shares).zip(self.parts);
        numbered.map(|(number, part)| Share { slot, needed, number, part }).collect()
    }
}

fn part_digest(number: u8, part: &field::Bytes) -> [u8; 32] {
    let mut bytes = Zeroizing::new(Vec::with_capacity(64));
    bytes.extend_from_slice(b"claviger share v1");
    bytes.push(number);
    bytes.extend_from_slice(part.as_slice());
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    out
}

impl Split {
    /// What the slot's seal is bound to.
    pub(super) fn bound_to(&self) -> Vec<u8> {
        [&[self.needed], self.digests.concat().as_bytes()].concat()
    }

    /// Whether the share is the one that this slot gave out under its number.
    fn check(&self, share: &Share) -> Result<(), SlotError> {
        let wrong = SlotError::WrongShare { number: share.number };
        let known = self.digests.get(usize::from(share.number).wrapping_sub(1)).ok_or(wrong)?;
        let found = hex::encode(part_digest(share.number, &share.part));
        if share.needed == self.needed && bool::from(known.as_bytes().ct_eq(found.as_bytes())) {
            Ok(())
        } else {
            Err(SlotError::WrongShare { number: share.number })
        }
    }
}

/// How many shares are there, of how many that are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many are there.
    pub have: u8,
    /// How many are needed.
    pub needed: u8,
}

/// Shares of one slot that have come so far, each checked. Lost when it is dropped: nothing of it is kept anywhere.
#[derive(Default)]
pub struct Gathering(Vec<Share>);

impl Gathering {
    /// How far it is; `None` before the first share.
    pub fn progress(&self) -> Option<Progress> {
        let first = self.0.first()?;
        Some(Progress { have: u8::try_from(self.0.len()).unwrap_or(u8::MAX), needed: first.needed })
    }

    /// Whose shares these are; `None` before the first share.
    pub fn slot(&self) -> Option<SlotId> {
        self.0.first().map(|share| share.slot)
    }

    /// Adds a share that its slot knows.
    pub(super) fn add(&mut self, share: Share, split: &Split) -> Result<Progress, SlotError> {
        if let Some(slot) = self.slot()
            && slot != share.slot
        {
            return Err(SlotError::OtherSlotsShare { number: share.number, slot });
        }
        split.check(&share)?;
        if self.0.iter().any(|known| known.number == share.number) {
            return Err(SlotError::RepeatedShare { number: share.number });
        }
        let needed = share.needed;
        self.0.push(share);
        Ok(Progress { have: u8::try_from(self.0.len()).unwrap_or(u8::MAX), needed })
    }

    /// The key that was split.
    pub(super) fn factor(&self) -> Result<Secret, SlotError> {
        let Progress { have, needed } = self.progress().unwrap_or(Progress { have: 0, needed: 2 });
        if have < needed {
            return Err(SlotError::TooFewShares { have, needed });
        }
        let parts: Vec<(u8, &field::Bytes)> =
            self.0.iter().take(usize::from(needed)).map(|share| (share.number, &share.part)).collect();
        Ok(Secret::copy_from(field::combine(&parts).as_slice()))
    }
}
