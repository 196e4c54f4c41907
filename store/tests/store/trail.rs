//! The audit trail: what is appended is read, what is tampered with is found.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use claviger_store::audit::{self, AuditError, AuditRecord, ChainId, FindingKind, Report};
use claviger_store::engine::{Key, Tree};
use claviger_store::{AuditFacts, CheckpointDomain, Command, Done, SegmentHead, SegmentWriter, StoreError};

use crate::common::{NOW, World, create_domain, delete_domain, facts};

fn sign(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, &[b"signer", bytes].concat()).as_ref().to_vec()
}

/// A world whose shards write to files.
struct Trail {
    world: World,
    dir: tempfile::TempDir,
    shards: Vec<SegmentWriter>,
}

impl Trail {
    /// One record of the domain's creation in the engine, two shards without records.
    fn new() -> Self {
        let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
        let mut trail = Self { world, dir, shards: Vec::new() };
        trail.open_shards();
        trail
    }

    fn open_shards(&mut self) {
        let open = |shard| SegmentWriter::open(self.dir.path(), Arc::clone(&self.world.keys), shard).unwrap();
        self.shards = [0, 1].map(open).into();
    }

    /// Three stores, and five records on each shard.
    fn filled() -> Self {
        let mut trail = Self::new();
        trail.fill();
        trail
    }

    fn fill(&mut self) {
        for n in 0..3 {
            self.world.put(&format!("n{n}"), 0, b"secret").unwrap();
        }
        for shard in &mut self.shards {
            for n in 0..5 {
                shard.append(&retrieve(n)).unwrap();
            }
        }
    }

    fn heads(&mut self) -> Vec<SegmentHead> {
        self.shards.iter_mut().map(|shard| shard.sync().unwrap()).collect()
    }

    fn checkpoint(&mut self) -> (u64, [u8; 32]) {
        let heads = self.heads();
        let keys = Arc::clone(&self.world.keys);
        let command = CheckpointDomain { keys, now: NOW, heads, sign: Box::new(|bytes| Some(sign(bytes))) };
        match self.world.writer.commit(vec![Command::Checkpoint(command)]).pop().unwrap().unwrap() {
            Done::Checkpointed { sequence, digest } => (sequence, digest),
            _ => panic!("something else was done"),
        }
    }

    fn verify(&self) -> Report {
        let check = |bytes: &[u8], signature: &[u8]| signature == sign(bytes);
        audit::verify(&self.world.store, self.dir.path(), &self.world.keys, &check).unwrap()
    }

    fn findings(&self) -> Vec<FindingKind> {
        self.verify().findings.into_iter().map(|finding| finding.kind).collect()
    }

    fn records(&self) -> Vec<AuditRecord> {
        let mut records = Vec::new();
        let visit = &mut |record| records.push(record);
        audit::read(&self.world.store, self.dir.path(), &self.world.keys, visit).unwrap();
        records
    }

    fn segments(&self) -> Vec<PathBuf> {
        let dir = self.dir.path().join(self.world.keys.audit_dir_name());
        let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// The first segment of shard 0.
    fn segment(&self) -> PathBuf {
        self.segments().remove(0)
    }

    fn audit_records(&self, kind: u8) -> Vec<(Key, Vec<u8>)> {
        self.world.raw(Tree::Audit).into_iter().filter(|(key, _)| key.bytes[16] == kind).collect()
    }
}

fn retrieve(n: u32) -> AuditFacts {
    AuditFacts { name: Some(format!("n{n}")), version: Some(n), ..facts("retrieve") }
}

/// Where the records of a segment lie in its file.
fn spans(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    const HEADER: usize = 95;
    let (mut at, mut spans) = (HEADER, Vec::new());
    while at < bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        spans.push(at..at + 4 + length + 32);
        at += 4 + length + 32;
    }
    spans
}

