//! `claviger-bench start`: everything, in one call.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_attest::KeyAlgorithm;
use claviger_client::Identity;

use crate::compare::Comparison;
use crate::domain::Domain;
use crate::error::BenchError;
use crate::measure::pair::Pair;
use crate::measure::{Plan, full, kept, store};
use crate::report::{Report, Setting};
use crate::setting::{
    AGENTS, COLD_CONNECTIONS, ENTRY_BYTES, KEPT_CONNECTIONS, REQUEST_FRAME, WRITERS, cores,
};

/// Measure everything, in about a minute.
///
/// Each figure is the ratio of two medians; its two sides are measured in turn (ours, the limit, ours, the
/// limit …), so that whatever else the machine does meets both. Nothing is left behind.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each side is measured.
    #[arg(long, default_value_t = 13, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds that each side is measured for, each time.
    #[arg(long, default_value_t = 0.25, value_parser = seconds)]
    seconds: f64,
    /// The policy key: p256, p384, rsa-2048, rsa-3072 or rsa-4096.
    #[arg(long, value_name = "ALGORITHM", default_value_t)]
    policy_key: KeyAlgorithm,
    /// How many versions a writer stores under one name before it takes the next.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    versions_per_name: u32,
    /// Where everything is stored, in a directory of its own that is removed afterwards; should be on a disk
    /// [default: the system's directory for temporary files].
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("it has to be between 0.1 and 600".to_owned()),
    }
}

pub(crate) fn run(args: &Args) -> Result<Report, BenchError> {
    warn_of_debug_build();
    let plan = Plan {
        rounds: args.rounds,
        window: Duration::from_secs_f64(args.seconds),
        versions: args.versions_per_name,
    };
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::Builder::new().prefix("claviger-bench-").tempdir_in(parent)?;
    let domain = Domain::make(args.policy_key)?;
    let agents = (0..AGENTS).map(|_| domain.agent()).collect::<Result<Vec<_>, _>>()?;
    let (visits, answer_bytes) = visits(plan, &domain, &agents[0], dir.path())?;
    progress("durable stores, against the bare engine");
    let stores = store::measure(plan, &domain, &agents, dir.path())?;
    let [warm, cold, rate, cpu] = visits;
    let [store, same_records, network, network_cpu] = stores;
    // The figures that have a target come first.
    let comparisons = vec![warm, rate, store, cold, cpu, same_records, network, network_cpu];
    Ok(Report { comparisons, setting: setting(args, answer_bytes, dir.path())? })
}

/// What is measured against the bare server.
fn visits(
    plan: Plan,
    domain: &Domain,
    agent: &Identity,
    dir: &Path,
) -> Result<([Comparison; 4], usize), BenchError> {
    let mut pair = Pair::start(domain, agent, dir)?;
    progress("visits of agents that are known, against the bare server");
    let warm = full::warm(plan, domain, &mut pair)?;
    progress("visits of agents that are new");
    let cold = full::cold(plan, domain, &mut pair)?;
    progress("requests over open connections");
    let [rate, cpu] = kept::measure(plan, agent, &mut pair)?;
    Ok(([warm, cold, rate, cpu], pair.answer_bytes))
}

fn setting(args: &Args, answer_bytes: usize, dir: &Path) -> Result<Setting, BenchError> {
    Ok(Setting {
        rounds: args.rounds,
        seconds: args.seconds,
        cores: cores(),
        policy_key: args.policy_key.as_str(),
        agents: AGENTS,
        cold_agents: COLD_CONNECTIONS,
        kept_connections: KEPT_CONNECTIONS,
        writers: WRITERS,
        versions_per_name: args.versions_per_name,
        entry_bytes: ENTRY_BYTES,
        request_bytes: REQUEST_FRAME,
        answer_bytes,
        file_system: file_system(dir)?,
    })
}

/// What kind of file system it is: in memory, fdatasync costs nothing, and stores mean nothing.
fn file_system(dir: &Path) -> Result<String, BenchError> {
    let magic = rustix::fs::statfs(dir).map_err(std::io::Error::from)?.f_type;
    // Numbers of linux/magic.h.
    Ok(match magic {
        0xef53 => "ext4".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0x9123_683e => "btrfs".to_owned(),
        0x794c_7630 => "overlay".to_owned(),
        0x2fc1_2fc1 => "zfs".to_owned(),
        0x0102_1994 => "tmpfs".to_owned(),
        other => format!("{other:#x}"),
    })
}

pub(crate) fn warn_of_debug_build() {
    if cfg!(debug_assertions) {
        progress("a debug build, whose figures mean nothing: build with --release");
    }
}

/// Tells people who wait what they wait for.
fn progress(what: &str) {
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        // Nowhere is left to report a failure to print.
        drop(writeln!(stderr, "measuring {what} …"));
    }
}
