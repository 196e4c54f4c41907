//! Machines on a SEV-SNP platform of the tests' own: real report bytes, through the programs, to the secret.

use std::path::PathBuf;

use claviger_tests::broker::Broker;
use claviger_tests::elsewhere::{apply, start, wait_for};
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::programs::{Call, command};
use claviger_tests::snp::SnpMachine;

fn enroll(fleet: &Fleet, broker: &Broker, machine: &SnpMachine) -> (Call, PathBuf) {
    let state = machine.dir().join("state");
    let call = command("key-client").arg("enroll").with("--domain", &fleet.name);
    let call = call.with("--policy-cert", &fleet.policy_cert).with("--state-dir", &state);
    let call = call.with("--admission", broker.admission.to_string()).with("--evidence", machine.evidence());
    (call, state)
}

#[test]
fn a_machine_enrols_renews_and_proves_that_it_is_fresh_with_reports_of_its_processor() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let vm = SnpMachine::start(0x5a);
    apply(&broker, &fleet, &vm.listed("measurement", "label = \"web\""));
    let rules =
        broker.file("rules.csv", "p, member, fleet, disks/**, retrieve, deny, unless fresh-within 5m\n");
    broker.admin("acl rules set --domain fleet").arg(rules).run().ok();

    let (call, state) = enroll(&fleet, &broker, &vm);
    let enrolled = call.run().ok();
    assert_eq!(enrolled["measurement"], vm.measurement());
    store(&broker, &state, "disks/a", b"secret").run().ok();
    let opened = || retrieve(&broker, &state, "disks/a").args("--out -").run_text();
    assert_eq!(opened().stdout(), b"secret");
    let renew = command("key-client").arg("renew").with("--admission", broker.admission.to_string());
    let renewed = renew.with("--evidence", vm.evidence()).with("--state-dir", &state).run().ok();
    assert_eq!((&renewed["renewed"], &renewed["measurement"]), (&true.into(), &vm.measurement().into()));
    assert_eq!(opened().stdout(), b"secret");

    // Another machine's processor, the same image: what it says is no word about this one.
    let clone = SnpMachine::start_with(0x5a, |report| report.vmpl = 1);
    let other = retrieve(&broker, &state, "disks/a").args("--out -").with("--evidence", clone.evidence());
    other.run().failed(6).is("attestation-refused");
    fleet.verify_audit(&broker);
}

#[test]
fn t26_a_platform_whose_root_nobody_names_and_a_guest_that_is_open_are_refused() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let vm = SnpMachine::start(0x5a);
    let without_root = vm
        .listed("measurement", "")
        .lines()
        .filter(|line| !line.starts_with("roots"))
        .fold(String::new(), |text, line| format!("{text}{line}\n"));
    apply(&broker, &fleet, &without_root);
    enroll(&fleet, &broker, &vm).0.run().failed(6).is("attestation-refused");
    apply(&broker, &fleet, &vm.listed("measurement", ""));
    // Bit 19 lets the host read the guest (debug).
    let open = SnpMachine::start_with(0x5a, |report| report.policy |= 1 << 19);
    enroll(&fleet, &broker, &open).0.run().failed(6).is("attestation-refused");
    enroll(&fleet, &broker, &SnpMachine::start(0x5b)).0.run().failed(6).is("attestation-refused");
    enroll(&fleet, &broker, &vm).0.run().ok();
}

#[test]
fn a_broker_elsewhere_proves_what_it_runs_and_its_agents_demand_it() {
    let home = Broker::start();
    let fleet = Fleet::create(&home, "fleet", "members");
    let (far, vm) = (SnpMachine::start(0xb0), SnpMachine::start(0x5a));
    apply(&home, &fleet, &(far.listed("broker", "may-issue = true") + vm.listed("measurement", "").as_str()));
    let broker = start(&home, &fleet, &far.evidence());
    wait_for(&broker, "ok");
    let (call, state) = enroll(&fleet, &broker, &vm);
    call.with("--broker-measurement", far.measurement()).run().ok();
    store(&broker, &state, "a", b"secret").run().ok();
    assert_eq!(retrieve(&broker, &state, "a").args("--out -").run_text().stdout(), b"secret");

    // An agent's machine is no broker, whatever it is told to be.
    let impostor = start(&home, &fleet, &vm.evidence());
    let told = wait_for(&impostor, "refused");
    assert!(told["why"].as_str().unwrap().contains("[[broker]]"), "{told}");
}
