//! The pages of older versions that a batch reads or writes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use claviger_proto::Version;

use crate::engine::{Engine as _, Revision, Txn};
use crate::entry::{Head, VersionMeta, Whereabouts, find_on_page, open_page, page_of, seal_page};
use crate::error::{StoreError, damaged};
use crate::layout::EntryPlace;
use crate::writer::name_plan::Ground;

/// Pages as they are to be.
#[derive(Default)]
pub(super) struct Pages(BTreeMap<u32, Page>);

struct Page {
    versions: Vec<VersionMeta>,
    /// As the engine has it; `None` for one that it hasn't.
    was: Option<Revision>,
    changed: bool,
}

impl Pages {
    /// A page that became full.
    pub(super) fn add(&mut self, number: u32, versions: Vec<VersionMeta>) {
        self.0.insert(number, Page { versions, was: None, changed: true });
    }

    /// What is known of a version, if there is one of that number.
    pub(super) fn find(
        &mut self,
        ground: &Ground<'_>,
        at: &EntryPlace,
        head: &Head,
        version: Version,
    ) -> Result<Option<VersionMeta>, StoreError> {
        match head.find(version) {
            Whereabouts::Here(meta) => Ok(Some(meta.clone())),
            Whereabouts::Nowhere => Ok(None),
            Whereabouts::OnPage(number) => {
                let page = self.page(ground, at, number)?;
                find_on_page(&page.versions, &at.page(number), version.get()).map(Some)
            }
        }
    }

    /// Puts another in place of a version that lies on a page.
    pub(super) fn replace(
        &mut self,
        ground: &Ground<'_>,
        at: &EntryPlace,
        meta: VersionMeta,
    ) -> Result<(), StoreError> {
        let number = page_of(meta.version);
        let page = self.page(ground, at, number)?;
        page.changed = true;
        let own = page.versions.iter_mut().find(|own| own.version == meta.version);
        *own.ok_or_else(|| damaged("head page", &at.page(number)))? = meta;
        Ok(())
    }

    fn page(&mut self, ground: &Ground<'_>, at: &EntryPlace, number: u32) -> Result<&mut Page, StoreError> {
        match self.0.entry(number) {
            Entry::Occupied(page) => Ok(page.into_mut()),
            Entry::Vacant(place) => {
                let key = at.page(number);
                let found = ground.engine.get(&key)?;
                let (raw, revision) = found.ok_or_else(|| damaged("head page", &key))?;
                let versions = open_page(ground.keys, ground.name, &key, number, &raw)?;
                Ok(place.insert(Page { versions, was: Some(revision), changed: false }))
            }
        }
    }

    pub(super) fn finish(
        self,
        ground: &Ground<'_>,
        at: &EntryPlace,
        txn: &mut Txn,
    ) -> Result<(), StoreError> {
        for (number, Page { versions, was, changed }) in self.0 {
            if changed {
                let (key, raw) = seal_page(ground.keys, ground.name, at, number, versions)?;
                txn.require.push((key.clone(), was));
                txn.put.push((key, raw));
            }
        }
        Ok(())
    }
}
