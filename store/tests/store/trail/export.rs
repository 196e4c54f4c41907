//! An exported trail: what is whole verifies without the domain's keys, and each tampering is found as what it is.

use std::cell::Cell;
use std::fs;

use claviger_store::audit::export::{
    About, CheckpointSeen, ExportError, Verdict, checkpoint, export, held, read_exported, verify_export,
};
use claviger_store::audit::{ChainId, FindingKind};
use claviger_store::engine::Tree;

use super::{Trail, retrieve, sign, spans};
use crate::common::{NOW, World};

const SIGNER: [u8; 32] = [9; 32];

fn about(world: &World) -> About {
    About::new(&world.keys, NOW, [3; 32], false)
}

fn check(_: &About, bytes: &[u8], signature: &[u8]) -> Option<[u8; 32]> {
    (signature == sign(bytes)).then_some(SIGNER)
}

impl Trail {
    fn export(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let world = &self.world;
        export(&world.store, self.dir.path(), &world.keys, &about(world), &mut bytes).unwrap();
        bytes
    }

    fn keep(&self) -> (About, CheckpointSeen) {
        let mut bytes = Vec::new();
        let written = checkpoint(&self.world.store, &self.world.keys, &about(&self.world), &mut bytes);
        assert!(written.unwrap());
        held(&*bytes, &check).unwrap().unwrap()
    }

    fn found(&self) -> Vec<FindingKind> {
        found(&self.export(), None)
    }

    /// A filled trail with a checkpoint over all of it.
    fn covered() -> Self {
        let mut trail = Self::filled();
        trail.checkpoint();
        trail
    }
}

fn verdict(bytes: &[u8], since: Option<&(About, CheckpointSeen)>) -> Verdict {
    verify_export(bytes, since.map(|(about, seen)| (about, seen)), &check).unwrap()
}

fn found(bytes: &[u8], since: Option<&(About, CheckpointSeen)>) -> Vec<FindingKind> {
    verdict(bytes, since).findings.into_iter().map(|finding| finding.kind).collect()
}

/// Where an export's parts lie: kind, and from the kind to the end.
fn parts(bytes: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let (mut at, mut parts) = (5, Vec::new());
    while at < bytes.len() {
        let length = u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
        parts.push((bytes[at], at..at + 5 + length));
        at += 5 + length;
    }
    parts
}

/// An export of the parts that are named, by their place, with an end that counts them.
fn of(bytes: &[u8], order: &[usize]) -> Vec<u8> {
    let all = parts(bytes);
    let count = |kind| order.iter().filter(|part| all[**part].0 == kind).count();
    let pieces = order.iter().flat_map(|part| bytes[all[*part].1.clone()].to_vec());
    let end = [6, 0, 0, 0, 4, 8, u8::try_from(count(2)).unwrap(), 16, u8::try_from(count(4)).unwrap()];
    bytes[..5].iter().copied().chain(pieces).chain(end).collect()
}

/// The places of parts of a kind.
fn places(bytes: &[u8], kind: u8) -> Vec<usize> {
    let all = parts(bytes);
    (0..all.len()).filter(|place| all[*place].0 == kind).collect()
}

/// All parts but the end.
fn whole(bytes: &[u8]) -> Vec<usize> {
    (0..parts(bytes).len() - 1).collect()
}

#[test]
fn a_whole_trail_is_whole_without_the_domain_s_keys() {
    let mut trail = Trail::covered();
    trail.shards[0].append(&retrieve(7)).unwrap();
    let bytes = trail.export();
    let verdict = verdict(&bytes, None);
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.records(), verdict.checkpoints, verdict.uncommitted), (15, 1, 0));
    let chains: Vec<_> =
        verdict.chains.iter().map(|it| (it.chain.as_str(), it.records, it.covered)).collect();
    assert_eq!(chains, [("store", 4, 4), ("shard-0", 6, 5), ("shard-1", 5, 5)]);
    assert_eq!(verdict.last.unwrap().signer, hex::encode(SIGNER));
    assert_eq!(of(&bytes, &whole(&bytes)), bytes);
    assert_eq!(read_exported(&*bytes).unwrap().about, about(&trail.world));
}

