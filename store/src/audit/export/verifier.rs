//! Checking an export: what its hashes, keys and signatures say, and no more.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Serialize;

use super::reader::Parts;
use super::{
    About, BROKEN, BlockPart, CHECKPOINT, CheckpointPart, DamagePart, EndPart, ExportError, FOREIGN,
    NEWER_HEAD, Part, SegmentPart, TORN, UNKNOWN_FORMAT,
};
use crate::audit::chain::{ChainHead, aad};
use crate::audit::{AuditFacts, ChainId, Checkpoint, Finding, FindingKind};
use crate::seal::RecordKey;

/// A checkpoint with a good signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointSeen {
    /// Which, counted from 1.
    pub sequence: u64,
    /// When it was made, seconds since 1970.
    pub time: i64,
    /// Its digest, SHA-256 in hex: the same for whoever was shown the same.
    pub digest: String,
    /// SHA-256 of the certificate whose key signed it, in hex.
    pub signer: String,
}

/// What was found of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainSeen {
    /// Which.
    pub chain: String,
    /// How many good records it has.
    pub records: u64,
    /// How many of them the last checkpoint covers. Of the others nobody could tell if they were cut off.
    pub covered: u64,
}

/// What a verification of an export found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the export says of itself; domain and generation are vouched for by the checkpoints.
    pub about: About,
    /// Each chain.
    pub chains: Vec<ChainSeen>,
    /// Checkpoints with good signatures.
    pub checkpoints: u64,
    /// The newest of them.
    pub last: Option<CheckpointSeen>,
    /// Records of an earlier format, which could be shown to somebody else as other records.
    pub uncommitted: u64,
    /// What is wrong, or worth knowing.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Good records over all chains.
    pub fn records(&self) -> u64 {
        self.chains.iter().map(|chain| chain.records).sum()
    }

    /// Whether nothing speaks of tampering or loss; a torn tail doesn't.
    pub fn is_intact(&self) -> bool {
        self.findings.iter().all(|finding| finding.kind == FindingKind::TornTail)
    }
}

/// Checks that a broker of this domain signed these bytes: gets what the export says of itself, the bytes and the
/// signature, and gives the SHA-256 of the certificate that did.
pub type CheckSignature<'a> = &'a dyn Fn(&About, &[u8], &[u8]) -> Option<[u8; 32]>;

/// Checks an export. `since` is the newest checkpoint that the verifier has kept from before, by [`held`].
pub fn verify_export(
    from: impl Read,
    since: Option<(&About, &CheckpointSeen)>,
    check: CheckSignature<'_>,
) -> Result<Verdict, ExportError> {
    let (mut parts, about) = Parts::open(from)?;
    let mut walk = Walk::new(about);
    if let Some((held_about, held)) = since {
        walk.since = Some(held.clone());
        if held_about.domain != walk.verdict.about.domain
            || held_about.generation != walk.verdict.about.generation
        {
            walk.find("your checkpoint", FindingKind::OtherGeneration);
            walk.since = None;
        }
    }
    loop {
        match parts.next()? {
            // The reading order is that of the writing: what a checkpoint covers comes after it.
            Part::Checkpoint(part) if !walk.in_chains => walk.checkpoint(part, check),
            Part::Segment(part) => walk.segment(&part).ok_or_else(|| parts.malformed())?,
            Part::Block(part) => walk.block(part).ok_or_else(|| parts.malformed())?,
            Part::Damage(part) => walk.damage(&part).ok_or_else(|| parts.malformed())?,
            Part::End(end) if walk.seen == end => break,
            _ => return Err(parts.malformed()),
        }
    }
    parts.finish()?;
    Ok(walk.end())
}

/// The newest good checkpoint of a file, which is a checkpoint's or an earlier export.
pub fn held(
    from: impl Read,
    check: CheckSignature<'_>,
) -> Result<Option<(About, CheckpointSeen)>, ExportError> {
    let (mut parts, about) = Parts::open(from)?;
    let mut newest: Option<CheckpointSeen> = None;
    loop {
        match parts.next()? {
            Part::Checkpoint(part) => {
                let seen = Checkpoint::read(part.sequence, part.body)
                    .and_then(|(checkpoint, signature)| good(&about, &checkpoint, &signature, check));
                newest = newest.into_iter().chain(seen).max_by_key(|seen| seen.sequence);
            }
            Part::Header(_) => return Err(parts.malformed()),
            Part::End(_) => break,
            Part::Segment(_) | Part::Block(_) | Part::Damage(_) => {}
        }
    }
    parts.finish()?;
    Ok(newest.map(|newest| (about, newest)))
}