#[test]
fn everything_appended_is_read_in_order_and_the_report_is_clean() {
    let mut trail = Trail::filled();
    assert_eq!(trail.checkpoint().0, 1);
    trail.fill();
    assert_eq!(trail.checkpoint().0, 2);
    let records = trail.records();
    let of = |chain| records.iter().filter(move |record| record.chain == chain);
    for chain in [ChainId::Store, ChainId::Shard(0), ChainId::Shard(1)] {
        let numbers: Vec<u64> = of(chain).map(|record| record.number).collect();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    }
    let actions: Vec<&str> = of(ChainId::Store).map(|record| record.facts.action.as_ref()).collect();
    assert_eq!(actions, ["domain-create", "store", "store", "store", "store", "store", "store"]);
    let stored = of(ChainId::Store).nth(4).unwrap();
    let expected = AuditFacts { name: Some("n0".to_owned()), version: Some(2), ..facts("store") };
    assert_eq!(stored.facts, expected);
    assert_eq!(of(ChainId::Shard(1)).nth(3).unwrap().facts, retrieve(3));

    let report = trail.verify();
    assert!(report.is_intact() && report.findings.is_empty() && report.checkpoints == 2);
    let segments: Vec<(u64, bool)> = report.segments.iter().map(|s| (s.records, s.ok)).collect();
    assert_eq!(segments, [(7, true), (10, true), (10, true)]);
    assert_eq!(report.segments[0].id, "store");
}

#[test]
fn a_shard_goes_on_after_a_restart_and_a_repeated_or_refused_store_is_told_apart() {
    let mut trail = Trail::filled();
    trail.checkpoint();
    trail.open_shards();
    assert_eq!(trail.shards[0].append(&retrieve(9)).unwrap(), 5);
    assert!(trail.shards[0].is_dirty());
    assert_eq!(trail.heads()[0].records(), 6);
    assert!(!trail.shards[0].is_dirty());
    trail.checkpoint();
    assert_eq!(trail.segments().len(), 2);
    trail.world = trail.world.reopen();
    trail.fill();
    let again = trail.world.put_command("n0", 1, b"secret");
    let conflict = trail.world.put_command("n0", 1, b"other");
    trail.world.commit(vec![again, conflict]);
    assert!(trail.verify().findings.is_empty());
    assert_eq!(trail.records().iter().filter(|r| r.chain == ChainId::Store).count(), 8);
}

#[test]
fn many_stores_in_one_batch_are_all_recorded() {
    let mut trail = Trail::new();
    let puts = (0..1_100_u32).map(|n| trail.world.put_command("a", n + 1, b"x")).collect();
    assert!(trail.world.commit(puts).iter().all(Result::is_ok));
    trail.checkpoint();
    assert!(trail.verify().findings.is_empty());
    let versions: Vec<u32> = trail.records().iter().filter_map(|record| record.facts.version).collect();
    assert_eq!(versions, (1..=1_100).collect::<Vec<_>>());
}

#[test]
fn t30_every_flipped_byte_of_a_segment_is_found() {
    let mut trail = Trail::filled();
    trail.checkpoint();
    let path = trail.segment();
    let bytes = fs::read(&path).unwrap();
    for at in
        (0..bytes.len()).step_by(7).chain(spans(&bytes).iter().flat_map(|span| span.start..span.start + 4))
    {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        fs::write(&path, flipped).unwrap();
        let report = trail.verify();
        assert!(!report.is_intact(), "{at}");
    }
    fs::write(&path, bytes).unwrap();
    assert!(trail.verify().findings.is_empty());
}

#[test]
fn t30_removed_reordered_and_inserted_records_are_found_without_any_checkpoint() {
    let trail = Trail::filled();
    let [path, other] = <[PathBuf; 2]>::try_from(trail.segments()).unwrap();
    let (bytes, other) = (fs::read(&path).unwrap(), fs::read(other).unwrap());
    let part = |n: usize| bytes[spans(&bytes)[n].clone()].to_vec();
    let with = |order: &[usize]| -> Vec<u8> {
        let records = order.iter().map(|n| part(*n));
        std::iter::once(bytes[..95].to_vec()).chain(records).flatten().collect()
    };
    let foreign = other[spans(&other)[2].clone()].to_vec();
    let cases = [
        (with(&[0, 2, 3, 4]), 1),
        (with(&[0, 2, 1, 3, 4]), 1),
        (with(&[0, 1, 1, 2, 3, 4]), 2),
        (with(&[1, 2, 3, 4]), 0),
        ([with(&[0, 1]), foreign, part(2), part(3), part(4)].concat(), 2),
    ];
    for (tampered, record) in cases {
        fs::write(&path, tampered).unwrap();
        assert_eq!(trail.findings(), [FindingKind::Broken { record }]);
        assert!(!trail.verify().segments[1].ok);
    }
}

