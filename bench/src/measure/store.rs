//! `store64_vs_engine`: how many durable stores a second 64 writers get done, by the store alone and over the network.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use claviger_client::Identity;
use claviger_proto::{DomainName, ResourceName};
use rustls::ClientConfig;

use super::Plan;
use super::engine::{self, Shape};
use super::pair::{put, stored};
use super::sealed;
use crate::compare::{Comparison, Named, Target};
use crate::domain::Domain;
use crate::error::BenchError;
use crate::load::{Connection, Run, Until, Work, client_tls, drive};
use crate::server::Server;
use crate::setting::{ENTRY_BYTES, WRITERS};

const ONE_RECORD: Named = Named {
    ratio: "store64_vs_engine",
    ours: "store64_store_rate",
    limit: "store64_engine_rate",
    unit: "stores/s",
    target: Target::AtLeast(0.7),
};

const SAME_RECORDS: Named = Named {
    ratio: "store64_vs_engine_same_records",
    ours: "store64_store_rate",
    limit: "store64_engine_same_records_rate",
    unit: "stores/s",
    target: Target::None,
};

const NETWORK: Named = Named {
    ratio: "store64_network_vs_engine",
    ours: "store64_broker_rate",
    limit: "store64_engine_rate",
    unit: "stores/s",
    target: Target::None,
};

const NETWORK_CPU: Named = Named {
    ratio: "store64_network_cpu_vs_engine",
    ours: "store64_broker_cpu",
    limit: "store64_engine_cpu",
    unit: "us",
    target: Target::None,
};

/// Writers, each with names of its own.
struct Writers {
    tls: Vec<Arc<ClientConfig>>,
    server: SocketAddr,
    domain: DomainName,
    versions: u32,
}

/// One of them.
struct Writer {
    connection: Connection,
    index: usize,
    stores: Cell<u32>,
}

impl Work for Writers {
    type State = Writer;

    async fn open(&self, index: usize) -> Result<Writer, BenchError> {
        let tls = Arc::clone(&self.tls[index % self.tls.len()]);
        let connection = Connection::open(self.server, tls).await?;
        Ok(Writer { connection, index, stores: Cell::new(0) })
    }

    async fn step(&self, writer: &mut Writer) -> Result<(), BenchError> {
        let done = writer.stores.replace(writer.stores.get() + 1);
        let name = name_of(writer.index as u64, done / self.versions)?;
        let answer = writer.connection.exchange(&put(&self.domain, name, ENTRY_BYTES)).await?;
        if stored(answer)? == done % self.versions + 1 {
            Ok(())
        } else {
            Err(BenchError::Answer("another version was stored than the next"))
        }
    }
}

/// A writer's names: none is another's.
pub(super) fn name_of(writer: u64, number: u32) -> Result<ResourceName, BenchError> {
    Ok(format!("writer-{writer}/disk-{number}").parse()?)
}

/// The store, the engine, the engine with the broker's records, the broker; each round in fresh directories on the same
/// file system.
pub(crate) fn measure(
    plan: Plan,
    domain: &Domain,
    agents: &[Identity],
    dir: &Path,
) -> Result<[Comparison; 4], BenchError> {
    let tls = agents.iter().map(client_tls).collect::<Result<Vec<_>, _>>()?;
    let (mut store, mut same_records, mut network, mut cpu) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let ours = sealed::run(plan, domain, dir)?;
        let one = engine::run(plan, Shape::OneRecord, dir)?;
        let same = engine::run(plan, Shape::AsTheBroker, dir)?;
        let broker = broker(plan, domain, &tls, dir)?;
        store.push((ours.rate(), one.rate()));
        same_records.push((ours.rate(), same.rate()));
        network.push((broker.rate(), one.rate()));
        cpu.push((broker.cpu_each(), one.cpu_each()));
    }
    Ok([
        Comparison::of(ONE_RECORD, &store),
        Comparison::of(SAME_RECORDS, &same_records),
        Comparison::of(NETWORK, &network),
        Comparison::of(NETWORK_CPU, &cpu),
    ])
}

fn broker(plan: Plan, domain: &Domain, tls: &[Arc<ClientConfig>], dir: &Path) -> Result<Run, BenchError> {
    let dir = tempfile::tempdir_in(dir)?;
    let mut server = Server::broker(&domain.data_dir(dir.path())?)?;
    let work = Writers {
        tls: tls.to_vec(),
        server: server.listen,
        domain: domain.name.clone(),
        versions: plan.versions,
    };
    drive(&Arc::new(work), WRITERS, Until::Elapsed(plan.window), &mut server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_have_names_of_their_own() {
        let name = |writer, number| name_of(writer, number).expect("a name");
        assert_eq!(name(3, 0).as_str(), "writer-3/disk-0");
        assert!(name(3, 0) != name(3, 1) && name(3, 0) != name(4, 0));
    }
}
