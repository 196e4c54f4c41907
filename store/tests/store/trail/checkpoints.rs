//! Checkpoints, and tampering with what the engine holds.

use std::fs;
use std::sync::Arc;

use claviger_store::audit::{self, ChainId, FindingKind};
use claviger_store::engine::{Key, Tree};
use claviger_store::{CheckpointDomain, Command, StoreError};

use super::{Trail, retrieve, spans};
use crate::common::NOW;

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
