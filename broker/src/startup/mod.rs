//! Config → build → run → drain.

mod error;
mod lists;
mod root_key;
mod sealing;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix::{Actor as _, Addr, SyncArbiter};
use actix_rt::Arbiter;
use actix_web::dev::ServerHandle;
use claviger_client::endorsements::Endorser;
use claviger_proto::admin::State;
use claviger_store::DataDir;
use claviger_store::slot::Passphrase;
use metrics_exporter_prometheus::PrometheusHandle;
use rustls::pki_types::UnixTime;
use tokio::sync::watch;
use tokio::time::{timeout, timeout_at};

use crate::actors::attestor::{Attestor, Verifier};
use crate::actors::audit::seconds;
use crate::actors::domains::{CheckpointAll, DomainsActor, SetDefault};
use crate::actors::keeper::{Close, Drain, Keeper, Standing};
use crate::admin_api::{self, Admin, AdminView, Looks};
use crate::bootstrap::Puller;
use crate::config::{Changed, Config, Live};
use crate::lifecycle::Lifecycle;
use crate::net::accept::Serves;
use crate::net::listener::bind;
use crate::net::permits::Permits;
use crate::ops::{self, Ops};
use crate::runtime::failure::Failure;
use crate::runtime::shard::{self, RunningShard, Shared};
use crate::runtime::stack;

pub use error::StartError;
use lists::Lists;
use sealing::Ground;
pub(crate) use sealing::{Gate, Sealed, Unsealable, Unsealed};

/// Where a running broker listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The key service.
    pub listen: SocketAddr,
    /// Admission, in the order of the configuration.
    pub admission: Vec<SocketAddr>,
    /// `/livez`, `/readyz`, `/metrics`.
    pub ops: Option<SocketAddr>,
    /// The admin API over mutual TLS.
    pub admin: Option<SocketAddr>,
}

/// A running broker.
pub struct Broker {
    /// Where it listens.
    pub addresses: Addresses,
    lifecycle: Lifecycle,
    /// What it was started with, and what of that was changed since.
    config: Config,
    live: Live,
    permits: Permits,
    endorser: Endorser,
    verifier: Verifier,
    lists: Lists,
    drain: watch::Sender<bool>,
    shards: Vec<RunningShard>,
    servers: Vec<ServerHandle>,
    gate: Gate,
    /// Gets domains from home.
    puller: Option<Arbiter>,
    failure: watch::Receiver<Option<&'static str>>,
    // Last, so that the lock on the directory goes when everything else is gone.
    keeper: Addr<Keeper>,
}

/// Every socket of a broker, bound before anything is started.
struct Sockets {
    service: Vec<TcpListener>,
    admission: Vec<Vec<TcpListener>>,
    ops: Option<TcpListener>,
    admin: Option<std::os::unix::net::UnixListener>,
    remote_admin: Option<TcpListener>,
    addresses: Addresses,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Self, StartError> {
        let service = bind(config.listen, config.shards)?;
        let mut admission = Vec::new();
        for listen in &config.admission {
            admission.push(bind(listen.address, config.shards)?);
        }
        let ops =
            config.ops_listen.map(|address| bind(address, 1)).transpose()?.and_then(|mut one| one.pop());
        let remote_admin =
            config.admin.listen.map(|address| bind(address, 1)).transpose()?.and_then(|mut one| one.pop());
        let first = |sockets: &[TcpListener]| sockets[0].local_addr().map_err(StartError::Socket);
        let addresses = Addresses {
            listen: first(&service)?,
            admission: admission.iter().map(|sockets| first(sockets)).collect::<Result<_, _>>()?,
            ops: ops.as_ref().map(|socket| first(std::slice::from_ref(socket))).transpose()?,
            admin: remote_admin.as_ref().map(|socket| first(std::slice::from_ref(socket))).transpose()?,
        };
        let admin = Some(admin_api::bind(&config.admin_socket)?);
        Ok(Self { service, admission, ops, admin, remote_admin, addresses })
    }

    /// Takes one socket of each TCP listener, for one shard.
    fn share(&mut self, config: &Config) -> Vec<(TcpListener, Serves)> {
        let mut share: Vec<_> =
            self.service.pop().map(|socket| (socket, Serves::KeyService)).into_iter().collect();
        for (sockets, listen) in self.admission.iter_mut().zip(&config.admission) {
            let serves = Serves::Admission { stock_domain: listen.stock_domain.clone() };
            share.extend(sockets.pop().map(|socket| (socket, serves)));
        }
        share
    }
}

