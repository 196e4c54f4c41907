//! A segment as it lies in a file: its header, its records, and how it ends.

use std::io;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq as _;

use crate::audit::chain::ChainHead;
use crate::audit::{AuditFacts, ChainId};
use crate::domain::DomainKeys;

/// The only format there is.
const FORMAT: u8 = 1;
const MAGIC: [u8; 4] = *b"clva";

/// Bytes of a header: magic, format, generation, shard, first record, hash before it, digest over all that.
pub(super) const HEADER: usize = 4 + 1 + 16 + 2 + 8 + 32 + 32;
const LENGTH: usize = 4;
const HASH: usize = 32;

/// Longest sealed body of one record, in bytes: names, ids and addresses are far below; a length beyond it is
/// no length.
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
pub(super) fn header(keys: &DomainKeys, shard: u16, from: &ChainHead) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = FORMAT;
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

/// Where a segment goes on from, by its header.
fn read_header(keys: &DomainKeys, name: SegmentName, bytes: &[u8]) -> Result<ChainHead, BadHeader> {
    let found = bytes.get(..HEADER).ok_or(BadHeader::Foreign)?;
    if found[..4] == MAGIC && found[4] != FORMAT {
        return Err(BadHeader::UnknownFormat(found[4]));
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(&found[31..63]);
    let from = ChainHead { next: name.start, hash };
    let expected = header(keys, name.shard, &from);
    if bool::from(expected.ct_eq(found)) { Ok(from) } else { Err(BadHeader::Foreign) }
}

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// With a whole record.
    Clean,
    /// Within a record, or in nothing but zeros, as after a loss of power.
    Torn,
    /// With something that isn't the next record.
    Broken,
}

/// What was read of a segment.
pub(super) struct Walked {
    /// Before its first record.
    pub(super) from: ChainHead,
    /// After its last good record.
    pub(super) to: ChainHead,
    pub(super) tail: Tail,
}

/// Reads a segment. `visit` gets each good record, and where the chain is after it.
pub(super) fn walk(
    keys: &DomainKeys,
    name: SegmentName,
    bytes: &[u8],
    visit: &mut dyn FnMut(AuditFacts, &ChainHead),
) -> Result<Walked, BadHeader> {
    let from = read_header(keys, name, bytes)?;
    let (mut to, mut rest) = (from, &bytes[HEADER..]);
    let tail = loop {
        let (sealed, hash, after) = match cut(rest) {
            Ok(Some(record)) => record,
            Ok(None) => break Tail::Clean,
            Err(tail) => break tail,
        };
        let next = to.after(sealed, 1);
        let opened = to.open(keys, ChainId::Shard(name.shard), sealed).ok();
        match opened.and_then(|opened| AuditFacts::decode(opened.expose())) {
            Some(facts) if next.hash == hash => visit(facts, &next),
            _ => break Tail::Broken,
        }
        (to, rest) = (next, after);
    };
    Ok(Walked { from, to, tail })
}

/// Where a segment can be gone on from, as [`walk`] would find. Opens the last record only: it opens nowhere but
/// after exactly the records before it, so they are good too if it is, and hashing is much cheaper.
pub(super) fn find_end(keys: &DomainKeys, name: SegmentName, bytes: &[u8]) -> Result<Walked, BadHeader> {
    let from = read_header(keys, name, bytes)?;
    let (mut to, mut rest, mut last) = (from, &bytes[HEADER..], None);
    let tail = loop {
        match cut(rest) {
            Ok(Some((sealed, hash, after))) if to.after(sealed, 1).hash == hash => {
                last = Some((to, sealed));
                (to, rest) = (to.after(sealed, 1), after);
            }
            Ok(Some(_)) => break Tail::Broken,
            Ok(None) => break Tail::Clean,
            Err(tail) => break tail,
        }
    };
    match last {
        Some((before, sealed)) if before.open(keys, ChainId::Shard(name.shard), sealed).is_err() => {
            walk(keys, name, bytes, &mut |_, _| {})
        }
        _ => Ok(Walked { from, to, tail }),
    }
}

/// Cuts off the first record: its body, its hash, and what comes after. `None` at the end.
#[allow(clippy::type_complexity, reason = "three slices of one buffer, used in one place")]
fn cut(rest: &[u8]) -> Result<Option<(&[u8], &[u8], &[u8])>, Tail> {
    if rest.is_empty() {
        return Ok(None);
    }
    if rest.iter().all(|byte| *byte == 0) {
        return Err(Tail::Torn);
    }
    let (length, body) = rest.split_at_checked(LENGTH).ok_or(Tail::Torn)?;
    let length = u32::from_be_bytes(length.try_into().map_err(|_| Tail::Torn)?) as usize;
    if length == 0 || length > LONGEST {
        return Err(Tail::Broken);
    }
    let (sealed, body) = body.split_at_checked(length).ok_or(Tail::Torn)?;
    let (hash, after) = body.split_at_checked(HASH).ok_or(Tail::Torn)?;
    Ok(Some((sealed, hash, after)))
}

/// A record as it goes into the file.
pub(super) fn record(sealed: &[u8], after: &ChainHead) -> Option<Vec<u8>> {
    let length = u32::try_from(sealed.len()).ok().filter(|_| sealed.len() <= LONGEST)?;
    let mut bytes = Vec::with_capacity(LENGTH + sealed.len() + HASH);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(sealed);
    bytes.extend_from_slice(&after.hash);
    Some(bytes)
}

/// Whether the file ends within a record. Looks at lengths only.
pub(super) fn is_torn(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    loop {
        match cut(rest) {
            Ok(Some((_, _, after))) => rest = after,
            Ok(None) | Err(Tail::Broken | Tail::Clean) => return false,
            Err(Tail::Torn) => return true,
        }
    }
}
