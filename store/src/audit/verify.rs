//! Checking a domain's whole trail, and reading it.

mod engine_part;
mod entries;
mod file_part;

use std::collections::BTreeMap;
use std::path::Path;

use crate::audit::chain::ChainHead;
use crate::audit::segment_file::{self, list, walk};
use crate::audit::{AuditError, AuditFacts, ChainId, Finding, FindingKind, Report, SegmentReport};
use crate::domain::DomainKeys;
use crate::store::Store;
use entries::Recorded;
pub(super) use file_part::{io, read_settled};

/// One record of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// In which chain.
    pub chain: ChainId,
    /// Which of the chain's records, from 0.
    pub number: u64,
    /// What it says.
    pub facts: AuditFacts,
}

/// Checks a domain's trail under `audit_dir` and in the engine: every chain, every checkpoint, and the
/// entries against the trail. `check_signature` gets a checkpoint's bytes and its signature. May run beside
/// shards that append.
pub fn verify(
    store: &Store,
    audit_dir: &Path,
    keys: &DomainKeys,
    check_signature: &dyn Fn(&[u8], &[u8]) -> bool,
) -> Result<Report, AuditError> {
    if keys.is_destroyed() {
        return Err(AuditError::Deleted);
    }
    let mut verification = Verification {
        keys,
        engine: store.engine(),
        report: Report::default(),
        marks: Marks::default(),
        stored: BTreeMap::new(),
    };
    // In this order: what was there when a checkpoint was made is there when the chains are read after it.
    let before = verification.trail_head()?;
    verification.checkpoints(before.as_ref(), check_signature)?;
    let records = verification.engine_chain(before.as_ref())?;
    verification.files(&audit_dir.join(keys.audit_dir_name()))?;
    verification.uncovered_marks();
    verification.entries(records)?;
    Ok(verification.report)
}

/// Reads a domain's trail, chain by chain, each as far as it is good.
pub fn read(
    store: &Store,
    audit_dir: &Path,
    keys: &DomainKeys,
    visit: &mut dyn FnMut(AuditRecord),
) -> Result<(), AuditError> {
    let mut visit_all = |chain, records: Vec<AuditFacts>, after: &ChainHead| {
        let first = after.next - records.len() as u64;
        for (number, facts) in (first..).zip(records) {
            visit(AuditRecord { chain, number, facts });
        }
    };
    engine_part::walk(store.engine(), keys, &mut |records, after| {
        visit_all(ChainId::Store, records, after);
    })?;
    let dir = audit_dir.join(keys.audit_dir_name());
    let (segments, _) = list(&dir).map_err(|error| io("list", &dir, error))?;
    for name in segments {
        let path = dir.join(name.file_name());
        let bytes = std::fs::read(&path).map_err(|error| io("read", &path, error))?;
        let chain = ChainId::Shard(name.shard);
        // A file that isn't a segment has no records; that it is there is for the verification.
        let _ = walk(keys, name, &bytes, &mut |records, after| visit_all(chain, records, after));
    }
    Ok(())
}

/// A verification on its way.
struct Verification<'a> {
    keys: &'a DomainKeys,
    engine: &'a crate::engine::AnyEngine,
    report: Report,
    marks: Marks,
    /// What the trail says of each name.
    stored: BTreeMap<String, Recorded>,
}

/// What checkpoints say of the chains, until it is found to be so.
#[derive(Default)]
struct Marks(BTreeMap<ChainId, BTreeMap<u64, Vec<Mark>>>);

struct Mark {
    checkpoint: u64,
    hash: [u8; 32],
}

impl Marks {
    fn add(&mut self, chain: ChainId, head: &ChainHead, checkpoint: u64) {
        let mark = Mark { checkpoint, hash: head.hash };
        self.0.entry(chain).or_default().entry(head.next).or_default().push(mark);
    }

    /// Takes out the marks at this place of a chain; gives the checkpoints that say something else of it.
    fn pass(&mut self, chain: ChainId, head: &ChainHead) -> Vec<u64> {
        let marks = self.0.get_mut(&chain).and_then(|marks| marks.remove(&head.next)).unwrap_or_default();
        marks.into_iter().filter(|mark| mark.hash != head.hash).map(|mark| mark.checkpoint).collect()
    }
}

impl Verification<'_> {
    fn find(&mut self, place: impl Into<String>, kind: FindingKind) {
        self.report.findings.push(Finding { place: place.into(), kind });
    }

    fn segment(&mut self, id: impl Into<String>, records: u64, ok: bool) {
        self.report.segments.push(SegmentReport { id: id.into(), records, ok });
    }

    /// The chain is here; says so to the checkpoints. Whether they agree.
    fn pass(&mut self, chain: ChainId, head: &ChainHead) -> bool {
        let forked = self.marks.pass(chain, head);
        for checkpoint in &forked {
            self.find(chain.to_string(), FindingKind::Forked { checkpoint: *checkpoint, chain });
        }
        forked.is_empty()
    }

    /// What checkpoints cover and no chain had.
    fn uncovered_marks(&mut self) {
        for (chain, marks) in std::mem::take(&mut self.marks.0) {
            let records = |segment: &SegmentReport| match chain {
                ChainId::Store => (segment.id == chain.to_string()).then_some(segment.records),
                ChainId::Shard(shard) => {
                    let name = segment_file::SegmentName::parse(&segment.id)?;
                    (name.shard == shard).then_some(segment.records)
                }
            };
            let found = self.report.segments.iter().filter_map(records).sum();
            for (expected, marks) in marks {
                for Mark { checkpoint, .. } in marks {
                    let kind = FindingKind::Truncated { checkpoint, chain, expected, found };
                    self.find(chain.to_string(), kind);
                }
            }
        }
    }
}
