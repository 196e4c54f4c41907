//! Certificates that make no channel: whose fault it is reaches the client as an alert, and as exit 3.

use std::time::Instant;

use claviger_attest::{KeyAlgorithm, Role};
use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, Leaf};
use claviger_tests::channel::{Channel, Credentials, Hello, refusal};
use claviger_tests::fleet::{Fleet, retrieve};
use claviger_tests::message;
use claviger_tests::server::Impostor;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::AlertDescription;
use time::Duration;

use super::undisturbed;

const MEASUREMENT: &str = "abababababababababababababababababababababababababababababababab";

/// Which alert the broker refuses this certificate with; its neighbour notices nothing.
fn alert(broker: &Broker, fleet: &Fleet, own: &Credentials) -> AlertDescription {
    undisturbed(broker, fleet, || {
        let ours = refusal(broker.listen, &Hello::ours(&fleet.name), Some(own));
        let stock = refusal(broker.listen, &Hello::stock(fleet.policy.subject_der()), Some(own));
        assert_eq!(ours, stock, "both dialects judge alike");
        ours
    })
}

#[test]
fn a_stock_certificate_is_accepted_and_each_of_these_breaks_one_thing_of_it() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    let authority = fleet.authority();
    let good = Leaf::stock(MEASUREMENT);
    let mut channel = Channel::ours(broker.listen, "fleet", &authority.issue(&good));
    channel.request(&message::store("a", b"secret")).ok();

    let expired = Leaf { lifetime: -Duration::SECOND, ..good.clone() };
    assert_eq!(alert(&broker, &fleet, &authority.issue(&expired)), AlertDescription::CertificateExpired);

    let foreign = Authority::policy("fleet", KeyAlgorithm::P256, Duration::DAY);
    assert_eq!(alert(&broker, &fleet, &foreign.issue(&good)), AlertDescription::UnknownCA);

    let server_only = Leaf { usages: vec![ExtendedKeyUsagePurpose::ServerAuth], ..good.clone() };
    let unmeasured = Leaf { organization: None, ..good.clone() };
    let upper = Leaf { organization: Some(format!("Measured-{}", "AB".repeat(32))), ..good.clone() };
    let short = Leaf { organization: Some("Measured-abcd".to_owned()), ..good.clone() };
    for broken in [server_only, unmeasured, upper, short] {
        let own = authority.issue(&broken);
        assert_eq!(alert(&broker, &fleet, &own), AlertDescription::AccessDenied, "{broken:?}");
    }
    // Without extended key usages it may be used for anything.
    let free = authority.issue(&Leaf { usages: Vec::new(), ..good });
    Channel::ours(broker.listen, "fleet", &free).request(&message::retrieve("a")).ok();
}

#[test]
fn the_policy_certificate_is_no_member() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    let key = std::fs::read(&fleet.policy_key).unwrap();
    let key = claviger_tests::certificate::unpem(&key);
    let own = Credentials { certificate: fleet.policy.der().to_vec(), key };
    assert_ne!(alert(&broker, &fleet, &own), AlertDescription::CertificateExpired);
}

#[test]
fn a_certificate_of_another_domain_is_foreign() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    let other = Fleet::create(&broker, "other", "members");
    assert_eq!(alert(&broker, &fleet, &other.member()), AlertDescription::UnknownCA);
}

#[test]
fn no_certificate_makes_no_channel() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    undisturbed(&broker, &fleet, || {
        let told = refusal(broker.listen, &Hello::ours("fleet"), None);
        assert_eq!(told, AlertDescription::CertificateRequired);
    });
}

#[test]
fn the_agent_is_told_that_its_certificate_has_expired_or_is_foreign() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    let good = Leaf::stock(MEASUREMENT);
    let expired = fleet.authority().issue(&Leaf { lifetime: -Duration::SECOND, ..good.clone() });
    let foreign = Authority::policy("fleet", KeyAlgorithm::P256, Duration::DAY).issue(&good);
    for (label, own, words) in [("expired", expired, ["expired"]), ("foreign", foreign, ["policy"])] {
        let state = fleet.state_of(label, &own);
        let failure = retrieve(&broker, &state, "a").args("--out -").run().failed(3);
        failure.is("certificate-refused").says(&words).says(&["--replace"]);
    }
}

#[test]
fn a_domain_ends_with_its_policy_certificate_for_broker_and_agent() {
    let broker = Broker::start();
    let neighbour = Fleet::create(&broker, "neighbour", "members");
    let policy = Authority::policy("fleet", KeyAlgorithm::P256, Duration::seconds(8));
    let ends = Instant::now() + std::time::Duration::from_secs(9);
    let fleet = Fleet::of(broker.dir(), "fleet", &policy);
    fleet.create_on(&broker, "members").ok();
    let mut other = neighbour.channel(&broker);
    other.request(&message::store("a", b"of the neighbour")).ok();
    // Good for an hour itself, so that only the policy certificate's dates can matter.
    let own = policy.issue(&Leaf::stock(MEASUREMENT));
    let longer = Fleet::of(&broker.dir().join("longer"), "fleet", &policy.renewed("fleet", Duration::HOUR));
    let server = longer.issue(Role::Broker, None);
    let state = fleet.state_of("member", &own);
    let mut channel = Channel::ours(broker.listen, "fleet", &own);
    channel.request(&message::store("a", b"secret")).ok();
    std::thread::sleep(ends.saturating_duration_since(Instant::now()));

    channel.request(&message::retrieve("a")).refused("certificate-refused");
    let told = refusal(broker.listen, &Hello::ours("fleet"), Some(&own));
    assert_eq!(told, AlertDescription::CertificateExpired);
    let impostor = Impostor::start(&server);
    let failure = claviger_tests::programs::command("key-client")
        .args("retrieve a --out -")
        .with("--state-dir", &state)
        .with("--broker", impostor.address.to_string())
        .run()
        .failed(3);
    failure.is("broker-refused").says(&["policy certificate", "expired"]);
    assert!(impostor.heard().is_empty());
    // Nor can a domain be made with it any more.
    broker.admin("domain delete fleet").run().ok();
    fleet.create_on(&broker, "members").failed(3).says(&["expired"]);
    other.request(&message::retrieve("a")).ok();
}
