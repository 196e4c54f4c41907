//! Logs: in which shape, with which ids, and what is never in them.

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::channel::{Channel, Hello};
use claviger_tests::fleet::Fleet;
use claviger_tests::message;

use super::in_environment;

/// Some of what happens to a broker.
fn happen(broker: &Broker, name: &str) -> String {
    let fleet = Fleet::create(broker, "fleet", "members");
    fleet.allow_stock(broker);
    fleet.admitted(broker, "vm");
    let mut channel = fleet.channel(broker);
    channel.request(&message::store(name, b"x")).ok();
    channel.request(&message::retrieve(name)).ok();
    channel.request(&message::retrieve_version(name, 9)).refused("not-found");
    channel.request(&message::store(&format!("{name}//x"), b"x")).refused("invalid-name");
    let hello = Hello::stock(fleet.policy.subject_der());
    let mut stock = Channel::connect(broker.listen, &hello, Some(&fleet.member())).unwrap();
    stock.request(&message::retrieve(name)).ok();
    let refused = fleet.channel(broker).request(&message::retrieve(&format!("{name}-absent")));
    refused.fields.text(100).unwrap().to_owned()
}

#[test]
fn json_lines_with_the_ids_of_answers_unless_text_is_asked_for() {
    let broker = Broker::start();
    let id = happen(&broker, "a");
    let log = broker.log();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert!(lines.iter().any(|line| line["id"] == id.as_str() && line["code"] == "not-found"), "{id}: {log}");

    for (value, is_json) in [("text", false), ("json", true), ("auto", true)] {
        let log = in_environment(&[("CLAVIGER_LOG_FORMAT", value)]).log();
        assert_eq!(log.starts_with('{'), is_json, "{log}");
    }
}

#[test]
fn t17_no_resource_name_is_logged_above_debug() {
    const NAME: &str = "very-distinctive-name";
    for (filter, may) in [("info", false), ("trace", true)] {
        let env = vec![("CLAVIGER_LOG", filter.to_owned())];
        let mut broker = Broker::start_with(Setup { env, ..Setup::default() });
        happen(&broker, NAME);
        broker.stop();
        let log = broker.log();
        assert!(log.contains("refused"), "{log}");
        for line in log.lines().filter(|line| line.contains(NAME)) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(may && matches!(line["level"].as_str(), Some("DEBUG" | "TRACE")), "{line}");
        }
    }
}
