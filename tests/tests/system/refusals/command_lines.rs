//! Command lines that can't be followed.

use std::fs;

use claviger_tests::broker::Broker;
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::programs::{Call, PROGRAMS, command};

use super::undisturbed;

#[test]
fn what_is_no_command_line_ends_with_2() {
    for name in PROGRAMS {
        command(name).arg("frobnicate").run().failed(2).is("usage");
        assert_eq!(command(name).run_text().code(), Some(2));
    }
    command("key-client").args("retrieve a --broker nowhere --state-dir x").run().failed(2);
    command("key-client").args("store a --broker h:1 --state-dir x --in - --version -1").run().failed(2);
    command("key-client").args("retrieve a --broker h:1 --state-dir x --format pem").run().failed(2);
    command("key-admin").args("policy-key generate --domain Upper --out-dir x").run().failed(2);
    command("key-admin")
        .args("policy-key generate --domain a --algorithm rsa-1024 --out-dir x")
        .run()
        .failed(2);
    command("key-admin").args("trust add --domain a --kind x --measurement abc").run().failed(2);
    for line in [
        "init --data-dir x --key-slot stone",
        "slot",
        "slot remove xyz --data-dir x",
        "slot split --data-dir x --shares 300 --threshold 2 --out-dir -",
        "slot combine --data-dir x",
    ] {
        command("key-broker").args(line).run().failed(2);
    }
    for line in [
        "unseal --key-file a --share-file b",
        "entry import a --in -",
        "entry import a --domain Upper --in -",
        "entry import a --domain fleet",
    ] {
        command("key-admin").args(line).run().failed(2);
    }
}

#[test]
fn a_broker_that_is_not_there_ends_with_8() {
    let broker = Broker::init(claviger_tests::broker::Setup::default());
    let fleet = Fleet::generate(broker.dir(), "fleet", "--algorithm p256");
    let state = fleet.state_of("member", &fleet.member());
    retrieve(&broker, &state, "a").args("--out -").run().failed(8).is("unreachable");
    store(&broker, &state, "a", b"x").run().failed(8).is("unreachable");
    broker.admin("status").run().failed(8).is("unreachable").says(&["key-broker serve"]);
    command("key-admin").arg("status").run().failed(8).says(&["--admin-socket"]);
    let machine = fleet.machine("vm");
    fleet.enroll(&broker, &machine).run().failed(8);
    assert!(!machine.state.exists());
}

#[test]
fn a_machine_that_is_not_enrolled_is_told_so() {
    let broker = Broker::start();
    let nowhere = broker.dir().join("nowhere");
    let failure = retrieve(&broker, &nowhere, "a").args("--out -").run().failed(1);
    failure.is("not-enrolled").says(&["key-client enroll"]);
    assert!(!nowhere.exists());
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let dir = broker.dir();
    fs::write(dir.join("noise"), "noise").unwrap();
    let here = |line: &str| command("key-admin").args(line).current_dir(dir);
    let on_broker = |call: Call| call.with("--admin-socket", broker.admin_socket());
    undisturbed(&broker, &fleet, || {
        let create = here("domain create other --policy-key noise");
        on_broker(create).run().failed(3).says(&["noise"]);
        let trust = here("trust add --domain fleet --kind simulated-enclave --attest-root noise");
        on_broker(trust.with("--measurement", "ab".repeat(32))).run().failed(3).says(&["noise"]);
        let rootless = here("trust add --domain fleet --kind simulated-enclave");
        on_broker(rootless.with("--measurement", "ab".repeat(32))).run().failed(3).says(&["root"]);
    });
    let missing = command("key-admin").args("domain create other --policy-key missing").current_dir(dir);
    assert!(on_broker(missing).run().failed(1).message.contains("missing"));
}

#[test]
fn domains_share_neither_name_nor_key_nor_subject() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let same_subject = Fleet::generate(&broker.dir().join("again"), "fleet", "--algorithm p256");
    undisturbed(&broker, &fleet, || {
        same_subject.create_on(&broker, "members").failed(5).is("conflict");
        let create = |name: &str, of: &Fleet| {
            let create = broker.admin("domain create").arg(name).with("--policy-key", &of.policy_key);
            create.with("--policy-cert", &of.policy_cert).run()
        };
        create("other", &fleet).failed(5).is("conflict");
        create("other", &same_subject).failed(5).is("conflict").says(&["subject"]);
    });
    let other = Fleet::generate(broker.dir(), "other", "--algorithm p256");
    let wrong = broker.admin("domain create other").with("--policy-key", &other.policy_key);
    wrong.with("--policy-cert", &fleet.policy_cert).run().failed(3);
    broker.admin("domain show absent").run().failed(4).is("not-found");
    broker.admin("audit verify --domain absent").run().failed(4).is("not-found");
    broker.admin("domain delete absent").run().failed(4).is("not-found");
}

#[test]
fn what_is_there_is_not_replaced() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let before = fs::read(&fleet.policy_key).unwrap();
    let dir = fleet.policy_key.parent().unwrap();
    let again = command("key-admin").args("policy-key generate --domain fleet").with("--out-dir", dir);
    again.run().failed(3).is("exists");
    assert_eq!(fs::read(&fleet.policy_key).unwrap(), before);
    let machine = fleet.machine("vm");
    command("key-admin").args("simulated init").arg(&machine.platform).run().failed(3).is("exists");
}
