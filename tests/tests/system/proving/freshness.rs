//! Fresh evidence on an open channel.

use std::thread::sleep;
use std::time::Duration;

use claviger_attest::{Purpose, Role};
use claviger_tests::broker::Broker;
use claviger_tests::channel::{Channel, Hello};
use claviger_tests::fleet::Fleet;
use claviger_tests::message::{self, retrieve};
use claviger_tests::proving::{Change, Prover, freshness};

use super::{FRESH, fleet, rules};

#[test]
fn t41_a_rule_gives_only_within_its_time_of_fresh_evidence_on_this_very_channel() {
    let broker = Broker::start();
    let (fleet, machine) =
        fleet(&broker, "p, member, fleet, disks/**, retrieve, deny, unless fresh-within 4s\n");
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let nonce = prover.challenged("disks/a");
    let body = prover.fresh(&machine, nonce);
    let answer = prover.channel.request(&body);
    assert_eq!((answer.ok().fields.text(104), answer.fields.text(2)), (Some("proven"), Some("final")));
    assert_eq!(prover.retrieve("disks/a").blob(), b"secret");
    assert_eq!(prover.retrieve("disks/a").blob(), b"secret", "until its time is over");
    let given = broker.admin("audit list --domain fleet --action retrieve --outcome ok").run().ok();
    assert!(given["records"][0]["evidence_age"].as_u64() < Some(4), "{given}");
    // Another channel of the same machine, open at the same time, has proven nothing.
    let mut other = Prover::of(&broker, &fleet, &machine);
    other.challenged("disks/a");
    sleep(Duration::from_millis(4_100));
    let nonce = prover.challenged("disks/a");
    let body = prover.fresh(&machine, nonce);
    prover.channel.request(&body).ok();
    prover.retrieve("disks/a").ok();
    // And it dies with its channel.
    drop(prover);
    let mut again = Prover::of(&broker, &fleet, &machine);
    again.challenged("disks/a");
    fleet.verify_audit(&broker);
}

#[test]
fn t02_a_challenge_takes_one_answer_whatever_becomes_of_it() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker, FRESH);
    let mut prover = Prover::of(&broker, &fleet, &machine);
    // None is outstanding.
    let unasked = prover.fresh(&machine, [7; 32]);
    prover.channel.request(&unasked).refused("refused");
    // A good answer counts once.
    let nonce = prover.challenged("disks/a");
    let body = prover.fresh(&machine, nonce);
    prover.channel.request(&body).ok();
    prover.channel.request(&body).refused("refused");
    // A bad one uses it up as well.
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let nonce = prover.challenged("disks/a");
    let (bad, good) = (prover.fresh(&machine, [0; 32]), prover.fresh(&machine, nonce));
    prover.channel.request(&bad).refused("attestation-refused");
    prover.channel.request(&good).refused("refused");
    // A new challenge ends the one before.
    let old = prover.challenged("disks/a");
    let new = prover.challenged("disks/a");
    assert_ne!(old, new);
    let body = prover.fresh(&machine, old);
    prover.channel.request(&body).refused("attestation-refused");
    prover.challenged("disks/a");
}

#[test]
fn t02_of_two_answers_that_race_one_counts() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker, FRESH);
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let nonce = prover.challenged("disks/a");
    let frame = message::frame(&prover.fresh(&machine, nonce));
    prover
        .channel
        .send_bytes(&[frame.as_slice(), &frame, &message::frame(&retrieve("disks/a"))].concat())
        .unwrap();
    let mut answer = || message::Response::read(prover.channel.receive().unwrap());
    answer().ok();
    answer().refused("refused");
    assert_eq!(answer().blob(), b"secret");
}

#[test]
fn t02_a_late_answer_is_refused() {
    let mut broker = Broker::start();
    broker.stop();
    broker.configure("[limits]\nevidence_ms = 1000\n");
    broker.serve();
    let (fleet, machine) = fleet(&broker, FRESH);
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let nonce = prover.challenged("disks/a");
    sleep(Duration::from_millis(1_100));
    let body = prover.fresh(&machine, nonce);
    prover.channel.request(&body).refused("deadline");
    prover.challenged("disks/a");
}

