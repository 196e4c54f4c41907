//! Bad input: each gets its own clear error and exit code, nothing changes, nobody else notices.

mod certificates;
mod command_lines;
mod enrolment;
mod requests;
mod startup;

use claviger_tests::broker::Broker;
use claviger_tests::fleet::Fleet;
use claviger_tests::message;
use serde_json::Value;

/// Runs `abuse` beside a neighbour whose connection was open before: it goes on working afterwards, and
/// nothing of the domain has changed.
fn undisturbed<T>(broker: &Broker, fleet: &Fleet, abuse: impl FnOnce() -> T) -> T {
    let mut neighbour = fleet.channel(broker);
    neighbour.request(&message::store("neighbour/secret", b"of the neighbour")).ok();
    let mut secret = move || neighbour.request(&message::retrieve("neighbour/secret")).entry();
    let before = (state(broker, fleet), secret());
    let result = abuse();
    assert_eq!((state(broker, fleet), secret()), before);
    fleet.verify_audit(broker);
    result
}

fn state(broker: &Broker, fleet: &Fleet) -> [Value; 3] {
    let ask = |call: &str| broker.admin(call).run().ok();
    let name = &fleet.name;
    [ask("domain list"), ask(&format!("domain show {name}")), ask(&format!("trust list --domain {name}"))]
}
