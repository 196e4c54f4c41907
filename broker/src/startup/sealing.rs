//! Sealed and unsealed: two types, and the ways from each to the other.
//!
//! A sealed broker has no domains and no keys, so there is nothing in it that could serve anybody; only an
//! [`Unsealed`] has a [`Storage`], and sealing takes it apart until the last key is gone from memory.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor as _, Addr};
use actix_rt::Arbiter;
use claviger_proto::admin::State;
use claviger_store::engine::AnyEngine;
use claviger_store::{DataDir, RootKey, Store, StoreError, Witness};
use rustls::crypto::CryptoProvider;
use tokio::sync::watch;
use tokio::time::timeout;

use super::StartError;
use crate::actors::acl::DomainsChanged;
use crate::actors::audit::DomainDeleted;
use crate::actors::domains::{
    CheckpointAll, DomainsActor, ListDomains, Registry, Retire, SetDefault, ShardSeams,
};
use crate::actors::store::StoreActor;
use crate::config::{Config, Live};
use crate::domain::{Domains, build};
use crate::era::Era;
use crate::lifecycle::Lifecycle;
use crate::net::tenant::Tenants;
use crate::ops::domains::DomainMeters;
use crate::runtime::failure::Failure;
use crate::runtime::stack;
use crate::storage::Storage;

/// How long what was told to let go of everything may take until it has.
const LET_GO: Duration = Duration::from_secs(5);

/// Where the domains actor of this moment is found; nowhere, while the broker is sealed.
pub(crate) type Gate = watch::Receiver<Option<Addr<DomainsActor>>>;

/// What a broker has whether it is sealed or not. Nothing here is a secret: the engine's records are all sealed.
pub(crate) struct Ground {
    pub(crate) data_dir: Arc<DataDir>,
    engine: Arc<AnyEngine>,
    config: Arc<Config>,
    live: Live,
    /// They count across seals.
    meters: Arc<DomainMeters>,
    provider: Arc<CryptoProvider>,
    failure: Arc<Failure>,
    lifecycle: Lifecycle,
    gate: watch::Sender<Option<Addr<DomainsActor>>>,
}

/// A store that is open, with its domains built, before anybody is served from it.
pub(crate) struct Open {
    storage: Arc<Storage>,
    domains: Arc<Domains>,
    /// The store actor's own thread: it must never wait behind anything slow.
    store_arbiter: Arbiter,
}

/// A broker without a root key.
pub(crate) struct Sealed {
    ground: Ground,
    shards: Vec<ShardSeams>,
}

/// A broker that serves.
pub(crate) struct Unsealed {
    ground: Ground,
    shards: Vec<ShardSeams>,
    storage: Arc<Storage>,
    domains: Addr<DomainsActor>,
    store_arbiter: Arbiter,
}

/// Why a broker isn't sealed.
pub(crate) enum Unsealable {
    /// Another administrative call goes on; it serves as before.
    Occupied(Unsealed),
    /// Something still holds a key, so the process is about to end.
    StillHeld,
}

impl Ground {
    pub(super) fn new(
        data_dir: DataDir,
        config: Arc<Config>,
        live: Live,
        failure: Arc<Failure>,
        lifecycle: Lifecycle,
    ) -> Result<(Self, Gate), StartError> {
        let (gate, seen) = watch::channel(None);
        let ground = Self {
            engine: Arc::new(data_dir.engine()?),
            data_dir: Arc::new(data_dir),
            meters: Arc::new(DomainMeters::new(config.limits.domains_in_metrics)),
            config,
            live,
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            failure,
            lifecycle,
            gate,
        };
        Ok((ground, seen))
    }

    /// What each domain does, for whoever shows it.
    pub(super) fn meters(&self) -> Arc<DomainMeters> {
        Arc::clone(&self.meters)
    }

    /// Opens the store with its root key, and builds the domains in it.
    pub(super) async fn open(&self, root: &RootKey) -> Result<Open, StartError> {
        let open = self.open_store(root);
        stack::scrub();
        let (storage, store_arbiter) = open?;
        let domains = self.load(&storage);
        stack::scrub();
        match domains {
            Ok(domains) => Ok(Open { storage, domains: Arc::new(domains), store_arbiter }),
            Err(error) => {
                // There is one writer at a time, and the next attempt makes another.
                let witness = storage.store.witness();
                drop(storage);
                store_arbiter.stop();
                drop(timeout(LET_GO, gone(&witness)).await);
                Err(error.into())
            }
        }
    }

    fn open_store(&self, root: &RootKey) -> Result<(Arc<Storage>, Arbiter), StartError> {
        let store = Store::open(Arc::clone(&self.engine), root, self.data_dir.id())?;
        let writer = store.writer()?.with_limits(self.config.limits.put_limits());
        let store_arbiter = Arbiter::try_new().map_err(StartError::Socket)?;
        let writer = StoreActor::start_on(&store_arbiter.handle(), writer, Arc::clone(&self.failure));
        let audit_dir = self.data_dir.audit_dir().to_owned();
        let tenants = Tenants::new(self.live.clone(), Arc::clone(&self.meters));
        let storage = Storage { store, writer, audit_dir, tenants, era: Era::default() };
        Ok((Arc::new(storage), store_arbiter))
    }

