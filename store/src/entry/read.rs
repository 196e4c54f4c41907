//! Reading versions of a name.

use std::borrow::Cow;
use std::sync::Arc;

use claviger_proto::key_service::VersionInfo;
use claviger_proto::{Entry, ResourceName, Secret, Version};

use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Engine as _, Revision};
use crate::entry::cache::{HeadCache, Known};
use crate::entry::head::{Head, Whereabouts, find_on_page, open_page};
use crate::entry::meta::VersionMeta;
use crate::error::{StoreError, damaged, sealed};
use crate::layout::EntryPlace;

/// How often a get starts anew because somebody stored to the name meanwhile. Each time a commit must have
/// come between two reads, so even twice is rare.
const ATTEMPTS: usize = 16;

/// A head as the engine has it.
pub(crate) struct Loaded {
    pub(crate) head: Head,
    /// The head's value, in which the newest version's record may lie.
    pub(crate) raw: Vec<u8>,
    pub(crate) revision: Revision,
}

/// Loads a name's head; `None` when it has never had a version.
pub(crate) fn load(
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    at: &EntryPlace,
) -> Result<Option<Loaded>, StoreError> {
    let key = at.head();
    let Some((raw, revision)) = engine.get(&key)? else { return Ok(None) };
    let head = Head::open(keys, &key, &raw)?;
    if head.name() != name.as_str() {
        return Err(damaged("head", &key));
    }
    Ok(Some(Loaded { head, raw, revision }))
}

/// Whether there is a record that can't be there yet: the head is an older one, put back. Or a store has
/// come between the two reads, so whoever isn't the writer must look again.
pub(crate) fn is_put_back(
    engine: &AnyEngine,
    head: Option<&Head>,
    at: &EntryPlace,
) -> Result<bool, StoreError> {
    match Head::telltale(head) {
        Some(version) => Ok(engine.get(&at.version(version.get()))?.is_some()),
        None => Ok(false),
    }
}

/// Opens one version of a name, or its latest; an entry that may not leave isn't found.
pub(crate) fn retrieve(
    current: &Known,
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    version: Option<Version>,
    now: i64,
) -> Result<Entry, StoreError> {
    let (meta, version) = find_wanted(current, engine, keys, name, version)?;
    if !meta.is_releasable(now) {
        return Err(StoreError::NotFound);
    }
    open(current, engine, keys, name, &meta, version)
}

/// Opens a version, whether it may leave or not.
pub(crate) fn open(
    known: &Known,
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    meta: &VersionMeta,
    version: Version,
) -> Result<Entry, StoreError> {
    let at = &known.place;
    let beside = known.head.beside(version, at, &known.raw)?;
    let blob = open_version(engine, keys, name, at, meta, beside)?;
    to_entry(name, meta, version, blob, at)
}

/// What is known of a version of a name, or its latest, in whatever state.
pub(crate) fn describe<'c>(
    current: &'c Known,
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    version: Option<Version>,
    now: i64,
) -> Result<(Cow<'c, VersionMeta>, VersionInfo), StoreError> {
    let (meta, _) = find_wanted(current, engine, keys, name, version)?;
    let info = meta.info(now).ok_or_else(|| damaged("head", &current.place.head()))?;
    Ok((meta, info))
}

/// What is known of versions, from `from` downwards, at most `limit`.
pub(crate) fn versions(
    known: &Known,
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    below: Option<Version>,
    limit: usize,
    now: i64,
) -> Result<Vec<VersionInfo>, StoreError> {
    let (head, at) = (&known.head, &known.place);
    let range = head.range();
    let last = below.map_or(*range.end(), |below| (below.get() - 1).min(*range.end()));
    let mut page: Option<(u32, Vec<VersionMeta>)> = None;
    let mut infos = Vec::new();
    for number in (*range.start()..=last).rev().take(limit) {
        let version = Version::new(number).ok_or_else(|| damaged("head", &at.head()))?;
        let meta = match head.find(version) {
            Whereabouts::Here(meta) => meta.clone(),
            Whereabouts::Nowhere => return Err(damaged("head", &at.head())),
            Whereabouts::OnPage(of) => {
                if page.as_ref().is_none_or(|(loaded, _)| *loaded != of) {
                    page = Some((of, load_page(engine, keys, name, at, of)?));
                }
                let metas = page.as_ref().map_or(&[][..], |(_, metas)| metas);
                find_on_page(metas, &at.page(of), number)?
            }
        };
        infos.push(meta.info(now).ok_or_else(|| damaged("head", &at.head()))?);
    }
    Ok(infos)
}

