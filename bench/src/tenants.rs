//! `claviger-bench tenants`: what one tenant's flood costs another.
//!
//! `quiet_tenant_p99_vs_alone`: the 99th percentile of a quiet tenant's retrieves while another floods the same broker,
//! against what it is when nobody does. The broker has its own defaults and no quota is set, so this is what a tenant has
//! whose operator did nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use claviger_attest::KeyAlgorithm;
use claviger_proto::ErrorCode;
use claviger_proto::key_service::{Outcome, decode_response};
use serde::Serialize;
use tokio::task::LocalSet;

use crate::compare::{Comparison, Named, Target};
use crate::domain::{Domain, data_dir};
use crate::error::BenchError;
use crate::load::stand_back;
use crate::quiet::{CONNECTIONS, Connected, Tenant, here};
use crate::report::{Report, Told};
use crate::server::Server;
use crate::setting::{DOMAIN, cores};

const QUIET: Named = Named {
    ratio: "quiet_tenant_p99_vs_alone",
    ours: "quiet_p99_beside_a_flood",
    limit: "quiet_p99_alone",
    unit: "us",
    target: Target::AtMost(2.0),
};

const MIDDLE: Named = Named {
    ratio: "quiet_tenant_p50_vs_alone",
    ours: "quiet_p50_beside_a_flood",
    limit: "quiet_p50_alone",
    unit: "us",
    target: Target::None,
};

/// The flooding tenant's loops, none of which ever waits: connections that retrieve, that store, and that are opened and
/// closed.
const RETRIEVERS: usize = 48;
const STORERS: usize = 8;
const CONNECTORS: usize = 8;

/// How long a flood goes on before the quiet tenant is looked at: what its buckets hold is over then.
const SETTLE: Duration = Duration::from_secs(2);

/// The flooding tenant's domain.
const FLOOD: &str = "flood";

/// Measure what a tenant has while another floods the broker, in half a minute.
///
/// Each round measures a quiet tenant's retrieves twice, alone and beside the flood, on one broker with its default limits.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each side is measured.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds that each side is measured for, each time.
    #[arg(long, default_value_t = 1.0, value_parser = crate::start::seconds)]
    seconds: f64,
    /// Requests and handshakes that one domain may begin in a second [default: the broker's own limits]. A slow build, which
    /// never gets as far as those, says something only with lower ones.
    #[arg(long, num_args = 2, value_names = ["REQUESTS", "HANDSHAKES"], value_parser = clap::value_parser!(u32).range(1..))]
    rates: Vec<u32>,
    /// Where everything is stored, in a directory of its own that is removed afterwards [default: the system's directory
    /// for temporary files].
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// How it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    rounds: u32,
    seconds: f64,
    cores: usize,
    /// Requests and handshakes of one domain in a second, where they aren't the broker's own.
    rates: Vec<u32>,
    quiet_connections: usize,
    flood_loops: usize,
    /// What the flood did, and what of it was refused, in all rounds.
    flood_done: u64,
    flood_refused: u64,
}

impl Told for Setting {
    fn told(&self) -> String {
        let Self { rounds, seconds, cores, flood_done, flood_refused, flood_loops, .. } = self;
        format!(
            "medians of {rounds} rounds of {seconds} s, both sides in turn; {cores} cores; a flood of {flood_loops} loops, \
             which was served {flood_done} times and refused {flood_refused} times"
        )
    }
}

pub(crate) fn run(args: &Args) -> Result<Report<Setting>, BenchError> {
    crate::start::warn_of_debug_build();
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::Builder::new().prefix("claviger-bench-").tempdir_in(parent)?;
    let (quiet, flood) =
        (Domain::named(DOMAIN, KeyAlgorithm::P256)?, Domain::named(FLOOD, KeyAlgorithm::P256)?);
    let broker = Server::broker_as_it_is(&data_dir(&[&quiet, &flood], dir.path())?, &args.rates)?;
    let (quiet, flood) =
        (Tenant::prepare(&quiet, broker.listen)?, Arc::new(Tenant::prepare(&flood, broker.listen)?));
    let window = Duration::from_secs_f64(args.seconds);
    let counted = Arc::new(Counted::default());
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        // Opened before: on a bench both tenants come from one address, and have its rate of handshakes together.
        let mut open = Connected::to(&[&quiet])?;
        let alone = open.latencies(window)?;
        let flooding = Flood::start(&flood, &counted)?;
        thread::sleep(SETTLE);
        let beside = open.latencies(window);
        flooding.end()?;
        rounds.push((beside?, alone));
    }
    let each = |hundredth: usize| -> Vec<(f64, f64)> {
        rounds.iter().map(|(ours, limit)| (ours.at(hundredth), limit.at(hundredth))).collect()
    };
    let comparisons = vec![Comparison::of(QUIET, &each(99)), Comparison::of(MIDDLE, &each(50))];
    let setting = Setting {
        rounds: args.rounds,
        seconds: args.seconds,
        cores: cores(),
        rates: args.rates.clone(),
        quiet_connections: CONNECTIONS,
        flood_loops: RETRIEVERS + STORERS + CONNECTORS,
        flood_done: counted.done.load(Ordering::Relaxed),
        flood_refused: counted.refused.load(Ordering::Relaxed),
    };
    Ok(Report { comparisons, setting })
}

/// What became of a flood.
#[derive(Default)]
struct Counted {
    done: AtomicU64,
    refused: AtomicU64,
}

impl Counted {
    fn count(&self, done: bool) {
        if done { &self.done } else { &self.refused }.fetch_add(1, Ordering::Relaxed);
    }
}

/// A flood that goes on until it is ended.
struct Flood {
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<(), BenchError>>,
}

impl Flood {
    fn start(tenant: &Arc<Tenant>, counted: &Arc<Counted>) -> Result<Self, BenchError> {
        let over = Arc::new(AtomicBool::new(false));
        let (tenant, counted, until) = (Arc::clone(tenant), Arc::clone(counted), Arc::clone(&over));
        let thread = thread::Builder::new().name("flood".to_owned()).spawn(move || {
            stand_back()?;
            let loops = LocalSet::new();
            for n in 0..RETRIEVERS + STORERS + CONNECTORS {
                let (tenant, counted, over) = (Arc::clone(&tenant), Arc::clone(&counted), Arc::clone(&until));
                loops.spawn_local(async move {
                    while !over.load(Ordering::Relaxed) {
                        // Whatever ended it, it comes again.
                        drop(once(n, &tenant, &counted, &over).await);
                    }
                });
            }
            here()?.block_on(loops);
            Ok(())
        })?;
        Ok(Self { over, thread })
    }

    fn end(self) -> Result<(), BenchError> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| BenchError::Panicked)?
    }
}

/// One connection of a flood, to its end.
async fn once(n: usize, tenant: &Tenant, counted: &Counted, over: &AtomicBool) -> Result<(), BenchError> {
    let mut connection = tenant.open().await.inspect_err(|_| counted.count(false))?;
    let body = if n < RETRIEVERS { &tenant.retrieve } else { &tenant.store };
    while !over.load(Ordering::Relaxed) {
        let answer = decode_response(connection.exchange(body).await?, None)?;
        counted
            .count(!matches!(answer.outcome, Outcome::Refused(refusal) if refusal.code == ErrorCode::Busy));
        if n >= RETRIEVERS + STORERS {
            break;
        }
    }
    Ok(())
}
