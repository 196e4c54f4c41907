//! The figures, as they are told.

use std::collections::BTreeMap;

use claviger_client::cli::{Report as CliReport, Table};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::compare::{Comparison, Target};
use crate::stats::{Spread, rounded};

/// What was measured, and how.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    /// Rounds of each measurement, both sides in turn.
    pub(crate) rounds: u32,
    /// Seconds of each round's side.
    pub(crate) seconds: f64,
    /// Cores; as many shards of the broker, workers of the bare server and threads of the load.
    pub(crate) cores: usize,
    /// The policy key's algorithm; agents and the broker have P-256.
    pub(crate) policy_key: &'static str,
    /// Agents that come back; the broker verified each one's certificate once, before what is measured.
    pub(crate) agents: usize,
    /// Agents of each cold round, none of which the broker has seen before.
    pub(crate) cold_agents: usize,
    /// Kept-alive connections.
    pub(crate) kept_connections: usize,
    /// Writers of durable stores.
    pub(crate) writers: usize,
    /// Versions that a writer stores under one name.
    pub(crate) versions_per_name: u32,
    /// Bytes of an entry's secret.
    pub(crate) entry_bytes: usize,
    /// Bytes of the frame of a retrieve.
    pub(crate) request_bytes: usize,
    /// Bytes of the frame of its answer.
    pub(crate) answer_bytes: usize,
    /// The file system of everything stored.
    pub(crate) file_system: String,
}

/// How it was measured, for people.
pub(crate) trait Told {
    /// In a line or two.
    fn told(&self) -> String;
}

/// All of it.
pub(crate) struct Report<S = Setting> {
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) setting: S,
}

impl<S> Report<S> {
    /// The raw figures by name; two comparisons may share one side.
    fn measured(&self) -> BTreeMap<String, Spread> {
        let mut measured = BTreeMap::new();
        for Comparison { named, ours, limit, rounds } in &self.comparisons {
            measured.insert(named.ours.to_owned(), ours.rounded());
            measured.insert(named.limit.to_owned(), limit.rounded());
            measured.insert(format!("{}_by_round", named.ratio), rounds.rounded());
        }
        measured
    }
}

impl<T: Serialize> Serialize for Report<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for comparison in &self.comparisons {
            map.serialize_entry(comparison.named.ratio, &comparison.ratio())?;
        }
        map.serialize_entry("measured", &self.measured())?;
        map.serialize_entry("setting", &self.setting)?;
        map.end()
    }
}

impl Told for Setting {
    fn told(&self) -> String {
        let Self { rounds, seconds, cores, policy_key, agents, file_system, .. } = self;
        format!(
            "medians of {rounds} rounds of {seconds} s, both sides in turn; {cores} cores, policy key \
             {policy_key}, {agents} agents, stored on {file_system}"
        )
    }
}

impl<S: Serialize + Told> CliReport for Report<S> {
    fn text(&self) -> String {
        let (ratios, sides) = (self.ratios().render(), self.sides().render());
        format!("{ratios}\n\n{sides}\n\n{}", self.setting.told())
    }
}

impl<S> Report<S> {
    fn ratios(&self) -> Table {
        let mut table = Table::new(["figure", "ratio", "by round", "should be", ""]);
        for comparison in &self.comparisons {
            let Comparison { named, rounds, .. } = comparison;
            let ratio = comparison.ratio();
            let wanted = match named.target {
                Target::AtMost(limit) => format!("at most {limit}"),
                Target::AtLeast(limit) => format!("at least {limit}"),
                Target::None => String::new(),
            };
            let met = match named.target.met(ratio) {
                Some(true) => "met",
                Some(false) => "NOT MET",
                None => "",
            };
            let range = format!("{} to {}", rounded(rounds.min), rounded(rounds.max));
            table.row([named.ratio.to_owned(), ratio.to_string(), range, wanted, met.to_owned()]);
        }
        table
    }

    fn sides(&self) -> Table {
        let mut table = Table::new(["measured", "median", "least", "greatest", "unit"]);
        for (name, spread) in self.measured() {
            if !name.ends_with("_by_round") {
                let Spread { median, min, max, unit } = spread;
                table.row([name, median.to_string(), min.to_string(), max.to_string(), unit.to_owned()]);
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Named;

    fn report() -> Report {
        let named = Named {
            ratio: "kept_rate_vs_bare",
            ours: "kept_broker_rate",
            limit: "kept_bare_rate",
            unit: "requests/s",
            target: Target::AtLeast(0.7),
        };
        let setting = Setting {
            rounds: 3,
            seconds: 1.0,
            cores: 2,
            policy_key: "p384",
            agents: 16,
            cold_agents: 400,
            kept_connections: 16,
            writers: 64,
            versions_per_name: 8,
            entry_bytes: 256,
            request_bytes: 64,
            answer_bytes: 400,
            file_system: "ext4".to_owned(),
        };
        let rounds = [(60_000.0, 100_000.0), (50_000.0, 90_000.0), (80_000.0, 110_000.0)];
        Report { comparisons: vec![Comparison::of(named, &rounds)], setting }
    }

    #[test]
    fn machines_get_one_object_with_the_figures_on_top() {
        let json = serde_json::to_value(report()).expect("JSON");
        assert_eq!(json["kept_rate_vs_bare"], 0.6);
        assert_eq!(json["measured"]["kept_broker_rate"]["median"], 60_000.0);
        assert_eq!(json["measured"]["kept_bare_rate"]["min"], 90_000.0);
        assert_eq!(json["measured"]["kept_bare_rate"]["unit"], "requests/s");
        assert_eq!(json["measured"]["kept_rate_vs_bare_by_round"]["max"], 0.7273);
        assert_eq!(json["setting"]["agents"], 16);
    }

    #[test]
    fn people_see_what_is_not_met() {
        let text = report().text();
        assert!(text.contains("at least 0.7"), "{text}");
        assert!(text.contains("NOT MET"), "{text}");
        assert!(text.contains("medians of 3 rounds"), "{text}");
    }
}
