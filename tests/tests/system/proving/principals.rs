//! Principals: who is behind a channel, by credentials that the domain's owner chose.

use claviger_attest::{Purpose, Role};
use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, pem};
use claviger_tests::channel::Credentials;
use claviger_tests::fleet::{Fleet, Machine};
use claviger_tests::message::Writer;
use claviger_tests::proving::{Change, Prover, signature, signed_nonce, spki};
use time::Duration;

use super::{fleet, rules};

const OPS: &str = "p, member, fleet, disks/**, retrieve, deny, unless principal ops\n";

fn add(broker: &Broker, name: &str, certificate: &[u8]) {
    let file = broker.file("principal.pem", pem("CERTIFICATE", certificate));
    broker.admin("principal add --domain fleet").arg(name).with("--certificate", file).run().ok();
}

/// A domain that knows `ops` and `dev` by an authority.
fn staffed(broker: &Broker) -> (Fleet, Machine, Authority) {
    let (fleet, machine) = fleet(broker, OPS);
    let staff = Authority::self_signed("staff", true, Duration::hours(1));
    for name in ["ops", "dev"] {
        add(broker, name, &staff.certificate);
    }
    (fleet, machine, staff)
}

#[test]
fn a_principal_is_given_what_its_rule_says_on_this_channel_and_until_it_is_removed() {
    let broker = Broker::start();
    let (fleet, machine, staff) = staffed(&broker);
    let ops = staff.issue_to("ops", Duration::hours(1));
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let nonce = prover.challenged("disks/a");
    let body = prover.signed(&[&ops], nonce);
    prover.channel.request(&body).ok();
    assert_eq!(prover.retrieve("disks/a").blob(), b"secret");
    Prover::of(&broker, &fleet, &machine).challenged("disks/a");
    // Who it was is in the records of what it was given, and not of what another channel was refused.
    let given = broker.admin("audit list --domain fleet --action retrieve --outcome ok").run().ok();
    assert_eq!(given["records"][0]["principals"], serde_json::json!(["ops"]), "{given}");
    let refused = broker.admin("audit list --domain fleet --outcome proof-needed").run().ok();
    assert_eq!(refused["records"][0]["principals"], serde_json::Value::Null, "{refused}");
    let listed = broker.admin("principal list --domain fleet").run().ok();
    assert_eq!(listed["principals"].as_array().map(Vec::len), Some(2));
    assert_eq!(listed["principals"][0]["authority"], true);
    broker.admin("principal remove --domain fleet ops").run().ok();
    prover.challenged("disks/a");
    broker.admin("principal remove --domain fleet ops").run().failed(4);
    // A certificate of its own, whatever it is called.
    let own = Authority::self_signed("somebody", false, Duration::hours(1)).credentials();
    add(&broker, "ops", &own.certificate);
    let nonce = prover.challenged("disks/a");
    let body = prover.signed(&[&own], nonce);
    prover.channel.request(&body).ok();
    prover.retrieve("disks/a").ok();
    fleet.verify_audit(&broker);
}

#[test]
fn t40_credentials_with_one_thing_wrong_make_nobody() {
    let broker = Broker::start();
    let (fleet, machine, staff) = staffed(&broker);
    let stranger = Authority::self_signed("staff", true, Duration::hours(1));
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let mut refused = |why: &str, chain: &[&Credentials]| {
        let nonce = prover.challenged("disks/a");
        let body = prover.signed(chain, nonce);
        let response = prover.channel.request(&body);
        assert_eq!((response.status(), response.code()), ("failed", "refused"), "{why}");
    };
    refused("expired", &[&staff.issue_to("ops", -Duration::MINUTE)]);
    refused("foreign", &[&stranger.issue_to("ops", Duration::hours(1)), &stranger.credentials()]);
    refused("a name that the domain doesn't know", &[&staff.issue_to("night", Duration::hours(1))]);
    refused("a machine's own certificate", &[&machine.credentials()]);
    refused("the authority itself", &[&staff.credentials()]);
    // An issuer that is none, and the record says so.
    let between = staff.issue_to("between", Duration::hours(1));
    let issuer = Authority::new(between.certificate.clone(), between.key.clone());
    refused("issued by no authority", &[&issuer.issue_to("ops", Duration::hours(1)), &between]);
    let records = broker.admin("audit list --domain fleet --action prove-principal").run().ok();
    let last = records["records"].as_array().and_then(|all| all.last()).unwrap();
    let reason = last["reason"].as_str().unwrap();
    assert!(reason.contains("isn't a certificate authority's"), "{reason}");
    // Another principal of the domain is proven, and isn't who the rule asks for.
    let nonce = prover.challenged("disks/a");
    let body = prover.signed(&[&staff.issue_to("dev", Duration::hours(1))], nonce);
    prover.channel.request(&body).ok();
    prover.challenged("disks/a");
}