#[test]
fn t01_evidence_of_one_session_or_broker_is_refused_on_another() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker, FRESH);
    // The same challenge can't be had twice, so the relayed evidence is for the victim's own, with the attacker's nonce.
    let (mut one, mut other) = (Prover::of(&broker, &fleet, &machine), Prover::of(&broker, &fleet, &machine));
    let (_, nonce) = (one.challenged("disks/a"), other.challenged("disks/a"));
    let relayed = one.fresh(&machine, nonce);
    other.channel.request(&relayed).refused("attestation-refused");
    // Another broker with the same domain and policy key, trusting the same machine.
    let second = Broker::start();
    fleet.create_on(&second, "members").ok();
    fleet.trust(&second, &machine, "vm");
    rules(&second, &fleet, FRESH);
    let mut there = Prover::of(&second, &fleet, &machine);
    let nonce = there.challenged("disks/a");
    let foreign = one.fresh(&machine, nonce);
    there.channel.request(&foreign).refused("attestation-refused");
    let nonce = there.challenged("disks/a");
    let right = there.fresh(&machine, nonce);
    there.channel.request(&right).ok();
    one.challenged("disks/a");
}

#[test]
fn t40_a_binding_with_one_part_changed_is_refused() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker, FRESH);
    let other = fleet.member().certificate;
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let spki = prover.spki();
    let changes: [Change<'_>; 10] = [
        ("for an enrolment", Box::new(|parts| parts.purpose = Purpose::Enroll)),
        ("for a renewal", Box::new(|parts| parts.purpose = Purpose::Renew)),
        ("for a principal", Box::new(|parts| parts.purpose = Purpose::Principal)),
        ("a broker's", Box::new(|parts| parts.role = Role::Broker)),
        ("another nonce", Box::new(|parts| parts.nonce[0] ^= 1)),
        ("another client's", Box::new(|parts| parts.client.clone_from(&other))),
        ("another server's", Box::new(|parts| parts.server.clone_from(&other))),
        ("with a key to certify", Box::new(|parts| parts.spki = Some(spki.clone()))),
        ("another policy", Box::new(|parts| parts.policy = [0; 48])),
        ("another exporter", Box::new(|parts| parts.exporter[47] ^= 1)),
    ];
    for (why, change) in changes {
        let nonce = prover.challenged("disks/a");
        let mut parts = prover.parts(Purpose::Freshness, nonce);
        change(&mut parts);
        let body = freshness(&machine.evidence(&prover.spki(), &parts.digest()));
        let refused = prover.channel.request(&body);
        assert_eq!(refused.code(), "attestation-refused", "{why}");
    }
    for binding in [[0; 64], [0xff; 64]] {
        prover.challenged("disks/a");
        let body = freshness(&machine.evidence(&prover.spki(), &binding));
        prover.channel.request(&body).refused("attestation-refused");
    }
    // Evidence about another key than the channel's; stock evidence, which has no binding; none at all.
    let nonce = prover.challenged("disks/a");
    let binding = prover.parts(Purpose::Freshness, nonce).digest();
    let body = freshness(&machine.evidence(&claviger_tests::proving::spki(&other), &binding));
    prover.channel.request(&body).refused("attestation-refused");
    let nonce = prover.challenged("disks/a");
    let good = prover.fresh(&machine, nonce);
    let mut evidence = machine.evidence(&prover.spki(), &prover.parts(Purpose::Freshness, nonce).digest());
    evidence.items.clear();
    prover.channel.request(&freshness(&evidence)).refused("attestation-refused");
    prover.channel.request(&good).refused("refused");
    prover.prove_fresh(&machine).retrieve("disks/a").ok();
    fleet.verify_audit(&broker);
}

