//! Servers that aren't the domain's broker: our client tells them nothing.

use claviger_attest::{KeyAlgorithm, Role};
use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, Leaf};
use claviger_tests::channel::Credentials;
use claviger_tests::fleet::{Fleet, Machine};
use claviger_tests::programs::{Call, command};
use claviger_tests::server::Impostor;
use time::Duration;

/// Everything that key-client can be told to do, at this address.
fn calls(fleet: &Fleet, machine: &Machine, enrolled: &std::path::Path, at: &str) -> Vec<Call> {
    let client = |line: &str| command("key-client").args(line).with("--broker", at);
    vec![
        client("store a --in -").with("--state-dir", enrolled).stdin("a secret"),
        client("retrieve a --out -").with("--state-dir", enrolled),
        command("key-client")
            .args("enroll --domain fleet")
            .with("--policy-cert", &fleet.policy_cert)
            .with("--admission", at)
            .with("--evidence", format!("simulated-enclave:{}", machine.platform.display()))
            .with("--state-dir", &machine.state),
    ]
}

/// Each of them refuses a server with this certificate and sends it nothing.
fn refused(fleet: &Fleet, machine: &Machine, own: &Credentials) {
    let enrolled = fleet.policy_key.with_file_name("enrolled");
    if !enrolled.exists() {
        fleet.state_of("enrolled", &fleet.member());
    }
    let impostor = Impostor::start(own);
    for call in calls(fleet, machine, &enrolled, &impostor.address.to_string()) {
        call.run().failed(3).is("broker-refused").says(&["policy certificate"]);
        assert!(impostor.heard().is_empty(), "the impostor was told something");
    }
    assert!(!machine.state.exists());
}

fn start() -> (Broker, Fleet, Machine) {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let machine = fleet.machine("vm");
    (broker, fleet, machine)
}

#[test]
fn the_impostor_of_these_tests_would_be_believed_with_a_broker_s_certificate() {
    let (_broker, fleet, machine) = start();
    let impostor = Impostor::start(&fleet.issue(Role::Broker, None));
    let enrolled = fleet.state_of("enrolled", &fleet.member());
    let calls = calls(&fleet, &machine, &enrolled, &impostor.address.to_string());
    let mut calls = calls.into_iter();
    // It never answers, so the call fails, but only after it said what it came to say.
    calls.next().unwrap().run().failed(8);
    let heard = impostor.heard();
    assert!(heard.windows(8).any(|window| window == b"a secret"));
}

#[test]
fn t06_a_broker_that_does_not_chain_to_the_pinned_policy_certificate_is_refused() {
    let (_broker, fleet, machine) = start();
    // Everything about it is right but the key that signed it.
    let foreign = Authority::policy("fleet", KeyAlgorithm::P256, Duration::DAY);
    let foreign = Fleet::of(&fleet.policy_key.with_file_name("foreign"), "fleet", &foreign);
    refused(&fleet, &machine, &foreign.issue(Role::Broker, None));
}

#[test]
fn t06_a_broker_of_another_domain_is_refused() {
    let (broker, fleet, machine) = start();
    let other = Fleet::create(&broker, "other", "members");
    refused(&fleet, &machine, &other.issue(Role::Broker, None));
}

#[test]
fn t37_a_leaked_agent_key_does_not_make_a_broker() {
    let (_broker, fleet, machine) = start();
    refused(&fleet, &machine, &fleet.member());
    // A stock certificate may be a server's as well, by its key usages; it doesn't say broker.
    refused(&fleet, &machine, &fleet.authority().issue(&Leaf::stock(&machine.measurement)));
}

#[test]
fn t37_the_policy_key_itself_does_not_make_a_broker() {
    let (_broker, fleet, machine) = start();
    let key = claviger_tests::certificate::unpem(&std::fs::read(&fleet.policy_key).unwrap());
    refused(&fleet, &machine, &Credentials { certificate: fleet.policy.der().to_vec(), key });
}
