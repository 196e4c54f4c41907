//! A shard: one core's arbiter, its listeners, its actors, its connections.

use std::cell::Cell;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Addr};
use actix_rt::Arbiter;
use claviger_client::endorsements::Endorser;
use tokio::sync::{oneshot, watch};

use crate::actors::acl::{AclActor, View};
use crate::actors::attestor::Attestor;
use crate::actors::audit::{AuditActor, Segments};
use crate::actors::domains::ShardSeams;
use crate::actors::router::Router;
use crate::actors::store::AnswerDesk;
use crate::config::Live;
use crate::net::Shard;
use crate::net::accept::{Serves, accept_loop};
use crate::net::permits::Permits;
use crate::request_id::RequestIds;

/// What every shard shares.
#[derive(Clone)]
pub struct Shared {
    /// What of the configuration is in force now.
    pub live: Live,
    /// The broker's permits.
    pub permits: Permits,
    /// The attestors.
    pub attestor: Addr<Attestor>,
    /// Finds certificates of chips' keys.
    pub endorser: Endorser,
    /// Random, the same for all shards of a process.
    pub start: u32,
    /// Turns true when the broker drains.
    pub draining: watch::Receiver<bool>,
}

/// A running shard.
pub struct RunningShard {
    arbiter: Arbiter,
    /// What the domains actor talks to.
    pub seams: ShardSeams,
    drained: oneshot::Receiver<()>,
}

/// Starts a shard on its own thread. It decides by no domain at all until it is told of some.
pub async fn spawn(
    index: u16,
    listeners: Vec<(TcpListener, Serves)>,
    shared: Shared,
) -> std::io::Result<RunningShard> {
    let arbiter = Arbiter::try_new()?;
    let (ready, started) = oneshot::channel();
    let (drained, wait_drained) = oneshot::channel();
    arbiter.spawn_fn(move || match run(index, listeners, shared) {
        Ok((seams, running, loops)) => {
            drop(ready.send(Ok(seams)));
            actix_rt::spawn(async move {
                futures_util::future::join_all(loops).await;
                drain(&running).await;
                // Nobody may be waiting for it.
                let _ = drained.send(());
            });
        }
        Err(error) => drop(ready.send(Err(error))),
    });
    let seams = started.await.map_err(|_| std::io::Error::other("a shard's thread ended as it began"))??;
    Ok(RunningShard { arbiter, seams, drained: wait_drained })
}

type Loops = Vec<actix_rt::task::JoinHandle<()>>;

fn run(
    index: u16,
    listeners: Vec<(TcpListener, Serves)>,
    shared: Shared,
) -> std::io::Result<(ShardSeams, Rc<Shard>, Loops)> {
    let view = View::default();
    let segments = Segments::new(index);
    let acl = AclActor::new(view.clone()).start();
    let audit = AuditActor::new(segments.clone(), shared.live.limits().audit_sync).start();
    let desk = AnswerDesk::open();
    let router = Router::new(view.clone(), segments.clone(), shared.permits.clone(), desk).start();
    let running = Rc::new(Shard {
        live: shared.live,
        permits: shared.permits,
        view,
        router,
        attestor: shared.attestor,
        endorser: shared.endorser,
        segments,
        meters: Rc::default(),
        ids: Rc::new(RequestIds::new(shared.start, index)),
        turns: Rc::default(),
        draining: shared.draining,
        tasks: Rc::new(Cell::new(0)),
    });
    let mut loops = Vec::new();
    for (listener, serves) in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loops.push(actix_rt::spawn(accept_loop(listener, serves, Rc::clone(&running))));
    }
    let seams =
        ShardSeams { acl: acl.recipient(), sync: audit.clone().recipient(), deleted: audit.recipient() };
    Ok((seams, running, loops))
}

/// Waits until the shard's connections are done. Whoever waits for the shard sets the deadline.
async fn drain(shard: &Shard) {
    while shard.tasks.get() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl RunningShard {
    /// Waits until the shard's connections are done, at most so long.
    pub async fn drained(&mut self, at_most: Duration) {
        if tokio::time::timeout(at_most, &mut self.drained).await.is_err() {
            tracing::warn!("connections are cut off at the end of the drain");
        }
    }

    /// Returns when the shard's event loop has come round: never, where it is stuck.
    pub async fn turn(&self) {
        let (told, turned) = oneshot::channel();
        self.arbiter.spawn(async move {
            // Nobody may be waiting any more.
            let _ = told.send(());
        });
        // A shard that is gone doesn't answer either.
        if turned.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the shard's thread.
    pub fn stop(self) {
        self.arbiter.stop();
        drop(self.arbiter.join());
    }
}