fn good(
    about: &About,
    checkpoint: &Checkpoint,
    signature: &[u8],
    check: CheckSignature<'_>,
) -> Option<CheckpointSeen> {
    let bytes = checkpoint.signed_bytes(&about.domain, &about.generation);
    let signer = check(about, &bytes, signature)?;
    Some(CheckpointSeen {
        sequence: checkpoint.sequence,
        time: checkpoint.time,
        digest: hex::encode(Checkpoint::digest(&bytes)),
        signer: hex::encode(signer),
    })
}

/// A chain on its way.
struct Chain {
    head: ChainHead,
    covered: u64,
    records: u64,
    /// After a torn or broken end the next segment skips a number.
    may_skip: bool,
    committed: bool,
    /// Something was found: nothing after it can be said to follow.
    stopped: bool,
}

struct Walk {
    verdict: Verdict,
    since: Option<CheckpointSeen>,
    /// The digest of the checkpoint before.
    previous: [u8; 32],
    sequence: u64,
    /// What checkpoints say of the chains, until it is found to be so: by chain and number of records.
    marks: BTreeMap<ChainId, BTreeMap<u64, Vec<([u8; 32], u64)>>>,
    /// The last checkpoint's.
    covered: BTreeMap<ChainId, u64>,
    chains: BTreeMap<ChainId, Chain>,
    in_chains: bool,
    seen: EndPart,
}

impl Walk {
    fn new(about: About) -> Self {
        Self {
            verdict: Verdict {
                about,
                chains: Vec::new(),
                checkpoints: 0,
                last: None,
                uncommitted: 0,
                findings: Vec::new(),
            },
            since: None,
            previous: [0; 32],
            sequence: 0,
            marks: BTreeMap::new(),
            covered: BTreeMap::new(),
            chains: BTreeMap::new(),
            in_chains: false,
            seen: EndPart::default(),
        }
    }

    fn find(&mut self, place: impl Into<String>, kind: FindingKind) {
        self.verdict.findings.push(Finding { place: place.into(), kind });
    }

    fn checkpoint(&mut self, part: CheckpointPart, check: CheckSignature<'_>) {
        self.seen.checkpoints += 1;
        let place = format!("checkpoint {}", part.sequence);
        let number = part.sequence;
        let Some((checkpoint, signature)) = Checkpoint::read(number, part.body) else {
            return self.find(place, FindingKind::CheckpointBroken);
        };
        if number != self.sequence + 1 || checkpoint.previous != self.previous {
            self.find(place.as_str(), FindingKind::CheckpointBroken);
        }
        let about = &self.verdict.about;
        let bytes = checkpoint.signed_bytes(&about.domain, &about.generation);
        (self.sequence, self.previous) = (number, Checkpoint::digest(&bytes));
        let Some(seen) = good(about, &checkpoint, &signature, check) else {
            return self.find(place, FindingKind::CheckpointSignature);
        };
        if let Some(held) = self.since.take_if(|held| held.sequence == number)
            && held.digest != seen.digest
        {
            self.find(place, FindingKind::OtherHistory { checkpoint: number });
        }
        self.verdict.checkpoints += 1;
        self.verdict.last = Some(seen);
        self.covered.clear();
        for (chain, head) in &checkpoint.heads {
            self.covered.insert(*chain, head.next);
            let marks = self.marks.entry(*chain).or_default().entry(head.next).or_default();
            // A chain that stands still is marked again by each checkpoint; the first says as much as all.
            if marks.iter().all(|(hash, _)| *hash != head.hash) {
                marks.push((head.hash, number));
            }
        }
    }

    /// Where the chain is; begins it if it hasn't begun, and compares it with what checkpoints say of its beginning.
    fn begin(&mut self, id: ChainId) {
        self.in_chains = true;
        if self.chains.contains_key(&id) {
            return;
        }
        let head = ChainHead::first(&self.verdict.about.generation, id);
        let covered = self.covered.get(&id).copied().unwrap_or_default();
        let chain = Chain { head, covered, records: 0, may_skip: false, committed: false, stopped: false };
        self.chains.insert(id, chain);
        self.pass(id, &head);
    }

    /// The chain is here; compares that with what checkpoints say.
    fn pass(&mut self, id: ChainId, head: &ChainHead) {
        let marks = self.marks.get_mut(&id).and_then(|marks| marks.remove(&head.next)).unwrap_or_default();
        for (hash, checkpoint) in marks {
            if hash != head.hash {
                self.find(id.to_string(), FindingKind::Forked { checkpoint, chain: id });
            }
        }
    }

