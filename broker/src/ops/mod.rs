//! `/livez`, `/readyz`, `/metrics`: what an operator's machinery asks. Of a domain it says how much it does, and nothing else.

pub mod domains;
pub(crate) mod metrics;

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use claviger_proto::admin::State;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use self::domains::DomainMeters;
use crate::lifecycle::Lifecycle;
use crate::net::permits::Permits;

/// What the three pages are made from.
#[derive(Clone)]
pub struct Ops {
    /// Where the broker is.
    pub lifecycle: Lifecycle,
    /// Why it can't go on, once it can't.
    pub failure: watch::Receiver<Option<&'static str>>,
    /// Counts places.
    pub permits: Permits,
    /// What each domain does.
    pub meters: Arc<DomainMeters>,
    /// Renders the metrics; absent where another recorder is installed (a test, an embedding program).
    pub metrics: Option<PrometheusHandle>,
}

/// Serves the pages on a bound socket. Small and unauthenticated: bind it where only operators reach it.
pub fn serve(listener: TcpListener, ops: Ops) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(ops.clone()))
            .route("/livez", web::get().to(livez))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(render))
    });
    Ok(server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run())
}

async fn livez() -> HttpResponse {
    text(StatusCode::OK, "ok\n".to_owned())
}

async fn readyz(ops: web::Data<Ops>) -> HttpResponse {
    if let Some(reason) = *ops.failure.borrow() {
        return text(StatusCode::SERVICE_UNAVAILABLE, format!("broken: {reason}\n"));
    }
    match ops.lifecycle.state() {
        State::Ready => text(StatusCode::OK, "ready\n".to_owned()),
        State::Sealed => text(StatusCode::SERVICE_UNAVAILABLE, "sealed: run key-admin unseal\n".to_owned()),
        State::Draining => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned()),
    }
}

async fn render(ops: web::Data<Ops>) -> HttpResponse {
    match &ops.metrics {
        Some(handle) => {
            metrics::look(ops.lifecycle.state(), &ops.permits);
            text(StatusCode::OK, handle.render() + ops.meters.render().as_str())
        }
        None => text(StatusCode::NOT_FOUND, "metrics are collected elsewhere\n".to_owned()),
    }
}

fn text(status: StatusCode, body: String) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; version=0.0.4; charset=utf-8").body(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::runtime::failure::Failure;
    use actix_web::body::to_bytes;

    async fn ready(ops: &Ops) -> (u16, String) {
        let page = readyz(web::Data::new(ops.clone())).await;
        let status = page.status().as_u16();
        let body = to_bytes(page.into_body()).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[actix_rt::test]
    async fn readyz_says_why_not_and_a_broken_store_comes_first() {
        let (failure, failed) = Failure::new();
        let lifecycle = Lifecycle::new(State::Sealed);
        let permits = Permits::new(&Limits::default());
        let ops = Ops {
            lifecycle: lifecycle.clone(),
            failure: failed,
            permits,
            meters: Arc::new(DomainMeters::new(0)),
            metrics: None,
        };
        assert_eq!(ready(&ops).await, (503, "sealed: run key-admin unseal\n".to_owned()));
        lifecycle.set(State::Ready);
        assert_eq!(ready(&ops).await, (200, "ready\n".to_owned()));
        failure.report("storage is broken");
        assert_eq!(ready(&ops).await, (503, "broken: storage is broken\n".to_owned()));
        lifecycle.set(State::Draining);
        assert_eq!(ready(&ops).await, (503, "broken: storage is broken\n".to_owned()));
        assert_eq!(livez().await.status(), StatusCode::OK);
    }
}
