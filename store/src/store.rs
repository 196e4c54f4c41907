//! The store: what a shard reads from.

use std::sync::Arc;

use claviger_acl::Permit;
use claviger_proto::{DomainName, Entry, Version};

use crate::domain::{DomainKeys, StoredDomain};
use crate::engine::AnyEngine;
use crate::error::StoreError;
use crate::writer::Writer;
use crate::{RootKey, StoreId};

/// A broker's store: domains, and the entries in them. Cheap to clone; every method may be called from many
/// threads at once, and none waits for the disk's writes.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<AnyEngine>,
}

impl Store {
    /// Makes a new store in an engine that is empty.
    pub fn create(engine: Arc<AnyEngine>, root: &RootKey, id: StoreId) -> Result<Self, StoreError> {
        todo!()
    }

    /// Opens the store that `id` and `root` made.
    pub fn open(engine: Arc<AnyEngine>, root: &RootKey, id: StoreId) -> Result<Self, StoreError> {
        todo!()
    }

    /// All domains, with what describes them.
    pub fn domains(&self) -> Result<Vec<StoredDomain>, StoreError> {
        todo!()
    }

    /// One domain, if there is one of that name.
    pub fn domain(&self, name: &DomainName) -> Result<Option<StoredDomain>, StoreError> {
        todo!()
    }

    /// Opens one version of the name that the permit is for; `None` is the latest. An entry that isn't
    /// exportable isn't found.
    pub fn retrieve(
        &self,
        keys: &DomainKeys,
        permit: Permit,
        version: Option<Version>,
    ) -> Result<Entry, StoreError> {
        todo!()
    }

    /// The one writer of this store; a second is an error, so is one in another process.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        todo!()
    }
}
