//! The store: what shards read from.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use claviger_acl::{Action, Permit};
use claviger_proto::key_service::VersionInfo;
use claviger_proto::{DomainName, Entry, ResourceName, Version};
use parking_lot::RwLock;

use crate::domain::{DomainKeys, StoredDomain, record, root};
use crate::engine::{AnyEngine, Engine as _, Found, Key, Tree, Txn};
use crate::entry::{self, HeadCache, NameIndex};
use crate::error::{StoreError, damaged};
use crate::layout::{self, Generation};
use crate::seal::{Aad, RecordKind, SealError, SealKey};
use crate::ticket::{self, Ticket, TicketId, TicketSum};
use crate::usage::{self, Usage};
use crate::writer::Writer;
use crate::{RootKey, StoreId, audit};

/// What the root key is used for here.
const PURPOSE: &str = "store";

/// How many records one scan of the engine takes into memory.
const SCAN_PAGE: usize = 64;

/// A broker's store: domains, and the entries in them. Cheap to clone; every method may be called from many
/// threads at once, and none waits for the disk's writes.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<AnyEngine>,
    root: SealKey,
    /// Every domain there is. One `DomainKeys` each, so that a deletion reaches all who hold it.
    domains: RwLock<BTreeMap<DomainName, Arc<DomainKeys>>>,
    has_writer: AtomicBool,
    heads: HeadCache,
    names: NameIndex,
}

/// Knows whether a store's keys are gone from memory, without holding them.
pub struct Witness {
    store: Weak<Inner>,
    domains: Vec<Weak<DomainKeys>>,
}

impl Witness {
    /// Whether nobody holds the store, its root key or a domain's keys any more.
    pub fn is_gone(&self) -> bool {
        self.store.strong_count() == 0 && self.domains.iter().all(|keys| keys.strong_count() == 0)
    }
}

impl Store {
    /// Makes a new store in an engine that is empty.
    pub fn create(engine: Arc<AnyEngine>, root: &RootKey, id: StoreId) -> Result<Self, StoreError> {
        for tree in Tree::ALL {
            if !engine.scan(tree, &[], None, 1)?.is_empty() {
                return Err(StoreError::NotEmpty);
            }
        }
        let root = root.seal_key(PURPOSE);
        let identity = root.seal(&identity_aad(id), &[]).map_err(|_| StoreError::Randomness)?;
        let put = vec![(layout::identity(), identity)];
        engine.commit(vec![Txn { put, ..Txn::default() }])?;
        Ok(Self::new(engine, root, BTreeMap::new()))
    }

    /// Opens the store that `id` and `root` made.
    pub fn open(engine: Arc<AnyEngine>, root: &RootKey, id: StoreId) -> Result<Self, StoreError> {
        let root = root.seal_key(PURPOSE);
        let place = layout::identity();
        let (raw, _) = engine.get(&place)?.ok_or_else(|| damaged("identity", &place))?;
        root.open(&identity_aad(id), &raw).map_err(|error| match error {
            SealError::UnknownFormat { found } => StoreError::UnknownFormat { found },
            _ => StoreError::OtherBroker,
        })?;
        let domains = load_domains(&engine, &root)?;
        Ok(Self::new(engine, root, domains))
    }

    fn new(engine: Arc<AnyEngine>, root: SealKey, domains: BTreeMap<DomainName, Arc<DomainKeys>>) -> Self {
        let domains = RwLock::new(domains);
        let (has_writer, heads, names) = (AtomicBool::new(false), HeadCache::new(), NameIndex::default());
        Self { inner: Arc::new(Inner { engine, root, domains, has_writer, heads, names }) }
    }

    /// All domains, with what describes them.
    pub fn domains(&self) -> Result<Vec<StoredDomain>, StoreError> {
        let all: Vec<Arc<DomainKeys>> = self.inner.domains.read().values().cloned().collect();
        all.into_iter().map(|keys| self.load(keys)).collect()
    }

    /// One domain, if there is one of that name.
    pub fn domain(&self, name: &DomainName) -> Result<Option<StoredDomain>, StoreError> {
        let keys = self.inner.domains.read().get(name).cloned();
        keys.map(|keys| self.load(keys)).transpose()
    }

    fn load(&self, keys: Arc<DomainKeys>) -> Result<StoredDomain, StoreError> {
        record::load(&self.inner.engine, keys)
    }