#[test]
fn t30_a_cut_end_is_found_where_a_checkpoint_covers_it() {
    let mut trail = Trail::filled();
    trail.checkpoint();
    trail.shards[0].append(&retrieve(5)).unwrap();
    let path = trail.segment();
    let bytes = fs::read(&path).unwrap();
    let ends: Vec<usize> = spans(&bytes).iter().map(|span| span.end).collect();
    // After the checkpoint: nobody can tell. What can't be told is documented.
    fs::write(&path, &bytes[..ends[4]]).unwrap();
    assert_eq!(trail.findings(), []);
    fs::write(&path, &bytes[..ends[3]]).unwrap();
    let truncated =
        |found| FindingKind::Truncated { checkpoint: 1, chain: ChainId::Shard(0), expected: 5, found };
    assert_eq!(trail.findings(), [truncated(4)]);
    // All of it.
    fs::remove_file(&path).unwrap();
    assert_eq!(trail.findings(), [truncated(0)]);
}

#[test]
fn a_torn_last_record_is_no_tampering_after_the_last_checkpoint_and_is_before_it() {
    let mut trail = Trail::filled();
    trail.checkpoint();
    trail.shards[0].append(&retrieve(5)).unwrap();
    let path = trail.segment();
    let bytes = fs::read(&path).unwrap();
    let spans = spans(&bytes);
    for cut in [spans[5].start + 1, spans[5].start + 4, spans[5].start + 40, spans[5].end - 1] {
        fs::write(&path, &bytes[..cut]).unwrap();
        assert_eq!(trail.findings(), [FindingKind::TornTail]);
        assert!(trail.verify().is_intact());
        // What a file system leaves that had the size before the bytes.
        fs::write(&path, [&bytes[..spans[5].start], &[0; 90]].concat()).unwrap();
        assert_eq!(trail.findings(), [FindingKind::TornTail]);
    }
    fs::write(&path, &bytes[..spans[4].end - 1]).unwrap();
    let truncated = FindingKind::Truncated { checkpoint: 1, chain: ChainId::Shard(0), expected: 5, found: 4 };
    assert_eq!(trail.findings(), [FindingKind::TornTail, truncated]);
    assert!(!trail.verify().is_intact());
}

