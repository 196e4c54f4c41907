//! Who a peer is comes from its verified certificate, is proven on its own channel, and ends when that does.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use claviger_attest::Role;
use claviger_tests::admission::Admission;
use claviger_tests::broker::Broker;
use claviger_tests::certificate::Leaf;
use claviger_tests::channel::{Channel, Hello, refusal};
use claviger_tests::fleet::Fleet;
use claviger_tests::message::{self, Writer};
use rustls::AlertDescription;

fn start(preset: &str) -> (Broker, Fleet) {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", preset);
    fleet.allow_stock(&broker);
    (broker, fleet)
}

#[test]
fn t01_evidence_made_for_one_channel_is_refused_on_another() {
    let (broker, fleet) = start("members");
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let (mut first, mut second) = (Admission::begin(&broker, &fleet), Admission::begin(&broker, &fleet));
    // The second's key and nonce, and everything else that its channel doesn't alone decide.
    let evidence = machine.evidence(&second.spki(), &first.binding_with(&second.nonce()));
    assert_eq!(second.submit(evidence).code(), "attestation-refused");
    let evidence = machine.evidence(&first.spki(), &first.binding());
    assert_eq!(first.submit(evidence).status(), "succeeded");
}

#[test]
fn t02_a_nonce_is_good_on_its_channel_alone_and_once() {
    let (broker, fleet) = start("members");
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let (mut first, mut second) = (Admission::begin(&broker, &fleet), Admission::begin(&broker, &fleet));
    assert_ne!(first.nonce(), second.nonce());
    let evidence = machine.evidence(&second.spki(), &second.binding_with(&first.nonce()));
    assert_eq!(second.submit(evidence).code(), "attestation-refused");
    // A second answer to the same challenge finds nobody who listens.
    let evidence = machine.evidence(&second.spki(), &second.binding());
    drop(second.channel().send(&claviger_tests::admission::request(evidence, "authentication")));
    assert!(second.channel().is_closed());
    let evidence = machine.evidence(&first.spki(), &first.binding());
    assert_eq!(first.submit(evidence).status(), "succeeded");
}

#[test]
fn t04_without_a_client_certificate_no_data_listener_sends_an_application_byte() {
    let (broker, fleet) = start("members");
    fleet.channel(&broker).request(&message::store("anything", b"secret")).ok();
    let listeners: [SocketAddr; 2] = [broker.listen, broker.admission];
    for listener in listeners {
        for hello in [Hello::ours("fleet"), Hello::stock(fleet.policy.subject_der()), Hello::silent()] {
            // Over TLS, admission speaks our protocol only.
            let ours = listener == broker.listen || !hello.alpn.is_empty();
            let alert = if ours {
                AlertDescription::CertificateRequired
            } else {
                AlertDescription::NoApplicationProtocol
            };
            // `refusal` fails on an application byte.
            assert_eq!(refusal(listener, &hello, None), alert);
        }
    }
}

#[test]
fn t09_a_certificate_that_expires_on_an_open_connection_is_refused_at_the_next_request() {
    let (broker, fleet) = start("members");
    let lifetime = time::Duration::seconds(6);
    let own = fleet.authority().issue(&Leaf { lifetime, ..Leaf::stock(&"ab".repeat(32)) });
    let ends = Instant::now() + Duration::from_secs(7);
    let mut channel = Channel::ours(broker.listen, "fleet", &own);
    channel.request(&message::store("a", b"secret")).ok();
    channel.request(&message::retrieve("a")).ok();
    std::thread::sleep(ends.saturating_duration_since(Instant::now()));
    channel.request(&message::retrieve("a")).refused("certificate-refused");
    channel.request(&message::store("a", b"other")).refused("certificate-refused");
    // The broker remembers the leaf as verified, which must not save it.
    let told = refusal(broker.listen, &Hello::ours("fleet"), Some(&own));
    assert_eq!(told, AlertDescription::CertificateExpired);
}

#[test]
fn t10_what_a_message_says_about_its_sender_is_ignored() {
    let (broker, fleet) = start("provisioned");
    let deployment = "0123456789abcdef".repeat(4);
    let trust = broker.admin("trust add --domain fleet --kind simulated-enclave --label deployment");
    let machine = fleet.machine("vm");
    trust.with("--measurement", &deployment).with("--attest-root", &machine.root).run().ok();
    let deployer = fleet.issue(Role::Agent, Some(&deployment));
    let mut by_deployer = Channel::ours(broker.listen, "fleet", &deployer);
    by_deployer.request(&message::store("a", b"secret")).ok();

    let mut channel = fleet.channel(&broker);
    let certificate = hex::encode(&deployer.certificate);
    let claims = [certificate.as_str(), &deployment, "owner", "operator", "fleet"];
    for claim in claims {
        let request =
            Writer::new().bytes(1, "a").bytes(2, "store").bytes(3, "binary-blob").bytes(5, b"forged");
        // Field 6 is the stock's serialized_credentials; the others don't exist.
        let request =
            [6, 7, 99, 150, 1_000].iter().fold(request, |request, field| request.bytes(*field, claim));
        channel.request(&request.done()).refused("not-found");
    }
    assert_eq!(channel.request(&message::retrieve("a")).ok().blob(), b"secret");
}

#[test]
fn t36_a_broker_s_certificate_makes_no_agent() {
    let (broker, fleet) = start("members");
    let measurement = "ab".repeat(32);
    for own in [fleet.issue(Role::Broker, Some(&measurement)), fleet.issue(Role::Broker, None)] {
        for hello in [Hello::ours("fleet"), Hello::stock(fleet.policy.subject_der())] {
            let told = refusal(broker.listen, &hello, Some(&own));
            assert_eq!(told, AlertDescription::AccessDenied);
        }
    }
    // The same key's word for an agent is accepted.
    Channel::ours(broker.listen, "fleet", &fleet.issue(Role::Agent, Some(&measurement)))
        .request(&message::store("a", b"secret"))
        .ok();
}
