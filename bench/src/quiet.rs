//! A domain as its machines use it: connections of members that ask now and then, and what an answer takes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger_proto::key_service::{Request, Retrieve};
use rustls::ClientConfig;
use tokio::runtime;

use crate::domain::Domain;
use crate::error::BenchError;
use crate::load::{Connection, client_tls, framed};
use crate::measure::pair::{put, stored};
use crate::setting::ENTRY_BYTES;

/// How many connections ask, and the pause of each after every answer: some thousand requests a second in all.
pub(crate) const CONNECTIONS: usize = 8;
const PAUSE: Duration = Duration::from_millis(5);

/// Times of requests, in order.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    fn of(mut all: Vec<Duration>) -> Result<Self, BenchError> {
        all.sort_unstable();
        if all.is_empty() {
            Err(BenchError::Answer("there was none in the whole window"))
        } else {
            Ok(Self(all))
        }
    }

    /// The smallest that so many hundredths of all are no larger than, in microseconds.
    pub(crate) fn at(&self, hundredth: usize) -> f64 {
        let at = (self.0.len() * hundredth).div_ceil(100).max(1) - 1;
        self.0[at].as_secs_f64() * 1e6
    }
}

/// A domain as its machines use it.
pub(crate) struct Tenant {
    server: SocketAddr,
    domain: String,
    tls: Arc<ClientConfig>,
    pub(crate) retrieve: Vec<u8>,
    pub(crate) store: Vec<u8>,
}

impl Tenant {
    /// Stores what is retrieved later.
    pub(crate) fn prepare(domain: &Domain, server: SocketAddr) -> Result<Self, BenchError> {
        let tls = client_tls(&domain.agent()?)?;
        let name: claviger_proto::ResourceName = "key".parse()?;
        let retrieve = Request::Retrieve(Retrieve { name: name.clone(), version: None });
        let tenant = Self {
            server,
            domain: domain.name.to_string(),
            tls,
            retrieve: framed(&retrieve.encode(&domain.name)),
            store: put(&domain.name, name, ENTRY_BYTES),
        };
        here()?.block_on(async { stored(tenant.open().await?.exchange(&tenant.store).await?) })?;
        Ok(tenant)
    }

    pub(crate) async fn open(&self) -> Result<Connection, BenchError> {
        Connection::open_in(self.server, Arc::clone(&self.tls), &self.domain).await
    }
}

/// Connections of members that ask now and then.
pub(crate) struct Connected {
    runtime: runtime::Runtime,
    connections: Vec<(Connection, Vec<u8>)>,
}

impl Connected {
    /// To these tenants in turn, of whom there is one at least.
    pub(crate) fn to(tenants: &[&Tenant]) -> Result<Self, BenchError> {
        let runtime = here()?;
        let open =
            async |tenant: &Tenant| Ok::<_, BenchError>((tenant.open().await?, tenant.retrieve.clone()));
        let each = tenants.iter().cycle().take(CONNECTIONS);
        let opened = futures_util::future::try_join_all(each.map(|tenant| open(tenant)));
        let connections = runtime.block_on(opened)?;
        Ok(Self { runtime, connections })
    }

    /// What a retrieve takes.
    pub(crate) fn latencies(&mut self, window: Duration) -> Result<Latencies, BenchError> {
        let ask = async |(connection, retrieve): &mut (Connection, Vec<u8>)| {
            let (began, mut times) = (Instant::now(), Vec::new());
            while began.elapsed() < window {
                let asked = Instant::now();
                let answer = connection.exchange(retrieve).await?;
                times.push(asked.elapsed());
                if answer.len() < ENTRY_BYTES {
                    return Err(BenchError::Answer("a retrieve was refused"));
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok(times)
        };
        let all = futures_util::future::try_join_all(self.connections.iter_mut().map(ask));
        Latencies::of(self.runtime.block_on(all)?.concat())
    }
}

/// A runtime of this thread alone.
pub(crate) fn here() -> Result<runtime::Runtime, BenchError> {
    Ok(runtime::Builder::new_current_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times = |n: u64| Latencies::of((1..=n).rev().map(Duration::from_micros).collect()).expect("some");
        let near = |found: f64, wanted: f64| (found - wanted).abs() < 1e-6;
        assert!(near(times(100).at(99), 99.0) && near(times(1000).at(99), 990.0));
        assert!(near(times(3).at(50), 2.0) && near(times(1).at(99), 1.0));
        assert!(Latencies::of(vec![]).is_err());
    }
}
