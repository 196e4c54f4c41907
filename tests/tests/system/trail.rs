//! Reading the audit trail.

use claviger_tests::broker::Broker;
use claviger_tests::fleet::Fleet;
use claviger_tests::message;
use serde_json::Value;

fn list(broker: &Broker, options: &str) -> (Vec<Value>, bool) {
    let listed = broker.admin("audit list --domain fleet").args(options).run().ok();
    (listed["records"].as_array().expect("records").clone(), listed["more"] == true)
}

fn names(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| record["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn records_are_found_by_what_they_say_with_stores_and_reads_in_order() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("disks/a", b"secret-of-the-trail")).ok();
    channel.request(&message::retrieve("disks/a")).ok();
    let refused = channel.request(&message::retrieve("disks/b"));
    let request = refused.fields.text(100).expect("a request id").to_owned();
    refused.refused("not-found");

    let (all, more) = list(&broker, "");
    assert!(!more);
    let asked: Vec<_> = all.iter().filter(|record| record["name"] != Value::Null).collect();
    let said: Vec<_> = asked.iter().map(|record| (&record["action"], &record["outcome"])).collect();
    let word = |text: &str| Value::from(text);
    let (store, retrieve, ok, none) = (word("store"), word("retrieve"), word("ok"), word("not-found"));
    assert_eq!(said.len(), 3, "{all:?}");
    // Of one second are they, and from two chains: the order within it is the chains'.
    for record in [(&store, &ok), (&retrieve, &ok), (&retrieve, &none)] {
        assert!(said.contains(&record), "{all:?}");
    }
    assert!(all.iter().all(|record| record["time"].as_i64() > Some(1_700_000_000)));

    assert_eq!(names(&list(&broker, "--outcome not-found").0), ["disks/b"]);
    assert_eq!(names(&list(&broker, "--name disks/a --action store").0), ["disks/a"]);
    let (of_request, _) = list(&broker, &format!("--request {request}"));
    assert_eq!(names(&of_request), ["disks/b"]);
    let peer = of_request[0]["peer"].as_str().expect("the peer").to_uppercase();
    assert_eq!(list(&broker, &format!("--peer {}", &peer[..12])).0.len(), 3);
    assert_eq!(list(&broker, "--until 2026-01-01T00:00:00Z").0.len(), 0);
    assert_eq!(list(&broker, "--since 1h").0.len(), all.len());
    let (last, more) = list(&broker, "--limit 1");
    assert_eq!((last.len(), more), (1, true));

    let table = broker.admin("audit list --domain fleet --outcome not-found").run_text();
    let text = String::from_utf8_lossy(table.stdout());
    assert!(text.contains("disks/b") && text.contains(&request) && !text.contains("secret-of"), "{text}");
}

#[test]
fn no_trail_of_another_domain_and_no_strange_question_is_answered() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.channel(&broker).request(&message::store("disks/a", b"x")).ok();
    Fleet::create(&broker, "other", "members");
    let other = broker.admin("audit list --domain other").run().ok();
    assert!(!names(other["records"].as_array().expect("records")).contains(&"disks/a".to_owned()));
    broker.admin("audit list --domain nowhere").run().failed(4);
    broker.admin("audit list --domain fleet --since yesterday").run().failed(2);
    broker.admin("audit list --domain fleet --limit 0").run().failed(2);
}
