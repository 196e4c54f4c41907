//! `kept_rate_vs_bare`: how many retrieves a second go over connections that stay open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use claviger_client::Identity;
use rustls::ClientConfig;

use super::Plan;
use super::pair::Pair;
use crate::compare::{Comparison, Named, Target};
use crate::error::BenchError;
use crate::load::{Connection, Run, Until, Work, client_tls, drive};
use crate::server::Server;
use crate::setting::KEPT_CONNECTIONS;

const RATE: Named = Named {
    ratio: "kept_rate_vs_bare",
    ours: "kept_broker_rate",
    limit: "kept_bare_rate",
    unit: "requests/s",
    target: Target::AtLeast(0.7),
};

const CPU: Named = Named {
    ratio: "kept_cpu_vs_bare",
    ours: "kept_broker_cpu",
    limit: "kept_bare_cpu",
    unit: "us",
    target: Target::None,
};

/// The same request, over and over.
struct Requests {
    tls: Arc<ClientConfig>,
    server: SocketAddr,
    request: Vec<u8>,
    least: usize,
}

impl Work for Requests {
    type State = Connection;

    async fn open(&self, _index: usize) -> Result<Connection, BenchError> {
        Connection::open(self.server, Arc::clone(&self.tls)).await
    }

    async fn step(&self, connection: &mut Connection) -> Result<(), BenchError> {
        let answer = connection.exchange(&self.request).await?;
        // A refusal is shorter than an entry; to look closer would cost more than the servers do.
        if answer.len() < self.least { Err(BenchError::Answer("a retrieve was refused")) } else { Ok(()) }
    }
}

/// The rates, and what a request costs each server.
pub(crate) fn measure(plan: Plan, agent: &Identity, pair: &mut Pair) -> Result<[Comparison; 2], BenchError> {
    let tls = client_tls(agent)?;
    let (request, least) = (pair.request.clone(), crate::setting::ENTRY_BYTES);
    let run = |server: &mut Server, window: Duration| -> Result<Run, BenchError> {
        let (tls, request) = (Arc::clone(&tls), request.clone());
        let requests = Requests { tls, server: server.listen, request, least };
        drive(&Arc::new(requests), KEPT_CONNECTIONS, Until::Elapsed(window), server)
    };
    let mut runs = Vec::new();
    for _ in 0..plan.rounds {
        runs.push((run(&mut pair.broker, plan.window)?, run(&mut pair.bare, plan.window)?));
    }
    let each = |figure: fn(&Run) -> f64| -> Vec<(f64, f64)> {
        runs.iter().map(|(ours, limit)| (figure(ours), figure(limit))).collect()
    };
    Ok([Comparison::of(RATE, &each(Run::rate)), Comparison::of(CPU, &each(Run::cpu_each))])
}
