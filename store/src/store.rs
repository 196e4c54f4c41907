//! The store: what shards read from.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use claviger_acl::{Action, Permit};
use claviger_proto::{DomainName, Entry, Version};
use parking_lot::RwLock;

use crate::domain::{DomainKeys, StoredDomain, record, root};
use crate::engine::{AnyEngine, Engine as _, Found, Key, Tree, Txn};
use crate::entry::{self, HeadCache};
use crate::error::{StoreError, damaged};
use crate::layout::{self, Generation};
use crate::seal::{Aad, RecordKind, SealError, SealKey};
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
        let (has_writer, heads) = (AtomicBool::new(false), HeadCache::new());
        Self { inner: Arc::new(Inner { engine, root, domains, has_writer, heads }) }
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
        let record = record::load(&self.inner.engine, &keys)?;
        Ok(StoredDomain { keys, record })
    }

    /// Opens one version of the name that the permit is for; `None` is the latest. An entry that isn't
    /// exportable isn't found.
    #[allow(clippy::needless_pass_by_value, reason = "a permit is used up: one decision opens one entry")]
    pub fn retrieve(
        &self,
        keys: &DomainKeys,
        permit: Permit,
        version: Option<Version>,
    ) -> Result<Entry, StoreError> {
        check_permit(keys, &permit, Action::Retrieve)?;
        entry::retrieve(&self.inner.engine, &self.inner.heads, keys, permit.name(), version)
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

/// A permit must be for this domain and this action. A mistake of the caller, never a peer's.
pub(crate) fn check_permit(keys: &DomainKeys, permit: &Permit, action: Action) -> Result<(), StoreError> {
    if permit.domain() != keys.domain() || permit.action() != action {
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
        if audit::load_head(engine, &keys)?.domain_serial != body.serial {
            return Err(damaged("domain record", &layout::domain_record(keys.generation())));
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