    fn segment(&mut self, part: &SegmentPart) -> Option<()> {
        let id = shard(Some(part.shard))?;
        let from = ChainHead { next: part.next, hash: part.hash.as_slice().try_into().ok()? };
        self.begin(id);
        let chain = self.chains.get_mut(&id)?;
        let may_skip = std::mem::take(&mut chain.may_skip);
        let number = if may_skip { from.next > chain.head.next } else { from.next == chain.head.next };
        if chain.stopped {
            return Some(());
        }
        if number && from.hash == chain.head.hash {
            chain.head = from;
            self.pass(id, &from);
        } else {
            chain.stopped = true;
            self.find(id.to_string(), FindingKind::Gap { record: from.next });
        }
        Some(())
    }

    fn block(&mut self, part: BlockPart) -> Option<()> {
        self.seen.blocks += 1;
        let id = shard(part.shard)?;
        let key = RecordKey::new(part.key.as_slice().try_into().ok()?);
        self.begin(id);
        let about = &self.verdict.about;
        let chain = self.chains.get_mut(&id)?;
        if chain.stopped {
            return Some(());
        }
        let head = chain.head;
        let opened = open(about, id, &head, &key, &part);
        let found = match opened {
            _ if part.first != head.next => Err(FindingKind::Gap { record: head.next }),
            None => Err(FindingKind::Broken { record: head.next }),
            Some((_, false)) if chain.committed => Err(FindingKind::Uncommitted { record: head.next }),
            Some(opened) => Ok(opened),
        };
        match found {
            Ok((records, committed)) => {
                chain.head = head.after(&part.sealed, records);
                chain.records += records;
                chain.committed = committed;
                let after = chain.head;
                if !committed {
                    self.verdict.uncommitted += records;
                }
                self.pass(id, &after);
            }
            Err(kind) => {
                chain.stopped = true;
                self.find(id.to_string(), kind);
            }
        }
        Some(())
    }

    fn damage(&mut self, part: &DamagePart) -> Option<()> {
        let kind = match part.kind {
            TORN => FindingKind::TornTail,
            BROKEN => FindingKind::Broken { record: part.number },
            FOREIGN => FindingKind::Foreign,
            UNKNOWN_FORMAT => FindingKind::UnknownFormat { found: u8::try_from(part.number).ok()? },
            CHECKPOINT => FindingKind::CheckpointBroken,
            NEWER_HEAD => FindingKind::RolledBack,
            _ => return None,
        };
        if let Some(id) = part.shard
            && matches!(part.kind, TORN | BROKEN)
        {
            let id = shard(Some(id))?;
            self.begin(id);
            self.chains.get_mut(&id)?.may_skip = true;
        }
        // What the broker says of its disk is text of somebody else's.
        self.find(part.place.replace(char::is_control, "\u{fffd}"), kind);
        Some(())
    }

    fn end(mut self) -> Verdict {
        for (id, marks) in std::mem::take(&mut self.marks) {
            let stopped = self.chains.get(&id).is_some_and(|chain| chain.stopped);
            let found = self.chains.get(&id).map_or(0, |chain| chain.head.next);
            // A chain that nobody has begun is where it begins.
            let first = ChainHead::first(&self.verdict.about.generation, id);
            for (expected, marks) in marks {
                for (hash, checkpoint) in marks {
                    if !stopped && !(expected == 0 && hash == first.hash) {
                        let kind = FindingKind::Truncated { checkpoint, chain: id, expected, found };
                        self.find(id.to_string(), kind);
                    }
                }
            }
        }
        if let Some(held) = self.since.take() {
            let checkpoint = held.sequence;
            self.find("your checkpoint", FindingKind::Regressed { checkpoint });
        }
        if self.verdict.last.is_none() {
            self.find("checkpoints", FindingKind::NoCheckpoint);
        }
        let seen = |(id, chain): (&ChainId, &Chain)| ChainSeen {
            chain: id.to_string(),
            records: chain.records,
            covered: chain.covered.min(chain.records),
        };
        self.verdict.chains = self.chains.iter().map(seen).collect();
        self.verdict
    }
}

/// How many records a block has, and whether it opens under one key only; `None` if it isn't what comes next.
fn open(
    about: &About,
    id: ChainId,
    head: &ChainHead,
    key: &RecordKey,
    part: &BlockPart,
) -> Option<(u64, bool)> {
    let (name, bound_to) = (id.to_string(), head.bound_to());
    let opened = key.open(&aad(about.generation, about.epoch, &name, &bound_to), &part.sealed).ok()?;
    let records = AuditFacts::decode_block(opened.expose())?.len() as u64;
    (records > 0).then(|| (records, AuditFacts::is_committed(opened.expose())))
}

fn shard(shard: Option<u32>) -> Option<ChainId> {
    shard.map_or(Some(ChainId::Store), |shard| Some(ChainId::Shard(u16::try_from(shard).ok()?)))
}
