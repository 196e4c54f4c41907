//! What the stock programs get wrong, and ours get right towards stock peers too. The page docs/stock-peers.md has the
//! whole list, with the tests of what isn't here.

use claviger_attest::{KeyAlgorithm, Role, SigningKey};
use claviger_tests::broker::Broker;
use claviger_tests::certificate::Leaf;
use claviger_tests::channel::{Channel, Credentials, Hello};
use claviger_tests::fleet::Fleet;
use claviger_tests::message::{
    Response, Writer, entry, frame, retrieve, retrieve_version, store, store_entry,
};
use claviger_tests::programs::command;
use claviger_tests::server::Impostor;
use claviger_tests::stock::{Statement, ask};

use super::{MEASUREMENT, converse, member, start};

fn asking(fleet: &Fleet) -> (Hello, Credentials) {
    (Hello::stock(fleet.policy.subject_der()), member(fleet))
}

/// Stock returns the first entry under a tag for ever, whatever version is asked for.
#[test]
fn a_stock_reader_gets_the_version_that_it_asks_for_and_rotation_reaches_it() {
    let (broker, fleet) = start();
    let (hello, own) = asking(&fleet);
    let ask = |body: &[u8]| converse(&broker, &hello, &own, &frame(body));
    for value in ["one", "two", "three"] {
        assert!(ask(&store("key", value.as_bytes())).succeeded());
        assert_eq!(ask(&retrieve("key")).blob(), value.as_bytes(), "the latest");
    }
    for (version, value) in [(1, "one"), (2, "two"), (3, "three")] {
        let got = ask(&retrieve_version("key", version));
        assert_eq!((got.blob().as_slice(), got.entry().int(3)), (value.as_bytes(), Some(version)));
    }
    assert!(!ask(&retrieve_version("key", 4)).succeeded());
    assert!(!ask(&store_entry("key", &entry("key", 2, b"another", true))).succeeded(), "it never changes");
    assert_eq!(ask(&retrieve_version("key", 2)).blob(), b"two");
}

/// Stock lets whoever is certified read and overwrite everything, the server's own private key included.
#[test]
fn a_stock_member_is_held_to_the_access_rules_and_reserved_names_are_nobody_s() {
    let (broker, fleet) = start();
    let (hello, own) = asking(&fleet);
    let ask = |body: &[u8]| converse(&broker, &hello, &own, &frame(body)).succeeded();
    assert!(ask(&store("key", b"secret")));
    broker.admin("acl preset provisioned").with("--domain", &fleet.name).run().ok();
    assert!(!ask(&store("key", b"another")), "only the deployment machine stores");
    assert!(ask(&retrieve("key")));
    broker.admin("acl preset closed").with("--domain", &fleet.name).run().ok();
    assert!(!ask(&retrieve("key")));
    broker.admin("acl preset members").with("--domain", &fleet.name).run().ok();
    for name in ["dom1-private-auth-key", "dom1/dom1-private-auth-key", "dom1-admission-certificate"] {
        assert!(!ask(&retrieve(name)) && !ask(&store(name, b"mine")), "{name}");
        assert!(!ask(&store_entry("other", &entry(name, 0, b"mine", true))), "{name} as an entry's tag");
    }
}

/// Stock keeps an empty entry under the tag "".
#[test]
fn a_store_of_nothing_under_no_name_is_refused() {
    let (broker, fleet) = start();
    let (hello, own) = asking(&fleet);
    let ask = |body: &[u8]| converse(&broker, &hello, &own, &frame(body)).succeeded();
    let bare = Writer::new().bytes(2, "store");
    assert!(!ask(&bare.done()));
    assert!(!ask(&Writer::new().bytes(2, "store").bytes(3, "binary-blob").bytes(5, "x").done()), "no name");
    assert!(!ask(&Writer::new().bytes(1, "a").bytes(2, "store").bytes(3, "binary-blob").done()), "no data");
    assert!(!ask(&retrieve("")) && !ask(&retrieve("a")));
    assert!(fleet.verify_audit(&broker) > 0);
}

/// A store of 8 MB ends the stock server.
#[test]
fn a_store_of_eight_megabytes_is_refused_and_the_next_is_served() {
    let (mut broker, fleet) = start();
    let (hello, own) = asking(&fleet);
    let mut channel = Channel::connect(broker.listen, &hello, Some(&own)).unwrap();
    // It may be told, and cut off, before all of it is sent.
    drop(channel.send(&store("large", &vec![7; 8 << 20])));
    if let Ok(answer) = channel.receive() {
        assert!(!Response::read(answer).succeeded());
    }
    assert!(broker.is_running());
    assert!(converse(&broker, &hello, &own, &frame(&store("small", b"secret"))).succeeded());
    assert!(!converse(&broker, &hello, &own, &frame(&retrieve("large"))).succeeded());
}

/// Stock numbers its certificates 11, 12, 13 from each start, and keeps the old one of who is certified again.
#[test]
fn who_is_certified_again_gets_a_new_certificate_with_a_number_of_its_own() {
    let (mut broker, fleet) = start();
    fleet.allow_all_stock(&broker);
    let config = "default_domain = 'dom1'";
    broker.stop();
    broker.configure(config);
    broker.serve();
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let certify = |key: &SigningKey| {
        let request = Statement::of(&machine.platform, key).request(&machine.platform);
        ask(broker.admission, &request).expect("a certificate")
    };
    let serial = |certificate: &[u8]| {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
        parsed.tbs_certificate.raw_serial().to_vec()
    };
    let key = SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let first = certify(&key);
    // Evidence has its time to the second, and the same is good once.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = certify(&key);
    assert_ne!(serial(&first), serial(&second));
    broker.stop();
    broker.serve();
    let other = SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let request = Statement::of(&machine.platform, &other).request(&machine.platform);
    let third = ask(broker.admission, &request).expect("a certificate");
    assert_ne!(serial(&first), serial(&third));
    for certificate in [&first, &second, &third] {
        assert!(serial(certificate).len() >= 16, "nobody guesses it");
    }
}

/// Stock takes any server that the policy key certified: a leaked agent's key is a server. Ours take none of these.
#[test]
fn t37_what_is_certified_for_a_stock_server_is_no_broker_of_ours() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_all_stock(&broker);
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let request = Statement::of(&machine.platform, &key).request(&machine.platform);
    let certificate = ask(broker.admission, &request).expect("a certificate");
    let ours = Credentials { certificate, key: key.pkcs8_der().to_vec() };
    let state = fleet.state_of("vm", &fleet.issue(Role::Agent, Some(MEASUREMENT)));
    for stock in [ours, fleet.authority().issue(&Leaf::stock(MEASUREMENT))] {
        let impostor = Impostor::start(&stock);
        command("key-client")
            .args("retrieve a --out -")
            .with("--state-dir", &state)
            .with("--broker", impostor.address.to_string())
            .run()
            .failed(3)
            .is("broker-refused");
        assert!(impostor.heard().is_empty());
    }
}