#[test]
fn t42_a_removed_changed_moved_or_repeated_record_is_found() {
    let bytes = Trail::covered().export();
    let (all, blocks) = (whole(&bytes), places(&bytes, 4));
    // The engine's chain has four blocks, of a record each, and the shards' five; which is which stays hidden.
    for chain in [&blocks[..4], &blocks[4..9], &blocks[9..]] {
        for (n, block) in chain.iter().enumerate() {
            let without: Vec<_> = all.iter().copied().filter(|part| part != block).collect();
            let kinds = found(&of(&bytes, &without), None);
            let last = n + 1 == chain.len();
            match kinds[..] {
                [FindingKind::Truncated { checkpoint: 1, .. }] if last => {}
                [FindingKind::Gap { record }] if !last && record == n as u64 => {}
                _ => panic!("removed {n}: {kinds:?}"),
            }
            let mut changed = bytes.clone();
            changed[parts(&bytes)[*block].1.end - 60] ^= 1;
            assert_eq!(found(&changed, None), [FindingKind::Broken { record: n as u64 }], "changed");
            let twice: Vec<_> = all
                .iter()
                .flat_map(|part| std::iter::repeat_n(*part, 1 + usize::from(part == block)))
                .collect();
            assert_eq!(
                found(&of(&bytes, &twice), None),
                [FindingKind::Gap { record: n as u64 + 1 }],
                "twice"
            );
        }
        let mut swapped = all.clone();
        swapped.swap(chain[1], chain[2]);
        assert_eq!(found(&of(&bytes, &swapped), None), [FindingKind::Gap { record: 1 }], "swapped");
    }
}

#[test]
fn t42_a_record_of_another_domain_is_found() {
    let (bytes, other) = (Trail::covered().export(), Trail::covered().export());
    let (block, foreign) = (places(&bytes, 4)[5], places(&other, 4)[5]);
    let (ours, theirs) = (parts(&bytes)[block].1.clone(), parts(&other)[foreign].1.clone());
    let mixed = [&bytes[..ours.start], &other[theirs], &bytes[ours.end..]].concat();
    assert_eq!(found(&mixed, None), [FindingKind::Broken { record: 1 }]);
}

#[test]
fn t42_checkpoints_are_found_that_are_lost_altered_or_signed_by_somebody_else() {
    let mut trail = Trail::covered();
    trail.fill();
    trail.checkpoint();
    let bytes = trail.export();
    let (all, checkpoints) = (whole(&bytes), places(&bytes, 2));
    let without: Vec<_> = all.iter().copied().filter(|part| *part != checkpoints[0]).collect();
    assert_eq!(found(&of(&bytes, &without), None), [FindingKind::CheckpointBroken]);
    let mut swapped = all.clone();
    swapped.swap(checkpoints[0], checkpoints[1]);
    assert_eq!(found(&of(&bytes, &swapped), None), [FindingKind::CheckpointBroken; 2]);
    // A byte of the signature, which is last.
    let mut unsigned = bytes.clone();
    unsigned[parts(&bytes)[checkpoints[0]].1.end - 1] ^= 1;
    assert_eq!(found(&unsigned, None), [FindingKind::CheckpointSignature]);
    // Without any, nothing says whose it is.
    let none: Vec<_> = all.iter().copied().filter(|part| !checkpoints.contains(part)).collect();
    assert_eq!(found(&of(&bytes, &none), None), [FindingKind::NoCheckpoint]);
    // One that comes after what it covers covers nothing.
    let mut late = none.clone();
    late.push(checkpoints[0]);
    let late = verify_export(&*of(&bytes, &late), None, &check);
    assert!(matches!(late, Err(ExportError::Malformed { .. })));
}

#[test]
fn t42_a_trail_cut_back_is_found_by_who_kept_a_checkpoint() {
    let mut trail = Trail::covered();
    let old = trail.export();
    let first = trail.keep();
    trail.fill();
    trail.checkpoint();
    let (new, second) = (trail.export(), trail.keep());
    assert_eq!((first.1.sequence, second.1.sequence), (1, 2));
    assert_eq!(found(&new, Some(&first)), []);
    assert_eq!(found(&new, Some(&second)), []);
    // Older as a whole: nothing in it says so, but the checkpoint does. An export is as good as a checkpoint.
    assert_eq!(found(&old, None), []);
    assert_eq!(found(&old, Some(&second)), [FindingKind::Regressed { checkpoint: 2 }]);
    let of_export = held(&*new, &check).unwrap().unwrap();
    assert_eq!(of_export, second);
    // Another domain's.
    let other = Trail::covered().keep();
    assert_eq!(found(&new, Some(&other)), [FindingKind::OtherGeneration]);
    // One that nobody signed isn't one.
    let unsigned = |_: &About, _: &[u8], _: &[u8]| None;
    assert!(held(&*new, &unsigned).unwrap().is_none());
}

