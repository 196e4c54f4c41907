//! What happens when a segment can't be written.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

#[test]
fn t33_a_failed_append_is_no_record_and_nothing_follows_what_cannot_be_mended() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Arc::new(DomainKeys::derive("alpha".parse().unwrap(), [1; 16], 1, &[2; 32]));
    let mut writer = SegmentWriter::open(dir.path(), Arc::clone(&keys), 3).unwrap();
    let facts = AuditFacts::default();
    assert_eq!(writer.append(&facts).unwrap(), 0);
    // A device that is always full, and can't be cut back either.
    let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
    let file = std::mem::replace(&mut writer.segment.file, full);
    let failed = writer.append(&facts);
    assert!(matches!(failed, Err(AuditError::Io { what: "append to", .. })));
    writer.segment.file = file;
    assert!(matches!(writer.append(&facts), Err(AuditError::Stopped)));
    assert!(matches!(writer.sync(), Err(AuditError::Stopped)));
    drop(writer);
    // Started again, it goes on where the records end.
    let mut writer = SegmentWriter::open(dir.path(), keys, 3).unwrap();
    assert_eq!(writer.append(&facts).unwrap(), 1);
    assert_eq!(writer.sync().unwrap().records(), 2);
}

#[test]
fn t33_a_lost_block_loses_every_record_in_it_and_none_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Arc::new(DomainKeys::derive("alpha".parse().unwrap(), [1; 16], 1, &[2; 32]));
    let mut writer = SegmentWriter::open(dir.path(), keys, 3).unwrap();
    let facts = AuditFacts::default();
    let entered = [(); 3].map(|()| writer.enter(&facts).unwrap());
    // A file that can't be written to; then the fault is gone.
    let readable = File::open(&writer.segment.path).unwrap();
    let file = std::mem::replace(&mut writer.segment.file, readable);
    assert!(matches!(writer.settle(entered[1]), Err(AuditError::Io { what: "append to", .. })));
    writer.segment.file = file;
    writer.stopped.store(false, Ordering::Release);
    for lost in [entered[0], entered[2]] {
        assert!(matches!(writer.settle(lost), Err(AuditError::Lost)));
    }
    let after = writer.enter(&facts).unwrap();
    writer.settle(after).unwrap();
    assert_eq!(writer.sync().unwrap().records(), 1);
}

#[test]
fn a_segment_of_an_earlier_format_is_gone_on_from_in_a_new_one() {
    const EARLIER: u8 = 2;
    let dir = tempfile::tempdir().unwrap();
    let keys = Arc::new(DomainKeys::derive("alpha".parse().unwrap(), [1; 16], 1, &[2; 32]));
    let own = dir.path().join(keys.audit_dir_name());
    let first = ChainHead::empty(&keys, ChainId::Shard(3));
    // One without records makes way, one with records stays.
    let path = own.join(SegmentName { shard: 3, start: 0 }.file_name());
    files::create_dir(&own).unwrap();
    files::replace(&path, &header(&keys, EARLIER, 3, &first)).unwrap();
    drop(SegmentWriter::open(dir.path(), Arc::clone(&keys), 3).unwrap());
    assert_eq!(std::fs::read(&path).unwrap()[4], FORMAT);
    assert_eq!(list(&own).unwrap().0.len(), 1);

    let record = AuditFacts::encode_block(&[AuditFacts::default()])[COMMITMENT.len()..].to_vec();
    let sealed = first.seal(&keys, ChainId::Shard(3), &record).unwrap();
    let after = first.after(&sealed, 1);
    let bytes = [&header(&keys, EARLIER, 3, &first)[..], &block(&sealed, 1, &after).unwrap()].concat();
    files::replace(&path, &bytes).unwrap();
    let mut writer = SegmentWriter::open(dir.path(), Arc::clone(&keys), 3).unwrap();
    assert_eq!(writer.append(&AuditFacts::default()).unwrap(), 1);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let (segments, _) = list(&own).unwrap();
    assert_eq!(segments.iter().map(|name| name.start).collect::<Vec<_>>(), [0, 1]);
    // What is of the new format begins as its blocks do, or is none of it.
    let relabelled = [&header(&keys, FORMAT, 3, &first)[..], &bytes[HEADER..]].concat();
    assert_eq!(find_end(&keys, segments[0], &relabelled).unwrap().tail, Tail::Broken);
}
