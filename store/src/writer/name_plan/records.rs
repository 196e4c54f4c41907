//! The versions whose own records a batch writes.

use std::collections::BTreeMap;

use claviger_proto::Secret;

use crate::engine::{Engine as _, Revision, Txn};
use crate::entry::{VersionMeta, open_version};
use crate::error::{StoreError, damaged};
use crate::layout::EntryPlace;
use crate::writer::name_plan::Ground;

/// The records of versions, sealed, as they are to be.
#[derive(Default)]
pub(super) struct Records(BTreeMap<u32, Record>);

struct Record {
    raw: Vec<u8>,
    /// As the engine has it; `None` for one that it hasn't.
    was: Option<Revision>,
}

impl Records {
    /// The version's first record of its own.
    pub(super) fn add(&mut self, version: u32, raw: Vec<u8>) {
        self.0.insert(version, Record { raw, was: None });
    }

    /// Another in place of the version's record, wherever that is. Gives how many bytes the former had.
    pub(super) fn replace(
        &mut self,
        ground: &Ground<'_>,
        at: &EntryPlace,
        version: u32,
        raw: Vec<u8>,
    ) -> Result<usize, StoreError> {
        if let Some(record) = self.0.get_mut(&version) {
            return Ok(std::mem::replace(&mut record.raw, raw).len());
        }
        let key = at.version(version);
        let (former, revision) = ground.engine.get(&key)?.ok_or_else(|| damaged("entry", &key))?;
        self.0.insert(version, Record { raw, was: Some(revision) });
        Ok(former.len())
    }

    /// Opens the version's record: as it is to be, or as the engine has it.
    pub(super) fn open(
        &self,
        ground: &Ground<'_>,
        at: &EntryPlace,
        meta: &VersionMeta,
    ) -> Result<Secret, StoreError> {
        let planned = self.0.get(&meta.version).map(|record| record.raw.as_slice());
        open_version(ground.engine, ground.keys, ground.name, at, meta, planned)
    }

    /// Opens a record that lies elsewhere.
    pub(super) fn open_raw(
        ground: &Ground<'_>,
        at: &EntryPlace,
        meta: &VersionMeta,
        raw: &[u8],
    ) -> Result<Secret, StoreError> {
        open_version(ground.engine, ground.keys, ground.name, at, meta, Some(raw))
    }

    pub(super) fn finish(self, at: &EntryPlace, txn: &mut Txn) {
        for (version, Record { raw, was }) in self.0 {
            let key = at.version(version);
            txn.require.push((key.clone(), was));
            txn.put.push((key, raw));
        }
    }
}
