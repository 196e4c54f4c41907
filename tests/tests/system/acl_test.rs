//! What a given peer could do, and which rule says so: `acl test`, `acl explain`, and the trail of a denial.

use std::path::{Path, PathBuf};

use claviger_attest::Role;
use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, pem};
use claviger_tests::channel::Channel;
use claviger_tests::fleet::{Fleet, Machine, retrieve};
use claviger_tests::message;
use claviger_tests::programs::Call;
use serde_json::Value;
use time::Duration;

const RULES: &str = "\
# the owner's own
p, member, fleet, disks/**, retrieve, deny, unless fresh-within 5m
p, label:web, fleet, **, destroy, deny
p, member, fleet, people/**, retrieve, deny, unless principal ops
";

fn fleet(broker: &Broker) -> (Fleet, Machine) {
    let fleet = Fleet::create(broker, "fleet", "members");
    let machine = fleet.admitted(broker, "web");
    broker.admin("acl rules set --domain fleet -").stdin(RULES).run().ok();
    (fleet, machine)
}

fn explain(broker: &Broker, line: &str) -> Value {
    broker.admin("acl explain --domain fleet").args(line).run().ok()
}

/// The file with a certificate that names what this machine runs.
fn leaf(broker: &Broker, fleet: &Fleet, machine: &Machine) -> PathBuf {
    let own = fleet.issue(Role::Agent, Some(&machine.measurement));
    broker.file(&format!("{}-cert.der", fleet.name), own.certificate)
}

fn certificate(broker: &Broker, leaf: &Path) -> Call {
    broker.admin("acl test --domain fleet").with("--certificate", leaf)
}

/// Whose rule decides, its line, and what it says.
fn rule(answer: &Value) -> (Option<&str>, u64, &str) {
    assert_eq!(answer["rules"].as_array().unwrap().len(), 1, "{answer}");
    let rule = &answer["rules"][0];
    (rule["preset"].as_str(), rule["line"].as_u64().unwrap(), rule["text"].as_str().unwrap())
}

#[test]
fn an_answer_names_the_rule_that_decides_and_what_does_not_hold() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker);
    let allowed = explain(&broker, "--label web retrieve a");
    assert_eq!((&allowed["allowed"], rule(&allowed)), (&true.into(), (Some("members"), 2, MEMBERS)));
    let denied = explain(&broker, "--label web destroy a");
    let line = "p, label:web, fleet, **, destroy, deny";
    assert_eq!((&denied["code"], rule(&denied)), (&"not-found".into(), (None, 3, line)));
    let challenged = explain(&broker, "--label web retrieve disks/a");
    assert_eq!((&challenged["code"], rule(&challenged).1), (&"proof-needed".into(), 2));
    assert_eq!(challenged["rules"][0]["lacks"], serde_json::json!(["fresh-within"]));

    // Exit codes, by what is known of the machine; the certificate says all of it.
    let leaf = leaf(&broker, &fleet, &machine);
    let asked = |line: &str| certificate(&broker, &leaf).args(line).run();
    assert_eq!(asked("retrieve a").code(), Some(0));
    assert_eq!(asked("destroy a").code(), Some(3));
    assert_eq!(asked("retrieve disks/a").code(), Some(3));
    assert_eq!(asked("--fresh-within 0m retrieve disks/a").code(), Some(0));
    assert_eq!(asked("--fresh-within 5m retrieve disks/a").code(), Some(0));
    assert_eq!(asked("--fresh-within 6m retrieve disks/a").code(), Some(3));
    // The next question is answered by what is in force then.
    broker.admin("acl preset --domain fleet closed").run().ok();
    let closed = explain(&broker, "--label web retrieve a");
    assert_eq!((&closed["allowed"], closed["rules"].as_array().unwrap().len()), (&false.into(), 0));
    assert!(closed["why"].as_str().unwrap().contains("no rule allows it"), "{closed}");
}

const MEMBERS: &str = "p, member, fleet, **, retrieve, allow";

#[test]
fn a_question_that_makes_no_sense_is_refused() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker);
    let reserved = explain(&broker, "--label web retrieve fleet-private-auth-key");
    assert_eq!((&reserved["allowed"], &reserved["code"]), (&false.into(), &"reserved-name".into()));
    for (line, code, words) in [
        ("--label none retrieve a", 3, "trust list"),
        ("--label web retrieve a/../b", 3, "a resource name is"),
        ("--label web administer a", 3, "administer"),
        ("--measurement 00 retrieve a", 3, "measurement"),
        ("--fingerprint 00 retrieve a", 3, "SHA-256"),
        ("--instance a/b retrieve a", 3, "an instance is"),
        ("--label web --principal ops retrieve a", 3, "knows no principal"),
        ("retrieve a", 2, "--certificate"),
    ] {
        broker.admin("acl test --domain fleet").args(line).run().failed(code).says(&[words]);
    }
    // Another domain's certificate is nobody's here; neither is one that isn't one.
    let other = Fleet::create(&broker, "other", "members");
    let foreign = other.admitted(&broker, "vm");
    certificate(&broker, &leaf(&broker, &other, &foreign)).args("retrieve a").run().failed(3);
    let twice = certificate(&broker, &leaf(&broker, &fleet, &machine)).with("--label", "web");
    assert_eq!(twice.args("retrieve a").run().code(), Some(2));
    broker.admin("acl test --domain none --label web retrieve a").run().failed(4).says(&["no domain none"]);
    // What nobody trusts is answered, and said to be that.
    let unknown = explain(&broker, &format!("--measurement {} retrieve a", "ab".repeat(32)));
    assert!(unknown["warnings"][0].as_str().unwrap().contains("isn't trusted"), "{unknown}");
    fleet.verify_audit(&broker);
}

/// What is told beforehand is what happens, and the trail has the rule by the request's id.
#[test]
fn the_id_of_a_denied_request_leads_to_the_rule() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker);
    let mut channel: Channel = fleet.channel(&broker);
    channel.request(&message::store("people/a", b"secret")).ok();
    retrieve(&broker, &machine.state, "people/a").args("--out -").run().failed(3).is("proof-needed");
    let page = broker.admin("audit list --domain fleet --outcome proof-needed").run().ok();
    let id = page["records"][0]["request_id"].as_str().unwrap();
    let line = "rules, line 4: p, member, fleet, people/**, retrieve, deny, unless principal ops";
    assert_eq!(explain(&broker, &format!("--request-id {id}"))["records"][0]["reason"], line);

    broker.admin("acl preset --domain fleet closed").run().ok();
    retrieve(&broker, &machine.state, "a").args("--out -").run().failed(4);
    let page = broker.admin("audit list --domain fleet --outcome not-found").run().ok();
    assert_eq!(page["records"][0]["reason"], "no rule allows it");
    broker.admin("acl explain --domain fleet --request-id 00").run().failed(4).says(&["no request 00"]);
    // What is allowed and isn't there has the same outcome for the peer, and no rule in the trail.
    broker.admin("acl preset --domain fleet members").run().ok();
    retrieve(&broker, &machine.state, "nothing").args("--out -").run().failed(4);
    let page = broker.admin("audit list --domain fleet --name nothing").run().ok();
    assert_eq!(page["records"][0]["reason"], Value::Null);
    fleet.verify_audit(&broker);
}

#[test]
fn what_is_revoked_may_nothing_and_the_answer_says_so() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker);
    let leaf = leaf(&broker, &fleet, &machine);
    assert_eq!(certificate(&broker, &leaf).args("retrieve a").run().code(), Some(0));
    broker.admin("revocation add --domain fleet measurement").arg(&machine.measurement).run().ok();
    assert_eq!(certificate(&broker, &leaf).args("retrieve a").run().code(), Some(3));
    let answer = explain(&broker, &format!("--measurement {} retrieve a", machine.measurement));
    assert_eq!(
        (&answer["allowed"], &answer["code"]),
        (&false.into(), &"certificate-refused".into()),
        "{answer}"
    );
    assert!(answer["why"].as_str().unwrap().contains("revoked"), "{answer}");
}

#[test]
fn a_principal_that_is_revoked_is_nobody_in_an_answer_as_in_a_decision() {
    let broker = Broker::start();
    let (_fleet, _machine) = fleet(&broker);
    let staff = Authority::self_signed("staff", true, Duration::HOUR);
    let file = broker.file("staff.pem", pem("CERTIFICATE", &staff.certificate));
    broker.admin("principal add --domain fleet ops").with("--certificate", file).run().ok();
    let asked =
        || broker.admin("acl test --domain fleet --label web --principal ops retrieve people/a").run();
    assert_eq!(asked().code(), Some(0));
    broker.admin("revocation add --domain fleet principal ops").run().ok();
    asked().failed(3).says(&["that isn't revoked"]);
    broker.admin("revocation remove --domain fleet principal ops").run().ok();
    assert_eq!(asked().code(), Some(0));
}

/// Where a machine asks from and when decides as it was told beforehand, and no proof is asked for.
#[test]
fn t12_source_time_and_tcb_deny_without_a_challenge_and_the_trail_says_why() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "closed");
    let machine = fleet.admitted(&broker, "web");
    let rules = "p, member, fleet, near, store, allow, if source 127.0.0.0/8\n\
                 p, member, fleet, far, store, allow, if source 10.9.0.0/16\n\
                 p, member, fleet, night, store, allow, if between 22:00-06:00\n\
                 p, member, fleet, new, store, allow, if tcb-at-least snp=22\n";
    broker.admin("acl rules set --domain fleet -").stdin(rules).run().ok();
    let mut channel: Channel = fleet.channel(&broker);
    channel.request(&message::store("near", b"secret")).ok();
    retrieve(&broker, &machine.state, "near").args("--out -").run().failed(4);
    for (resource, word) in [("far", "source"), ("new", "tcb-at-least")] {
        channel.request(&message::store(resource, b"secret")).refused("not-found");
        let page =
            broker.admin("audit list --domain fleet --outcome not-found --name").arg(resource).run().ok();
        assert!(page["records"][0]["reason"].as_str().unwrap().contains(word), "{page}");
    }
    let may = |line: &str| broker.admin("acl test --domain fleet --label web").args(line).run().code();
    assert_eq!(may("--source 127.0.0.1 store near"), Some(0));
    assert_eq!(may("--source ::ffff:127.0.0.1 store near"), Some(0));
    assert_eq!(may("--source 128.0.0.1 store near"), Some(3));
    assert_eq!(may("store near"), Some(3));
    assert_eq!(may("--at 2026-01-31T23:00:00Z store night"), Some(0));
    assert_eq!(may("--at 2026-01-31T12:00:00Z store night"), Some(3));
    assert_eq!(may("--tcb snp=22 store new"), Some(0));
    assert_eq!(may("--tcb snp=21 store new"), Some(3));
    let answer = explain(&broker, "--label web store far");
    assert_eq!((&answer["code"], rule(&answer).1), (&"not-found".into(), 2), "{answer}");
    assert_eq!(answer["rules"][0]["lacks"], serde_json::json!(["source"]));
    fleet.verify_audit(&broker);
}
