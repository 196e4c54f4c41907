//! Scenario 1, as a user plays it: with the three command lines, over real sockets and files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use claviger_tests::broker::Broker;
use claviger_tests::certificate::unpem;
use claviger_tests::channel::{Channel, Credentials, Hello};
use claviger_tests::fleet::{Fleet, Machine, retrieve, store};
use claviger_tests::message;
use claviger_tests::programs::{PROGRAMS, command};
use claviger_tests::server::Impostor;
use claviger_tests::tools;

/// A disk key, as `head -c 64 /dev/urandom` makes one.
const DISK_KEY: [u8; 64] = *b"\x00\xff\n\r0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab";

fn a_vm_gets_its_disk_key(options: &str) {
    let broker = Broker::start();
    // The broker serves already: a domain created later needs no restart.
    let fleet = Fleet::generate(broker.dir(), "datica-test", options);
    fleet.create_on(&broker, "provisioned").ok();
    let deployment = fleet.admitted(&broker, "deployment");
    let deployed = fleet.admitted(&broker, "deployed");

    let stored = store(&broker, &deployment.state, "storage-disk-key", &DISK_KEY).run().ok();
    assert_eq!((&stored["name"], &stored["version"]), (&"storage-disk-key".into(), &1.into()));

    let out = broker.dir().join("disk.key");
    let retrieved = retrieve(&broker, &deployed.state, "storage-disk-key").with("--out", &out).run().ok();
    assert_eq!((&retrieved["version"], &retrieved["type"]), (&1.into(), &"binary-blob".into()));
    assert_eq!(fs::read(&out).unwrap(), DISK_KEY);
    assert_eq!(mode(&out), 0o600);

    let piped = retrieve(&broker, &deployed.state, "storage-disk-key").args("--out -").run_text();
    assert_eq!((piped.code(), piped.stdout()), (Some(0), DISK_KEY.as_slice()), "{piped}");

    // Under `provisioned`, who was deployed doesn't deploy.
    store(&broker, &deployed.state, "storage-disk-key", b"mine now").run().failed(4).is("not-found");
    assert!(fleet.verify_audit(&broker) > 0);
}

#[test]
fn a_vm_gets_its_disk_key_under_a_p384_policy_key() {
    a_vm_gets_its_disk_key("");
}

#[test]
fn a_vm_gets_its_disk_key_under_a_p256_policy_key_in_certifier_files() {
    a_vm_gets_its_disk_key("--algorithm p256 --format certifier");
}

#[test]
fn a_vm_gets_its_disk_key_under_an_rsa_2048_policy_key_in_certifier_files() {
    a_vm_gets_its_disk_key("--algorithm rsa-2048 --format certifier");
}

#[test]
fn a_vm_gets_its_disk_key_under_an_rsa_3072_policy_key() {
    a_vm_gets_its_disk_key("--algorithm rsa-3072 --format pem");
}

#[test]
fn two_domains_on_one_broker_share_nothing() {
    let broker = Broker::start();
    let (red, blue) = (Fleet::create(&broker, "red", "members"), Fleet::create(&broker, "blue", "members"));
    let (in_red, in_blue) = (red.admitted(&broker, "vm"), blue.admitted(&broker, "vm"));
    store(&broker, &in_red.state, "token", b"of red").run().ok();
    store(&broker, &in_blue.state, "token", b"of blue").run().ok();
    store(&broker, &in_blue.state, "only-blue", b"blue").run().ok();

    assert_eq!(text(&broker, &in_red, "token"), b"of red");
    assert_eq!(text(&broker, &in_blue, "token"), b"of blue");
    for name in ["only-blue", "blue/only-blue", "blue/token"] {
        retrieve(&broker, &in_red.state, name).args("--out -").run().failed(4).is("not-found");
    }
    // The other's name in front makes it a local name, in which both may have their own.
    store(&broker, &in_red.state, "blue/token", b"of red, called blue").run().ok();
    assert_eq!(text(&broker, &in_blue, "token"), b"of blue");

    broker.admin("domain delete red").run().ok();
    assert_eq!(text(&broker, &in_blue, "token"), b"of blue");
    retrieve(&broker, &in_red.state, "token").args("--out -").run().failed(3).is("unknown-domain");
    // A new domain of the old name and policy doesn't bring the old secrets back.
    red.create_on(&broker, "members").ok();
    retrieve(&broker, &in_red.state, "token").args("--out -").run().failed(4).is("not-found");
}

