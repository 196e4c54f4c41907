//! Stock evidence at admission: taken where it is allowed, while it is new, once.

use std::io::{Read as _, Write as _};

use claviger_attest::{AdmissionExtension, EvidenceKind, KeyAlgorithm, Role, SigningKey};
use claviger_proto::evidence::{Claim, Clause, SignedClaim};
use claviger_proto::key::{KeyMessage, MessageKey};
use claviger_tests::admission::Admission;
use claviger_tests::broker::{Broker, Setup};
use claviger_tests::channel::{Channel, Credentials, Hello, connect};
use claviger_tests::fleet::{Fleet, Machine};
use claviger_tests::message::{frame, retrieve, store};
use claviger_tests::stock::{Statement, ask, exchange};
use prost::Message as _;

use super::{converse, data};

/// A broker whose only domain allows everything, and a platform that it trusts.
fn start() -> (Broker, Fleet, Machine) {
    start_with(Setup::default())
}

fn start_with(setup: Setup) -> (Broker, Fleet, Machine) {
    let broker = Broker::start_with(setup);
    let fleet = Fleet::generate(broker.dir(), "dom1", "--algorithm rsa-2048 --format certifier");
    fleet.create_on(&broker, "members").ok();
    fleet.allow_all_stock(&broker);
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    (broker, fleet, machine)
}

fn rsa() -> SigningKey {
    SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap()
}

fn statement(machine: &Machine, key: &SigningKey) -> Statement {
    Statement::of(&machine.platform, key)
}

fn admitted(broker: &Broker, machine: &Machine, key: &SigningKey) -> Option<Credentials> {
    let certificate = ask(broker.admission, &statement(machine, key).request(&machine.platform))?;
    Some(Credentials { certificate, key: key.pkcs8_der().to_vec() })
}

#[test]
fn what_is_admitted_is_a_member_whatever_its_key() {
    let (broker, fleet, machine) = start();
    let hello = Hello::stock(fleet.policy.subject_der());
    for algorithm in [KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa3072, KeyAlgorithm::P256, KeyAlgorithm::P384] {
        let own = admitted(&broker, &machine, &SigningKey::generate(algorithm).unwrap()).unwrap();
        let name = format!("by-{algorithm}");
        assert!(converse(&broker, &hello, &own, &frame(&store(&name, b"secret"))).succeeded(), "{algorithm}");
        assert_eq!(converse(&broker, &hello, &own, &frame(&retrieve(&name))).blob(), b"secret");
        // In our dialect too: it is the certificate that counts.
        Channel::ours(broker.listen, "dom1", &own).request(&retrieve(&name)).ok();
    }
    fleet.verify_audit(&broker);
}

#[test]
fn its_certificate_serves_stock_servers_and_says_what_it_is() {
    let (broker, _fleet, machine) = start();
    let own = admitted(&broker, &machine, &rsa()).unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&own.certificate).unwrap();
    let subject = certificate.subject().to_string();
    assert_eq!(subject, format!("O=Measured-{}, CN=CertifierUsers", machine.measurement));
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && usage.server_auth);
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign(), "it signs no certificates, unlike stock's");
    assert!(certificate.tbs_certificate.raw_serial().len() >= 16, "not 11, 12, 13");
    assert_eq!(certificate.signature_algorithm.algorithm.to_id_string(), "1.2.840.113549.1.1.11");
    let mut said =
        certificate.extensions().iter().filter_map(|one| AdmissionExtension::decode(one.value).ok());
    let said = said.next().unwrap();
    assert_eq!((said.role, said.challenge_fresh), (Role::Agent, Some(false)));
    assert_eq!(said.evidence_kind, Some(EvidenceKind::SimulatedEnclave));
}

#[test]
fn it_is_off_until_the_domain_allows_it() {
    let (broker, fleet, machine) = start();
    let key = rsa();
    for denied in ["admission", ""] {
        broker.admin("domain stock deny dom1").args(denied).run().ok();
        assert!(admitted(&broker, &machine, &key).is_none());
    }
    broker.admin("domain stock allow dom1").run().ok();
    assert!(admitted(&broker, &machine, &key).is_none(), "the key service alone is no admission");
    broker.admin("domain stock allow dom1 admission").run().ok();
    assert!(admitted(&broker, &machine, &key).is_some());
    // Ours needs no permission, on the same port.
    broker.admin("domain stock deny dom1").run().ok();
    fleet.enroll(&broker, &machine).run().ok();
}

