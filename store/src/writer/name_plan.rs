//! What a batch comes to for one name.

use claviger_proto::{ResourceName, Version};

use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Key, Revision, Txn};
use crate::entry::{
    Head, LARGEST_BESIDE, Loaded, VersionMeta, find, is_put_back, load, open_version, seal_page,
};
use crate::error::{StoreError, damaged, sealed};
use crate::layout::EntryPlace;
use crate::writer::PutEntry;

/// What a batch comes to for one name.
pub(super) struct NamePlan {
    at: EntryPlace,
    head: Head,
    /// The head's record as the engine has it.
    head_was: Option<Revision>,
    /// The newest version's record, sealed, while it lies beside the head.
    latest: Option<Vec<u8>>,
    changed: bool,
    /// The versions that get a record of their own, sealed.
    versions: Vec<(u32, Key, Vec<u8>)>,
    /// The pages that became full.
    pages: Vec<(u32, Vec<VersionMeta>)>,
}

impl NamePlan {
    pub(super) fn load(
        engine: &AnyEngine,
        keys: &DomainKeys,
        name: &ResourceName,
    ) -> Result<Self, StoreError> {
        let at = EntryPlace::new(keys, name);
        let loaded = load(engine, keys, name, &at)?;
        // Storing on top of an older head would use a version twice. (What a lost head leaves behind shows at
        // the next read: the telltale record of a first version.)
        let (head, latest, head_was) = match loaded {
            None => (Head::default(), None, None),
            Some(Loaded { head, .. }) if is_put_back(engine, Some(&head), &at)? => {
                return Err(damaged("head", &at.head()));
            }
            Some(Loaded { head, raw, revision }) => {
                let newest = head.highest().map(|newest| head.beside(newest, &at.head(), &raw));
                let latest = newest.transpose()?.flatten().map(<[u8]>::to_vec);
                (head, latest, Some(revision))
            }
        };
        Ok(Self { at, head, head_was, latest, changed: false, versions: Vec::new(), pages: Vec::new() })
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
        let entry_type = put.entry_type.to_string();
        let meta = VersionMeta::new(keys, version, entry_type, put.exportable, put.now);
        let key = self.at.version(version.get());
        let aad = meta.aad(keys, put.permit.name());
        let raw = keys.seal(&aad, put.blob.expose()).map_err(|e| sealed(e, "entry", &key))?;
        self.add(meta, key, raw);
        Ok((version, false))
    }

    /// Adds the next version, as the newest. The one before it gets a record of its own, if it has none: that
    /// is also what shows an older head put back. For the same reason a version lies beside the head only
    /// when the one before it did, or there was none.
    fn add(&mut self, meta: VersionMeta, key: Key, raw: Vec<u8>) {
        let before = self.head.highest();
        let beside = (before.is_none() || self.head.latest_beside) && raw.len() <= LARGEST_BESIDE;
        if let (Some(before), Some(raw)) = (before, self.latest.take()) {
            self.versions.push((before.get(), self.at.version(before.get()), raw));
        }
        if beside {
            self.latest = Some(raw);
        } else {
            self.versions.push((meta.version, key, raw));
        }
        self.head.latest_beside = beside;
        self.pages.extend(self.head.add(meta));
        self.changed = true;
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
        let Some(meta) = self.find(engine, keys, name, version)? else { return Ok(false) };
        let newest = self.head.highest() == Some(version);
        let own = self.versions.iter().find(|(number, ..)| *number == version.get());
        let raw = self.latest.as_deref().filter(|_| newest).or(own.map(|(_, _, raw)| raw.as_slice()));
        let blob = open_version(engine, keys, name, &self.at, &meta, raw)?;
        let same = meta.entry_type == put.entry_type.as_str() && meta.exportable == put.exportable;
        Ok(same && meta.is_there() && blob == put.blob)
    }

    fn find(
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
        if !self.changed {
            return Ok(());
        }
        let (head_key, raw) = self.head.seal(keys, name, &self.at, self.latest.as_deref())?;
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
