//! What a batch comes to for one name.

use claviger_proto::{ResourceName, Secret, Version};

use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Key, Revision, Txn};
use crate::entry::{Head, VersionMeta, find, has_successor, load_head, open_version, seal_page};
use crate::error::{StoreError, damaged, sealed};
use crate::layout::EntryPlace;
use crate::writer::PutEntry;

/// What a batch comes to for one name.
pub(super) struct NamePlan {
    at: EntryPlace,
    head: Head,
    /// The head's record as the engine has it.
    head_was: Option<Revision>,
    /// The versions put by this batch, sealed.
    versions: Vec<(VersionMeta, Key, Vec<u8>)>,
    /// The pages that became full by this batch.
    pages: Vec<(u32, Vec<VersionMeta>)>,
}

impl NamePlan {
    pub(super) fn load(
        engine: &AnyEngine,
        keys: &DomainKeys,
        name: &ResourceName,
    ) -> Result<Self, StoreError> {
        let at = EntryPlace::new(keys, name);
        let head = load_head(engine, keys, name, &at)?;
        if has_successor(engine, head.as_ref().map(|(head, _)| head), &at)? {
            // An older head put back; storing on top of it would use a version twice.
            return Err(damaged("head", &at.head()));
        }
        let (head, head_was) = head.map_or_else(Default::default, |(head, was)| (head, Some(was)));
        Ok(Self { at, head, head_was, versions: Vec::new(), pages: Vec::new() })
    }

    /// Puts a version; gives which, and whether it was there already.
    pub(super) fn put(
        &mut self,
        engine: &AnyEngine,
        keys: &DomainKeys,
        put: &PutEntry,
    ) -> Result<(Version, bool), StoreError> {
        let next = self.head.next().ok_or(StoreError::VersionsExhausted);
        let version = match put.version {
            None => next?,
            // The first may be any.
            Some(asked) if self.head.highest().is_none() => asked,
            Some(asked) if next.as_ref().ok() == Some(&asked) => asked,
            Some(asked) if self.is_same(engine, keys, put, asked)? => return Ok((asked, true)),
            Some(asked) => return Err(StoreError::Conflict { asked, next: next? }),
        };
        let name = put.permit.name();
        let entry_type = put.entry_type.to_string();
        let meta = VersionMeta::new(keys, version, entry_type, put.exportable, put.now);
        let key = self.at.version(version.get());
        let raw =
            keys.seal(&meta.aad(keys, name), put.blob.expose()).map_err(|e| sealed(e, "entry", &key))?;
        self.versions.push((meta.clone(), key, raw));
        self.pages.extend(self.head.add(meta));
        Ok((version, false))
    }

    /// Whether exactly this is stored already, under this version.
    fn is_same(
        &self,
        engine: &AnyEngine,
        keys: &DomainKeys,
        put: &PutEntry,
        version: Version,
    ) -> Result<bool, StoreError> {
        let name = put.permit.name();
        let by_this_batch = self.versions.iter().find(|(meta, ..)| meta.version == version.get());
        let (meta, blob): (VersionMeta, Secret) = if let Some((meta, key, raw)) = by_this_batch {
            let blob = keys.open(&meta.aad(keys, name), raw).map_err(|e| sealed(e, "entry", key))?;
            (meta.clone(), blob)
        } else if let Some(meta) = self.find_stored(engine, keys, name, version)? {
            let blob = open_version(engine, keys, name, &self.at, &meta)?;
            (meta, blob)
        } else {
            return Ok(false);
        };
        let same = meta.entry_type == put.entry_type.as_str() && meta.exportable == put.exportable;
        Ok(same && meta.is_there() && blob == put.blob)
    }

    fn find_stored(
        &self,
        engine: &AnyEngine,
        keys: &DomainKeys,
        name: &ResourceName,
        version: Version,
    ) -> Result<Option<VersionMeta>, StoreError> {
        let mut full = self.pages.iter().flat_map(|(_, versions)| versions);
        match full.find(|meta| meta.version == version.get()) {
            Some(meta) => Ok(Some(meta.clone())),
            None => find(engine, keys, name, &self.at, &self.head, version),
        }
    }

    /// Adds what became of the name to the domain's transaction.
    pub(super) fn finish(
        self,
        keys: &DomainKeys,
        name: &ResourceName,
        txn: &mut Txn,
    ) -> Result<(), StoreError> {
        if self.versions.is_empty() {
            return Ok(());
        }
        let (head_key, raw) = self.head.seal(keys, name, &self.at)?;
        txn.require.push((head_key.clone(), self.head_was));
        txn.put.push((head_key, raw));
        for (number, versions) in self.pages {
            txn.put.push(seal_page(keys, name, &self.at, number, versions)?);
        }
        for (_, key, raw) in self.versions {
            txn.require.push((key.clone(), None));
            txn.put.push((key, raw));
        }
        Ok(())
    }
}