fn find_wanted<'c>(
    known: &'c Known,
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    version: Option<Version>,
) -> Result<(Cow<'c, VersionMeta>, Version), StoreError> {
    let (head, at) = (&known.head, &known.place);
    let wanted = version.or_else(|| head.highest()).ok_or(StoreError::NotFound)?;
    let meta = match head.find(wanted) {
        Whereabouts::Here(meta) => Cow::Borrowed(meta),
        Whereabouts::Nowhere => return Err(StoreError::NotFound),
        Whereabouts::OnPage(number) => {
            let page = load_page(engine, keys, name, at, number)?;
            Cow::Owned(find_on_page(&page, &at.page(number), wanted.get())?)
        }
    };
    Ok((meta, wanted))
}

fn load_page(
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    at: &EntryPlace,
    number: u32,
) -> Result<Vec<VersionMeta>, StoreError> {
    let key = at.page(number);
    let (raw, _) = engine.get(&key)?.ok_or_else(|| gone_or_damaged(keys, "head page", at))?;
    open_page(keys, name, &key, number, &raw)
}

/// The head of a name as it is now; `None` when the name has never had a version.
pub(crate) fn current(
    engine: &AnyEngine,
    cache: &HeadCache,
    keys: &DomainKeys,
    name: &ResourceName,
) -> Result<Option<Arc<Known>>, StoreError> {
    let known = cache.get(keys, name);
    // Before any read: what is read after it is at least as new, so it can only be forgotten too early.
    let now = engine.revision();
    if let Some(known) = known.as_ref().filter(|known| known.is_current_at(now)) {
        return Ok(Some(Arc::clone(known)));
    }
    let at = known.as_ref().map_or_else(|| EntryPlace::new(keys, name), |known| known.place);
    if let Some(known) = known
        && let Some((_, revision)) = engine.get(&at.head())?
        && revision == known.revision
    {
        known.found_current_at(now);
        return Ok(Some(known));
    }
    for _ in 0..ATTEMPTS {
        let now = engine.revision();
        let loaded = load(engine, keys, name, &at)?;
        // An older head put back would make an older version the latest. The record that it can't know gives
        // it away; unless it is older only because a store came in between.
        if is_put_back(engine, loaded.as_ref().map(|loaded| &loaded.head), &at)? {
            let again = load(engine, keys, name, &at)?;
            if loaded.map(|loaded| loaded.revision) == again.map(|again| again.revision) {
                break;
            }
            continue;
        }
        let Some(loaded) = loaded else { return Ok(None) };
        let known = Arc::new(Known::new(keys, name, at, loaded, now));
        cache.put(Arc::clone(&known));
        return Ok(Some(known));
    }
    Err(gone_or_damaged(keys, "head", &at))
}

/// Opens the secret of a version: from its own record, unless that lies beside the head.
pub(crate) fn open_version(
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    at: &EntryPlace,
    meta: &VersionMeta,
    beside: Option<&[u8]>,
) -> Result<Secret, StoreError> {
    let open = |raw: &[u8]| {
        let opened = keys.open(&meta.aad(keys, name), raw);
        opened.map_err(|error| sealed(error, "entry", &at.version(meta.version)))
    };
    if let Some(raw) = beside {
        return open(raw);
    }
    let found = engine.get(&at.version(meta.version))?;
    open(&found.ok_or_else(|| gone_or_damaged(keys, "entry", at))?.0)
}

/// A record that must be there isn't: because the domain is being removed, or because somebody took it.
pub(crate) fn gone_or_damaged(keys: &DomainKeys, what: &'static str, at: &EntryPlace) -> StoreError {
    if keys.is_destroyed() { StoreError::NotFound } else { damaged(what, &at.head()) }
}

fn to_entry(
    name: &ResourceName,
    meta: &VersionMeta,
    version: Version,
    blob: Secret,
    at: &EntryPlace,
) -> Result<Entry, StoreError> {
    let entry_type = meta.entry_type.parse().map_err(|_| damaged("head", &at.head()))?;
    Ok(Entry {
        tag: name.to_string(),
        entry_type,
        version: Some(version),
        entered: meta.entered,
        exportable: meta.exportable,
        blob,
    })
}