#[test]
fn a_shard_goes_on_after_a_torn_end_in_a_new_segment() {
    let mut trail = Trail::filled();
    trail.checkpoint();
    let path = trail.segment();
    trail.shards[0].append(&retrieve(5)).unwrap();
    let bytes = fs::read(&path).unwrap();
    for round in 0..2 {
        let newest = trail.segments().into_iter().rfind(|p| p.to_str().unwrap().ends_with("-0.seg")).unwrap();
        let whole = fs::read(&newest).unwrap();
        fs::write(&newest, &whole[..whole.len() - 3]).unwrap();
        trail.open_shards();
        trail.shards[0].append(&retrieve(6)).unwrap();
        assert_eq!(trail.findings(), vec![FindingKind::TornTail; round + 1]);
    }
    assert_eq!(trail.segments().len(), 4);
    trail.checkpoint();
    assert!(trail.verify().is_intact());
    // What was torn can't be made whole again, and the new segment not be dropped.
    let torn = fs::read(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    assert!(!trail.verify().is_intact());
    fs::write(&path, torn).unwrap();
    assert!(trail.verify().is_intact());
    fs::remove_file(&trail.segments()[1]).unwrap();
    assert!(!trail.verify().is_intact());
}

#[test]
fn a_shard_goes_on_after_a_broken_segment_and_the_damage_stays_visible() {
    let mut trail = Trail::filled();
    let path = trail.segment();
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    trail.open_shards();
    trail.shards[0].append(&retrieve(6)).unwrap();
    assert_eq!(trail.findings(), [FindingKind::Broken { record: 0 }]);
    // A header that isn't ours is never built upon.
    bytes[10] ^= 1;
    fs::write(trail.segments().remove(2), &bytes).unwrap();
    let outcome = SegmentWriter::open(trail.dir.path(), Arc::clone(&trail.world.keys), 0);
    assert!(matches!(outcome.err(), Some(AuditError::Unusable { .. })));
    assert!(trail.findings().contains(&FindingKind::Foreign));
}

#[test]
fn a_forged_end_is_not_built_upon() {
    // Without the key: a record that is no record, with the right hash after it.
    let mut trail = Trail::filled();
    let path = trail.segment();
    let bytes = fs::read(&path).unwrap();
    let sealed = [7; 100];
    let hash = digest(&SHA256, &[&bytes[bytes.len() - 32..], &sealed].concat());
    let forged = [&100_u32.to_be_bytes()[..], &sealed, hash.as_ref()].concat();
    fs::write(&path, [bytes, forged].concat()).unwrap();
    trail.open_shards();
    assert_eq!(trail.shards[0].append(&retrieve(6)).unwrap(), 6);
    assert_eq!(trail.findings(), [FindingKind::Broken { record: 5 }]);
    assert_eq!(trail.verify().segments.iter().map(|segment| segment.records).sum::<u64>(), 4 + 5 + 5 + 1);
}

#[test]
fn t30_a_segment_of_another_shard_domain_or_format_is_found() {
    let mut trail = Trail::filled();
    let [path, other] = <[PathBuf; 2]>::try_from(trail.segments()).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::copy(&other, &path).unwrap();
    assert_eq!(trail.findings(), [FindingKind::Foreign]);

    let mut unknown = bytes.clone();
    unknown[4] = 2;
    fs::write(&path, unknown).unwrap();
    assert_eq!(trail.findings(), [FindingKind::UnknownFormat { found: 2 }]);

    let beta = create_domain(&mut trail.world.writer, "beta").unwrap();
    let mut of_beta = SegmentWriter::open(trail.dir.path(), Arc::clone(&beta), 0).unwrap();
    of_beta.append(&retrieve(1)).unwrap();
    let of_beta = trail.dir.path().join(beta.audit_dir_name()).join(path.file_name().unwrap());
    fs::copy(of_beta, &path).unwrap();
    assert_eq!(trail.findings(), [FindingKind::Foreign]);

    fs::write(&path, bytes).unwrap();
    fs::write(path.with_file_name("notes.txt"), "x").unwrap();
    assert_eq!(trail.findings(), [FindingKind::Foreign]);
    // What a crash leaves while a segment is made is no finding.
    fs::rename(path.with_file_name("notes.txt"), path.with_file_name("0000000000000005-0.seg.new")).unwrap();
    assert_eq!(trail.findings(), []);
}

#[test]
fn t42_a_rolled_back_or_cut_chain_in_the_engine_is_found() {
    let mut trail = Trail::filled();
    let before = trail.world.raw(Tree::Audit);
    let entries_before = trail.world.raw(Tree::Entry);
    let new_records = |trail: &Trail, tree, old: &[(Key, Vec<u8>)]| -> Vec<Key> {
        let is_new = |key: &Key| old.iter().all(|(old, _)| old != key);
        trail.world.raw(tree).into_iter().map(|(key, _)| key).filter(is_new).collect()
    };
    trail.fill();
    trail.checkpoint();
    let after = trail.world.raw(Tree::Audit);
    let head =
        |records: &[(Key, Vec<u8>)]| records.iter().find(|(key, _)| key.bytes[16] == b'h').unwrap().clone();

    // Only the head: the chain goes beyond it.
    trail.world.tamper(vec![head(&before)], vec![]);
    assert_eq!(trail.findings(), [FindingKind::RolledBack]);
    trail.world.tamper(vec![head(&after)], vec![]);
    // Only the last block.
    let (last, value) = trail.audit_records(b'b').pop().unwrap();
    trail.world.tamper(vec![], vec![last.clone()]);
    let covers = |found| FindingKind::Truncated { checkpoint: 1, chain: ChainId::Store, expected: 7, found };
    assert_eq!(trail.findings(), [FindingKind::RolledBack, covers(6)]);
    trail.world.tamper(vec![(last, value)], vec![]);
    // A block in the middle, lost, swapped, altered.
    let blocks = trail.audit_records(b'b');
    let ((a, a_value), (b, b_value)) = (blocks[2].clone(), blocks[3].clone());
    trail.world.tamper(vec![], vec![a.clone()]);
    assert!(trail.findings().contains(&FindingKind::Gap { record: 2 }));
    trail.world.tamper(vec![(a.clone(), b_value.clone()), (b.clone(), a_value.clone())], vec![]);
    assert!(trail.findings().contains(&FindingKind::Broken { record: 2 }));
    trail.world.tamper(vec![(a, a_value), (b, b_value)], vec![]);
    assert_eq!(trail.findings(), []);

    // Everything of the domain, wholly and consistently, but for the checkpoint.
    let new_blocks =
        new_records(&trail, Tree::Audit, &before).into_iter().filter(|key| key.bytes[16] == b'b');
    trail.world.tamper(before, new_blocks.collect());
    let new_entries = new_records(&trail, Tree::Entry, &entries_before);
    trail.world.tamper(entries_before, new_entries);
    assert!(trail.findings().contains(&covers(4)));
}

#[test]
fn t30_entries_put_back_consistently_are_found_by_the_trail() {
    let mut trail = Trail::new();
    trail.world.put("a", 0, b"1").unwrap();
    let before = trail.world.raw(Tree::Entry);
    trail.world.put("a", 0, b"2").unwrap();
    let gone = trail.world.raw(Tree::Entry).into_iter().map(|(key, _)| key);
    let gone = gone.filter(|key| before.iter().all(|(old, _)| old != key)).collect();
    trail.world.tamper(before.clone(), gone);
    // The next read can't tell; the trail can.
    assert_eq!(trail.world.get("a", 0).unwrap(), b"1");
    assert_eq!(trail.findings(), [FindingKind::EntryRolledBack]);
    trail.world.tamper(vec![], before.iter().map(|(key, _)| key.clone()).collect());
    assert_eq!(trail.findings(), [FindingKind::EntryRolledBack]);
    let (key, mut value) = before[0].clone();
    value[40] ^= 1;
    trail.world.tamper(vec![(key, value)], vec![]);
    assert_eq!(trail.findings(), [FindingKind::EntryDamaged]);
    // No name is given away.
    let report = trail.verify();
    assert!(report.findings[0].place.starts_with("entry ") && !report.findings[0].place.ends_with('a'));
}

#[test]
fn checkpoints_that_are_unsigned_altered_or_lost_are_found() {
    let mut trail = Trail::filled();
    for _ in 0..3 {
        trail.checkpoint();
        trail.fill();
    }
    assert!(trail.verify().findings.is_empty());
    let nobody = |_: &[u8], _: &[u8]| false;
    let unsigned = audit::verify(&trail.world.store, trail.dir.path(), &trail.world.keys, &nobody).unwrap();
    assert_eq!(unsigned.checkpoints, 0);
    let kinds: Vec<FindingKind> = unsigned.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::CheckpointSignature; 3]);
    assert_eq!(unsigned.findings[0].place, "checkpoint 1");

    let checkpoints = trail.audit_records(b'c');
    let broken = |trail: &Trail, at: &str| {
        let report = trail.verify();
        let mut findings = report.findings.iter();
        findings.any(|finding| finding.kind == FindingKind::CheckpointBroken && finding.place.ends_with(at))
    };
    for (n, (key, value)) in checkpoints.iter().enumerate() {
        let at = (n + 1).to_string();
        trail.world.tamper(vec![], vec![key.clone()]);
        assert!(broken(&trail, &at), "lost {at}");
        let mut flipped = value.clone();
        flipped[50] ^= 1;
        trail.world.tamper(vec![(key.clone(), flipped)], vec![]);
        assert!(broken(&trail, &at), "altered {at}");
        trail.world.tamper(vec![(key.clone(), value.clone())], vec![]);
    }
    let ((a, a_value), (b, b_value)) = (checkpoints[0].clone(), checkpoints[1].clone());
    trail.world.tamper(vec![(a, b_value), (b, a_value)], vec![]);
    assert!(broken(&trail, "1"));
}