impl Broker {
    /// Binds and starts everything. Call it on an actix `System`. A broker whose root key can't be had starts
    /// sealed: it listens, serves nobody, and says so, until it is unsealed.
    ///
    /// `passphrase` is asked when a slot wants one, with the number of wrong ones before, until it has no more.
    pub async fn start(
        config: Config,
        passphrase: impl FnMut(u32) -> Option<Passphrase>,
    ) -> Result<Self, StartError> {
        raise_file_limit();
        // Before anything counts: a counter made without a recorder counts nothing for good.
        let metrics = metrics_recorder();
        let data_dir = DataDir::open(&config.data_dir)?;
        warn_of_exposed_keys(&data_dir)?;
        let root = root_key::root_key(&data_dir, passphrase);
        stack::scrub();
        let root = root?;
        let mut sockets = Sockets::bind(&config)?;
        let (failure, failed) = Failure::new();
        let (started, lifecycle) = (Arc::new(config.clone()), Lifecycle::new(State::Sealed));
        let live = Live::new(&config);
        let broker_id = data_dir.id().to_string();
        let (ground, gate) = Ground::new(data_dir, started, live.clone(), failure, lifecycle.clone())?;
        let meters = ground.meters();
        let open = match root {
            Some(root) => Some(ground.open(&root).await?),
            None => None,
        };
        let puller = config.bootstrap.clone().map(|bootstrap| Puller::new(bootstrap, gate.clone()));
        let puller = puller.transpose().map_err(StartError::Pinned)?;
        let home = puller.as_ref().map(Puller::view).unwrap_or_default();
        let permits = Permits::new(&config.limits);
        let endorser = endorser(&config)?;
        let verifier = Verifier::new(endorser.clone());
        verifier.set_authorities(config.authorities()?);
        let mut lists = Lists::default();
        verifier.set_lists(lists.accept(&config.revocation_lists()?, now()).0);
        let attestors = verifier.clone();
        let (drain, draining) = watch::channel(false);
        let shared = Shared {
            live: live.clone(),
            permits: permits.clone(),
            attestor: SyncArbiter::start(config.shards, move || Attestor(attestors.clone())),
            endorser: endorser.clone(),
            start: random_start()?,
            draining,
        };
        let mut shards = Vec::new();
        for index in 0..u16::try_from(config.shards).unwrap_or(u16::MAX) {
            let listeners = sockets.share(&config);
            shards.push(shard::spawn(index, listeners, shared.clone()).await.map_err(StartError::Socket)?);
        }
        let view = AdminView::default();
        let seams = shards.iter().map(|shard| shard.seams.clone()).chain([view.seams()]);
        let sealed = Sealed::new(ground, seams.collect());
        let standing = match open {
            Some(open) => Standing::Unsealed(sealed.serve(open).await),
            None => Standing::Sealed(sealed),
        };
        let keeper = Keeper::new(standing).start();
        let puller = puller.map(Puller::start).transpose().map_err(StartError::Socket)?;
        let admin = Admin::new(
            gate.clone(),
            keeper.clone(),
            lifecycle.clone(),
            permits.clone(),
            broker_id,
            config.shards,
            Looks { home, view, live: live.clone() },
        );
        let ops = Ops {
            lifecycle: lifecycle.clone(),
            failure: failed.clone(),
            permits: permits.clone(),
            meters,
            metrics,
        };
        let servers = serve_http(&mut sockets, &config, admin, ops)?;
        Ok(Self {
            addresses: sockets.addresses,
            lifecycle,
            config,
            live,
            permits,
            endorser,
            verifier,
            lists,
            drain,
            shards,
            servers,
            gate,
            puller,
            failure: failed,
            keeper,
        })
    }

    /// The actor that owns its domains; none while it is sealed.
    pub fn domains(&self) -> Option<Addr<DomainsActor>> {
        self.gate.borrow().clone()
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        self.lifecycle.state()
    }

    /// Tells of changes of [`Broker::state`].
    pub fn watch(&self) -> watch::Receiver<State> {
        self.lifecycle.watch()
    }

    /// Takes over what of `new` can be changed while it runs; says what is another in it, and whether that counts
    /// now or from the next start, and whether every revocation list was taken (the log has why one wasn't).
    pub async fn reload(&mut self, new: &Config) -> (Vec<Changed>, bool) {
        let (now, changed) = self.config.reloaded(new);
        self.live.reload(&now);
        self.permits.set(&now.limits);
        // It was checked when it was read; a folder that went since then is told at the next reading.
        if let (Ok(settings), Ok(authorities)) = (now.endorsements(), now.authorities()) {
            self.endorser.set(settings);
            self.verifier.set_authorities(authorities);
        }
        let lists = now.revocation_lists().map(|given| self.lists.accept(&given, self::now()));
        let all_taken = matches!(lists, Ok((_, true)));
        if let Ok((in_force, _)) = lists {
            self.verifier.set_lists(in_force);
        }
        if let Some(domains) = self.domains() {
            // One that is gone ended with the broker, or was sealed; who unseals it takes the new one.
            let _ = domains.send(SetDefault(now.default_domain.clone())).await;
        }
        self.config = now;
        (changed, all_taken)
    }

