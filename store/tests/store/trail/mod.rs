//! The audit trail: what is appended is read, what is tampered with is found.

mod appending;
mod checkpoints;
mod export;
mod files;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use claviger_store::audit::{self, AuditRecord, FindingKind, Report};
use claviger_store::engine::{Key, Tree};
use claviger_store::{AuditFacts, CheckpointDomain, Command, Done, SegmentHead, SegmentWriter};

use crate::common::{NOW, World, facts};

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

/// Where the blocks of a segment lie in its file.
fn spans(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    const HEADER: usize = 95;
    let (mut at, mut spans) = (HEADER, Vec::new());
    while at < bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        // Length, number of records, sealed body, hash.
        spans.push(at..at + 4 + 2 + length + 32);
        at += 4 + 2 + length + 32;
    }
    spans
}
