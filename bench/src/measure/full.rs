//! `full_cpu_vs_bare`: what a whole visit costs the server. Connect, mutual handshake, one retrieve, close.
//!
//! The client is `claviger-client`'s channel on both sides: the bare server answers with bytes that the broker
//! once answered, so the client can't tell them apart.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use claviger_client::{Address, Connector};
use claviger_proto::ResourceName;
use claviger_proto::key_service::Retrieve;

use super::Plan;
use super::pair::Pair;
use crate::compare::{Comparison, Named, Target};
use crate::domain::Domain;
use crate::error::BenchError;
use crate::load::{Run, Until, Work, drive};
use crate::server::Server;
use crate::setting::{AGENTS, COLD_CONNECTIONS, CONNECTING};

const WARM: Named = Named {
    ratio: "full_cpu_vs_bare",
    ours: "full_broker_cpu",
    limit: "full_bare_cpu",
    unit: "us",
    target: Target::AtMost(1.15),
};

const COLD: Named = Named {
    ratio: "full_cold_cpu_vs_bare",
    ours: "full_cold_broker_cpu",
    limit: "full_cold_bare_cpu",
    unit: "us",
    target: Target::None,
};

/// One visit after the other.
struct Visits {
    agents: Arc<Vec<Connector>>,
    server: Address,
    name: ResourceName,
}

impl Work for Visits {
    /// The next visit's agent.
    type State = Cell<usize>;

    async fn open(&self, index: usize) -> Result<Self::State, BenchError> {
        Ok(Cell::new(index))
    }

    async fn step(&self, next: &mut Self::State) -> Result<(), BenchError> {
        let agent = &self.agents[next.get() % self.agents.len()];
        next.set(next.get() + CONNECTING);
        let mut channel = agent.connect(&self.server).await?;
        channel.retrieve(Retrieve { name: self.name.clone(), version: None }).await?;
        Ok(())
    }
}

fn visit(
    agents: &Arc<Vec<Connector>>,
    name: &ResourceName,
    until: Until,
    server: &mut Server,
) -> Result<Run, BenchError> {
    let (agents, name) = (Arc::clone(agents), name.clone());
    let visits = Visits { agents, server: server.listen.into(), name };
    drive(&Arc::new(visits), CONNECTING, until, server)
}

/// With agents that come back, again and again.
pub(crate) fn warm(plan: Plan, domain: &Domain, pair: &mut Pair) -> Result<Comparison, BenchError> {
    let agents = Arc::new(domain.connectors(AGENTS)?);
    let mut round = |window| -> Result<(f64, f64), BenchError> {
        let until = Until::Elapsed(window);
        let ours = visit(&agents, &pair.name, until, &mut pair.broker)?;
        let limit = visit(&agents, &pair.name, until, &mut pair.bare)?;
        Ok((ours.cpu_each(), limit.cpu_each()))
    };
    // The first connection of each agent, and whatever else both do only once.
    round(WARM_UP)?;
    let rounds = (0..plan.rounds).map(|_| round(plan.window)).collect::<Result<Vec<_>, _>>()?;
    Ok(Comparison::of(WARM, &rounds))
}

const WARM_UP: Duration = Duration::from_millis(200);

/// With agents that come for the first time, each once.
pub(crate) fn cold(plan: Plan, domain: &Domain, pair: &mut Pair) -> Result<Comparison, BenchError> {
    let until = Until::Times((COLD_CONNECTIONS / CONNECTING) as u64);
    let round = |_| -> Result<(f64, f64), BenchError> {
        let agents = Arc::new(domain.connectors(COLD_CONNECTIONS)?);
        let ours = visit(&agents, &pair.name, until, &mut pair.broker)?;
        let limit = visit(&agents, &pair.name, until, &mut pair.bare)?;
        Ok((ours.cpu_each(), limit.cpu_each()))
    };
    let rounds = (0..plan.rounds).map(round).collect::<Result<Vec<_>, _>>()?;
    Ok(Comparison::of(COLD, &rounds))
}