#[test]
fn a_restarted_broker_goes_on_where_it_ended() {
    let mut broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "provisioned");
    let machine = fleet.admitted(&broker, "deployment");
    store(&broker, &machine.state, "a", b"first").run().ok();
    store(&broker, &machine.state, "a", b"second").run().ok();
    let before = broker.admin("domain show fleet").run().ok();
    let trusted = broker.admin("trust list --domain fleet").run().ok();
    let id = broker.admin("status").run().ok()["broker_id"].take();
    let records = fleet.verify_audit(&broker);
    let serving = broker.listen;

    for end in [Broker::stop as fn(&mut Broker), Broker::kill] {
        end(&mut broker);
        retrieve(&broker, &machine.state, "a").args("--out -").run().failed(8).is("unreachable");
        broker.serve();
        assert_eq!(broker.admin("domain show fleet").run().ok(), before);
        assert_eq!(broker.admin("trust list --domain fleet").run().ok(), trusted);
        assert_eq!(broker.admin("status").run().ok()["broker_id"], id);
        assert_eq!(text(&broker, &machine, "a"), b"second");
        assert!(fleet.verify_audit(&broker) > records);
    }
    assert_ne!(broker.listen, serving, "port 0 takes a free port each time");
    assert_eq!(store(&broker, &machine.state, "a", b"third").run().ok()["version"], 3);
    let first = retrieve(&broker, &machine.state, "a").args("--version 1 --out -").run_text();
    assert_eq!(first.stdout(), b"first");
}

#[test]
fn a_certificate_that_the_owner_signed_makes_a_member() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    // Nothing was trusted or recorded: the policy key's word is enough.
    let measurement = "cd".repeat(48);
    let dir = broker.dir().join("identity");
    let issue = command("key-admin").args("identity issue --domain fleet --new-key p256");
    let issue = issue.with("--policy-key", &fleet.policy_key).with("--policy-cert", &fleet.policy_cert);
    issue.with("--measurement", &measurement).with("--out-dir", &dir).run().ok();
    let own = identity_in(&dir);
    let mut channel = Channel::ours(broker.listen, "fleet", &own);
    channel.request(&message::store("a", b"secret")).ok();
    assert_eq!(channel.request(&message::retrieve("a")).ok().blob(), b"secret");
}

#[test]
fn rules_and_trust_change_under_running_connections() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "closed");
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("a", b"secret")).refused("not-found");
    broker.admin("acl preset --domain fleet members").run().ok();
    channel.request(&message::store("a", b"secret")).ok();
    broker.admin("acl preset --domain fleet provisioned").run().ok();
    channel.request(&message::store("a", b"other")).refused("not-found");
    assert_eq!(channel.request(&message::retrieve("a")).ok().blob(), b"secret");
    broker.admin("acl preset --domain fleet closed").run().ok();
    channel.request(&message::retrieve("a")).refused("not-found");

    let machine = fleet.admitted(&broker, "vm");
    let remove = broker.admin("trust remove --domain fleet --kind simulated-enclave");
    remove.with("--measurement", &machine.measurement).run().ok();
    fleet.enroll(&broker, &machine).arg("--replace").run().failed(6).is("attestation-refused");
}

#[test]
fn requests_under_way_are_finished_when_the_broker_stops() {
    let mut broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("a", b"secret")).ok();
    let request = message::frame(&message::store("b", b"under way"));
    let (first, rest) = request.split_at(7);
    channel.send_bytes(first).unwrap();
    broker.signal(rustix::process::Signal::TERM);
    // The rest comes after the broker stopped accepting.
    while Channel::connect(broker.listen, &Hello::default(), None).is_ok() {}
    channel.send_bytes(rest).unwrap();
    message::Response::read(channel.receive().unwrap()).ok();
    assert!(channel.is_closed());
    assert!(broker.wait().success(), "{}", broker.log());
    broker.serve();
    assert_eq!(fleet.channel(&broker).request(&message::retrieve("b")).ok().blob(), b"under way");
}

