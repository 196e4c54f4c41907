//! Writing an export.

use std::io::Write;
use std::path::Path;

use prost::Message;

use super::{
    About, BROKEN, BlockPart, CHECKPOINT, CheckpointPart, DamagePart, EndPart, ExportError, FOREIGN,
    HeaderPart, LONGEST, MAGIC, NEWER_HEAD, SegmentPart, TORN, UNKNOWN_FORMAT, VERSION,
};
use crate::audit::chain::ChainHead;
use crate::audit::segment_file::{BadHeader, Block, SegmentName, Tail, cut, list, read_header};
use crate::audit::verify::{io, read_settled};
use crate::audit::{AuditError, Checkpoint, load_head};
use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Engine as _, Key, Tree};
use crate::error::StoreError;
use crate::layout;
use crate::store::{Store, scan_all};

/// Writes a domain's whole trail. What isn't as it was written is exported as it is, for the verification to find.
/// May run beside shards that append.
pub fn export(
    store: &Store,
    audit_dir: &Path,
    keys: &DomainKeys,
    about: &About,
    to: &mut dyn Write,
) -> Result<(), ExportError> {
    let mut writer = begin(keys, about, to)?;
    // In this order: what was there when a checkpoint was made is there when the chains are read after it.
    let engine = store.engine();
    writer.checkpoints(engine)?;
    writer.engine_chain(engine)?;
    writer.files(&audit_dir.join(keys.audit_dir_name()))?;
    writer.end()
}

/// Writes a domain's newest checkpoint, for whoever keeps it. Whether there is one.
pub fn checkpoint(
    store: &Store,
    keys: &DomainKeys,
    about: &About,
    to: &mut dyn Write,
) -> Result<bool, ExportError> {
    let engine = store.engine();
    let head = load_head(engine, keys).map_err(AuditError::from)?;
    let place = layout::checkpoint(keys.generation(), head.checkpoint);
    let Some((raw, _)) = engine.get(&place).map_err(StoreError::from).map_err(AuditError::from)? else {
        return Ok(false);
    };
    let mut writer = begin(keys, about, to)?;
    let body = Checkpoint::open_body(keys, head.checkpoint, &place, &raw).map_err(AuditError::from)?;
    writer.seen.checkpoints += 1;
    writer.part(2, &CheckpointPart { sequence: head.checkpoint, body })?;
    writer.end()?;
    Ok(true)
}

fn begin<'a>(keys: &'a DomainKeys, about: &About, to: &'a mut dyn Write) -> Result<Writer<'a>, ExportError> {
    if keys.is_destroyed() {
        return Err(AuditError::Deleted.into());
    }
    to.write_all(&MAGIC)?;
    to.write_all(&[VERSION])?;
    let mut writer = Writer { keys, to, seen: EndPart::default() };
    writer.part(
        1,
        &HeaderPart {
            domain: about.domain.to_string(),
            generation: about.generation.to_vec(),
            epoch: about.epoch,
            time: about.time,
            policy: about.policy.to_vec(),
            holds_policy_key: about.holds_policy_key,
        },
    )?;
    Ok(writer)
}

impl About {
    /// What an export of this domain says of itself, at this time (seconds since 1970).
    pub fn new(keys: &DomainKeys, time: i64, policy: [u8; 32], holds_policy_key: bool) -> Self {
        Self {
            domain: keys.domain().clone(),
            generation: *keys.generation(),
            epoch: keys.epoch(),
            time,
            policy,
            holds_policy_key,
        }
    }
}

struct Writer<'a> {
    keys: &'a DomainKeys,
    to: &'a mut dyn Write,
    seen: EndPart,
}

