//! The way through an export, part by part.

use std::collections::BTreeMap;

use super::{ChainSeen, CheckSignature, CheckpointSeen, Verdict, good};
use crate::audit::chain::{ChainHead, aad};
use crate::audit::export::{
    About, BROKEN, BlockPart, CHECKPOINT, CheckpointPart, DamagePart, EndPart, FOREIGN, NEWER_HEAD,
    SegmentPart, TORN, UNKNOWN_FORMAT,
};
use crate::audit::{AuditFacts, ChainId, Checkpoint, Finding, FindingKind};
use crate::seal::RecordKey;

/// What a checkpoint says of a chain at one place.
struct Mark {
    hash: [u8; 32],
    checkpoint: u64,
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

pub(super) struct Walk {
    verdict: Verdict,
    since: Option<CheckpointSeen>,
    /// The digest of the checkpoint before.
    previous: [u8; 32],
    sequence: u64,
    /// What checkpoints say of the chains, until it is found to be so: by chain and number of records.
    marks: BTreeMap<ChainId, BTreeMap<u64, Vec<Mark>>>,
    /// The last checkpoint's.
    covered: BTreeMap<ChainId, u64>,
    chains: BTreeMap<ChainId, Chain>,
    in_chains: bool,
    seen: EndPart,
}

impl Walk {
    pub(super) fn new(about: About, since: Option<CheckpointSeen>) -> Self {
        Self {
            verdict: Verdict {
                about,
                chains: Vec::new(),
                checkpoints: 0,
                last: None,
                uncommitted: 0,
                findings: Vec::new(),
            },
            since,
            previous: [0; 32],
            sequence: 0,
            marks: BTreeMap::new(),
            covered: BTreeMap::new(),
            chains: BTreeMap::new(),
            in_chains: false,
            seen: EndPart::default(),
        }
    }

    pub(super) fn find(&mut self, place: impl Into<String>, kind: FindingKind) {
        self.verdict.findings.push(Finding { place: place.into(), kind });
    }

    pub(super) fn checkpoint(&mut self, part: CheckpointPart, check: CheckSignature<'_>) {
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
            if marks.iter().all(|mark| mark.hash != head.hash) {
                marks.push(Mark { hash: head.hash, checkpoint: number });
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
        for Mark { hash, checkpoint } in marks {
            if hash != head.hash {
                self.find(id.to_string(), FindingKind::Forked { checkpoint, chain: id });
            }
        }
    }

    pub(super) fn segment(&mut self, part: &SegmentPart) -> Option<()> {
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

    pub(super) fn block(&mut self, part: &BlockPart) -> Option<()> {
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
        let opened = open(about, id, &head, &key, part);
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

    pub(super) fn damage(&mut self, part: &DamagePart) -> Option<()> {
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

    pub(super) fn end(mut self) -> Verdict {
        // A chain of which nothing is there is compared as an empty one.
        for id in self.marks.keys().copied().collect::<Vec<_>>() {
            self.begin(id);
        }
        self.uncovered();
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

    /// What checkpoints cover and no chain had.
    fn uncovered(&mut self) {
        for (id, marks) in std::mem::take(&mut self.marks) {
            let chain = self.chains.get(&id);
            // Where something was found, what comes after it wasn't looked at.
            if chain.is_some_and(|chain| chain.stopped) {
                continue;
            }
            let found = chain.map_or(0, |chain| chain.head.next);
            for (expected, marks) in marks {
                for Mark { checkpoint, .. } in marks {
                    let kind = FindingKind::Truncated { checkpoint, chain: id, expected, found };
                    self.find(id.to_string(), kind);
                }
            }
        }
    }

    /// Whether a chain has begun: checkpoints come before that.
    pub(super) fn in_chains(&self) -> bool {
        self.in_chains
    }

    /// Whether these are all parts that there were.
    pub(super) fn is_all(&self, end: EndPart) -> bool {
        self.seen == end
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
