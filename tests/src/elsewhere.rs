//! A broker elsewhere: one that gets its domain from a home broker.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::broker::{Broker, Setup};
use crate::fleet::{Fleet, Machine};

/// How long a pull may take to be seen.
const WAIT: Duration = Duration::from_secs(30);

/// Where a machine's evidence comes from.
pub fn simulated(machine: &Machine) -> String {
    format!("simulated-enclave:{}", machine.platform.display())
}

/// A table of a policy file that lists a simulated machine.
pub fn listed(table: &str, machine: &Machine, more: &str) -> String {
    let (root, value) = (machine.root.display().to_string(), &machine.measurement);
    format!("[[{table}]]\nkind = \"simulated-enclave\"\nvalue = {value:?}\nroots = [{root:?}]\n{more}\n")
}

/// Has home put a policy of these tables in force.
pub fn apply(home: &Broker, fleet: &Fleet, tables: &str) {
    let file = home.file("policy.toml", format!("format = 1\n{tables}"));
    home.admin("policy apply --domain").arg(&fleet.name).arg(file).run().ok();
}

/// The configuration of a broker that gets the domain from `home` every second.
pub fn bootstrap(home: &Broker, fleet: &Fleet, evidence: &str) -> String {
    let (address, domain) =
        (home.admission.to_string(), format!("{}={}", fleet.name, fleet.policy_cert.display()));
    format!(
        "bootstrap = {address:?}\nbootstrap_evidence = {evidence:?}\nbootstrap_domains = [{domain:?}]\n\
         bootstrap_every = 1\n"
    )
}

/// A new broker that gets the domain from `home`, running.
pub fn start(home: &Broker, fleet: &Fleet, evidence: &str) -> Broker {
    Broker::start_with(Setup { config: bootstrap(home, fleet, evidence), ..Setup::default() })
}

/// How it goes with the one domain of a broker elsewhere.
pub fn pulled(broker: &Broker) -> Value {
    broker.admin("status").run().ok()["home"]["domains"][0].take()
}

/// Waits until it goes so with the domain.
#[track_caller]
pub fn wait_for(broker: &Broker, state: &str) -> Value {
    wait_until(broker, |pulled| pulled["state"] == state)
}

/// Waits until another pull, begun from now on, has gone well.
#[track_caller]
pub fn wait_for_another(broker: &Broker) {
    for _ in 0..2 {
        let before = pulled(broker)["last_ok"].as_i64().unwrap_or_default();
        wait_until(broker, |pulled| {
            pulled["state"] == "ok" && pulled["last_ok"].as_i64().unwrap_or_default() > before
        });
    }
}

#[track_caller]
fn wait_until(broker: &Broker, done: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + WAIT;
    loop {
        let pulled = pulled(broker);
        if done(&pulled) {
            return pulled;
        }
        assert!(Instant::now() < end, "it doesn't come to that: {pulled}\n{}", broker.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}