    /// A domain that can't be served is left out and named; the others don't pay for it.
    fn load(&self, storage: &Arc<Storage>) -> Result<Domains, StoreError> {
        let mut domains = Vec::new();
        for stored in storage.store.domains()? {
            match build(&stored, storage, &self.provider) {
                Ok(domain) => domains.push(Arc::new(domain)),
                Err(error) => tracing::error!(%error, "a domain is not served"),
            }
        }
        Ok(Domains::new(domains, self.live.default_domain()))
    }
}

impl Sealed {
    /// A broker whose shards have no domains yet.
    pub(super) fn new(ground: Ground, shards: Vec<ShardSeams>) -> Self {
        Self { ground, shards }
    }

    /// Its data directory, for its key slots.
    pub(crate) fn data_dir(&self) -> Arc<DataDir> {
        Arc::clone(&self.ground.data_dir)
    }

    /// Opens the store and serves from it, or stays as it is.
    pub(crate) async fn unseal(self, root: RootKey) -> Result<Unsealed, (Self, StartError)> {
        match self.ground.open(&root).await {
            Ok(open) => Ok(self.serve(open).await),
            Err(error) => Err((self, error)),
        }
    }

    /// Puts the domains before every shard.
    pub(super) async fn serve(self, open: Open) -> Unsealed {
        let Self { ground, shards } = self;
        let Open { storage, domains, store_arbiter } = open;
        publish(&shards, &domains).await;
        let provider = Arc::clone(&ground.provider);
        let registry = Registry::new(Arc::clone(&storage), provider, shards.clone(), domains);
        let domains = DomainsActor::new(registry).start();
        ground.gate.send_replace(Some(domains.clone()));
        // It may have been changed while the store was opened, when there was nobody to tell yet.
        let _ = domains.send(SetDefault(ground.live.default_domain())).await;
        ground.lifecycle.set(State::Ready);
        Unsealed { ground, shards, storage, domains, store_arbiter }
    }
}

impl Unsealed {
    /// Ends everything that was opened with the root key, and forgets it with every key under it. In this order:
    /// nothing new begins, what is under way is finished (at most the drain deadline long), the audit gets its last
    /// checkpoints, and then each holder of a key lets go. If one doesn't, the process ends, and its memory with it.
    ///
    /// While another administrative call goes on for too long (a check of a long audit trail), it stays as it is.
    pub(crate) async fn seal(self) -> Result<Sealed, Unsealable> {
        if timeout(self.ground.live.limits().drain, self.domains.send(ListDomains)).await.is_err() {
            return Err(Unsealable::Occupied(self));
        }
        let failure = Arc::clone(&self.ground.failure);
        self.end().await.ok_or_else(|| {
            failure.report(NOT_GONE);
            Unsealable::StillHeld
        })
    }

    /// `None` when something still holds a key.
    async fn end(self) -> Option<Sealed> {
        let Self { ground, shards, storage, domains, store_arbiter } = self;
        ground.gate.send_replace(None);
        ground.lifecycle.set(State::Sealed);
        publish(&shards, &Arc::default()).await;
        storage.era.end();
        if timeout(ground.live.limits().drain, storage.era.deserted()).await.is_err() {
            tracing::warn!("channels are cut off: the broker is sealed");
            storage.era.cut();
        }
        let last = async {
            storage.era.deserted().await;
            let checkpointed = domains.send(CheckpointAll).await;
            (checkpointed, domains.send(Retire).await)
        };
        // A check of a long audit trail may be under way; it isn't waited for longer than anything else.
        let (checkpointed, generations) = timeout(ground.live.limits().drain, last).await.ok()?;
        checkpointed.ok()?;
        let generations = generations.ok()?;
        for shard in &shards {
            for generation in &generations {
                // A shard that is gone holds nothing.
                let _ = shard.deleted.send(DomainDeleted(*generation)).await;
            }
        }
        let witness = storage.store.witness();
        drop((storage, domains));
        stack::scrub();
        store_arbiter.stop();
        drop(store_arbiter);
        timeout(LET_GO, gone(&witness)).await.ok()?;
        tracing::info!("sealed: nobody is served until key-admin unseal");
        Some(Sealed { ground, shards })
    }

    /// Has every channel finish what is under way, when the broker is about to end.
    pub(crate) fn drain(&self) {
        self.storage.era.drain();
    }

    /// Ends the writing, when the process is about to.
    pub(crate) fn close(self) {
        self.store_arbiter.stop();
        drop(self.store_arbiter.join());
    }
}

const NOT_GONE: &str = "sealing: a key is still held somewhere, so the process ends; start it again";

async fn gone(witness: &Witness) {
    while !witness.is_gone() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns when every shard decides by this snapshot.
async fn publish(shards: &[ShardSeams], domains: &Arc<Domains>) {
    let sent = shards.iter().map(|shard| shard.acl.send(DomainsChanged(Arc::clone(domains))));
    for answer in futures_util::future::join_all(sent).await {
        if answer.is_err() {
            tracing::error!("a shard is gone; it can't learn of a change");
        }
    }
}

#[cfg(test)]
mod tests;
