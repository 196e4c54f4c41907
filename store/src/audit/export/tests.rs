//! Blocks that can be shown in two ways.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use prost::Message as _;

use super::*;
use crate::audit::chain::ChainHead;
use crate::audit::facts::COMMITMENT;
use crate::audit::{AuditFacts, ChainId, FindingKind};
use crate::domain::DomainKeys;

/// An export of one chain, of blocks that are bound to their keys (`true`) or not.
fn exported(keys: &DomainKeys, committed: &[bool]) -> Vec<u8> {
    let part = |kind: u8, body: Vec<u8>| {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind][..], &length, &body].concat()
    };
    let header = HeaderPart {
        domain: keys.domain().to_string(),
        generation: keys.generation().to_vec(),
        epoch: keys.epoch(),
        time: 0,
        policy: vec![0; 32],
        holds_policy_key: false,
    };
    let mut bytes = [&MAGIC[..], &[VERSION], &part(1, header.encode_to_vec())].concat();
    let mut head = ChainHead::empty(keys, ChainId::Store);
    for committed in committed {
        let body = AuditFacts::encode_block(&[AuditFacts::default()]);
        let body = if *committed { &body } else { &body[COMMITMENT.len()..] };
        let sealed = head.seal(keys, ChainId::Store, body).unwrap();
        let key = keys.record_key(&sealed).unwrap().expose().to_vec();
        let block = BlockPart { shard: None, first: head.next, sealed, key };
        head = head.after(&block.sealed, 1);
        bytes.extend(part(4, block.encode_to_vec()));
    }
    let blocks = committed.len() as u64;
    bytes.extend(part(6, EndPart { checkpoints: 0, blocks }.encode_to_vec()));
    bytes
}

#[test]
fn records_that_could_be_shown_in_two_ways_are_counted_and_found_after_others() {
    let keys = DomainKeys::derive("alpha".parse().unwrap(), [1; 16], 1, &[2; 32]);
    let judged = |committed: &[bool]| {
        let verdict = verify_export(&*exported(&keys, committed), None, &|_, _, _| None).unwrap();
        (verdict.records(), verdict.uncommitted, verdict.findings[0].kind)
    };
    // Of an earlier version, and then of this one: without a checkpoint, for there is none here.
    assert_eq!(judged(&[false, false, true]), (3, 2, FindingKind::NoCheckpoint));
    assert_eq!(judged(&[true, false]), (1, 0, FindingKind::Uncommitted { record: 1 }));
}
