//! Where everything lies in the engine: the only place that makes an engine's keys.
//!
//! A resource's name reaches [`EntryPlace`] only, and so [`Tree::Entry`] only.

use claviger_proto::ResourceName;

use crate::domain::DomainKeys;
use crate::engine::{Key, Tree};

/// A domain's generation id.
pub(crate) type Generation = [u8; 16];

/// In [`Tree::Domain`], what each generation id comes after.
pub(crate) const DOMAIN_KEYS: &[u8] = b"k";
/// See [`DOMAIN_KEYS`].
pub(crate) const REMOVALS: &[u8] = b"x";

/// The store's identity.
pub(crate) fn identity() -> Key {
    Key::new(Tree::Broker, *b"identity")
}

/// A domain's policy key.
pub(crate) fn policy_key(generation: &Generation) -> Key {
    Key::new(Tree::Broker, [b"p", generation.as_slice()].concat())
}

/// The key of the broker's own certificate in a domain.
pub(crate) fn broker_key(generation: &Generation) -> Key {
    Key::new(Tree::Broker, [b"b", generation.as_slice()].concat())
}

/// The keys that a domain's owner signs for.
pub(crate) fn issuing(generation: &Generation) -> Key {
    Key::new(Tree::Broker, [b"i", generation.as_slice()].concat())
}

/// A domain's key.
pub(crate) fn domain_key(generation: &Generation) -> Key {
    Key::new(Tree::Domain, [DOMAIN_KEYS, generation.as_slice()].concat())
}

/// What describes a domain.
pub(crate) fn domain_record(generation: &Generation) -> Key {
    Key::new(Tree::Domain, [b"r", generation.as_slice()].concat())
}

/// That a deleted domain's records aren't all removed yet.
pub(crate) fn removal(generation: &Generation) -> Key {
    Key::new(Tree::Domain, [REMOVALS, generation.as_slice()].concat())
}

/// Before the digest of each launch ticket of a domain.
pub(crate) fn tickets(generation: &Generation) -> Vec<u8> {
    [b"t", generation.as_slice()].concat()
}

/// A launch ticket, by a keyed digest of its id.
pub(crate) fn ticket(keys: &DomainKeys, id: &[u8; 32]) -> Key {
    let digest = keys.digest(b"ticket", id);
    Key::new(Tree::Domain, [&tickets(keys.generation()), &digest[..DIGEST]].concat())
}

/// Before the time and the digest of each thing that was done in a domain and may not be done again.
pub(crate) fn onces(generation: &Generation) -> Vec<u8> {
    [b"o", generation.as_slice()].concat()
}

/// What may be done once, by the time until which that is remembered (seconds since 1970) and a keyed digest of it.
pub(crate) fn once(keys: &DomainKeys, until: i64, what: &[u8; 32]) -> Key {
    let digest = keys.digest(b"once", what);
    let until = until.max(0).to_be_bytes();
    Key::new(Tree::Domain, [&onces(keys.generation()), until.as_slice(), &digest[..DIGEST]].concat())
}

/// Until when what has this key is remembered.
pub(crate) fn once_until(key: &[u8]) -> Option<i64> {
    let start = 1 + size_of::<Generation>();
    Some(i64::from_be_bytes(key.get(start..start + 8)?.try_into().ok()?))
}

/// The generation id at the end of a key of [`Tree::Domain`].
pub(crate) fn generation_of(key: &[u8]) -> Option<Generation> {
    key.get(1..)?.try_into().ok()
}

/// Where a domain's trail in the engine has got to.
pub(crate) fn audit_head(generation: &Generation) -> Key {
    Key::new(Tree::Audit, [generation.as_slice(), b"h"].concat())
}

/// Before the number of each block of a domain's trail.
pub(crate) fn audit_blocks(generation: &Generation) -> Vec<u8> {
    [generation.as_slice(), b"b"].concat()
}

/// The block of a domain's trail that starts with this record.
pub(crate) fn audit_block(generation: &Generation, start: u64) -> Key {
    Key::new(Tree::Audit, [&audit_blocks(generation), start.to_be_bytes().as_slice()].concat())
}

/// Before the number of each checkpoint of a domain.
pub(crate) fn checkpoints(generation: &Generation) -> Vec<u8> {
    [generation.as_slice(), b"c"].concat()
}

/// A checkpoint of a domain.
pub(crate) fn checkpoint(generation: &Generation, sequence: u64) -> Key {
    Key::new(Tree::Audit, [&checkpoints(generation), sequence.to_be_bytes().as_slice()].concat())
}

/// The number at the end of a key of a block or a checkpoint.
pub(crate) fn number_of(key: &[u8]) -> Option<u64> {
    let tail: [u8; 8] = key.get(size_of::<Generation>() + 1..)?.try_into().ok()?;
    Some(u64::from_be_bytes(tail))
}

/// Bytes of a name's digest in a key. Two names of a domain that share it couldn't both be stored, which takes
/// some 2^64 names; and what sled keeps of a key beside its neighbours' common start, this and five more
/// bytes, lies within its page instead of on the heap.
const DIGEST: usize = 16;

/// What lies under a key of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryPart {
    /// Which versions there are; the newest may lie beside it.
    Head,
    /// Older versions, without their secrets.
    Page,
    /// One version.
    Version,
}

/// Where the entries of one name lie: side by side, under the domain's generation id and a keyed digest of
/// the name.
#[derive(Clone, Copy)]
pub(crate) struct EntryPlace([u8; 16 + DIGEST]);

impl EntryPlace {
    pub(crate) fn new(keys: &DomainKeys, name: &ResourceName) -> Self {
        let mut place = [0; 16 + DIGEST];
        place[..16].copy_from_slice(keys.generation());
        place[16..].copy_from_slice(&keys.name_digest(name)[..DIGEST]);
        Self(place)
    }

    fn key(&self, kind: u8, number: u32) -> Key {
        Key::new(Tree::Entry, [self.0.as_slice(), &[kind], &number.to_be_bytes()].concat())
    }

    /// A key after all those of the name that this key is of.
    pub(crate) fn end_of(key: &[u8]) -> Option<Vec<u8>> {
        Some([key.get(..16 + DIGEST)?, &[u8::MAX]].concat())
    }

    /// What lies under a key of an entry.
    pub(crate) fn part(key: &[u8]) -> Option<EntryPart> {
        match key.get(16 + DIGEST)? {
            0 => Some(EntryPart::Head),
            1 => Some(EntryPart::Page),
            2 => Some(EntryPart::Version),
            _ => None,
        }
    }

    /// Which versions there are.
    pub(crate) fn head(&self) -> Key {
        self.key(0, 0)
    }

    /// A page of older versions.
    pub(crate) fn page(&self, number: u32) -> Key {
        self.key(1, number)
    }

    /// One version.
    pub(crate) fn version(&self, version: u32) -> Key {
        self.key(2, version)
    }
}