    /// Opens one version of the name that the permit is for; `None` is the latest. An entry that isn't exportable,
    /// is deleted, or expired at `now` (seconds since 1970) isn't found.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up: one decision opens one entry")]
    pub fn retrieve(
        &self,
        keys: &DomainKeys,
        permit: Permit,
        version: Option<Version>,
        now: i64,
    ) -> Result<Entry, StoreError> {
        let current = self.current(keys, &permit, &[Action::Retrieve])?;
        entry::retrieve(&current, self.engine(), keys, permit.name(), version, now)
    }

    /// Opens the latest version of the name that the permit is for, exportable or not, for a new one to be made
    /// of the same kind. It must not leave the broker.
    pub fn open_to_rotate(&self, keys: &DomainKeys, permit: &Permit, now: i64) -> Result<Entry, StoreError> {
        let current = self.current(keys, permit, &[Action::Rotate])?;
        let (meta, info) = entry::describe(&current, self.engine(), keys, permit.name(), None, now)?;
        if !meta.is_available(now) {
            return Err(StoreError::NotFound);
        }
        entry::open(&current, self.engine(), keys, permit.name(), &meta, info.version)
    }

    /// What is known of one version, or the latest, in whatever state, without its secret.
    pub fn describe(
        &self,
        keys: &DomainKeys,
        permit: &Permit,
        version: Option<Version>,
        now: i64,
    ) -> Result<VersionInfo, StoreError> {
        let current = self.current(keys, permit, &[Action::List, Action::Versions])?;
        entry::describe(&current, self.engine(), keys, permit.name(), version, now).map(|(_, info)| info)
    }

    /// What is known of versions, from the newest, or from the one below `below`, at most `limit` of them.
    pub fn versions(
        &self,
        keys: &DomainKeys,
        permit: &Permit,
        below: Option<Version>,
        limit: usize,
        now: i64,
    ) -> Result<Vec<VersionInfo>, StoreError> {
        let current = self.current(keys, permit, &[Action::Versions])?;
        entry::versions(&current, self.engine(), keys, permit.name(), below, limit, now)
    }

    /// The numbers of the versions that there are to delete, undelete or destroy, in whatever state.
    pub fn range(&self, keys: &DomainKeys, permit: &Permit) -> Result<RangeInclusive<u32>, StoreError> {
        let current = self.current(keys, permit, &[Action::Delete, Action::Destroy])?;
        Ok(current.head.range())
    }

    fn current(
        &self,
        keys: &DomainKeys,
        permit: &Permit,
        actions: &[Action],
    ) -> Result<Arc<entry::Known>, StoreError> {
        check_permit(keys, permit, actions)?;
        let current = entry::current(self.engine(), &self.inner.heads, keys, permit.name())?;
        current.ok_or(StoreError::NotFound)
    }

    /// Names of a domain in the order of their bytes: those that begin with `prefix` and come after `after`, at most
    /// `limit`. Says nothing of who may see them. `None` until [`Store::index_names`] was called for the domain.
    pub fn names(
        &self,
        keys: &DomainKeys,
        prefix: &str,
        after: Option<&ResourceName>,
        limit: usize,
    ) -> Option<Vec<ResourceName>> {
        self.inner.names.page(keys.generation(), prefix, after, limit)
    }

    /// Reads the names of a domain into memory, where [`Store::names`] finds them from then on. Reads every name's
    /// head, so it is for a thread that may block.
    pub fn index_names(&self, keys: &DomainKeys) -> Result<(), StoreError> {
        self.inner.names.build(self.engine(), keys)
    }

    /// What a domain takes up. Reads one record; every record of the domain where that was never counted.
    pub fn usage(&self, keys: &DomainKeys) -> Result<Usage, StoreError> {
        if keys.is_destroyed() {
            return Err(StoreError::NotFound);
        }
        audit::load_head(self.engine(), keys)?.usage.map_or_else(|| self.count_usage(keys), Ok)
    }

    /// The same, counted anew from every record of the domain. For a thread that may block; what is stored meanwhile may
    /// be in it or not.
    pub fn count_usage(&self, keys: &DomainKeys) -> Result<Usage, StoreError> {
        usage::count(self.engine(), keys)
    }

    /// A launch ticket of a domain, as it is now.
    pub fn ticket(&self, keys: &DomainKeys, id: &TicketId) -> Result<Option<Ticket>, StoreError> {
        if keys.is_destroyed() {
            return Ok(None);
        }
        Ok(ticket::load(self.engine(), keys, id)?.map(|(ticket, ..)| ticket))
    }

