//! Policies of the stock Certifier Framework, and the policy in force.

use claviger_tests::broker::Broker;
use claviger_tests::fleet::Fleet;
use claviger_tests::programs::{Call, command};

#[test]
fn what_is_exported_is_put_in_force_again_and_admits_the_same_machine() {
    let broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "fleet", "--algorithm rsa-2048 --format certifier");
    fleet.create_on(&broker, "members").ok();
    let machine = fleet.machine("vm");
    let (policy, toml) = (broker.dir().join("policy.bin"), "policy.toml");
    let root = machine.root.display().to_string();
    let file = |more: &str| {
        let value = &machine.measurement;
        let entry = format!(
            "[[measurement]]\nkind = \"simulated-enclave\"\nvalue = {value:?}\nroots = [{root:?}]\n{more}"
        );
        broker.file(toml, format!("format = 1\n{entry}\n"))
    };
    broker.admin("policy apply --domain fleet").arg(file("")).run().ok();
    let export = |out: &std::path::Path| {
        broker
            .admin("policy export --format certifier --domain fleet")
            .with("--policy-key", &fleet.policy_key)
            .with("--out", out)
    };
    export(&policy).run().ok();
    let import = || {
        broker
            .admin("policy import --apply --domain fleet")
            .arg(&policy)
            .with("--policy-cert", &fleet.policy_cert)
    };
    let dry = import().args("--dry-run").run().ok();
    assert_eq!((&dry["applied"]["changed"], &dry["applied"]["revision"]), (&true.into(), &1.into()));
    let applied = import().run().ok();
    assert_eq!(applied["applied"]["revision"], 2);
    assert!(applied["changes"][0]["after"].as_str().unwrap().starts_with("until "));
    assert_eq!(import().run().ok()["applied"]["changed"], false);
    fleet.enroll(&broker, &machine).run().ok();
    import().args("--if-revision 1").run().failed(5).is("conflict");

    // What no stock policy says isn't taken away by one.
    broker
        .admin("policy apply --domain fleet")
        .arg(file("label = \"web\"\n[instance]\ndemand = \"ticket\""))
        .run()
        .ok();
    import().run().failed(5).is("conflict").says(&["instance.demand", "labels", "--out"]);
    let wider = broker.dir().join("wider.bin");
    export(&wider).run().failed(3).is("refused").says(&["instance.demand", "--wider"]);
    assert_eq!(broker.admin("policy show --domain fleet").run().ok()["revision"], 3);
}

#[test]
fn a_machine_enrols_by_a_trust_anchors_file_and_never_by_another_domain_s_anchor() {
    let broker = Broker::start();
    let mut fleet = Fleet::create(&broker, "fleet", "members");
    let other = Fleet::generate(broker.dir(), "other", "");
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "web");
    let join = |certificates: &[&std::path::Path], name: &str| {
        let out = broker.dir().join(name);
        let line = certificates.iter().fold(command("key-admin").args("policy-key anchors"), Call::arg);
        line.with("--out", &out).run().ok();
        out
    };
    let both = join(&[&other.policy_cert, &fleet.policy_cert], "both.bin");
    let doubled = Fleet::generate(&broker.dir().join(&other.name), "fleet", "");
    let ambiguous = join(&[&doubled.policy_cert, &fleet.policy_cert], "ambiguous.bin");
    fleet.policy_cert = ambiguous;
    fleet.enroll(&broker, &machine).run().failed(3).is("refused").says(&["several of domain fleet"]);
    fleet.policy_cert = both;
    fleet.enroll(&broker, &machine).run().ok();
}
