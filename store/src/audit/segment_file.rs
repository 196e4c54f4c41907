//! A segment as it lies in a file: its header, its blocks of records, and how it ends.
//!
//! A block is `length of the sealed body (4) ‖ number of records (2) ‖ sealed body ‖ the chain's hash after it`.
//! The number is what the sealed body has, or the block is broken.

use std::io;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq as _;

use crate::audit::chain::ChainHead;
use crate::audit::{AuditFacts, ChainId};
use crate::domain::DomainKeys;

/// What is written. (Format 1 sealed each record by itself.)
pub(super) const FORMAT: u8 = 3;
/// What is read as well: its blocks don't begin with [`COMMITMENT`](super::facts::COMMITMENT).
const UNCOMMITTED: u8 = 2;
const MAGIC: [u8; 4] = *b"clva";

/// Bytes of a header: magic, format, generation, shard, first record, hash before it, digest over all that.
pub(super) const HEADER: usize = 4 + 1 + 16 + 2 + 8 + 32 + 32;
const LENGTH: usize = 4;
const COUNT: usize = 2;
const HASH: usize = 32;

/// Longest sealed body of one block, in bytes. One record's names, ids and addresses are far below it; a length
/// beyond it is no length.
pub(super) const LONGEST: usize = 16 << 10;

/// Which segment a file is, by its name: `<first record, 16 hex>-<shard>.seg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentName {
    pub(super) shard: u16,
    pub(super) start: u64,
}

impl SegmentName {
    pub(super) fn file_name(self) -> String {
        format!("{:016x}-{}.seg", self.start, self.shard)
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let (start, shard) = name.strip_suffix(".seg")?.split_once('-')?;
        let parsed = Self { start: u64::from_str_radix(start, 16).ok()?, shard: shard.parse().ok()? };
        (parsed.file_name() == name).then_some(parsed)
    }
}

/// The segments in a domain's directory, by shard and first record, and the files that are something else.
pub(super) fn list(dir: &Path) -> io::Result<(Vec<SegmentName>, Vec<PathBuf>)> {
    let (mut segments, mut others) = (Vec::new(), Vec::new());
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((segments, others)),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        match name.to_str().and_then(SegmentName::parse) {
            Some(segment) => segments.push(segment),
            // What a crash leaves of a segment that was being made.
            None if name.to_string_lossy().ends_with(".seg.new") => {}
            None => others.push(entry.path()),
        }
    }
    segments.sort_unstable();
    others.sort_unstable();
    Ok((segments, others))
}

/// The header of a segment that goes on from `from`.
pub(super) fn header(keys: &DomainKeys, format: u8, shard: u16, from: &ChainHead) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = format;
    header[5..21].copy_from_slice(keys.generation());
    header[21..23].copy_from_slice(&shard.to_be_bytes());
    header[23..31].copy_from_slice(&from.next.to_be_bytes());
    header[31..63].copy_from_slice(&from.hash);
    let digest = keys.digest(b"segment header", &header[..63]);
    header[63..].copy_from_slice(&digest);
    header
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Foreign,
    UnknownFormat(u8),
}

/// A segment's format, where it goes on from, by its header, and its blocks.
pub(super) fn read_header<'a>(
    keys: &DomainKeys,
    name: SegmentName,
    bytes: &'a [u8],
) -> Result<(u8, ChainHead, &'a [u8]), BadHeader> {
    let found = bytes.get(..HEADER).ok_or(BadHeader::Foreign)?;
    let format = found[4];
    if found[..4] == MAGIC && ![UNCOMMITTED, FORMAT].contains(&format) {
        return Err(BadHeader::UnknownFormat(format));
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(&found[31..63]);
    let from = ChainHead { next: name.start, hash };
    let expected = header(keys, format, name.shard, &from);
    if bool::from(expected.ct_eq(found)) {
        Ok((format, from, &bytes[HEADER..]))
    } else {
        Err(BadHeader::Foreign)
    }
}

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// With a whole block.
    Clean,
    /// Within a block, or in nothing but zeros, as after a loss of power.
    Torn,
    /// With something that isn't the next block.
    Broken,
}

/// What was read of a segment.
pub(super) struct Walked {
    /// Its format.
    pub(super) format: u8,
    /// Before its first record.
    pub(super) from: ChainHead,
    /// After its last good block.
    pub(super) to: ChainHead,
    pub(super) tail: Tail,
}

