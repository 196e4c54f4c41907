//! A domain all of whose keys are Ed25519, from its first to its last.

use std::path::Path;
use std::process::Command;

use claviger_tests::broker::Broker;
use claviger_tests::certificate::pem;
use claviger_tests::channel::{Channel, Credentials};
use claviger_tests::fleet::{Fleet, client, retrieve, store};
use claviger_tests::message;
use claviger_tests::programs::command;
use claviger_tests::tools;

fn openssl(dir: &Path, line: &str) -> String {
    let output = Command::new("openssl").args(line.split(' ')).current_dir(dir).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn a_domain_under_an_ed25519_policy_key_works_from_enrolment_to_retrieval() {
    let broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "fleet", "--algorithm ed25519");
    fleet.create_on(&broker, "members").ok();
    for (label, kind) in [("a", "ed25519"), ("b", "p256"), ("c", "rsa-2048")] {
        let machine = fleet.machine(label);
        fleet.trust(&broker, &machine, label);
        fleet.enroll(&broker, &machine).with("--key", kind).run().ok();
        store(&broker, &machine.state, label, label.as_bytes()).run().ok();
        let got = retrieve(&broker, &machine.state, label).args("--out -").run_text();
        assert_eq!((got.code(), got.stdout()), (Some(0), label.as_bytes()), "{got}");
        client(&broker, &machine.state, "generate", &format!("key/{label}"))
            .args("--kind ed25519")
            .run()
            .ok();
    }
    // It is the same after the broker read it all from its disk.
    let mut broker = broker;
    broker.stop();
    broker.serve();
    fleet.channel(&broker).request(&message::retrieve("a")).ok();
    fleet.verify_audit(&broker);
}

#[test]
fn an_ed25519_identity_that_the_owner_signed_is_a_member() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let out = broker.dir().join("identity");
    let issue = command("key-admin").args("identity issue --domain fleet --new-key ed25519");
    let issue = issue.with("--policy-key", &fleet.policy_key).with("--measurement", "ab".repeat(32));
    issue.with("--out-dir", &out).run().ok();
    let read = |file: &str| claviger_tests::certificate::unpem(&std::fs::read(out.join(file)).unwrap());
    let own = Credentials { certificate: read("identity-cert.pem"), key: read("identity-key.pem") };
    Channel::ours(broker.listen, "fleet", &own).request(&message::store("a", b"x")).ok();
}

#[test]
fn openssl_verifies_what_an_ed25519_policy_key_signed() {
    if !tools::have("openssl", "openssl") {
        return;
    }
    let broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "fleet", "--algorithm ed25519");
    fleet.create_on(&broker, "members").ok();
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    fleet.enroll(&broker, &machine).args("--key ed25519").run().ok();
    let identity = claviger_client::state::StateDir::new(&machine.state).identity().unwrap();
    let channel = fleet.channel(&broker);
    let file = |name: &str, der: &[u8]| broker.file(name, pem("CERTIFICATE", der));
    file("agent.pem", identity.certificate());
    file("broker.pem", &channel.server_leaf());
    file("policy.pem", fleet.policy.der());
    let verify = "verify -x509_strict -CAfile policy.pem -purpose";
    openssl(broker.dir(), &format!("{verify} sslclient agent.pem"));
    openssl(broker.dir(), &format!("{verify} sslserver broker.pem"));
    let text = openssl(broker.dir(), "x509 -in agent.pem -noout -text");
    assert!(text.contains("Public Key Algorithm: ED25519") && text.contains("Signature Algorithm: ED25519"));
}
