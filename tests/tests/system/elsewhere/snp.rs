//! A broker elsewhere on a SEV-SNP platform: real report bytes, through the programs, to the secret.

use claviger_attest::{SnpProduct, SnpSigner};
use claviger_tests::broker::{Broker, Setup};
use claviger_tests::elsewhere::{apply, start, wait_for, wait_for_another};
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::kds::{Answers, Kds};
use claviger_tests::programs::command;
use claviger_tests::snp_platform::SnpPlatform;

/// A home that asks this service, a domain, and a broker elsewhere whose host gives everything but its VCEK.
fn lacking(kds: &Kds) -> (Broker, Fleet, SnpPlatform) {
    let config = format!("kds_url = {:?}\n", kds.url());
    let home = Broker::start_with(Setup { config, ..Setup::default() });
    let fleet = Fleet::create(&home, "fleet", "members");
    let far = machine(0xb0);
    far.without_vcek();
    (home, fleet, far)
}

fn listed(far: &SnpPlatform) -> String {
    far.policy_entry("far").replace("[[measurement]]", "[[broker]]")
}

#[test]
fn a_broker_elsewhere_needn_t_bring_its_chip_s_certificate() {
    let kds = Kds::start(Answers::Status("404 Not Found"));
    let (home, fleet, far) = lacking(&kds);
    // Nothing is looked for, for what isn't listed as a broker (row 45); what agents may run doesn't count.
    apply(&home, &fleet, &far.policy_entry("far"));
    let broker = start(&home, &fleet, &far.evidence_option());
    let told = wait_for(&broker, "refused");
    assert!(told["why"].as_str().unwrap().contains("[[broker]]"), "{told}");
    assert!(kds.asked().is_empty(), "{:?}", kds.asked());
    let [vcek, ..] = far.fake().chain(SnpSigner::Vcek);
    kds.answer(Answers::Certificate(vcek));
    apply(&home, &fleet, &listed(&far));
    wait_for(&broker, "ok");
    assert_eq!(kds.asked().len(), 1);
    // Each pull brings new evidence: the certificate is known, and its chain.
    wait_for_another(&broker);
    assert_eq!(kds.asked().len(), 1);
    // A forged report under a chain that is known.
    far.change(|shape| shape.forged = true);
    wait_for(&broker, "refused");
    assert!(home.log().contains("by the rule report-signature "), "{}", home.log());
}

/// A machine that runs this.
fn machine(measurement: u8) -> SnpPlatform {
    let platform = SnpPlatform::start(SnpProduct::Genoa);
    platform.change(|shape| shape.report.measurement = [measurement; 48]);
    platform
}

#[test]
fn a_broker_elsewhere_proves_what_it_runs_and_its_agents_demand_it() {
    let home = Broker::start();
    let fleet = Fleet::create(&home, "fleet", "members");
    let (far, vm) = (machine(0xb0), machine(0x5a));
    let listed = far.policy_entry("far").replace("[[measurement]]", "[[broker]]") + "may-issue = true\n";
    apply(&home, &fleet, &format!("{listed}{}", vm.policy_entry("vm")));
    let broker = start(&home, &fleet, &far.evidence_option());
    wait_for(&broker, "ok");
    let state = vm.root().with_file_name("state");
    let call = command("key-client").arg("enroll").with("--domain", &fleet.name);
    let call = call.with("--policy-cert", &fleet.policy_cert).with("--state-dir", &state);
    let call = call.with("--admission", broker.admission.to_string());
    let call = call.with("--evidence", vm.evidence_option());
    call.with("--broker-measurement", far.measurement()).run().ok();
    store(&broker, &state, "a", b"secret").run().ok();
    assert_eq!(retrieve(&broker, &state, "a").args("--out -").run_text().stdout(), b"secret");

    // An agent's machine is no broker, whatever it is told to be.
    let impostor = start(&home, &fleet, &vm.evidence_option());
    let told = wait_for(&impostor, "refused");
    assert!(told["why"].as_str().unwrap().contains("[[broker]]"), "{told}");

    // What the domain demands of platforms it demands of brokers'.
    apply(&home, &fleet, &format!("{listed}[sev-snp]\nminimum-guest-svn = 4000000000\n"));
    wait_for(&broker, "refused");
    assert!(home.log().contains("by the rule guest-svn "), "{}", home.log());
}
