//! Enrolments that end without a certificate.

use std::fs;

use claviger_attest::KeyAlgorithm;
use claviger_tests::admission::{Admission, request};
use claviger_tests::broker::Broker;
use claviger_tests::certificate::Authority;
use claviger_tests::fleet::{Fleet, retrieve};
use claviger_tests::message::TrustResponse;
use time::Duration;

use super::undisturbed;

fn fleet(broker: &Broker) -> Fleet {
    Fleet::create(broker, "fleet", "members")
}

#[test]
fn an_unknown_measurement_is_refused_and_leaves_nothing_behind() {
    let broker = Broker::start();
    let fleet = fleet(&broker);
    let (trusted, machine) = (fleet.machine("trusted"), fleet.machine("unknown"));
    fleet.trust(&broker, &trusted, "trusted");
    let failure = undisturbed(&broker, &fleet, || fleet.enroll(&broker, &machine).run().failed(6));
    failure.is("attestation-refused").says(&["measurement", "trust add"]);
    assert!(!machine.state.exists(), "a refused enrolment leaves no state behind");
    fleet.enroll(&broker, &trusted).run().ok();
}

#[test]
fn a_measurement_under_another_root_is_refused() {
    let broker = Broker::start();
    let fleet = fleet(&broker);
    let (mut machine, other) = (fleet.machine("vm"), fleet.machine("other"));
    let right = std::mem::replace(&mut machine.root, other.root);
    fleet.trust(&broker, &machine, "vm");
    let failure = undisturbed(&broker, &fleet, || fleet.enroll(&broker, &machine).run().failed(6));
    failure.is("attestation-refused").says(&["root"]);
    machine.root = right;
    fleet.trust(&broker, &machine, "vm");
    fleet.enroll(&broker, &machine).run().ok();
}

#[test]
fn enrolling_over_an_existing_state_is_refused_and_names_the_ways_on() {
    let broker = Broker::start();
    let fleet = fleet(&broker);
    let machine = fleet.admitted(&broker, "vm");
    let before = fs::read(machine.state.join("cryptstore")).unwrap();
    let failure = undisturbed(&broker, &fleet, || fleet.enroll(&broker, &machine).run().failed(3));
    failure.is("already-enrolled").says(&["renew", "--replace"]);
    assert_eq!(fs::read(machine.state.join("cryptstore")).unwrap(), before);
    fleet.enroll(&broker, &machine).arg("--replace").run().ok();
    assert_ne!(fs::read(machine.state.join("cryptstore")).unwrap(), before);
    retrieve(&broker, &machine.state, "missing").args("--out -").run().failed(4);
}

#[test]
fn a_state_directory_belongs_to_one_domain() {
    let broker = Broker::start();
    let (fleet, other) = (fleet(&broker), Fleet::create(&broker, "other", "members"));
    let machine = fleet.admitted(&broker, "vm");
    other.trust(&broker, &machine, "vm");
    other.enroll(&broker, &machine).run().failed(3);
    other.enroll(&broker, &machine).arg("--replace").run().failed(3).is("other-domain");
    retrieve(&broker, &machine.state, "missing").args("--out -").run().failed(4);
}

#[test]
fn a_domain_that_is_not_there_is_named() {
    let broker = Broker::start();
    let fleet = fleet(&broker);
    let absent = Fleet::generate(broker.dir(), "absent", "--algorithm p256");
    let machine = absent.machine("vm");
    let failure = undisturbed(&broker, &fleet, || absent.enroll(&broker, &machine).run().failed(3));
    failure.is("unknown-domain").says(&["absent"]);
    assert!(!machine.state.exists());
}

#[test]
fn a_policy_certificate_that_is_not_one_or_has_expired_is_refused_by_the_agent() {
    let broker = Broker::start();
    let mut fleet = fleet(&broker);
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let file = broker.dir().join("policy.pem");
    fleet.policy_cert.clone_from(&file);
    let expired = Authority::policy("fleet", KeyAlgorithm::P256, -Duration::MINUTE);
    fs::write(&file, expired.certificate_pem()).unwrap();
    fleet.enroll(&broker, &machine).run().failed(3).says(&["expired"]);
    fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    fleet.enroll(&broker, &machine).run().failed(3).is("refused").says(&["policy.pem"]);
    assert!(!machine.state.exists());
}

#[test]
fn evidence_that_names_another_key_than_the_channel_s_is_refused() {
    let broker = Broker::start();
    let fleet = fleet(&broker);
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let mut other = Admission::begin(&broker, &fleet);
    let refused = undisturbed(&broker, &fleet, || {
        let mut admission = Admission::begin(&broker, &fleet);
        let evidence = machine.evidence(&other.spki(), &admission.binding());
        admission.submit(evidence)
    });
    assert_eq!(outcome(&refused), ("failed", "attestation-refused"));
    // All else was right: with its own key the same machine is admitted.
    let evidence = machine.evidence(&other.spki(), &other.binding());
    let admitted = other.submit(evidence);
    assert_eq!(admitted.status(), "succeeded");
    let own = other.credentials(admitted.artifact().unwrap());
    assert!(fleet.authority().certificate != own.certificate);
    let mut channel = claviger_tests::channel::Channel::ours(broker.listen, "fleet", &own);
    channel.request(&claviger_tests::message::store("a", b"secret")).ok();
}

#[test]
fn what_is_no_admission_request_is_refused() {
    let broker = Broker::start();
    let fleet = fleet(&broker);
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let begun = || Admission::begin(&broker, &fleet);
    undisturbed(&broker, &fleet, || {
        assert_eq!(outcome(&begun().send(&[0xff; 40])), ("failed", "malformed"));
        assert_eq!(outcome(&begun().send(b"\x22\x0eauthentication")), ("failed", "malformed"));
        assert_eq!(outcome(&begun().send(&vec![0; 256 << 10 | 1])), ("failed", "too-large"));
        let mut admission = begun();
        let evidence = machine.evidence(&admission.spki(), &admission.binding());
        let answer = admission.send(&request(evidence.clone(), "attestation"));
        assert_eq!(outcome(&answer), ("failed", "unknown-request"));
        assert!(admission.channel().is_closed(), "one admission to a connection");
        // An empty frame, and a negative length.
        for header in [[0; 4], [0xff; 4]] {
            let mut admission = begun();
            admission.channel().send_bytes(&header).unwrap();
            let answer = TrustResponse::read(&admission.channel().receive().unwrap());
            assert_eq!(outcome(&answer), ("failed", "malformed"));
        }
    });
}

#[test]
fn stock_evidence_is_answered_in_stock_words_until_a_domain_may_allow_it() {
    let broker = Broker::start();
    let fleet = fleet(&broker);
    let answer = undisturbed(&broker, &fleet, || {
        use std::io::{Read as _, Write as _};
        let mut tcp = claviger_tests::channel::connect(broker.admission).unwrap();
        tcp.write_all(include_bytes!("../../data/stock/simulated_rsa2048.request.frame")).unwrap();
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).unwrap();
        answer
    });
    let response = TrustResponse::read(&answer[4..]);
    assert_eq!(outcome(&response), ("failed", ""));
    assert!(response.0.numbers().iter().all(|number| *number < 100));
}

fn outcome(response: &TrustResponse) -> (&str, &str) {
    (response.status(), response.code())
}