    /// All launch tickets of a domain, in no order. Reads each, so it is for a thread that may block.
    pub fn tickets(&self, keys: &DomainKeys) -> Result<Vec<Ticket>, StoreError> {
        if keys.is_destroyed() { Ok(Vec::new()) } else { ticket::load_all(self.engine(), keys) }
    }

    /// The one writer of this store, until it is dropped; a second one meanwhile is an error.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        if self.inner.has_writer.swap(true, Ordering::AcqRel) {
            return Err(StoreError::WriterTaken);
        }
        Writer::new(self.clone()).inspect_err(|_| self.give_writer_back())
    }

    /// Tells later whether anything still holds this store, or the keys of a domain that it has now.
    pub fn witness(&self) -> Witness {
        let domains = self.inner.domains.read().values().map(Arc::downgrade).collect();
        Witness { store: Arc::downgrade(&self.inner), domains }
    }

    pub(crate) fn give_writer_back(&self) {
        self.inner.has_writer.store(false, Ordering::Release);
    }

    pub(crate) fn engine(&self) -> &AnyEngine {
        &self.inner.engine
    }

    pub(crate) fn name_index(&self) -> &NameIndex {
        &self.inner.names
    }

    pub(crate) fn root(&self) -> &SealKey {
        &self.inner.root
    }

    pub(crate) fn has_domain(&self, name: &DomainName) -> bool {
        self.inner.domains.read().contains_key(name)
    }

    pub(crate) fn add_domain(&self, keys: Arc<DomainKeys>) {
        self.inner.domains.write().insert(keys.domain().clone(), keys);
    }

    pub(crate) fn remove_domain(&self, keys: &DomainKeys) {
        keys.destroy();
        self.inner.names.forget(keys.generation());
        self.inner.domains.write().remove(keys.domain());
    }

    /// The domains whose removal isn't finished.
    pub(crate) fn removals(&self) -> Result<Vec<Generation>, StoreError> {
        let mut removals = Vec::new();
        scan_all(self.engine(), Tree::Domain, layout::REMOVALS, |found| {
            let place = Key::new(Tree::Domain, found.key);
            removals.push(root::open_removal(&self.inner.root, &place, &found.value)?);
            Ok(())
        })?;
        Ok(removals)
    }
}

/// A permit must be for this domain and one of these actions. A mistake of the caller, never a peer's.
pub(crate) fn check_permit(keys: &DomainKeys, permit: &Permit, actions: &[Action]) -> Result<(), StoreError> {
    if permit.domain() != keys.domain() || !actions.contains(&permit.action()) {
        return Err(StoreError::WrongPermit);
    }
    if keys.is_destroyed() { Err(StoreError::NotFound) } else { Ok(()) }
}

fn identity_aad(id: StoreId) -> Aad<'static> {
    Aad { kind: RecordKind::Identity, generation: *id.as_bytes(), ..Aad::default() }
}

fn load_domains(
    engine: &AnyEngine,
    root: &SealKey,
) -> Result<BTreeMap<DomainName, Arc<DomainKeys>>, StoreError> {
    let mut domains = BTreeMap::new();
    scan_all(engine, Tree::Domain, layout::DOMAIN_KEYS, |found| {
        let place = Key::new(Tree::Domain, found.key);
        let keys = root::open_keys(root, &place, &found.value)?;
        // An older record of the domain put back: the trail's head knows how often it was changed.
        let (body, _) = record::load_body(engine, &keys)?;
        let head = audit::load_head(engine, &keys)?;
        if head.domain_serial != body.serial {
            return Err(damaged("domain record", &layout::domain_record(keys.generation())));
        }
        // A ticket that was used would be good again.
        if head.tickets != TicketSum::of_all(engine, &keys)? {
            let place = Key::new(Tree::Domain, layout::tickets(keys.generation()));
            return Err(damaged("launch ticket", &place));
        }
        match domains.insert(keys.domain().clone(), Arc::new(keys)) {
            None => Ok(()),
            // A deleted domain put back beside its successor.
            Some(_) => Err(damaged("second domain of a name", &place)),
        }
    })?;
    Ok(domains)
}

/// Visits all records under a prefix, a few at a time.
pub(crate) fn scan_all(
    engine: &AnyEngine,
    tree: Tree,
    prefix: &[u8],
    mut visit: impl FnMut(Found) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = engine.scan(tree, prefix, after.as_deref(), SCAN_PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.clone());
        for found in page {
            visit(found)?;
        }
    }
}
