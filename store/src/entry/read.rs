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

/// A head as the engine has it.
pub(crate) struct Loaded {
    pub(crate) head: Head,
    /// The record of the newest version, sealed, when it lies beside the head.
    pub(crate) latest: Option<Vec<u8>>,
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
    let (head, latest) = Head::open(keys, name, &key, &raw)?;
    Ok(Some(Loaded { head, latest, revision }))
}

/// Whether there is a record that can't be there yet: the head is an older one, put back. Or a store has
/// come between the two reads, so whoever isn't the writer must look again.
pub(crate) fn is_put_back(
    engine: &AnyEngine,
    loaded: Option<&Loaded>,
    at: &EntryPlace,
) -> Result<bool, StoreError> {
    match Head::telltale(loaded.map(|loaded| &loaded.head)) {
        Some(version) => Ok(engine.get(&at.version(version.get()))?.is_some()),
        None => Ok(false),
    }
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
        let loaded = load(engine, keys, name, &at)?;
        if is_put_back(engine, loaded.as_ref(), &at)? {
            let again = load(engine, keys, name, &at)?;
            if loaded.map(|loaded| loaded.revision) == again.map(|again| again.revision) {
                return Err(gone_or_damaged(keys, "head", &at));
            }
            continue;
        }
        let loaded = loaded.ok_or(StoreError::NotFound)?;
        let wanted = version.or_else(|| loaded.head.highest()).ok_or(StoreError::NotFound)?;
        let meta = find(engine, keys, name, &at, &loaded.head, wanted)?.ok_or(StoreError::NotFound)?;
        if !meta.is_releasable() {
            return Err(StoreError::NotFound);
        }
        let beside = loaded.latest.filter(|_| loaded.head.highest() == Some(wanted));
        let blob = open_version(engine, keys, name, &at, &meta, beside.as_deref())?;
        return to_entry(name, &meta, wanted, blob, &at);
    }
    Err(gone_or_damaged(keys, "head", &at))
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

/// Opens the secret of a version: from its own record, unless that lies beside the head.
pub(crate) fn open_version(
    engine: &AnyEngine,
    keys: &DomainKeys,
    name: &ResourceName,
    at: &EntryPlace,
    meta: &VersionMeta,
    beside: Option<&[u8]>,
) -> Result<Secret, StoreError> {
    let key = at.version(meta.version);
    let open = |raw: &[u8]| keys.open(&meta.aad(keys, name), raw).map_err(|e| sealed(e, "entry", &key));
    match beside {
        Some(raw) => open(raw),
        None => open(&engine.get(&key)?.ok_or_else(|| gone_or_damaged(keys, "entry", at))?.0),
    }
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