#[test]
fn the_owner_signs_a_certificate_that_agents_take_for_a_broker_s() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let dir = broker.dir().join("broker-identity");
    let issue = command("key-admin").args("identity issue --domain fleet --role broker --new-key p256");
    let issue = issue.with("--policy-key", &fleet.policy_key).with("--policy-cert", &fleet.policy_cert);
    issue.with("--out-dir", &dir).run().ok();
    assert_eq!(mode(&dir.join("identity-key.pem")), 0o600);
    let server = Impostor::start(&identity_in(&dir));
    let state = fleet.state_of("member", &fleet.member());
    let client = command("key-client").args("store a --in -").stdin("told to a broker");
    let client = client.with("--broker", server.address.to_string()).with("--state-dir", state);
    // It listens, and never answers.
    client.run().failed(8);
    assert!(server.heard().windows(16).any(|window| window == b"told to a broker"));
}

#[test]
fn the_owner_signs_a_machine_s_request() {
    if !tools::have("openssl", "openssl") {
        return;
    }
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let here = |name: &str| broker.dir().join(name);
    let request = std::process::Command::new("openssl")
        .args(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=machine", "-keyout", "key.pem"])
        .args(["-out", "machine.csr"])
        .current_dir(broker.dir())
        .output()
        .unwrap();
    assert!(request.status.success(), "{}", String::from_utf8_lossy(&request.stderr));
    let issue = command("key-admin").args("identity issue --domain fleet").with("--csr", here("machine.csr"));
    let issue = issue.with("--policy-key", &fleet.policy_key).with("--policy-cert", &fleet.policy_cert);
    issue.with("--measurement", "ab".repeat(32)).with("--out-dir", here("signed")).run().ok();
    assert!(!here("signed").join("identity-key.pem").exists(), "the machine keeps its key");
    let own = Credentials {
        certificate: unpem(&fs::read(here("signed").join("identity-cert.pem")).unwrap()),
        key: unpem(&fs::read(here("key.pem")).unwrap()),
    };
    Channel::ours(broker.listen, "fleet", &own).request(&message::store("a", b"secret")).ok();
}

/// What `identity issue --new-key` wrote.
fn identity_in(dir: &Path) -> Credentials {
    let read = |name: &str| unpem(&fs::read(dir.join(name)).unwrap());
    Credentials { certificate: read("identity-cert.pem"), key: read("identity-key.pem") }
}

#[test]
fn every_program_says_its_version_and_explains_itself_with_examples() {
    for name in PROGRAMS {
        let version = command(name).arg("--version").run_text();
        let said = String::from_utf8(version.stdout().to_vec()).unwrap();
        assert_eq!(said.trim(), format!("{name} {}", env!("CARGO_PKG_VERSION")));
        let help = command(name).arg("--help").run_text();
        let said = String::from_utf8(help.stdout().to_vec()).unwrap();
        assert_eq!(help.code(), Some(0));
        assert!(said.contains(&format!("{name} ")) && said.contains("--output"), "{said}");
    }
    let leaves = [
        ("key-broker", ["init", "serve", "quickstart"].as_slice()),
        ("key-client", &["enroll", "store", "retrieve"]),
        ("key-admin", &["policy-key generate", "simulated init", "domain create", "trust add", "acl preset"]),
        ("key-admin", &["identity issue", "audit verify"]),
    ];
    for (name, verbs) in leaves {
        for verb in verbs {
            let help = command(name).args(verb).arg("--help").run_text();
            let said = String::from_utf8(help.stdout().to_vec()).unwrap();
            let verb = verb.split(' ').next().unwrap();
            assert!(said.contains("Example") && said.contains(&format!("{name} {verb}")), "{verb}: {said}");
        }
    }
}

fn text(broker: &Broker, machine: &Machine, name: &str) -> Vec<u8> {
    let run = retrieve(broker, &machine.state, name).args("--out -").run_text();
    assert_eq!(run.code(), Some(0), "{run}");
    run.stdout().to_vec()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
