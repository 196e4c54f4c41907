//! key-client answers challenges by itself, or says what it lacks.

use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, pem};
use claviger_tests::fleet::retrieve;
use time::Duration;

use super::{FRESH, fleet, rules};

#[test]
fn evidence_comes_from_where_the_enrolment_said_or_from_where_the_command_says() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(&broker, FRESH);
    let got = |more: &str| {
        retrieve(&broker, &machine.state, "disks/a")
            .args("--out -")
            .args(more)
            .current_dir(broker.dir())
            .run_text()
    };
    assert_eq!(got("").stdout(), b"secret", "{}", got(""));
    let platform = format!("--evidence simulated-enclave:{}", machine.platform.display());
    assert_eq!(got(&platform).stdout(), b"secret");
    let other = fleet.machine("other");
    let foreign = format!("--evidence simulated-enclave:{}", other.platform.display());
    let asked = retrieve(&broker, &machine.state, "disks/a").args("--out -").args(&foreign);
    asked.run().failed(6).is("attestation-refused");
    // Nothing is remembered, and nothing is given.
    std::fs::remove_file(machine.state.join("evidence")).unwrap();
    let failure = retrieve(&broker, &machine.state, "disks/a").args("--out -").run().failed(3);
    failure.is("proof-needed").says(&["fresh evidence", "--evidence"]);
    retrieve(&broker, &machine.state, "disks/b").args("--out -").run().failed(3).is("proof-needed");
    retrieve(&broker, &machine.state, "absent").args("--out -").run().failed(4);
    assert_eq!(got(&platform).stdout(), b"secret");
    fleet.verify_audit(&broker);
}

#[test]
fn credentials_and_evidence_are_given_for_one_rule_that_asks_for_both() {
    let broker = Broker::start();
    let (fleet, machine) = fleet(
        &broker,
        "p, member, fleet, disks/**, retrieve, deny, unless principal ops and fresh-within 1m\n",
    );
    let staff = Authority::self_signed("staff", true, Duration::hours(1));
    let ops = staff.issue_to("ops", Duration::hours(1));
    let file = |name: &str, label: &str, der: &[u8]| broker.file(name, pem(label, der));
    let authority = file("staff.pem", "CERTIFICATE", &staff.certificate);
    broker.admin("principal add --domain fleet ops").with("--certificate", authority).run().ok();
    let (chain, key) =
        (file("ops.pem", "CERTIFICATE", &ops.certificate), file("ops.key", "PRIVATE KEY", &ops.key));
    let asked = || retrieve(&broker, &machine.state, "disks/a").args("--out -");
    let with = |key: &std::path::Path| asked().with("--credentials", &chain).with("--credentials-key", key);
    assert_eq!(with(&key).run_text().stdout(), b"secret", "{}", with(&key).run_text());
    // Evidence is taken, and isn't all that is asked for.
    asked().run().failed(3).is("proof-needed").says(&["principal", "--credentials"]);
    let other = file("other.key", "PRIVATE KEY", &staff.issue_to("ops", Duration::hours(1)).key);
    with(&other).run().failed(3).is("refused").says(&["ops.pem", "certificate's"]);
    asked().with("--credentials", &chain).run().failed(2);
    // Another principal than the one asked for.
    rules(&broker, &fleet, "p, member, fleet, disks/**, retrieve, deny, unless principal night\n");
    with(&key).run().failed(3).is("proof-needed").says(&["another principal"]);
}