/// Reads a segment. `visit` gets each good block's records, and where the chain is after them.
pub(super) fn walk(
    keys: &DomainKeys,
    name: SegmentName,
    bytes: &[u8],
    visit: &mut dyn FnMut(Vec<AuditFacts>, &ChainHead),
) -> Result<Walked, BadHeader> {
    let (format, from, blocks) = read_header(keys, name, bytes)?;
    let (mut to, mut rest) = (from, blocks);
    let tail = loop {
        let block = match cut(rest) {
            Ok(Some(block)) => block,
            Ok(None) => break Tail::Clean,
            Err(tail) => break tail,
        };
        let next = block.after(&to);
        match block.open(keys, format, name.shard, &to) {
            Some(records) if next.hash == block.hash => visit(records, &next),
            _ => break Tail::Broken,
        }
        (to, rest) = (next, block.rest);
    };
    Ok(Walked { format, from, to, tail })
}

/// Where a segment can be gone on from, as [`walk`] would find. Opens the last block only: it opens nowhere but
/// after exactly the records before it, so they are good too if it is, and hashing is much cheaper.
pub(super) fn find_end(keys: &DomainKeys, name: SegmentName, bytes: &[u8]) -> Result<Walked, BadHeader> {
    let (format, from, blocks) = read_header(keys, name, bytes)?;
    let (mut to, mut rest, mut last) = (from, blocks, None);
    let tail = loop {
        match cut(rest) {
            Ok(Some(block)) if block.after(&to).hash == block.hash => {
                let before = to;
                (to, rest) = (block.after(&to), block.rest);
                last = Some((before, block));
            }
            Ok(Some(_)) => break Tail::Broken,
            Ok(None) => break Tail::Clean,
            Err(tail) => break tail,
        }
    };
    match last {
        Some((before, block)) if block.open(keys, format, name.shard, &before).is_none() => {
            walk(keys, name, bytes, &mut |_, _| {})
        }
        _ => Ok(Walked { format, from, to, tail }),
    }
}

/// A block, still sealed.
pub(super) struct Block<'a> {
    pub(super) sealed: &'a [u8],
    count: u16,
    pub(super) hash: &'a [u8],
    /// What comes after it.
    pub(super) rest: &'a [u8],
}

impl Block<'_> {
    /// Where the chain is after it.
    pub(super) fn after(&self, before: &ChainHead) -> ChainHead {
        before.after(self.sealed, u64::from(self.count))
    }

    /// Its records, if it is what comes after `before`.
    fn open(&self, keys: &DomainKeys, format: u8, shard: u16, before: &ChainHead) -> Option<Vec<AuditFacts>> {
        let opened = before.open(keys, ChainId::Shard(shard), self.sealed).ok()?;
        if format == FORMAT && !AuditFacts::is_committed(opened.expose()) {
            return None;
        }
        let records = AuditFacts::decode_block(opened.expose())?;
        (records.len() == usize::from(self.count)).then_some(records)
    }
}

/// Cuts off the first block. `None` at the end.
pub(super) fn cut(rest: &[u8]) -> Result<Option<Block<'_>>, Tail> {
    if rest.is_empty() {
        return Ok(None);
    }
    if rest.iter().all(|byte| *byte == 0) {
        return Err(Tail::Torn);
    }
    let (length, body) = rest.split_first_chunk::<LENGTH>().ok_or(Tail::Torn)?;
    let length = u32::from_be_bytes(*length) as usize;
    if length == 0 || length > LONGEST {
        return Err(Tail::Broken);
    }
    let (count, body) = body.split_first_chunk::<COUNT>().ok_or(Tail::Torn)?;
    let count = u16::from_be_bytes(*count);
    if count == 0 {
        return Err(Tail::Broken);
    }
    let (sealed, body) = body.split_at_checked(length).ok_or(Tail::Torn)?;
    let (hash, rest) = body.split_at_checked(HASH).ok_or(Tail::Torn)?;
    Ok(Some(Block { sealed, count, hash, rest }))
}

/// A block as it goes into the file; `None` when it is too long.
pub(super) fn block(sealed: &[u8], count: u16, after: &ChainHead) -> Option<Vec<u8>> {
    let length = u32::try_from(sealed.len()).ok().filter(|_| sealed.len() <= LONGEST)?;
    let mut bytes = Vec::with_capacity(LENGTH + COUNT + sealed.len() + HASH);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&count.to_be_bytes());
    bytes.extend_from_slice(sealed);
    bytes.extend_from_slice(&after.hash);
    Some(bytes)
}

/// Whether the file ends within a block. Looks at lengths only.
pub(super) fn is_torn(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    loop {
        match cut(rest) {
            Ok(Some(block)) => rest = block.rest,
            Ok(None) | Err(Tail::Broken | Tail::Clean) => return false,
            Err(Tail::Torn) => return true,
        }
    }
}