impl Writer<'_> {
    fn part(&mut self, kind: u8, part: &impl Message) -> Result<(), ExportError> {
        let body = part.encode_to_vec();
        let length = u32::try_from(body.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or(AuditError::TooLarge)?;
        self.to.write_all(&[kind])?;
        self.to.write_all(&length.to_be_bytes())?;
        self.to.write_all(&body)?;
        Ok(())
    }

    fn damage(
        &mut self,
        place: String,
        kind: u32,
        shard: Option<u16>,
        number: u64,
    ) -> Result<(), ExportError> {
        self.part(5, &DamagePart { place, kind, shard: shard.map(u32::from), number })
    }

    fn end(mut self) -> Result<(), ExportError> {
        let seen = self.seen;
        self.part(6, &seen)?;
        Ok(self.to.flush()?)
    }

    fn checkpoints(&mut self, engine: &AnyEngine) -> Result<(), ExportError> {
        let generation = self.keys.generation();
        let must = load_head(engine, self.keys).map_or(0, |head| head.checkpoint);
        let mut last = 0;
        scan(engine, &layout::checkpoints(generation), |key, value| {
            let sequence = layout::number_of(&key.bytes).unwrap_or_default();
            last = sequence;
            match Checkpoint::open_body(self.keys, sequence, key, value) {
                Ok(body) => {
                    self.seen.checkpoints += 1;
                    self.part(2, &CheckpointPart { sequence, body })
                }
                Err(_) => self.damage(format!("checkpoint {sequence}"), CHECKPOINT, None, 0),
            }
        })?;
        if last < must {
            self.damage(format!("checkpoint {must}"), CHECKPOINT, None, 0)?;
        }
        Ok(())
    }

    fn engine_chain(&mut self, engine: &AnyEngine) -> Result<(), ExportError> {
        let must = load_head(engine, self.keys).ok().map(|head| head.chain);
        let mut hash = ChainHead::empty(self.keys, crate::audit::ChainId::Store).hash;
        let mut passed = must.is_some_and(|must| must.hash == hash);
        scan(engine, &layout::audit_blocks(self.keys.generation()), |key, sealed| {
            hash = ChainHead { next: 0, hash }.after(sealed, 0).hash;
            passed |= must.is_some_and(|must| must.hash == hash);
            self.block(None, layout::number_of(&key.bytes).unwrap_or_default(), sealed)
        })?;
        if passed { Ok(()) } else { self.damage("store".to_owned(), NEWER_HEAD, None, 0) }
    }

    fn block(&mut self, shard: Option<u16>, first: u64, sealed: &[u8]) -> Result<(), ExportError> {
        // One that isn't even a sealed record is exported too: it doesn't open.
        let key = self.keys.record_key(sealed).map_or_else(|_| vec![0; 32], |key| key.expose().to_vec());
        self.seen.blocks += 1;
        self.part(4, &BlockPart { shard: shard.map(u32::from), first, sealed: sealed.to_vec(), key })
    }

    fn files(&mut self, dir: &Path) -> Result<(), ExportError> {
        let (segments, others) = list(dir).map_err(|error| io("list", dir, error))?;
        for other in others {
            let name = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.damage(name, FOREIGN, None, 0)?;
        }
        for name in segments {
            self.file(name, &read_settled(&dir.join(name.file_name()))?)?;
        }
        Ok(())
    }

    fn file(&mut self, name: SegmentName, bytes: &[u8]) -> Result<(), ExportError> {
        let shard = Some(name.shard);
        let (from, mut rest) = match read_header(self.keys, name, bytes) {
            Ok((_, from, rest)) => (from, rest),
            Err(BadHeader::Foreign) => return self.damage(name.file_name(), FOREIGN, None, 0),
            Err(BadHeader::UnknownFormat(found)) => {
                return self.damage(name.file_name(), UNKNOWN_FORMAT, None, u64::from(found));
            }
        };
        self.part(3, &SegmentPart { shard: name.shard.into(), next: from.next, hash: from.hash.to_vec() })?;
        let mut head = from;
        let kind = loop {
            match cut(rest) {
                Ok(Some(block)) => {
                    let Block { sealed, hash, rest: after, .. } = block;
                    self.block(shard, head.next, sealed)?;
                    head = block.after(&head);
                    if head.hash != hash {
                        break BROKEN;
                    }
                    rest = after;
                }
                Ok(None) | Err(Tail::Clean) => return Ok(()),
                Err(Tail::Torn) => break TORN,
                Err(Tail::Broken) => break BROKEN,
            }
        };
        self.damage(name.file_name(), kind, shard, head.next)
    }
}

/// Visits everything of the audit's tree under a prefix.
fn scan(
    engine: &AnyEngine,
    prefix: &[u8],
    mut visit: impl FnMut(&Key, &[u8]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut failed = None;
    scan_all(engine, Tree::Audit, prefix, |found| {
        if failed.is_none() {
            failed = visit(&Key::new(Tree::Audit, found.key), &found.value).err();
        }
        Ok(())
    })
    .map_err(AuditError::from)?;
    failed.map_or(Ok(()), Err)
}
