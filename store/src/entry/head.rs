//! Which versions a name has.

use claviger_proto::{ResourceName, Version};
use prost::Message as _;

use crate::domain::DomainKeys;
use crate::engine::Key;
use crate::error::{StoreError, damaged, sealed};
use crate::layout::EntryPlace;
use crate::seal::{Aad, RecordKind};

/// Versions that share a page. A head has between 1 and this many, some 40 bytes each.
const PAGE: u32 = 32;

/// The state of a version that can be got.
const THERE: u8 = 1;

/// What is kept of one version beside its secret.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct VersionMeta {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(string, tag = "2")]
    pub(crate) entry_type: String,
    #[prost(bool, tag = "3")]
    pub(crate) exportable: bool,
    #[prost(int64, tag = "4")]
    pub(crate) entered: i64,
    #[prost(int64, tag = "5")]
    expires: i64,
    #[prost(uint32, tag = "6")]
    state: u32,
    /// Which of the domain's keys it is sealed under.
    #[prost(uint32, tag = "7")]
    epoch: u32,
}

impl VersionMeta {
    pub(crate) fn new(
        keys: &DomainKeys,
        version: Version,
        entry_type: String,
        exportable: bool,
        entered: i64,
    ) -> Self {
        let state = u32::from(THERE);
        Self {
            version: version.get(),
            entry_type,
            exportable,
            entered,
            expires: 0,
            state,
            epoch: keys.epoch(),
        }
    }

    /// Whether it can be got at all.
    pub(crate) fn is_there(&self) -> bool {
        self.state == u32::from(THERE)
    }

    /// Whether it may be handed out.
    pub(crate) fn is_releasable(&self) -> bool {
        self.exportable && self.is_there()
    }

    /// What its secret is sealed together with.
    pub(crate) fn aad<'a>(&'a self, keys: &DomainKeys, name: &'a ResourceName) -> Aad<'a> {
        Aad {
            name: name.as_str(),
            version: self.version,
            entry_type: &self.entry_type,
            flags: if self.exportable { Aad::EXPORTABLE } else { 0 },
            entered: self.entered,
            expires: self.expires,
            // A state beyond a byte isn't one of ours; it can't open anything.
            state: u8::try_from(self.state).unwrap_or(u8::MAX),
            key_epoch: self.epoch,
            ..keys.aad(RecordKind::Entry)
        }
    }
}

/// Which versions a name has had: from `first` to `highest`, without gaps.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Head {
    #[prost(uint32, tag = "1")]
    first: u32,
    /// The highest ever, so that a version is never used again. 0 for a name that has had none.
    #[prost(uint32, tag = "2")]
    highest: u32,
    /// The versions of the newest page.
    #[prost(message, repeated, tag = "3")]
    recent: Vec<VersionMeta>,
}

/// A page of versions that the head no longer has.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Page {
    #[prost(message, repeated, tag = "1")]
    versions: Vec<VersionMeta>,
}

/// Where what is known of a version is to be found.
pub(crate) enum Whereabouts<'a> {
    Here(&'a VersionMeta),
    OnPage(u32),
    Nowhere,
}

impl Head {
    pub(crate) fn highest(&self) -> Option<Version> {
        Version::new(self.highest)
    }

    /// The version that a put without a number gets, unless they are used up.
    pub(crate) fn next(&self) -> Option<Version> {
        self.highest().map_or(Some(Version::FIRST), Version::next)
    }

    pub(crate) fn find(&self, version: Version) -> Whereabouts<'_> {
        let number = version.get();
        if !(self.first..=self.highest).contains(&number) {
            return Whereabouts::Nowhere;
        }
        match self.recent.iter().find(|meta| meta.version == number) {
            Some(meta) => Whereabouts::Here(meta),
            None => Whereabouts::OnPage(page_of(number)),
        }
    }

    /// Adds the next version. Gives the page that became full by it, if one did: its number and versions.
    pub(crate) fn add(&mut self, meta: VersionMeta) -> Option<(u32, Vec<VersionMeta>)> {
        let page = page_of(meta.version);
        let full = self.recent.first().map(|first| page_of(first.version)).filter(|former| *former != page);
        let full = full.map(|former| (former, std::mem::take(&mut self.recent)));
        if self.highest == 0 {
            self.first = meta.version;
        }
        self.highest = meta.version;
        self.recent.push(meta);
        full
    }

    fn aad<'a>(keys: &DomainKeys, name: &'a ResourceName) -> Aad<'a> {
        Aad { name: name.as_str(), ..keys.aad(RecordKind::Head) }
    }

    pub(crate) fn seal(
        &self,
        keys: &DomainKeys,
        name: &ResourceName,
        at: &EntryPlace,
    ) -> Result<(Key, Vec<u8>), StoreError> {
        let key = at.head();
        let raw =
            keys.seal(&Self::aad(keys, name), &self.encode_to_vec()).map_err(|e| sealed(e, "head", &key))?;
        Ok((key, raw))
    }

    pub(crate) fn open(
        keys: &DomainKeys,
        name: &ResourceName,
        key: &Key,
        raw: &[u8],
    ) -> Result<Self, StoreError> {
        let opened = keys.open(&Self::aad(keys, name), raw).map_err(|e| sealed(e, "head", key))?;
        Self::decode(opened.expose()).map_err(|_| damaged("head", key))
    }
}

fn page_of(version: u32) -> u32 {
    version / PAGE
}

fn page_aad<'a>(keys: &DomainKeys, name: &'a ResourceName, number: u32) -> Aad<'a> {
    Aad { name: name.as_str(), version: number, ..keys.aad(RecordKind::HeadPage) }
}

/// Seals a page that became full.
pub(crate) fn seal_page(
    keys: &DomainKeys,
    name: &ResourceName,
    at: &EntryPlace,
    number: u32,
    versions: Vec<VersionMeta>,
) -> Result<(Key, Vec<u8>), StoreError> {
    let key = at.page(number);
    let raw = keys
        .seal(&page_aad(keys, name, number), &Page { versions }.encode_to_vec())
        .map_err(|e| sealed(e, "head page", &key))?;
    Ok((key, raw))
}

/// Finds a version on its page.
pub(crate) fn find_on_page(
    keys: &DomainKeys,
    name: &ResourceName,
    key: &Key,
    number: u32,
    raw: &[u8],
    version: Version,
) -> Result<VersionMeta, StoreError> {
    let opened = keys.open(&page_aad(keys, name, number), raw).map_err(|e| sealed(e, "head page", key))?;
    let page = Page::decode(opened.expose()).map_err(|_| damaged("head page", key))?;
    let mut versions = page.versions.into_iter();
    versions.find(|meta| meta.version == version.get()).ok_or_else(|| damaged("head page", key))
}
