//! Which versions a name has.

use std::ops::RangeInclusive;

use claviger_proto::{ResourceName, Version};
use prost::Message as _;

use crate::domain::DomainKeys;
use crate::engine::Key;
use crate::entry::meta::VersionMeta;
use crate::error::{StoreError, damaged, sealed};
use crate::layout::EntryPlace;
use crate::seal::{Aad, RecordKind};

/// Versions that share a page. A head has between 1 and this many, some 40 bytes each.
const PAGE: u32 = 32;

/// How a head's value in the engine is laid out: this byte, the sealed head's length, the sealed head, and
/// the record of the newest version or nothing.
const LAYOUT: u8 = 2;
const PREFIX: usize = 1 + 4;

/// Largest sealed record, in bytes, that lies beside its head: a disk key with room. It keeps the value
/// within one piece of an engine's page, and names with few small versions within one record.
pub(crate) const LARGEST_BESIDE: usize = 2 << 10;

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
    /// Whether the newest version lies beside the head, and not in a record of its own.
    #[prost(bool, tag = "4")]
    pub(crate) latest_beside: bool,
    /// Whose head it is: its key in the engine doesn't say.
    #[prost(string, tag = "5")]
    name: String,
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
    /// Of a name that has had no version yet.
    pub(crate) fn new(name: &ResourceName) -> Self {
        Self { name: name.to_string(), ..Self::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The numbers of the versions there are; none for a name that has had none.
    pub(crate) fn range(&self) -> RangeInclusive<u32> {
        self.first.max(1)..=self.highest
    }

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

    /// Puts another in place of a version that the head itself has. False if it doesn't have it.
    pub(crate) fn replace(&mut self, meta: &VersionMeta) -> bool {
        let found = self.recent.iter_mut().find(|own| own.version == meta.version);
        found.is_some_and(|own| {
            own.clone_from(meta);
            true
        })
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

    /// Bound to its place, which is a digest of the name; the name itself is within, so that names can be listed.
    fn aad<'a>(keys: &DomainKeys, key: &'a Key) -> Aad<'a> {
        Aad { bound_to: &key.bytes, ..keys.aad(RecordKind::Head) }
    }

    /// A version whose own record would show that this head is an older one put back: it gets one no later
    /// than with the next version.
    pub(crate) fn telltale(head: Option<&Self>) -> Option<Version> {
        match head {
            None => Some(Version::FIRST),
            Some(head) if head.latest_beside => head.highest(),
            Some(head) => head.next(),
        }
    }

    /// Seals the head; `latest` is the newest version's record, when it lies beside the head.
    pub(crate) fn seal(
        &self,
        keys: &DomainKeys,
        at: &EntryPlace,
        latest: Option<&[u8]>,
    ) -> Result<(Key, Vec<u8>), StoreError> {
        let key = at.head();
        let head =
            keys.seal(&Self::aad(keys, &key), &self.encode_to_vec()).map_err(|e| sealed(e, "head", &key))?;
        let latest = latest.unwrap_or_default();
        let mut raw = Vec::with_capacity(PREFIX + head.len() + latest.len());
        raw.push(LAYOUT);
        // Some kilobytes at most: a page of versions.
        raw.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes());
        raw.extend_from_slice(&head);
        raw.extend_from_slice(latest);
        Ok((key, raw))
    }

    /// Opens a head's value.
    pub(crate) fn open(keys: &DomainKeys, key: &Key, raw: &[u8]) -> Result<Self, StoreError> {
        let (head, _) = split(raw, || key.clone())?;
        let opened = keys.open(&Self::aad(keys, key), head).map_err(|e| sealed(e, "head", key))?;
        Self::decode(opened.expose()).map_err(|_| damaged("head", key))
    }

    /// Bytes of the newest version's record, when it lies in the head's value; else 0.
    pub(crate) fn beside_bytes(key: &Key, raw: &[u8]) -> Result<usize, StoreError> {
        split(raw, || key.clone()).map(|(_, latest)| latest.len())
    }

    /// The record of the newest version, still sealed, in the head's value: when this version is the newest
    /// and lies there.
    pub(crate) fn beside<'a>(
        &self,
        version: Version,
        at: &EntryPlace,
        raw: &'a [u8],
    ) -> Result<Option<&'a [u8]>, StoreError> {
        let is_beside = self.latest_beside && self.highest() == Some(version);
        is_beside.then(|| split(raw, || at.head()).map(|(_, latest)| latest)).transpose()
    }
}

/// The two parts of a head's value: the sealed head, and the newest version's record or nothing.
fn split(raw: &[u8], key: impl Fn() -> Key) -> Result<(&[u8], &[u8]), StoreError> {
    let broken = || damaged("head", &key());
    let (&layout, rest) = raw.split_first().ok_or_else(broken)?;
    if layout != LAYOUT {
        return Err(StoreError::UnknownFormat { found: layout });
    }
    let (length, rest) = rest.split_first_chunk().ok_or_else(broken)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| broken())?;
    rest.split_at_checked(length).ok_or_else(broken)
}

pub(crate) fn page_of(version: u32) -> u32 {
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

/// Opens a page.
pub(crate) fn open_page(
    keys: &DomainKeys,
    name: &ResourceName,
    key: &Key,
    number: u32,
    raw: &[u8],
) -> Result<Vec<VersionMeta>, StoreError> {
    let opened = keys.open(&page_aad(keys, name, number), raw).map_err(|e| sealed(e, "head page", key))?;
    Ok(Page::decode(opened.expose()).map_err(|_| damaged("head page", key))?.versions)
}

/// Finds a version on its page.
pub(crate) fn find_on_page(page: &[VersionMeta], key: &Key, version: u32) -> Result<VersionMeta, StoreError> {
    page.iter().find(|meta| meta.version == version).cloned().ok_or_else(|| damaged("head page", key))
}
