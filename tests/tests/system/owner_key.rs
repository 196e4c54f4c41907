//! Domains whose owner keeps the policy key: the broker has a delegated issuer, and no more.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_attest::{Issuer, KeyAlgorithm, SigningKey, self_signed_policy};
use claviger_client::state::StateDir;
use claviger_proto::Secret;
use claviger_proto::key::PrivateKey;
use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, unpem};
use claviger_tests::fleet::{Fleet, Machine, retrieve, store};
use claviger_tests::message;
use claviger_tests::programs::{Call, command};
use claviger_tests::stock::{Statement, ask};
use rustls::pki_types::UnixTime;
use serde_json::Value;

use crate::sealing::memory::in_memory;

const DAY: u64 = 86_400;

/// A domain whose policy key stays with its owner, all signed at once.
fn owned(broker: &Broker) -> Fleet {
    let fleet = Fleet::generate(broker.dir(), "fleet", "--algorithm p256");
    let create = broker.admin("domain create fleet --preset members");
    create.with("--policy-cert", &fleet.policy_cert).with("--sign-with", &fleet.policy_key).run().ok();
    fleet
}

fn renew(broker: &Broker, machine: &Machine) -> Call {
    command("key-client")
        .arg("renew")
        .with("--admission", broker.admission.to_string())
        .with("--evidence", format!("simulated-enclave:{}", machine.platform.display()))
        .with("--state-dir", &machine.state)
}

fn show(broker: &Broker) -> Value {
    broker.admin("domain show fleet").run().ok()
}

fn sign(fleet: &Fleet, what: &str, request: &Path, out: &Path) -> Call {
    let sign = command("key-admin").arg("policy-key").arg(what).with("--domain", &fleet.name);
    let sign = sign.with("--policy-key", &fleet.policy_key).with("--policy-cert", &fleet.policy_cert);
    sign.with("--request", request).with("--out", out)
}

/// Whether any file below has these bytes.
fn on_disk(dir: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return on_disk(&path, bytes);
        }
        fs::read(&path).is_ok_and(|file| file.windows(bytes.len()).any(|window| window == bytes))
    })
}

#[test]
fn a_fleet_lives_by_a_delegated_issuer_and_the_broker_never_has_the_policy_key() {
    let mut broker = Broker::start();
    let fleet = owned(&broker);
    let domain = show(&broker);
    let now = UnixTime::now().as_secs();
    assert_eq!(domain["policy_key_held_by"], "owner", "{domain}");
    let end = domain["issuer_not_after"].as_u64().unwrap();
    assert!(end > now + 29 * DAY && end <= now + 30 * DAY, "{domain}");
    let machine = fleet.admitted(&broker, "vm");
    store(&broker, &machine.state, "a", b"secret").run().ok();
    let get = || retrieve(&broker, &machine.state, "a").args("--out -").run_text();
    assert_eq!(get().stdout(), b"secret");
    renew(&broker, &machine).run().ok();
    assert_eq!(get().stdout(), b"secret");
    // The certificate ends with its issuer, which it is kept with.
    let identity = StateDir::new(&machine.state).identity().unwrap();
    let peer = identity.verify(UnixTime::now()).unwrap();
    assert_eq!(peer.issuer().unwrap().not_after().as_secs(), end);
    assert!(peer.not_after().as_secs() <= end);
    // Another issuer: what came by the first goes on, and is renewed by the second.
    broker.admin("domain renew-issuer fleet").with("--sign-with", &fleet.policy_key).run().ok();
    assert_eq!(get().stdout(), b"secret");
    renew(&broker, &machine).run().ok();
    let renewed = StateDir::new(&machine.state).identity().unwrap();
    assert_ne!(renewed.issuer(), identity.issuer());
    let file = fs::read(&fleet.policy_key).unwrap();
    let key = claviger_proto::key::read_private(&file).unwrap().0;
    // The number itself, where P-256 keys have it in PKCS#8.
    let number = &key.pkcs8_der()[36..68];
    assert_eq!(in_memory(broker.pid(), &[("policy key", number)]), Vec::<&str>::new());
    assert!(!on_disk(&broker.data_dir(), number));
    broker.stop();
    broker.serve();
    assert_eq!(retrieve(&broker, &machine.state, "a").args("--out -").run_text().stdout(), b"secret");
    fleet.verify_audit(&broker);
}

