//! What is appended is read, and a chain goes on whatever its end looks like.

use std::fs;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use claviger_store::audit::{self, AuditError, AuditRecord, ChainId, FindingKind};
use claviger_store::{AuditFacts, CheckpointDomain, Command, SegmentWriter};

use super::{Trail, retrieve, sign, spans};
use crate::common::{NOW, delete_domain, facts};

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
    let forged = [&100_u32.to_be_bytes()[..], &[0, 1], &sealed, hash.as_ref()].concat();
    fs::write(&path, [bytes, forged].concat()).unwrap();
    trail.open_shards();
    assert_eq!(trail.shards[0].append(&retrieve(6)).unwrap(), 6);
    assert_eq!(trail.findings(), [FindingKind::Broken { record: 5 }]);
    assert_eq!(trail.verify().segments.iter().map(|segment| segment.records).sum::<u64>(), 4 + 5 + 5 + 1);
}

#[test]
fn records_that_are_entered_together_share_a_block_and_are_in_the_file_once_one_is_settled() {
    let mut trail = Trail::new();
    let path = trail.segment();
    let blocks = |path: &std::path::Path| spans(&fs::read(path).unwrap()).len();
    let shard = &mut trail.shards[0];
    let entered: Vec<_> = (0..5).map(|n| shard.enter(&retrieve(n)).unwrap()).collect();
    assert_eq!(blocks(&path), 0);
    shard.settle(entered[3]).unwrap();
    assert_eq!(blocks(&path), 1);
    for block in entered {
        shard.settle(block).unwrap();
    }
    // Alone in its block; and one that nobody settles goes with the flush.
    assert_eq!(shard.append(&retrieve(5)).unwrap(), 5);
    let _ = shard.enter(&retrieve(6)).unwrap();
    assert!(shard.is_dirty());
    assert_eq!(shard.sync().unwrap().records(), 7);
    assert_eq!(blocks(&path), 3);
    trail.checkpoint();
    assert_eq!(trail.findings(), []);
    let shard = |record: &&AuditRecord| record.chain == ChainId::Shard(0);
    let read: Vec<_> =
        trail.records().iter().filter(shard).map(|record| (record.number, record.facts.version)).collect();
    assert_eq!(read, (0..7).map(|n| (n, u32::try_from(n).ok())).collect::<Vec<_>>());
    // Opened anew it goes on behind all of them.
    trail.open_shards();
    assert_eq!(trail.shards[0].append(&retrieve(7)).unwrap(), 7);
    assert_eq!(trail.findings(), []);
}

#[test]
fn a_block_that_is_full_is_followed_by_another() {
    let mut trail = Trail::new();
    let long = AuditFacts { source: "x".repeat(6_000).into(), ..facts("retrieve") };
    let entered: Vec<_> = (0..7).map(|_| trail.shards[0].enter(&long).unwrap()).collect();
    for block in entered {
        trail.shards[0].settle(block).unwrap();
    }
    assert_eq!(spans(&fs::read(trail.segment()).unwrap()).len(), 4);
    assert_eq!(trail.verify().segments[1].records, 7);
    assert_eq!(trail.findings(), []);
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
    let long = AuditFacts { source: "x".repeat(20_000).into(), ..facts("retrieve") };
    assert!(matches!(trail.shards[0].append(&long), Err(AuditError::TooLarge)));
    // Those that waited with it are not refused with it.
    let waiting = trail.shards[0].enter(&retrieve(1)).unwrap();
    assert!(matches!(trail.shards[0].enter(&long), Err(AuditError::TooLarge)));
    trail.shards[0].settle(waiting).unwrap();
    assert_eq!(trail.shards[0].append(&retrieve(1)).unwrap(), 6);
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
