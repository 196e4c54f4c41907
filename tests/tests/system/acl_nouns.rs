//! The owner's rules, changed line by line: `acl allow`, `deny`, `remove`, `role`, `list`.

use std::thread;

use claviger_tests::broker::Broker;
use claviger_tests::fleet::Fleet;
use serde_json::{Value, json};

fn rules(broker: &Broker) -> String {
    let shown: Value = broker.admin("acl rules show --domain fleet").run().ok();
    shown["rules"].as_str().unwrap().to_owned()
}

fn may(broker: &Broker, line: &str) -> Option<i32> {
    broker.admin("acl test --domain fleet --label web").args(line).run().code()
}

fn fleet(broker: &Broker, preset: &str) -> Fleet {
    let fleet = Fleet::create(broker, "fleet", preset);
    fleet.admitted(broker, "web");
    fleet
}

#[test]
fn t13_edits_take_effect_line_by_line_and_leave_comments_alone() {
    let broker = Broker::start();
    let fleet = fleet(&broker, "closed");
    broker.admin("acl rules set --domain fleet -").stdin("# the owner's own").run().ok();
    let added = broker.admin("acl allow --domain fleet label:web web/** retrieve,list").run().ok();
    let lines = ["p, label:web, fleet, web/**, retrieve, allow", "p, label:web, fleet, web/**, list, allow"];
    assert_eq!(added, json!({"added": lines, "removed": []}));
    assert_eq!((may(&broker, "list web/a"), may(&broker, "store web/a")), (Some(0), Some(3)));
    // Again is nothing new.
    let again = broker.admin("acl allow --domain fleet label:web web/** retrieve").run().ok();
    assert_eq!(again, json!({"added": [], "removed": []}));
    broker.admin("acl deny --domain fleet member web/old list --unless").arg("source 10.9.0.0/16").run().ok();
    assert_eq!(may(&broker, "--source 10.9.0.1 list web/old"), Some(0));
    assert_eq!(may(&broker, "--source 10.8.0.1 list web/old"), Some(3));

    broker.admin("acl role add --domain fleet label:web front").run().ok();
    broker.admin("acl allow --domain fleet role:front front/* store").run().ok();
    assert_eq!(may(&broker, "store front/a"), Some(0));
    let listed = broker.admin("acl list --domain fleet").run().ok();
    let role = json!([{"line": 5, "text": "g, label:web, role:front, fleet"}]);
    assert_eq!((&listed["roles"], listed["rules"].as_array().unwrap().len()), (&role, 4));
    broker.admin("acl role remove --domain fleet label:web front").run().ok();
    assert_eq!(may(&broker, "store front/a"), Some(3));

    broker.admin("acl remove --domain fleet 3").run().ok();
    assert_eq!((may(&broker, "list web/a"), may(&broker, "retrieve web/a")), (Some(3), Some(0)));
    broker.admin("acl remove --domain fleet").arg("p,label:web,fleet,web/**,retrieve,allow").run().ok();
    assert_eq!(may(&broker, "retrieve web/a"), Some(3));
    assert!(rules(&broker).starts_with("# the owner's own\n"), "{}", rules(&broker));
    fleet.verify_audit(&broker);
}

#[test]
fn t12_an_edit_that_is_refused_changes_nothing() {
    let broker = Broker::start();
    let _fleet = fleet(&broker, "members");
    broker.admin("acl deny --domain fleet member a retrieve").run().ok();
    let before = rules(&broker);
    for (line, code, words) in [
        ("allow --domain fleet member a administer", 3, "line 2: administer can't be granted to an agent"),
        ("allow --domain fleet member a store,fly", 3, "an action is"),
        ("allow --domain fleet member a*b store", 3, "a resource is"),
        ("allow --domain fleet member,fleet a store", 2, "a comma"),
        ("deny --domain fleet principal:ops a store", 3, "principal"),
        ("allow --domain fleet member a store --unless x", 2, "--unless"),
        ("allow --domain fleet member a store --if luck", 3, "a condition is"),
        ("role add --domain fleet principal:ops front", 3, "principal"),
        ("remove --domain fleet 7", 4, "no such rule"),
        ("remove --domain fleet nothing", 4, "no such rule"),
        ("allow --domain other member a store", 4, "no domain other"),
    ] {
        broker.admin("acl").args(line).run().failed(code).says(&[words]);
        assert_eq!(rules(&broker), before, "{line}");
    }
}

/// Each of them reads, and writes only over what it read.
#[test]
fn t13_no_edit_is_lost_to_another_at_the_same_time() {
    let broker = Broker::start();
    let _fleet = fleet(&broker, "closed");
    thread::scope(|scope| {
        // Each conflict is another's success, so that four meet at most three.
        for name in ["a", "b", "c", "d"] {
            let broker = &broker;
            scope.spawn(move || {
                broker.admin("acl allow --domain fleet member").arg(name).arg("store").run().ok();
            });
        }
    });
    assert_eq!(rules(&broker).lines().count(), 4, "{}", rules(&broker));
}