#[test]
fn until_its_owner_has_signed_it_serves_nobody_and_takes_only_what_was_asked_for() {
    let broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "fleet", "--algorithm p256");
    let create = broker.admin("domain create fleet --preset members");
    create.with("--policy-cert", &fleet.policy_cert).run().ok();
    assert_eq!(show(&broker)["awaits_owner"], true);
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    assert_ne!(fleet.enroll(&broker, &machine).run().code(), Some(0));

    let dir = |name: &str| broker.dir().join(name);
    let requests = |name| broker.admin("domain requests fleet").with("--out-dir", dir(name)).run().ok();
    requests("one");
    requests("again");
    let at = |name: &str, file: &str| dir(name).join(file);
    assert_eq!(
        fs::read(at("one", "issuer.csr")).unwrap().len(),
        fs::read(at("again", "issuer.csr")).unwrap().len()
    );
    let (issuer, own) = (at("one", "issuer.pem"), at("one", "broker.pem"));
    sign(&fleet, "sign-issuer", &at("one", "issuer.csr"), &issuer).run().ok();
    sign(&fleet, "sign-broker", &at("again", "broker.csr"), &own).run().ok();
    sign(&fleet, "sign-issuer", &at("one", "issuer.csr"), &dir("long.pem")).args("--days 31").run().failed(3);
    let install = |issuer: &PathBuf, own: Option<&PathBuf>| {
        let call = broker.admin("domain install fleet").with("--issuer", issuer);
        match own {
            Some(own) => call.with("--broker-cert", own).run(),
            None => call.run(),
        }
    };
    // Each for the other's key, or a role that isn't it, or not all of it.
    let swapped = dir("swapped.pem");
    sign(&fleet, "sign-issuer", &at("one", "broker.csr"), &swapped).run().ok();
    install(&swapped, Some(&own)).failed(3).says(&["another key"]);
    let swapped = dir("swapped-own.pem");
    sign(&fleet, "sign-broker", &at("one", "issuer.csr"), &swapped).run().ok();
    install(&issuer, Some(&swapped)).failed(3).says(&["another key"]);
    install(&own, Some(&own)).failed(3);
    install(&issuer, Some(&issuer)).failed(3);
    install(&issuer, None).failed(3).says(&["no certificate of its own"]);
    assert_eq!(show(&broker)["awaits_owner"], true, "nothing of that changed anything");
    install(&issuer, Some(&own)).ok();
    install(&issuer, Some(&own)).failed(5).says(&["domain requests"]);
    assert!(show(&broker).get("awaits_owner").is_none());
    fleet.enroll(&broker, &machine).run().ok();
    fleet.verify_audit(&broker);
}

/// A domain whose policy certificate is old enough for an issuer that ends soon.
fn old(broker: &Broker) -> (Fleet, Issuer) {
    let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let then = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 10 * DAY));
    let policy = self_signed_policy(&key, &"fleet".parse().unwrap(), then, 400).unwrap();
    let authority = Authority::new(policy.der().to_vec(), key.pkcs8_der().to_vec());
    let fleet = Fleet::of(broker.dir(), "fleet", &authority);
    let copy = PrivateKey::from_pkcs8_der(Secret::copy_from(key.pkcs8_der())).unwrap();
    let signs = Issuer::new(SigningKey::from_private(&copy).unwrap(), policy, &fleet.domain()).unwrap();
    let create = broker.admin("domain create fleet --preset members");
    create.with("--policy-cert", &fleet.policy_cert).with("--sign-with", &fleet.policy_key).run().ok();
    (fleet, signs)
}

