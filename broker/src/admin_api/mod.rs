//! The admin API: JSON over HTTP on a Unix socket, for the operator of this machine, and over mutual TLS for operators,
//! owners and auditors (see `claviger_proto::admin` for the calls, `table` for who may make them). No call returns secret
//! data; none takes a path.

mod caller;
mod export;
mod face;
mod openapi;
mod routes;
mod sealing;
mod secret_body;
mod socket;
mod table;
mod view;

use std::net::TcpListener;
use std::sync::Arc;

use actix::Addr;
use actix_web::dev::Server;
use actix_web::{App, HttpServer, error, web};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use tokio::sync::Semaphore;

use crate::actors::keeper::Keeper;
use crate::bootstrap::HomeView;
use crate::config::Live;
use crate::lifecycle::Lifecycle;
use crate::net::permits::Permits;
use crate::startup::{Gate, StartError};

pub use face::FaceError;
pub(crate) use face::operators_face;
pub use socket::{SocketError, bind};
pub(crate) use view::AdminView;

/// Largest body of an admin call, in bytes: a policy key and certificate in hex are below 16 KiB.
const MAX_BODY: usize = 64 << 10;

/// Connections over the network at once: people's, not machines'.
const MAX_CONNECTIONS: usize = 256;

/// Of these, handshakes at once: each is two signatures' work on the admin API's one thread.
const MAX_HANDSHAKES: usize = 16;

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
    /// Which domains there are, for who calls over the network.
    view: AdminView,
    /// What of the configuration is in force: who operates the broker.
    live: Live,
}

/// What calls look at.
pub(crate) struct Looks {
    /// How it goes with the broker's home.
    pub(crate) home: HomeView,
    /// Which domains there are.
    pub(crate) view: AdminView,
    /// What of the configuration is in force.
    pub(crate) live: Live,
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
        Looks { home, view, live }: Looks,
    ) -> Self {
        let unsealing = Arc::new(Semaphore::new(1));
        Self { domains, keeper, unsealing, lifecycle, permits, broker_id, shards, home, view, live }
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
            .wrap(actix_web::middleware::from_fn(secret_body::let_go_of_head))
            .wrap(actix_web::middleware::from_fn(socket::only_this_user))
            .configure(table::configure)
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(5);
    Ok(server.on_connect(socket::note_peer).listen_uds(listener)?.run())
}

/// Serves the API over mutual TLS, on a bound socket. Without a client certificate there is no handshake.
pub(crate) fn serve_remote(
    listener: TcpListener,
    admin: Admin,
    operators: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
) -> Result<Server, StartError> {
    let tls = face::tls(admin.view.clone(), operators, provider)?;
    let view = admin.view.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(admin.clone()))
            .wrap(actix_web::middleware::from_fn(secret_body::let_go_of_head))
            .configure(table::configure)
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(5);
    let server = server.max_connections(MAX_CONNECTIONS).max_connection_rate(MAX_HANDSHAKES);
    let server = server.on_connect(move |connection, extensions| {
        face::note_remote(&view, connection, extensions);
    });
    Ok(server.listen_rustls_0_23(listener, tls).map_err(StartError::Socket)?.run())
}
