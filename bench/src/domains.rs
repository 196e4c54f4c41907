//! `claviger-bench domains`: what thousands of other domains cost one.
//!
//! `domains_10000_vs_1`: the median of a retrieve on a broker that has so many domains, against one that has one. Members of
//! several of them ask, so that it isn't one domain that every cache has.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use claviger_attest::KeyAlgorithm;
use serde::Serialize;

use crate::compare::{Comparison, Named, Target};
use crate::domain::{Domain, data_dir};
use crate::error::BenchError;
use crate::quiet::{CONNECTIONS, Connected, Tenant};
use crate::report::{Report, Told};
use crate::server::Server;
use crate::setting::{DOMAIN, cores};

const RETRIEVE: Named = Named {
    ratio: "domains_10000_vs_1",
    ours: "retrieve_p50_among_domains",
    limit: "retrieve_p50_of_one_domain",
    unit: "us",
    target: Target::AtMost(1.25),
};

const TAIL: Named = Named {
    ratio: "domains_10000_vs_1_p99",
    ours: "retrieve_p99_among_domains",
    limit: "retrieve_p99_of_one_domain",
    unit: "us",
    target: Target::None,
};

/// Measure what thousands of other domains cost one, in a minute.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each side is measured.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds that each side is measured for, each time.
    #[arg(long, default_value_t = 1.0, value_parser = crate::start::seconds)]
    seconds: f64,
    /// How many domains the broker has.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    domains: u32,
    /// Where everything is stored, in a directory of its own that is removed afterwards [default: the system's directory
    /// for temporary files].
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// How it was measured, and what else was seen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    rounds: u32,
    seconds: f64,
    cores: usize,
    domains: u32,
    /// From the broker's start until it serves all of them.
    start_seconds: f64,
    /// What its memory grew by for each of them, in KiB.
    memory_kib_per_domain: f64,
}

impl Told for Setting {
    fn told(&self) -> String {
        let Self { rounds, seconds, cores, domains, start_seconds, memory_kib_per_domain } = self;
        format!(
            "medians of {rounds} rounds of {seconds} s, both sides in turn; {cores} cores; {domains} domains are served \
             {start_seconds:.1} s after the start, and take {memory_kib_per_domain:.0} KiB each"
        )
    }
}

pub(crate) fn run(args: &Args) -> Result<Report<Setting>, BenchError> {
    crate::start::warn_of_debug_build();
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::Builder::new().prefix("claviger-bench-").tempdir_in(parent)?;
    let many = (0..args.domains).map(|n| Domain::named(&format!("{DOMAIN}-{n}"), KeyAlgorithm::P256));
    let many = many.collect::<Result<Vec<_>, _>>()?;
    let one = Domain::named(DOMAIN, KeyAlgorithm::P256)?;
    let (many_dir, one_dir) = (made(dir.path(), "many")?, made(dir.path(), "one")?);
    let alone = Server::broker_as_it_is(&data_dir(&[&one], &one_dir)?, &[])?;
    let data = data_dir(&many.iter().collect::<Vec<_>>(), &many_dir)?;
    let began = Instant::now();
    let among = Server::broker_as_it_is(&data, &[])?;
    let start_seconds = began.elapsed().as_secs_f64();
    let grew = among.resident_kib()?.saturating_sub(alone.resident_kib()?);
    let memory_kib_per_domain = f64::from(u32::try_from(grew).unwrap_or(u32::MAX)) / f64::from(args.domains);

    // Spread over the domains, in the order in which they were made.
    let apart = (many.len() / CONNECTIONS).max(1);
    let asked = many.iter().step_by(apart).take(CONNECTIONS);
    let asked = asked.map(|domain| Tenant::prepare(domain, among.listen)).collect::<Result<Vec<_>, _>>()?;
    let only = Tenant::prepare(&one, alone.listen)?;
    let mut many = Connected::to(&asked.iter().collect::<Vec<_>>())?;
    let mut one = Connected::to(&[&only])?;
    let window = Duration::from_secs_f64(args.seconds);
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        rounds.push((many.latencies(window)?, one.latencies(window)?));
    }
    let each = |hundredth: usize| -> Vec<(f64, f64)> {
        rounds.iter().map(|(ours, limit)| (ours.at(hundredth), limit.at(hundredth))).collect()
    };
    let comparisons = vec![Comparison::of(RETRIEVE, &each(50)), Comparison::of(TAIL, &each(99))];
    let Args { rounds, seconds, domains, .. } = *args;
    let setting = Setting { rounds, seconds, cores: cores(), domains, start_seconds, memory_kib_per_domain };
    Ok(Report { comparisons, setting })
}

fn made(dir: &Path, name: &str) -> Result<PathBuf, BenchError> {
    let path = dir.join(name);
    std::fs::create_dir(&path)?;
    Ok(path)
}
