//! Tampering with segments.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use claviger_store::SegmentWriter;
use claviger_store::audit::{ChainId, FindingKind};

use super::{Trail, retrieve, spans};
use crate::common::create_domain;

#[test]
fn t30_every_flipped_byte_of_a_segment_is_found() {
    let mut trail = Trail::filled();
    trail.checkpoint();
    let path = trail.segment();
    let bytes = fs::read(&path).unwrap();
    for at in
        (0..bytes.len()).step_by(7).chain(spans(&bytes).iter().flat_map(|span| span.start..span.start + 6))
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
fn t30_a_segment_of_another_shard_domain_or_format_is_found() {
    let mut trail = Trail::filled();
    let [path, other] = <[PathBuf; 2]>::try_from(trail.segments()).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::copy(&other, &path).unwrap();
    assert_eq!(trail.findings(), [FindingKind::Foreign]);

    let mut unknown = bytes.clone();
    unknown[4] = 4;
    fs::write(&path, unknown).unwrap();
    assert_eq!(trail.findings(), [FindingKind::UnknownFormat { found: 4 }]);

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
fn t30_a_record_of_another_history_is_found_even_when_all_hashes_are_made_anew() {
    // The hashes need no key; what they bind the records to does.
    let mut trail = Trail::new();
    let path = trail.segment();
    trail.shards[0].append(&retrieve(0)).unwrap();
    let start = fs::read(&path).unwrap();
    let mut histories = [5, 6].map(|first| {
        trail.shards.clear();
        fs::write(&path, &start).unwrap();
        trail.open_shards();
        for n in first..first + 3 {
            trail.shards[0].append(&retrieve(n)).unwrap();
        }
        fs::read(&path).unwrap()
    });
    let body = |bytes: &[u8], n: usize| bytes[spans(bytes)[n].start + 6..spans(bytes)[n].end - 32].to_vec();
    let sealed = [0, 1, 2, 3].map(|n| body(&histories[usize::from(n == 2)], n));
    let mut spliced = start[..95].to_vec();
    let mut hash = start[31..63].to_vec();
    for sealed in sealed {
        hash = digest(&SHA256, &[hash.as_slice(), &sealed].concat()).as_ref().to_vec();
        spliced.extend_from_slice(&u32::try_from(sealed.len()).unwrap().to_be_bytes());
        spliced.extend_from_slice(&1_u16.to_be_bytes());
        spliced.extend_from_slice(&sealed);
        spliced.extend_from_slice(&hash);
    }
    fs::write(&path, &spliced).unwrap();
    assert_eq!(trail.findings(), [FindingKind::Broken { record: 2 }]);
    // The same with nothing spliced is good.
    fs::write(&path, std::mem::take(&mut histories[0])).unwrap();
    assert_eq!(trail.findings(), []);
}
