//! `claviger-bench acl`: what a decision of the access rules costs, and how little that depends on how many rules there are.
//!
//! `acl_cold_100k_vs_10`: a question that no rule decides, at 100 000 rules against 10. The name is another in each question,
//! and no rule speaks of it, so nothing is remembered. `acl_others_100k_vs_10` is the same of names that each have a rule,
//! which is for somebody else: what is looked at there lies all over memory, and that is what it costs. `acl_hot_ns` is a
//! question that a rule allows, about one name, at 10 rules.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use claviger_acl::{Acl, Action, Denied};
use claviger_attest::{KeyAlgorithm, Peer, verify_agent};
use claviger_proto::ResourceName;
use rustls::pki_types::UnixTime;
use serde::Serialize;

use crate::compare::{Comparison, Named, Target};
use crate::domain::Domain;
use crate::error::BenchError;
use crate::report::{Report, Told};
use crate::setting::cores;

const COLD: Named = Named {
    ratio: "acl_cold_100k_vs_10",
    ours: "acl_cold_100k_ns",
    limit: "acl_cold_10_ns",
    unit: "ns",
    target: Target::AtMost(2.0),
};

const OTHERS: Named = Named {
    ratio: "acl_others_100k_vs_10",
    ours: "acl_others_100k_ns",
    limit: "acl_others_10_ns",
    unit: "ns",
    target: Target::None,
};

const HOT: Named = Named {
    ratio: "acl_hot_100k_vs_10",
    ours: "acl_hot_100k_ns",
    limit: "acl_hot_ns",
    unit: "ns",
    target: Target::None,
};

const FEW: usize = 10;
const MANY: usize = 100_000;

/// Questions of one measurement: a few milliseconds.
const QUESTIONS: usize = 20_000;

/// Measure what a decision of the access rules costs, in a few seconds.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each side is measured.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

/// How it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    rounds: u32,
    cores: usize,
    rules: usize,
    questions: usize,
    /// What it took to compile the many rules, once.
    compile_seconds: f64,
}

impl Told for Setting {
    fn told(&self) -> String {
        let Self { rounds, cores, rules, questions, compile_seconds } = self;
        format!(
            "medians of {rounds} rounds of {questions} questions, both sides in turn; {cores} cores; {rules} rules were \
             compiled in {compile_seconds:.2} s"
        )
    }
}

/// Compiled rules, and questions about them.
struct Rules {
    acl: Acl,
    /// Of which no rule speaks.
    absent: Vec<ResourceName>,
    /// For all of which there are rules, none of which is the asker's.
    others: Vec<ResourceName>,
    /// What the asker may have.
    own: ResourceName,
}

impl Rules {
    fn new(domain: &Domain, count: usize) -> Result<Self, BenchError> {
        let name = &domain.name;
        let mut text = format!("p, member, {name}, mine/key, retrieve, allow\n");
        for n in 0..count - 1 {
            // A string takes whatever is written.
            let _ = match n % 3 {
                0 => writeln!(text, "p, fingerprint:{n:064x}, {name}, web-{n}/key, retrieve, allow"),
                1 => writeln!(text, "p, measurement:{n:064x}, {name}, web-{n}/**, retrieve, allow"),
                _ => writeln!(text, "p, role:group-{n}, {name}, web-{n}/*, retrieve, allow"),
            };
        }
        // Apart from each other, so that neighbours in the text aren't neighbours in time.
        let others =
            (0..QUESTIONS).map(|n| format!("web-{}/key", n.wrapping_mul(7919) % (count - 1)).parse());
        let others = others.collect::<Result<_, _>>()?;
        let absent = (0..QUESTIONS).map(|n| format!("db-{n}/key").parse()).collect::<Result<_, _>>()?;
        let acl = Acl::compile_policy(name, &text, &[])
            .map_err(|_| BenchError::Answer("rules that don't compile"))?;
        Ok(Self { acl, absent, others, own: "mine/key".parse()? })
    }

    /// Nanoseconds of a question that no rule decides.
    fn undecided(&self, peer: &Peer, names: &[ResourceName]) -> Result<f64, BenchError> {
        let began = Instant::now();
        for name in names {
            let denied = self.acl.decide(black_box(peer), Action::Retrieve, black_box(name));
            if !matches!(denied, Err(Denied::NotAllowed)) {
                return Err(BenchError::Answer("somebody else's was given"));
            }
        }
        Ok(each(began))
    }

    /// Nanoseconds of a question that a rule allows.
    fn hot(&self, peer: &Peer) -> Result<f64, BenchError> {
        let began = Instant::now();
        for _ in 0..QUESTIONS {
            if self.acl.decide(black_box(peer), Action::Retrieve, black_box(&self.own)).is_err() {
                return Err(BenchError::Answer("what is allowed was denied"));
            }
        }
        Ok(each(began))
    }
}

#[allow(clippy::cast_precision_loss, reason = "a count far below 2^52")]
fn each(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e9 / QUESTIONS as f64
}

pub(crate) fn run(args: &Args) -> Result<Report<Setting>, BenchError> {
    crate::start::warn_of_debug_build();
    let domain = Domain::make(KeyAlgorithm::P256)?;
    let agent = domain.agent()?;
    let peer = verify_agent(&domain.policy, &domain.name, agent.certificate(), UnixTime::now())
        .map_err(|_| BenchError::Answer("an agent that isn't one"))?;
    let few = Rules::new(&domain, FEW)?;
    let began = Instant::now();
    let many = Rules::new(&domain, MANY)?;
    let compile_seconds = began.elapsed().as_secs_f64();
    let (mut cold, mut others, mut hot) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        cold.push((many.undecided(&peer, &many.absent)?, few.undecided(&peer, &few.absent)?));
        others.push((many.undecided(&peer, &many.others)?, few.undecided(&peer, &few.others)?));
        hot.push((many.hot(&peer)?, few.hot(&peer)?));
    }
    let comparisons =
        vec![Comparison::of(COLD, &cold), Comparison::of(OTHERS, &others), Comparison::of(HOT, &hot)];
    let setting =
        Setting { rounds: args.rounds, cores: cores(), rules: MANY, questions: QUESTIONS, compile_seconds };
    Ok(Report { comparisons, setting })
}