#[test]
fn an_issuer_that_has_ended_admits_nobody_and_members_of_the_policy_key_go_on() {
    let broker = Broker::start();
    let (fleet, signs) = old(&broker);
    let (machine, late) = (fleet.admitted(&broker, "vm"), fleet.machine("late"));
    fleet.trust(&broker, &late, "late");
    let requests = broker.dir().join("requests");
    broker.admin("domain requests fleet").with("--out-dir", &requests).run().ok();
    let request = unpem(&fs::read(requests.join("issuer.csr")).unwrap());
    // The SubjectPublicKeyInfo of a P-256 key, by its first bytes.
    let begin = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    let at = request.windows(begin.len()).position(|window| window == begin).unwrap();
    let then = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - DAY + 25));
    let issuer = signs.delegate(&request[at..at + 91], then, 1).unwrap();
    let file = broker.file("short.der", &issuer);
    broker.admin("domain install fleet").with("--issuer", &file).run().ok();
    let mut open = fleet.channel(&broker);
    open.request(&message::store("a", b"secret")).ok();
    renew(&broker, &machine).run().ok();
    // It ends some seconds after it was signed; then it is refused for that.
    let refused = loop {
        let run = fleet.enroll(&broker, &late).arg("--replace").run();
        if run.code() != Some(0) {
            break run.failed(3);
        }
    };
    refused.says(&["delegated issuer has ended", "sign-issuer"]);
    assert_ne!(retrieve(&broker, &machine.state, "a").run().code(), Some(0), "it ended with its issuer");
    assert_eq!(open.request(&message::retrieve("a")).blob(), b"secret");
    broker.admin("domain renew-issuer fleet").with("--sign-with", &fleet.policy_key).run().ok();
    fleet.enroll(&broker, &late).arg("--replace").run().ok();
}

#[test]
fn a_revoked_issuer_admits_nobody_and_what_came_by_it_is_refused() {
    let broker = Broker::start();
    let fleet = owned(&broker);
    let machine = fleet.admitted(&broker, "vm");
    let identity = StateDir::new(&machine.state).identity().unwrap();
    let fingerprint = hex::encode(claviger_attest::sha256(identity.issuer().unwrap()));
    let mut direct = fleet.channel(&broker);
    store(&broker, &machine.state, "a", b"secret").run().ok();
    broker.admin("revocation add --domain fleet certificate").arg(&fingerprint).run().ok();
    assert_ne!(retrieve(&broker, &machine.state, "a").run().code(), Some(0));
    fleet.enroll(&broker, &machine).arg("--replace").run().failed(3).says(&["revoked", "signs another"]);
    assert_eq!(direct.request(&message::retrieve("a")).blob(), b"secret");
    broker.admin("domain renew-issuer fleet").with("--sign-with", &fleet.policy_key).run().ok();
    fleet.enroll(&broker, &machine).arg("--replace").run().ok();
    assert_eq!(retrieve(&broker, &machine.state, "a").args("--out -").run_text().stdout(), b"secret");
}

#[test]
fn stock_programs_get_nothing_from_a_delegated_issuer_and_are_signed_for_by_the_owner() {
    let broker = Broker::start();
    let fleet = owned(&broker);
    fleet.allow_all_stock(&broker);
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let key = SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let statement = Statement::of(&machine.platform, &key);
    assert_eq!(ask(broker.admission, &statement.request(&machine.platform)), None);
    assert!(broker.log().contains("take no certificate of a delegated issuer"), "{}", broker.log());
}

#[test]
fn a_domain_whose_policy_key_the_broker_holds_asks_its_owner_for_nothing() {
    let broker = Broker::start();
    Fleet::create(&broker, "fleet", "members");
    assert_eq!(show(&broker)["policy_key_held_by"], "broker");
    let requests = broker.admin("domain requests fleet").with("--out-dir", broker.dir().join("none"));
    requests.run().failed(5).says(&["holds the policy key"]);
}