#[test]
fn t41_another_trusted_machine_s_evidence_is_not_this_one_s() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker, FRESH);
    let other = fleet.admitted(&broker, "other");
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let nonce = prover.challenged("disks/a");
    // All is right, but that it measured something else than the certificate names.
    let body = prover.fresh(&other, nonce);
    prover.channel.request(&body).refused("attestation-refused");
    prover.challenged("disks/a");
    // What isn't trusted any more is fresh no more.
    let remove = broker.admin("trust remove --domain fleet --kind simulated-enclave");
    remove.with("--measurement", &machine.measurement).run().ok();
    let nonce = prover.challenged("disks/a");
    let body = prover.fresh(&machine, nonce);
    prover.channel.request(&body).refused("attestation-refused");
}

#[test]
fn a_challenge_says_nothing_of_what_exists_and_stock_peers_see_none() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker, FRESH);
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let mut shape = |name: &str| {
        let response = prover.retrieve(name).without_id();
        response.into_iter().filter(|(number, _)| ![1, 4].contains(number)).collect::<Vec<_>>()
    };
    assert_eq!(shape("disks/a"), shape("disks/b"), "one that is there and one that isn't");
    prover.retrieve("other").refused("not-found");
    // What may not be retrieved may be seen, if the rules say so: the demand is for retrieving.
    fleet.allow_stock(&broker);
    let stock = Hello::stock(fleet.policy.subject_der());
    let asked = |name: &str| {
        let own = machine.credentials();
        let mut channel = Channel::connect(broker.listen, &stock, Some(&own)).unwrap();
        let fields = channel.request(&retrieve(name)).without_id();
        fields.into_iter().filter(|(number, _)| *number != 1).collect::<Vec<_>>()
    };
    assert_eq!(asked("disks/a"), asked("absent"));
    // After the proof, what isn't there isn't there.
    prover.prove_fresh(&machine);
    prover.retrieve("disks/b").refused("not-found");
}

#[test]
fn proofs_are_recorded_and_counted() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker, FRESH);
    let before = fleet.verify_audit(&broker);
    let mut prover = Prover::of(&broker, &fleet, &machine);
    prover.challenged("disks/a");
    let bad = prover.fresh(&machine, [0; 32]);
    prover.channel.request(&bad).refused("attestation-refused");
    prover.prove_fresh(&machine);
    assert_eq!(fleet.verify_audit(&broker), before + 3, "a refused request, and two answers");
    let (_, page) = broker.page("/metrics");
    for line in [
        r#"claviger_proofs_total{kind="freshness",result="ok"} 1"#,
        r#"claviger_proofs_total{kind="freshness",result="attestation-refused"} 1"#,
        r#"claviger_proofs_total{kind="principal",result="ok"} 0"#,
        r#"claviger_requests_total{kind="retrieve",outcome="proof-needed"} 1"#,
    ] {
        assert!(page.contains(line), "{line} in\n{page}");
    }
    assert!(broker.log().contains("the evidence was made for another channel or challenge"));
}

#[test]
fn rules_that_are_wrong_change_nothing_and_right_ones_outlive_the_broker() {
    let mut broker = Broker::start();
    let (fleet, machine) = fleet(&broker, FRESH);
    let set = |broker: &Broker, text: &str| {
        broker.admin("acl rules set --domain fleet -").stdin(text.as_bytes()).run()
    };
    for (text, says) in [
        ("p, member, fleet, disks/**, retrieve, deny, unless fresh", "line 1"),
        ("\np, member, other, disks/**, retrieve, deny", "line 2"),
    ] {
        set(&broker, text).failed(3).is("refused").says(&[says]);
    }
    set(&broker, &"# much\n".repeat(5_000)).failed(3);
    broker.stop();
    broker.serve();
    let shown = broker.admin("acl rules show --domain fleet").run().ok();
    assert_eq!(shown["rules"], FRESH);
    Prover::of(&broker, &fleet, &machine).challenged("disks/a");
    // A preset doesn't take them away, and no rules are an empty file.
    broker.admin("acl preset --domain fleet provisioned").run().ok();
    Prover::of(&broker, &fleet, &machine).challenged("disks/a");
    set(&broker, "").ok();
    Prover::of(&broker, &fleet, &machine).retrieve("disks/a").ok();
    let _ = Fleet::domain(&fleet);
}