#[test]
fn a_checkpoint_that_cannot_be_signed_is_none() {
    let mut trail = Trail::filled();
    let put = trail.world.put_command("a", 0, b"x");
    let keys = Arc::clone(&trail.world.keys);
    let unsigned = CheckpointDomain { keys, now: NOW, heads: trail.heads(), sign: Box::new(|_| None) };
    let outcomes = trail.world.writer.commit(vec![Command::Put(put), Command::Checkpoint(unsigned)]);
    assert!(outcomes[0].is_ok() && matches!(outcomes[1], Err(StoreError::Signing)));
    let (first, second) = (trail.checkpoint(), trail.checkpoint());
    assert_eq!((first.0, second.0), (1, 2));
    assert_ne!(first.1, second.1);
    assert!(trail.verify().findings.is_empty());
}

#[test]
fn t30_a_fork_since_a_checkpoint_is_found() {
    let mut trail = Trail::new();
    // The same place in the chain, reached in two ways.
    let path = trail.segment();
    let empty = fs::read(&path).unwrap();
    trail.shards[0].append(&retrieve(1)).unwrap();
    trail.checkpoint();
    trail.shards.clear();
    fs::write(&path, empty).unwrap();
    trail.open_shards();
    trail.shards[0].append(&retrieve(2)).unwrap();
    assert_eq!(trail.findings(), [FindingKind::Forked { checkpoint: 1, chain: ChainId::Shard(0) }]);
}

