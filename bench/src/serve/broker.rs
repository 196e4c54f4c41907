//! The broker, as `key-broker serve` runs it, on a free port.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use claviger_broker::Broker;
use claviger_broker::config::{Config, Overrides};
use tokio::sync::oneshot;

use super::control::{self, Ready};
use crate::error::BenchError;

pub(crate) fn run(data_dir: PathBuf, as_it_is: bool, rates: Vec<u32>) -> Result<(), BenchError> {
    // What `serve` logs by default on the measured paths is logged here too: nothing.
    claviger_broker::logging::install("warn");
    claviger_broker::runtime::panics::install_hook();
    claviger_broker::runtime::block_on(serve(data_dir, as_it_is, rates))
}

async fn serve(data_dir: PathBuf, as_it_is: bool, rates: Vec<u32>) -> Result<(), BenchError> {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let flags = Overrides { data_dir: Some(data_dir), listen: Some(listen), ..Overrides::default() };
    // Every other limit is the product's default, and so is the number of shards.
    let mut config = Config::load(None, flags).map_err(claviger_broker::StartError::from)?;
    if !as_it_is {
        // All load comes from one address and is one domain's, and a writer has one name that it writes over and over.
        config.limits.handshakes_per_second = 1_000_000;
        config.limits.handshakes_per_second_per_address = 1_000_000;
        config.limits.handshakes_per_second_per_domain = 1_000_000;
        config.limits.requests_per_second_per_domain = 10_000_000;
        config.limits.share_per_domain = 100;
        config.limits.names_per_domain = 1 << 40;
        config.limits.bytes_per_domain = 1 << 50;
        config.limits.versions_per_name = u32::MAX;
    }
    if let [requests, handshakes] = rates[..] {
        config.limits.requests_per_second_per_domain = requests;
        config.limits.handshakes_per_second_per_domain = handshakes;
    }
    let broker = Broker::start(config, |_| None).await?;
    control::say(&Ready { listen: broker.addresses.listen })?;
    let (end, ended) = oneshot::channel();
    thread::Builder::new().name("control".to_owned()).spawn(move || drop(end.send(control::answer())))?;
    tokio::select! {
        ended = ended => ended.unwrap_or(Err(BenchError::Panicked)),
        reason = broker.failed() => Err(BenchError::Stopped(reason)),
    }
}