#[test]
fn t42_a_fork_before_a_kept_checkpoint_is_found() {
    let mut trail = Trail::filled();
    let before = trail.world.raw(Tree::Audit);
    trail.checkpoint();
    let kept = trail.keep();
    // The checkpoint never was: everything goes back to before it, and on in another way.
    let gone = trail.audit_records(b'c').into_iter().map(|(key, _)| key).collect();
    trail.world.tamper(before, gone);
    let Trail { world, dir, .. } = trail;
    let mut trail = Trail { world: world.reopen(), dir, shards: Vec::new() };
    trail.open_shards();
    trail.shards[0].append(&retrieve(8)).unwrap();
    trail.checkpoint();
    let forked = trail.export();
    assert_eq!(found(&forked, None), []);
    assert_eq!(found(&forked, Some(&kept)), [FindingKind::OtherHistory { checkpoint: 1 }]);
}

#[test]
fn what_was_done_to_the_disk_is_in_the_export() {
    let trail = Trail::covered();
    let path = trail.segment();
    let bytes = fs::read(&path).unwrap();
    let ends: Vec<usize> = spans(&bytes).iter().map(|span| span.end).collect();
    let chain = ChainId::Shard(0);
    fs::write(&path, &bytes[..ends[3]]).unwrap();
    let truncated = FindingKind::Truncated { checkpoint: 1, chain, expected: 5, found: 4 };
    assert_eq!(trail.found(), [truncated]);
    fs::write(&path, &bytes[..ends[4] - 1]).unwrap();
    assert_eq!(trail.found(), [FindingKind::TornTail, truncated]);
    let mut edited = bytes.clone();
    edited[ends[1] + 60] ^= 1;
    fs::write(&path, &edited).unwrap();
    assert_eq!(trail.found()[0], FindingKind::Broken { record: 2 });
    fs::remove_file(&path).unwrap();
    let all = FindingKind::Truncated { checkpoint: 1, chain, expected: 5, found: 0 };
    assert_eq!(trail.found(), [all]);
    fs::write(&path, b"nothing of ours").unwrap();
    assert_eq!(trail.found(), [FindingKind::Foreign, all]);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(trail.found(), []);
    // In the engine: the last block, and a checkpoint.
    let (last, value) = trail.audit_records(b'b').pop().unwrap();
    trail.world.tamper(vec![], vec![last.clone()]);
    let store = FindingKind::Truncated { checkpoint: 1, chain: ChainId::Store, expected: 4, found: 3 };
    assert_eq!(trail.found(), [FindingKind::RolledBack, store]);
    trail.world.tamper(vec![(last, value)], vec![trail.audit_records(b'c')[0].0.clone()]);
    assert_eq!(trail.found(), [FindingKind::CheckpointBroken, FindingKind::NoCheckpoint]);
}

#[test]
fn a_file_that_is_no_whole_export_is_refused() {
    let bytes = Trail::covered().export();
    let read = |bytes: &[u8]| verify_export(bytes, None, &check);
    // Cut anywhere.
    let checked = Cell::new(0);
    for end in (0..bytes.len()).step_by(7) {
        let cut = read(&bytes[..end]);
        assert!(matches!(cut, Err(ExportError::Foreign | ExportError::Incomplete)), "{end}");
        checked.set(checked.get() + 1);
    }
    assert!(checked.get() > 100);
    assert!(matches!(read(&[&bytes[..], &[0]].concat()), Err(ExportError::Malformed { .. })));
    let mut newer = bytes.clone();
    newer[4] = 2;
    assert!(matches!(read(&newer), Err(ExportError::UnknownVersion { found: 2 })));
    // An end that counts other parts than there are.
    let end = bytes.len() - 1;
    let mut miscounted = bytes.clone();
    miscounted[end] ^= 1;
    assert!(matches!(read(&miscounted), Err(ExportError::Malformed { .. })));
    // A length beyond all that a part may have takes no memory.
    let huge = [&bytes[..5], &[4, 0xff, 0xff, 0xff, 0xff]].concat();
    assert!(matches!(read(&huge), Err(ExportError::Malformed { part: 1 })));
}

#[test]
#[ignore = "makes seeds for the fuzz target audit_export, where CLAVIGER_SEEDS says"]
fn seeds_are_made() {
    let dir = std::path::PathBuf::from(std::env::var_os("CLAVIGER_SEEDS").expect("where to"));
    let mut trail = Trail::covered();
    let path = trail.segment();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    fs::write(dir.join("torn"), trail.export()).unwrap();
    fs::write(&path, whole).unwrap();
    trail.fill();
    trail.checkpoint();
    let mut kept = Vec::new();
    checkpoint(&trail.world.store, &trail.world.keys, &about(&trail.world), &mut kept).unwrap();
    fs::write(dir.join("checkpoint"), kept).unwrap();
    fs::write(dir.join("whole"), trail.export()).unwrap();
}