    /// Returns when the event loop of every shard has come round: never, where one is stuck.
    pub async fn turn(&self) {
        futures_util::future::join_all(self.shards.iter().map(RunningShard::turn)).await;
    }

    /// Returns when the broker can't go on, with the reason; never, as long as it can.
    pub async fn failed(&self) -> &'static str {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or("unknown"),
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops accepting, lets what is under way finish within the drain deadline, makes the audit's last
    /// checkpoints, and ends every thread.
    pub async fn drain(mut self) {
        self.lifecycle.set(State::Draining);
        if let Some(puller) = &self.puller {
            puller.stop();
        }
        // Shards that are gone need not be told.
        let _ = self.drain.send(true);
        let deadline = tokio::time::Instant::now() + self.live.limits().drain;
        // A keeper that is gone has no channels, and one that is sealing ends them itself.
        drop(timeout_at(deadline, self.keeper.send(Drain)).await);
        for shard in &mut self.shards {
            shard.drained(deadline.saturating_duration_since(tokio::time::Instant::now())).await;
        }
        if let Some(domains) = self.domains()
            && domains.send(CheckpointAll).await.is_err()
        {
            tracing::error!("the domains actor is gone; no last checkpoints are made");
        }
        for server in &self.servers {
            server.stop(true).await;
        }
        for shard in self.shards {
            shard.stop();
        }
        // Nobody is left to write. A keeper that is gone, or still sealing, closes by itself.
        drop(timeout(self.config.limits.drain, self.keeper.send(Close)).await);
        // Ours: it was bound by this process, which holds the data directory's lock.
        drop(std::fs::remove_file(&self.config.admin_socket));
    }
}

fn serve_http(
    sockets: &mut Sockets,
    config: &Config,
    admin: Admin,
    ops: Ops,
) -> Result<Vec<ServerHandle>, StartError> {
    let mut servers = Vec::new();
    if let Some(socket) = sockets.admin.take() {
        servers.push(admin_api::serve(socket, admin.clone()).map_err(StartError::Socket)?);
    }
    if let Some(socket) = sockets.remote_admin.take() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let face = admin_api::operators_face(&config.data_dir, &provider)?;
        servers.push(admin_api::serve_remote(socket, admin, face, provider)?);
    }
    if let Some(socket) = sockets.ops.take() {
        servers.push(ops::serve(socket, ops).map_err(StartError::Socket)?);
    }
    Ok(servers
        .into_iter()
        .map(|server| {
            let handle = server.handle();
            actix_rt::spawn(server);
            handle
        })
        .collect())
}

/// Installs the metrics recorder, and has it tidied: histograms grow until somebody does.
fn metrics_recorder() -> Option<PrometheusHandle> {
    const UPKEEP: std::time::Duration = std::time::Duration::from_secs(5);
    let handle = ops::metrics::install().ok()?;
    let tidied = handle.clone();
    actix_rt::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            tidied.run_upkeep();
        }
    });
    Some(handle)
}

fn now() -> i64 {
    seconds(UnixTime::now())
}

/// Finds certificates of chips' keys.
fn endorser(config: &Config) -> Result<Endorser, StartError> {
    let settings = config.endorsements()?;
    if settings.kds.is_none() && !config.kds_url.is_empty() {
        let roots = config.kds_roots.display();
        tracing::warn!(%roots, "no certificates to judge AMD's key distribution service by: it isn't asked");
    }
    Ok(Endorser::new(settings))
}

/// Key files on mounts of secrets often can be read by a group, so this isn't refused.
fn warn_of_exposed_keys(data_dir: &DataDir) -> Result<(), StartError> {
    for (path, mode) in data_dir.slots()?.exposed_key_files() {
        let (path, mode) = (path.display(), format!("{mode:o}"));
        tracing::warn!(%path, mode, "others than its owner can read this key file; run chmod 600 on it");
    }
    Ok(())
}

fn random_start() -> Result<u32, StartError> {
    let mut bytes = [0; 4];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| StartError::Randomness)?;
    Ok(u32::from_be_bytes(bytes))
}

/// Connections are files; the soft limit is 1 024 on most machines, the hard one far above.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
