//! How a value lies in sled: with its revision, and cut into chunks when it is large.

use crate::engine::sled::{Trees, from_sled, index};
use crate::engine::{EngineError, Key, Revision};

/// Largest piece of a value in one sled value, in bytes.
///
/// Sled writes a page inline up to a quarter of its 512 KiB segment, and a leaf page has up to 18 items (it
/// splits above 16, on the way to the next insert): 18 × (6 KiB + keys) stays below 128 KiB.
pub(super) const CHUNK: usize = 6 << 10;

const INLINE: u8 = 1;
const CHUNKED: u8 = 2;
/// Kind and revision.
const HEAD: usize = 1 + 8;

/// A value as sled has it.
pub(super) struct Stored {
    pub(super) value: Vec<u8>,
    pub(super) revision: Revision,
    /// How many chunks it lies in; 0 when it is inline.
    pub(super) chunks: u32,
}

impl Stored {
    pub(super) fn read(trees: &Trees, key: &Key, raw: &[u8]) -> Result<Self, EngineError> {
        let (head, body) = raw.split_at_checked(HEAD).ok_or(EngineError::Damaged("too short"))?;
        let revision = revision_of(&head[1..])?;
        match head[0] {
            INLINE => Ok(Self { value: body.to_vec(), revision, chunks: 0 }),
            CHUNKED => {
                let length = body.try_into().map_err(|_| EngineError::Damaged("no length"))?;
                read_chunks(trees, key, revision, u32::from_be_bytes(length))
            }
            found => Err(EngineError::UnknownFormat { found }),
        }
    }
}

/// A revision from its 8 bytes.
pub(super) fn revision_of(bytes: &[u8]) -> Result<Revision, EngineError> {
    let bytes = bytes.try_into().map_err(|_| EngineError::Damaged("no revision"))?;
    Ok(Revision(u64::from_be_bytes(bytes)))
}

fn read_chunks(trees: &Trees, key: &Key, revision: Revision, length: u32) -> Result<Stored, EngineError> {
    let length = usize::try_from(length).map_err(|_| EngineError::Damaged("too long"))?;
    let mut value = Vec::with_capacity(length.min(crate::engine::MAX_VALUE));
    let mut chunks = 0;
    while value.len() < length {
        let chunk = trees.all[Trees::CHUNKS].get(chunk_key(key, revision, chunks));
        let chunk = chunk.map_err(|e| from_sled("read", e))?;
        value.extend_from_slice(&chunk.ok_or(EngineError::Damaged("a part is missing"))?);
        chunks += 1;
    }
    if value.len() == length {
        Ok(Stored { value, revision, chunks })
    } else {
        Err(EngineError::Damaged("too long"))
    }
}

/// Where a chunk lies. The fixed-size tail keeps any two values' chunks apart.
pub(super) fn chunk_key(key: &Key, revision: Revision, number: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.bytes.len() + 13);
    bytes.push(index(key.tree).to_be_bytes()[size_of::<usize>() - 1]);
    bytes.extend_from_slice(&key.bytes);
    bytes.extend_from_slice(&revision.0.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes
}

/// What goes into sled for a value: the bytes under its own key, and its chunks.
pub(super) fn encode(value: &[u8], revision: Revision) -> (Vec<u8>, Vec<Vec<u8>>) {
    let chunked = value.len() > CHUNK;
    let mut raw = Vec::with_capacity(HEAD + if chunked { 4 } else { value.len() });
    raw.push(if chunked { CHUNKED } else { INLINE });
    raw.extend_from_slice(&revision.0.to_be_bytes());
    if chunked {
        // Bounded by `MAX_VALUE`, which was checked.
        raw.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        (raw, value.chunks(CHUNK).map(<[u8]>::to_vec).collect())
    } else {
        raw.extend_from_slice(value);
        (raw, Vec::new())
    }
}