#[test]
fn nothing_is_appended_for_a_deleted_domain() {
    let mut trail = Trail::filled();
    delete_domain(&mut trail.world.writer, &trail.world.keys).unwrap();
    assert!(matches!(trail.shards[0].append(&retrieve(1)), Err(AuditError::Deleted)));
    let opened = SegmentWriter::open(trail.dir.path(), Arc::clone(&trail.world.keys), 7);
    assert!(matches!(opened.err(), Some(AuditError::Deleted)));
    let nobody = |_: &[u8], _: &[u8]| false;
    let verified = audit::verify(&trail.world.store, trail.dir.path(), &trail.world.keys, &nobody);
    assert!(matches!(verified, Err(AuditError::Deleted)));
}

#[test]
fn what_is_too_long_is_refused_and_the_chain_goes_on() {
    let mut trail = Trail::filled();
    let long = AuditFacts { source: "x".repeat(20_000), ..facts("retrieve") };
    assert!(matches!(trail.shards[0].append(&long), Err(AuditError::TooLarge)));
    assert_eq!(trail.shards[0].append(&retrieve(1)).unwrap(), 5);
    assert!(trail.verify().findings.is_empty());
}

#[test]
fn a_verification_beside_appending_shards_and_stores_finds_nothing() {
    let mut trail = Trail::filled();
    trail.checkpoint();
    let mut shard = trail.shards.remove(0);
    let done = std::sync::atomic::AtomicBool::new(false);
    let (store, keys) = (trail.world.store.clone(), Arc::clone(&trail.world.keys));
    let (dir, world) = (trail.dir.path(), &mut trail.world);
    std::thread::scope(|scope| {
        let verifier = scope.spawn(|| {
            let check = |bytes: &[u8], signature: &[u8]| signature == sign(bytes);
            for _ in 0..20 {
                let report = audit::verify(&store, dir, &keys, &check).unwrap();
                assert_eq!(report.findings, []);
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        while !done.load(std::sync::atomic::Ordering::Relaxed) && !verifier.is_finished() {
            shard.append(&retrieve(7)).unwrap();
            world.put("busy", 0, b"x").unwrap();
            let heads = vec![shard.sync().unwrap()];
            let sign = Box::new(|bytes: &[u8]| Some(sign(bytes)));
            let command = CheckpointDomain { keys: Arc::clone(&world.keys), now: NOW, heads, sign };
            assert!(world.writer.commit(vec![Command::Checkpoint(command)])[0].is_ok());
        }
    });
}
