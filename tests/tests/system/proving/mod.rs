//! Rules that ask for a proof on the channel: freshness, principals, and everything that is no proof.

mod clients;
mod freshness;
mod places;
mod principals;

use claviger_tests::broker::Broker;
use claviger_tests::fleet::{Fleet, Machine};
use claviger_tests::message;

/// A domain whose disks are given only on fresh evidence, and an enrolled machine in it. There is one disk.
fn fleet(broker: &Broker, rule: &str) -> (Fleet, Machine) {
    let fleet = Fleet::create(broker, "fleet", "members");
    let machine = fleet.admitted(broker, "vm");
    fleet.channel(broker).request(&message::store("disks/a", b"secret")).ok();
    rules(broker, &fleet, rule);
    (fleet, machine)
}

/// Puts rules in force.
fn rules(broker: &Broker, fleet: &Fleet, rules: &str) {
    let set = broker.admin("acl rules set").with("--domain", &fleet.name).arg("-");
    set.stdin(rules.as_bytes()).run().ok();
}

const FRESH: &str = "p, member, fleet, disks/**, retrieve, deny, unless fresh-within 5m\n";
