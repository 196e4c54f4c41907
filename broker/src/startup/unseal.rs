//! From a root key to domains that serve.

use std::sync::Arc;

use actix_rt::Arbiter;
use claviger_store::slot::SlotError;
use claviger_store::{DataDir, DataDirError, RootKey, Store, StoreError};
use rustls::crypto::CryptoProvider;

use super::StartError;
use crate::actors::acl::DomainsChanged;
use crate::actors::domains::{DomainsActor, Registry};
use crate::actors::store::StoreActor;
use crate::config::Config;
use crate::domain::{Domains, build};
use crate::runtime::failure::Failure;
use crate::runtime::shard::RunningShard;
use crate::storage::Storage;

/// The root key, or `None` where the broker has to start sealed: its slot isn't there now. A slot that *is*
/// there and is wrong is an error, for waiting won't mend it.
pub(super) fn root_key(data_dir: &DataDir) -> Result<Option<RootKey>, StartError> {
    match data_dir.unlock() {
        Ok(root) => Ok(Some(root)),
        Err(DataDirError::Slot(error @ SlotError::KeyFileMissing { .. })) => {
            tracing::warn!(%error, "starting sealed");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// What an unsealed broker has.
pub(super) struct Unsealed {
    storage: Arc<Storage>,
    domains: Arc<Domains>,
    /// The store actor's own thread: it must never wait behind anything slow.
    store_arbiter: Arbiter,
}

impl Unsealed {
    pub(super) fn open(
        data_dir: &DataDir,
        root: &RootKey,
        config: &Config,
        provider: &Arc<CryptoProvider>,
        failure: &Arc<Failure>,
    ) -> Result<Self, StartError> {
        let store = Store::open(Arc::new(data_dir.engine()?), root, data_dir.id())?;
        let writer = store.writer()?;
        let store_arbiter = Arbiter::try_new().map_err(StartError::Socket)?;
        let writer = StoreActor::start_on(&store_arbiter.handle(), writer, Arc::clone(failure));
        let audit_dir = data_dir.audit_dir().to_owned();
        let storage = Arc::new(Storage { store, writer, audit_dir });
        let domains = Arc::new(load(&storage, config, provider)?);
        Ok(Self { storage, domains, store_arbiter })
    }

    /// Puts the domains before every shard; what comes back owns them from here.
    pub(super) async fn serve(&self, shards: &[RunningShard], provider: Arc<CryptoProvider>) -> DomainsActor {
        let seams: Vec<_> = shards.iter().map(|shard| shard.seams.clone()).collect();
        for shard in &seams {
            if shard.acl.send(DomainsChanged(Arc::clone(&self.domains))).await.is_err() {
                tracing::error!("a shard ended as it began");
            }
        }
        let domains = Arc::clone(&self.domains);
        DomainsActor::new(Registry::new(Arc::clone(&self.storage), provider, seams, domains))
    }

    pub(super) fn close(self) {
        self.store_arbiter.stop();
        drop(self.store_arbiter.join());
    }
}

/// A domain that can't be served is left out and named; the others don't pay for it.
fn load(
    storage: &Arc<Storage>,
    config: &Config,
    provider: &Arc<CryptoProvider>,
) -> Result<Domains, StoreError> {
    let mut domains = Vec::new();
    for stored in storage.store.domains()? {
        match build(&stored, storage, provider) {
            Ok(domain) => domains.push(Arc::new(domain)),
            Err(error) => tracing::error!(%error, "a domain is not served"),
        }
    }
    Ok(Domains::new(domains, config.default_domain.clone()))
}