#[test]
fn the_same_evidence_is_certified_once_also_after_a_restart() {
    let (mut broker, fleet, machine) = start();
    let request = statement(&machine, &rsa()).request(&machine.platform);
    let rule = |mut body: Vec<u8>| {
        // Wrapped otherwise: a field that nobody knows at the end.
        body.extend([0xf8, 0x07, 1]);
        body
    };
    assert!(ask(broker.admission, &request).is_some());
    assert!(ask(broker.admission, &request).is_none());
    assert!(ask(broker.admission, &rule(request.clone())).is_none());
    broker.stop();
    broker.serve();
    assert!(ask(broker.admission, &request).is_none(), "it is remembered");
    assert!(broker.log().contains("this evidence was used before"), "and told");
    assert!(admitted(&broker, &machine, &rsa()).is_some());
    fleet.verify_audit(&broker);
}

#[test]
fn t02_of_those_who_show_the_same_evidence_at_once_one_is_admitted() {
    let (broker, _fleet, machine) = start();
    let request = statement(&machine, &rsa()).request(&machine.platform);
    let admitted: usize = std::thread::scope(|scope| {
        let tries: Vec<_> =
            (0..8).map(|_| scope.spawn(|| usize::from(ask(broker.admission, &request).is_some()))).collect();
        tries.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(admitted, 1);
}

#[test]
fn evidence_that_is_old_or_ahead_or_for_a_channel_is_refused() {
    let (broker, fleet, machine) = start();
    let key = rsa();
    let try_at = |seconds| {
        let mut statement = statement(&machine, &key).at(seconds);
        statement.report.not_before.clone_from(&statement.said.time);
        ask(broker.admission, &statement.request(&machine.platform))
    };
    assert!(try_at(-700).is_none(), "ten minutes are the default");
    assert!(try_at(-500).is_some());
    assert!(try_at(400).is_none());
    assert!(try_at(200).is_some(), "clocks differ a little");
    // Made by one of ours for its own channel: taken off it, it would be good without its challenge.
    let admission = Admission::begin(&broker, &fleet);
    let mut bound = statement(&machine, &key);
    bound.said.binding = Some(admission.binding().to_vec());
    assert!(ask(broker.admission, &bound.request(&machine.platform)).is_none());
    let other = fleet.machine("unknown");
    assert!(admitted(&broker, &other, &key).is_none());
    assert!(admitted(&broker, &machine, &key).is_some());
}

#[test]
fn the_window_is_a_limit_of_the_configuration() {
    let config = "[limits]\nstock_evidence_ms = 60_000".to_owned();
    let (broker, _fleet, machine) = start_with(Setup { config, ..Setup::default() });
    let key = rsa();
    let try_at = |seconds| {
        let mut statement = statement(&machine, &key).at(seconds);
        statement.report.not_before.clone_from(&statement.said.time);
        ask(broker.admission, &statement.request(&machine.platform))
    };
    assert!(try_at(-90).is_none() && try_at(-30).is_some());
}

#[test]
fn the_purpose_attestation_gives_the_platform_rule() {
    let (broker, fleet, machine) = start();
    let key = rsa();
    let mut asked = statement(&machine, &key);
    "attestation".clone_into(&mut asked.purpose);
    let rule = ask(broker.admission, &asked.request(&machine.platform)).unwrap();
    let signed = SignedClaim::decode(rule.as_slice()).unwrap();
    let claim = Claim::decode(signed.claim.as_deref().unwrap()).unwrap();
    assert_eq!(
        (claim.format.as_deref(), claim.descriptor.as_deref()),
        (Some("vse-clause"), Some("platform-rule"))
    );
    let says = Clause::decode(claim.clause.as_deref().unwrap()).unwrap();
    let public = |entity: &Option<claviger_proto::evidence::Entity>| {
        let message = KeyMessage::decode(entity.as_ref().unwrap().key.as_deref().unwrap()).unwrap();
        let MessageKey::Public(key) = message.key else { panic!("a public key") };
        key
    };
    assert!(public(&says.subject).same_numbers(fleet.policy.public_key()));
    assert_eq!(says.verb.as_deref(), Some("says"));
    let trusted = says.clause.unwrap();
    assert!(public(&trusted.subject).same_numbers(key.public()));
    assert_eq!(trusted.verb.as_deref(), Some("is-trusted-for-attestation"));
    // Another purpose gets nothing; stock takes each for the first.
    let mut asked = statement(&machine, &key);
    "something-else".clone_into(&mut asked.purpose);
    assert!(ask(broker.admission, &asked.request(&machine.platform)).is_none());
}

#[test]
fn a_talkative_broker_says_why_in_the_framework_s_own_terms() {
    let config = "log_filter = 'debug'".to_owned();
    let (broker, _fleet, machine) = start_with(Setup { config, ..Setup::default() });
    assert!(admitted(&broker, &machine, &rsa()).is_some());
    let log = broker.log();
    let steps: Vec<_> = log.lines().filter(|line| line.contains("why stock evidence is taken")).collect();
    assert!(steps.len() >= 4, "{log}");
    assert!(steps.last().unwrap().contains("is-trusted-for-authentication"), "{steps:?}");
}

#[test]
fn a_listener_with_a_domain_admits_to_that_one() {
    let (broker, _fleet, machine) = start();
    Fleet::create(&broker, "other", "members");
    let key = rsa();
    assert!(admitted(&broker, &machine, &key).is_none(), "two domains, and evidence names none");
    let named = [
        Setup { config: "default_domain = 'dom1'".to_owned(), ..Setup::default() },
        Setup { stock_domain: Some("dom1"), ..Setup::default() },
    ];
    for setup in named {
        let (broker, fleet, machine) = start_with(setup);
        Fleet::create(&broker, "other", "members");
        let own = admitted(&broker, &machine, &key).unwrap();
        let hello = Hello::stock(fleet.policy.subject_der());
        assert!(converse(&broker, &hello, &own, &frame(&store("a", b"secret"))).succeeded());
    }
    let (broker, _, machine) = start_with(Setup { stock_domain: Some("absent"), ..Setup::default() });
    assert!(admitted(&broker, &machine, &key).is_none());
}

#[test]
fn what_is_admitted_so_is_never_fresh() {
    let (broker, fleet, machine) = start();
    let rules = "p, member, dom1, fresh/**, retrieve, deny, unless fresh-within 5m\n";
    broker.admin("acl rules set --domain dom1 -").stdin(rules.as_bytes()).run().ok();
    let own = admitted(&broker, &machine, &rsa()).unwrap();
    let hello = Hello::stock(fleet.policy.subject_der());
    for name in ["plain", "fresh/a"] {
        assert!(converse(&broker, &hello, &own, &frame(&store(name, b"secret"))).succeeded());
    }
    assert!(converse(&broker, &hello, &own, &frame(&retrieve("plain"))).succeeded());
    assert!(!converse(&broker, &hello, &own, &frame(&retrieve("fresh/a"))).succeeded());
}

/// What ended the stock service, or made it wait for ever: each gets its `failed`, and the next is served.
#[test]
fn t20_what_ends_the_stock_service_is_refused_here() {
    let (mut broker, _fleet, machine) = start();
    let good = statement(&machine, &rsa());
    let key = rsa();
    let whole = good.request(&machine.platform);
    let without_support = {
        let mut request = claviger_proto::trust::TrustRequest::decode(whole.as_slice()).unwrap();
        request.support = None;
        request.encode_to_vec()
    };
    for (what, bytes) in [
        ("an empty frame", vec![0; 4]),
        ("a negative length", vec![0xff, 0xff, 0xff, 0]),
        ("nothing that is evidence", frame(&without_support)),
        ("no message", frame(&[0xff; 10])),
        ("too long", vec![0, 0, 0x20, 0]),
    ] {
        let response = exchange(broker.admission, &bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(response.status(), "failed", "{what}");
    }
    for name in ["sev_rsa2048", "missing_endorsement", "missing_attestation", "bad_evidence_type"] {
        let captured = data(&format!("stock/trust/{name}.request.frame"));
        assert_eq!(exchange(broker.admission, &captured).unwrap().status(), "failed", "{name}");
    }
    // Who leaves in the middle of it.
    for part in [&frame(&whole)[..3], &frame(&whole)[..100]] {
        connect(broker.admission).unwrap().write_all(part).unwrap();
    }
    assert!(broker.is_running());
    assert!(admitted(&broker, &machine, &key).is_some());
}

#[test]
fn t31_silent_stock_programs_keep_nobody_out() {
    let (broker, _fleet, machine) = start();
    let mut silent: Vec<_> = (0..300).map(|_| connect(broker.admission).unwrap()).collect();
    for tcp in silent.iter_mut().take(150) {
        tcp.write_all(&[100, 0, 0, 0, 1]).unwrap();
    }
    assert!(admitted(&broker, &machine, &rsa()).is_some());
    let mut one = silent.pop().unwrap();
    one.write_all(&frame(&[0xff; 10])).unwrap();
    let mut answer = [0; 4];
    one.read_exact(&mut answer).unwrap();
}
