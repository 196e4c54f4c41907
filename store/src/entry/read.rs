//! Reading versions of a name.

use claviger_proto::{Entry, ResourceName, Secret, Version};

use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Engine as _, Revision};
use crate::entry::head::{Head, VersionMeta, Whereabouts, find_on_page};
use crate::error::{StoreError, damaged, sealed};
use crate::layout::EntryPlace;

/// How often a get starts anew because somebody stored to the name meanwhile. Each time a commit must have
/// come between two reads, so even twice is rare.
const ATTEMPTS: usize = 16;

/// Loads a name's head; `None` when it has never had a version.
pub(crate) fn load_head(
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    at: &EntryPlace,
) -> Result<Option<(Head, Revision)>, StoreError> {
    let key = at.head();
    let Some((raw, revision)) = engine.get(&key)? else { return Ok(None) };
    Ok(Some((Head::open(keys, name, &key, &raw)?, revision)))
}

/// Opens one version of a name, or its latest; an entry that may not leave isn't found.
pub(crate) fn retrieve(
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    version: Option<Version>,
) -> Result<Entry, StoreError> {
    let at = EntryPlace::new(keys, name);
    for _ in 0..ATTEMPTS {
        let head = load_head(engine, keys, name, &at)?;
        // An older head put back would make an older version the latest. The versions that it doesn't know
        // give it away; unless it is older only because a store came in between.
        if has_successor(engine, head.as_ref().map(|(head, _)| head), &at)? {
            let again = load_head(engine, keys, name, &at)?;
            if revision(head.as_ref()) == revision(again.as_ref()) {
                return Err(gone_or_damaged(keys, "head", &at));
            }
            continue;
        }
        let (head, _) = head.ok_or(StoreError::NotFound)?;
        let wanted = version.or_else(|| head.highest()).ok_or(StoreError::NotFound)?;
        let meta = find(engine, keys, name, &at, &head, wanted)?.ok_or(StoreError::NotFound)?;
        if !meta.is_releasable() {
            return Err(StoreError::NotFound);
        }
        return to_entry(name, &meta, wanted, open_version(engine, keys, name, &at, &meta)?, &at);
    }
    Err(gone_or_damaged(keys, "head", &at))
}

fn revision(head: Option<&(Head, Revision)>) -> Option<Revision> {
    head.map(|(_, revision)| *revision)
}

/// Whether there is a version that the head doesn't know of.
pub(crate) fn has_successor(
    engine: &AnyEngine,
    head: Option<&Head>,
    at: &EntryPlace,
) -> Result<bool, StoreError> {
    match head.map_or(Some(Version::FIRST), Head::next) {
        Some(next) => Ok(engine.get(&at.version(next.get()))?.is_some()),
        None => Ok(false),
    }
}

/// What is known of a version, if there is one of that number.
pub(crate) fn find(
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    at: &EntryPlace,
    head: &Head,
    version: Version,
) -> Result<Option<VersionMeta>, StoreError> {
    match head.find(version) {
        Whereabouts::Here(meta) => Ok(Some(meta.clone())),
        Whereabouts::Nowhere => Ok(None),
        Whereabouts::OnPage(number) => {
            let key = at.page(number);
            let (raw, _) = engine.get(&key)?.ok_or_else(|| gone_or_damaged(keys, "head page", at))?;
            find_on_page(keys, name, &key, number, &raw, version).map(Some)
        }
    }
}

/// Opens the secret of a version.
pub(crate) fn open_version(
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    at: &EntryPlace,
    meta: &VersionMeta,
) -> Result<Secret, StoreError> {
    let key = at.version(meta.version);
    let (raw, _) = engine.get(&key)?.ok_or_else(|| gone_or_damaged(keys, "entry", at))?;
    keys.open(&meta.aad(keys, name), &raw).map_err(|e| sealed(e, "entry", &key))
}

/// A record that must be there isn't: because the domain is being removed, or because somebody took it.
fn gone_or_damaged(keys: &DomainKeys, what: &'static str, at: &EntryPlace) -> StoreError {
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
