//! A suspended domain answers nobody, and keeps everything.

use claviger_attest::Role;
use claviger_tests::broker::Broker;
use claviger_tests::channel::{Channel, Hello};
use claviger_tests::elsewhere::{apply, listed, simulated, start, wait_for, wait_for_another};
use claviger_tests::fleet::{Fleet, client, retrieve, store};
use claviger_tests::message::{self, Response, frame};

#[test]
fn a_suspended_domain_answers_nobody_until_it_is_resumed_and_others_do_not_notice() {
    let mut broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let other = Fleet::create(&broker, "other", "members");
    let (machine, late) = (fleet.admitted(&broker, "vm"), fleet.machine("late"));
    fleet.trust(&broker, &late, "late");
    let (mut open, mut open_other) = (fleet.channel(&broker), other.channel(&broker));
    open.request(&message::store("a", b"secret")).ok();
    open_other.request(&message::store("a", b"other")).ok();

    let suspended = broker.admin("domain suspend fleet --reason").arg("an incident").run().ok();
    assert_eq!(suspended["suspended"]["reason"], "an incident");
    // Open channels and new ones, whatever is asked, and what isn't there as well.
    for name in ["a", "nothing"] {
        open.request(&message::retrieve(name)).refused("suspended");
    }
    open.request(&message::store("b", b"more")).refused("suspended");
    let refused = retrieve(&broker, &machine.state, "a").args("--out -").run().failed(3);
    refused.is("suspended").says(&["an incident", "domain resume"]);
    client(&broker, &machine.state, "versions", "a").run().failed(3).is("suspended");
    // Nobody is admitted, and strangers aren't told why.
    let refused = fleet.enroll(&broker, &late).run().failed(3);
    refused.is("suspended").says(&["admits nobody"]);
    assert!(!refused.message.contains("incident"), "{refused:?}");
    // Rules have no say, and it is said so.
    let answer = broker.admin("acl explain --domain fleet --label vm retrieve a").run().ok();
    assert_eq!((&answer["allowed"], &answer["code"]), (&false.into(), &"suspended".into()));
    assert_eq!(open_other.request(&message::retrieve("a")).blob(), b"other");

    // Still so after a restart, and the owner goes on with the domain meanwhile.
    broker.stop();
    broker.serve();
    let list = broker.admin("domain list").run_text();
    let line = |name: &str| {
        let text = String::from_utf8_lossy(list.stdout()).into_owned();
        text.lines().find(|line| line.starts_with(name)).unwrap_or_default().trim_end().to_owned()
    };
    assert!(line("fleet").ends_with("suspended") && line("other").ends_with("serving"), "{list}");
    retrieve(&broker, &machine.state, "a").args("--out -").run().failed(3).is("suspended");
    broker.admin("acl preset --domain fleet provisioned").run().ok();

    let resumed = broker.admin("domain resume fleet").run().ok();
    assert!(resumed.get("suspended").is_none(), "{resumed}");
    assert_eq!(retrieve(&broker, &machine.state, "a").args("--out -").run_text().stdout(), b"secret");
    fleet.enroll(&broker, &late).run().ok();
    let actions = ["domain-suspend", "domain-resume"];
    for (action, reason) in actions.into_iter().zip([Some("an incident"), None]) {
        let page = broker.admin("audit list --domain fleet --action").arg(action).run().ok();
        assert_eq!(page["records"][0]["reason"].as_str(), reason, "{page}");
    }
    let denied = broker.admin("audit list --domain fleet --outcome suspended --action retrieve").run().ok();
    assert_eq!(denied["records"].as_array().unwrap().len(), 4, "{denied}");
    fleet.verify_audit(&broker);
}

#[test]
fn a_suspended_domain_takes_no_proof_and_makes_no_challenge() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let rule = "p, member, fleet, a, retrieve, deny, unless fresh-within 5m\n";
    broker.admin("acl rules set --domain fleet -").stdin(rule).run().ok();
    let mut open = fleet.channel(&broker);
    open.request(&message::retrieve("a")).refused("proof-needed");
    broker.admin("domain suspend fleet").run().ok();
    open.request(&message::retrieve("a")).refused("suspended");
    broker.admin("domain resume fleet").run().ok();
    open.request(&message::retrieve("a")).refused("proof-needed");
}

#[test]
fn stock_programs_are_answered_failed() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_all_stock(&broker);
    let own = fleet.issue(Role::Agent, Some(&"ab".repeat(32)));
    let store = || {
        let mut channel =
            Channel::connect(broker.listen, &Hello::stock(fleet.policy.subject_der()), Some(&own)).unwrap();
        channel.send_bytes(&frame(&message::store("a", b"secret"))).unwrap();
        Response::read(channel.receive().unwrap()).succeeded()
    };
    assert!(store());
    broker.admin("domain suspend fleet").run().ok();
    assert!(!store());
    broker.admin("domain resume fleet").run().ok();
    assert!(store());
}

#[test]
fn what_cannot_be_a_reason_or_a_domain_changes_nothing() {
    let broker = Broker::start();
    Fleet::create(&broker, "fleet", "members");
    for reason in ["", "two\nlines", &"x".repeat(201)] {
        broker.admin("domain suspend fleet").with("--reason", reason).run().failed(3).says(&["one line"]);
    }
    broker.admin("domain suspend none").run().failed(4);
    broker.admin("domain resume none").run().failed(4);
    assert!(broker.admin("domain show fleet").run().ok().get("suspended").is_none());
    // Resumed without having been suspended is no fault; suspended twice it has been so since the first time.
    broker.admin("domain resume fleet").run().ok();
    let first = broker.admin("domain suspend fleet").run().ok();
    let again = broker.admin("domain suspend fleet --reason another").run().ok();
    assert_eq!(first["suspended"]["since"], again["suspended"]["since"]);
    assert_eq!(again["suspended"]["reason"], "another");
}

#[test]
fn a_broker_elsewhere_suspends_what_home_suspends() {
    let home = Broker::start();
    let fleet = Fleet::create(&home, "fleet", "members");
    let (place, vm) = (fleet.machine("cloud"), fleet.machine("vm"));
    let tables = listed("measurement", &vm, "") + listed("broker", &place, "may-issue = true").as_str();
    apply(&home, &fleet, &tables);
    let cloud = start(&home, &fleet, &simulated(&place));
    wait_for(&cloud, "ok");
    fleet.enroll(&cloud, &vm).run().ok();
    store(&cloud, &vm.state, "a", b"secret").run().ok();
    for line in ["domain suspend fleet", "domain resume fleet"] {
        cloud.admin(line).run().failed(5).says(&["its home broker", "changed there"]);
    }
    home.admin("domain suspend fleet").run().ok();
    wait_for_another(&cloud);
    retrieve(&cloud, &vm.state, "a").args("--out -").run().failed(3).is("suspended");
    fleet.enroll(&cloud, &vm).arg("--replace").run().failed(3).is("suspended");
    // Brokers elsewhere are still given it, or they couldn't learn that it is resumed.
    home.admin("domain resume fleet").run().ok();
    wait_for_another(&cloud);
    assert_eq!(retrieve(&cloud, &vm.state, "a").args("--out -").run_text().stdout(), b"secret");
}
