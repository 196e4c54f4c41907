//! The admin API: JSON over HTTP on a Unix socket, for the operator of this machine (see
//! `claviger_proto::admin` for the calls). No call returns secret data; none takes a path.

mod routes;
mod socket;

use actix::Addr;
use actix_web::dev::Server;
use actix_web::{App, HttpServer, error, web};
use claviger_proto::admin::Problem;
use claviger_proto::error::ErrorCode;

use crate::actors::domains::DomainsActor;
use crate::lifecycle::Lifecycle;
use crate::net::permits::Permits;

pub use socket::{SocketError, bind};

/// Largest body of an admin call, in bytes: a policy key and certificate in hex are below 16 KiB.
const MAX_BODY: usize = 64 << 10;

/// What the routes work with.
#[derive(Clone)]
pub struct Admin {
    /// Owns the domains; absent while the broker is sealed.
    pub domains: Option<Addr<DomainsActor>>,
    /// Where the broker is.
    pub lifecycle: Lifecycle,
    /// Counts connections.
    pub permits: Permits,
    /// Its id.
    pub broker_id: String,
    /// How many shards serve.
    pub shards: usize,
}

/// Serves the API on a bound socket.
pub fn serve(listener: std::os::unix::net::UnixListener, admin: Admin) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        let json = web::JsonConfig::default().limit(MAX_BODY).error_handler(|error, _| {
            // serde's text can repeat input; a policy key is input.
            let detail = match error {
                error::JsonPayloadError::Overflow { .. }
                | error::JsonPayloadError::OverflowKnownLength { .. } => "the body is larger than 64 KiB",
                _ => "the body is not the JSON that this call takes",
            };
            routes::Failed(Problem {
                status: 400,
                code: ErrorCode::Malformed,
                title: "malformed call".to_owned(),
                detail: detail.to_owned(),
            })
            .into()
        });
        App::new()
            .app_data(web::Data::new(admin.clone()))
            .app_data(json)
            .wrap(actix_web::middleware::from_fn(socket::only_this_user))
            .configure(routes::configure)
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(5);
    Ok(server.on_connect(socket::note_peer).listen_uds(listener)?.run())
}
