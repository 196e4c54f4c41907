//! The admin API: JSON over HTTP on a Unix socket, for the operator of this machine (see
//! `claviger_proto::admin` for the calls). No call returns secret data; none takes a path.

mod export;
mod routes;
mod sealing;
mod secret_body;
mod socket;

use std::sync::Arc;

use actix::Addr;
use actix_web::dev::Server;
use actix_web::{App, HttpServer, error, web};
use tokio::sync::Semaphore;

use crate::actors::keeper::Keeper;
use crate::bootstrap::HomeView;
use crate::lifecycle::Lifecycle;
use crate::net::permits::Permits;
use crate::startup::Gate;

pub use socket::{SocketError, bind};

/// Largest body of an admin call, in bytes: a policy key and certificate in hex are below 16 KiB.
const MAX_BODY: usize = 64 << 10;

/// What the routes work with.
#[derive(Clone)]
pub struct Admin {
    /// Where the owner of the domains is; nowhere while the broker is sealed.
    domains: Gate,
    /// Owns whether it is sealed.
    keeper: Addr<Keeper>,
    /// For one unsealing at a time: each may take a passphrase's memory.
    unsealing: Arc<Semaphore>,
    /// Where the broker is.
    pub(crate) lifecycle: Lifecycle,
    /// Counts connections.
    permits: Permits,
    /// Its id.
    broker_id: String,
    /// How many shards serve.
    shards: usize,
    /// How it goes with its home.
    home: HomeView,
}

impl Admin {
    /// The admin API of this broker.
    pub(crate) fn new(
        domains: Gate,
        keeper: Addr<Keeper>,
        lifecycle: Lifecycle,
        permits: Permits,
        broker_id: String,
        shards: usize,
        home: HomeView,
    ) -> Self {
        let unsealing = Arc::new(Semaphore::new(1));
        Self { domains, keeper, unsealing, lifecycle, permits, broker_id, shards, home }
    }
}

/// How bodies of at most `limit` bytes are read.
fn json_config(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default().limit(limit).error_handler(move |error, _| {
        let detail = match error {
            error::JsonPayloadError::Overflow { .. }
            | error::JsonPayloadError::OverflowKnownLength { .. } => {
                format!("the body is larger than {} KiB", limit >> 10)
            }
            _ => "the body is not the JSON that this call takes".to_owned(),
        };
        secret_body::malformed(detail).into()
    })
}

/// Serves the API on a bound socket.
pub fn serve(listener: std::os::unix::net::UnixListener, admin: Admin) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(admin.clone()))
            .app_data(json_config(MAX_BODY))
            .wrap(actix_web::middleware::from_fn(secret_body::let_go_of_head))
            .wrap(actix_web::middleware::from_fn(socket::only_this_user))
            .configure(routes::configure)
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(5);
    Ok(server.on_connect(socket::note_peer).listen_uds(listener)?.run())
}
