//! Machines with SEV-SNP, on hardware that doesn't exist: real report bytes under a root that the domain names.

mod agents;
mod certificates;
mod instances;
mod refusals;
mod revocation;
mod simulated;

use std::path::PathBuf;

use claviger_attest::SnpProduct;
use claviger_tests::broker::{Broker, Setup};
use claviger_tests::fleet::{Fleet, Machine};
use claviger_tests::kds::Kds;
use claviger_tests::programs::{Call, command};
use claviger_tests::snp_platform::SnpPlatform;

/// A broker, a domain that trusts what the platform's guests run, and the platform.
struct World {
    broker: Broker,
    fleet: Fleet,
    platform: SnpPlatform,
}

impl World {
    /// A Genoa. The broker asks this service, or none; the rest is its configuration.
    fn with(kds: Option<&Kds>, config: &str) -> Self {
        let url = kds.map(Kds::url).unwrap_or_default();
        let config = format!("kds_url = {url:?}\n{config}");
        let broker = Broker::start_with(Setup { config, ..Setup::default() });
        let fleet = Fleet::create(&broker, "fleet", "members");
        let world = Self { broker, fleet, platform: SnpPlatform::start(SnpProduct::Genoa) };
        world.apply("");
        world
    }

    fn new() -> Self {
        Self::with(None, "")
    }

    /// Puts a policy in force: these tables, and the platform's measurement.
    fn apply(&self, tables: &str) {
        self.apply_to(&self.fleet, tables);
    }

    fn apply_to(&self, fleet: &Fleet, tables: &str) {
        let text = format!("format = 1\n{tables}\n{}", self.platform.policy_entry("web"));
        let file = self.broker.file("policy.toml", text);
        self.broker.admin("policy apply").arg(file).with("--domain", &fleet.name).run().ok();
    }

    /// A guest of the platform.
    fn machine(&self, label: &str) -> Machine {
        Machine {
            platform: PathBuf::new(),
            state: self.broker.dir().join(format!("{label}-state")),
            measurement: self.platform.measurement(),
            root: self.platform.root(),
        }
    }

    /// `key-client enroll` in a guest.
    fn enroll(&self, machine: &Machine) -> Call {
        self.enroll_in(&self.fleet, machine)
    }

    fn enroll_in(&self, fleet: &Fleet, machine: &Machine) -> Call {
        command("key-client")
            .arg("enroll")
            .with("--domain", &fleet.name)
            .with("--policy-cert", &fleet.policy_cert)
            .with("--admission", self.broker.admission.to_string())
            .with("--evidence", self.platform.evidence_option())
            .with("--state-dir", &machine.state)
    }

    /// `key-client renew` in a guest.
    fn renew(&self, machine: &Machine) -> Call {
        let renew = command("key-client").arg("renew").with("--state-dir", &machine.state);
        renew
            .with("--admission", self.broker.admission.to_string())
            .with("--evidence", self.platform.evidence_option())
    }

    /// Has a guest of another name enrol, which must succeed.
    #[track_caller]
    fn enrolled(&self, label: &str) -> Machine {
        let machine = self.machine(label);
        self.enroll(&machine).run().ok();
        machine
    }

    /// How often a certificate was looked for with this result.
    fn looked(&self, result: &str) -> u64 {
        let series = format!("claviger_endorsements_total{{result=\"{result}\"}} ");
        let (_, page) = self.broker.page("/metrics");
        page.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).expect("the metric")
    }
}