#[test]
fn t01_a_signature_over_another_binding_or_none_proves_nothing() {
    let broker = Broker::start();
    let (fleet, machine, staff) = staffed(&broker);
    let (ops, other) = (staff.issue_to("ops", Duration::hours(1)), staff.issue_to("ops", Duration::hours(1)));
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let victim = Prover::of(&broker, &fleet, &machine);
    let unasked = prover.signed(&[&ops], [7; 32]);
    prover.channel.request(&unasked).refused("refused");
    let changes: [Change<'_>; 7] = [
        ("for freshness", Box::new(|parts| parts.purpose = Purpose::Freshness)),
        ("a broker's", Box::new(|parts| parts.role = Role::Broker)),
        ("another nonce", Box::new(|parts| parts.nonce = [0; 32])),
        ("another key's", Box::new(|parts| parts.spki = Some(spki(&other.certificate)))),
        ("no key's", Box::new(|parts| parts.spki = None)),
        ("another client's", Box::new(|parts| parts.client = vec![1])),
        (
            "another channel's",
            Box::new(|parts| parts.exporter = victim.parts(parts.purpose, parts.nonce).exporter),
        ),
    ];
    for (why, change) in changes {
        let nonce = prover.challenged("disks/a");
        let mut parts = prover.parts(Purpose::Principal, nonce);
        parts.spki = Some(spki(&ops.certificate));
        change(&mut parts);
        let response = prover.channel.request(&signed_nonce(&[&ops], &signature(&ops, &parts.digest())));
        assert_eq!((response.status(), response.code()), ("failed", "refused"), "{why}");
    }
    // Another's signature over the right one, and none.
    let nonce = prover.challenged("disks/a");
    let mut parts = prover.parts(Purpose::Principal, nonce);
    parts.spki = Some(spki(&ops.certificate));
    let stolen = signed_nonce(&[&ops], &signature(&other, &parts.digest()));
    prover.channel.request(&stolen).refused("refused");
    let bare = Writer::new().bytes(2, "signed-nonce").bytes(6, pem("CERTIFICATE", &ops.certificate)).done();
    prover.channel.request(&bare).refused("malformed");
    prover.challenged("disks/a");
    // A message that can't be read answers nothing, so the challenge is still there.
    let nonce = prover.challenge();
    prover.channel.request(&bare).refused("malformed");
    let good = prover.signed(&[&ops], nonce);
    prover.channel.request(&good).ok();
    prover.channel.request(&good).refused("refused");
    prover.retrieve("disks/a").ok();
    fleet.verify_audit(&broker);
}

#[test]
fn t09_a_principal_ends_with_its_certificate_on_a_channel_that_stays_open() {
    let broker = Broker::start();
    let (fleet, machine, staff) = staffed(&broker);
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let brief = staff.issue_to("ops", Duration::seconds(3));
    let nonce = prover.challenged("disks/a");
    let body = prover.signed(&[&brief], nonce);
    prover.channel.request(&body).ok();
    prover.retrieve("disks/a").ok();
    std::thread::sleep(std::time::Duration::from_secs(5));
    prover.challenged("disks/a");
}

#[test]
fn certificates_that_no_principal_can_be_known_by_are_refused() {
    let broker = Broker::start();
    let (fleet, _machine) = fleet(&broker, OPS);
    let shown = broker.admin("acl rules show --domain fleet").run().ok();
    assert!(shown["warnings"][0].as_str().unwrap().contains("ask for principal ops"), "{shown}");
    let expired = Authority::self_signed("ops", false, -Duration::MINUTE);
    let file = broker.file("expired.pem", pem("CERTIFICATE", &expired.certificate));
    let add =
        |name: &str, file| broker.admin("principal add --domain fleet").arg(name).with("--certificate", file);
    add("ops", file).run().failed(3).says(&["expired"]);
    let file = broker.file("not.pem", "nothing");
    add("ops", file).run().failed(3);
    let good = Authority::self_signed("ops", false, Duration::hours(1));
    let file = broker.file("good.pem", pem("CERTIFICATE", &good.certificate));
    add("a b", file.clone()).run().failed(3).says(&["name"]);
    add("ops", file).run().ok();
    assert_eq!(broker.admin("acl rules show --domain fleet").run().ok()["warnings"], serde_json::json!([]));
    rules(&broker, &fleet, OPS);
}
