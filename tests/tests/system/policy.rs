//! The policy file: applied, shown, compared; and what it does to machines.

use std::time::{Duration, SystemTime};

use claviger_tests::broker::Broker;
use claviger_tests::fleet::{Fleet, Machine, retrieve, store};
use claviger_tests::programs::command;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

struct World {
    broker: Broker,
    fleet: Fleet,
    machine: Machine,
}

impl World {
    fn new() -> Self {
        let broker = Broker::start();
        let fleet = Fleet::create(&broker, "fleet", "members");
        let machine = fleet.machine("vm");
        Self { broker, fleet, machine }
    }

    fn entry(&self, more: &str) -> String {
        let root = self.machine.root.display().to_string();
        let value = &self.machine.measurement;
        format!(
            "[[measurement]]\nkind = \"simulated-enclave\"\nvalue = {value:?}\nroots = [{root:?}]\n{more}\n"
        )
    }

    fn apply(&self, text: &str, more: &str) -> claviger_tests::programs::Run {
        let file = self.broker.file("policy.toml", format!("format = 1\n{text}"));
        self.broker.admin("policy apply --domain fleet").arg(file).args(more).run()
    }
}

#[test]
fn what_is_shown_and_applied_again_is_no_change_and_nobody_overwrites_another() {
    let world = World::new();
    let text = world.entry("label = \"web\"\nexpires = \"2099-01-01T00:00:00Z\"")
        + "[sev-snp]\nminimum-guest-svn = 3\n";
    let checked = world.apply(&text, "--dry-run").ok();
    assert_eq!((&checked["changed"], &checked["revision"]), (&true.into(), &0.into()));
    assert_eq!(
        world.broker.admin("trust list --domain fleet").run().ok()["references"],
        serde_json::json!([])
    );
    let applied = world.apply(&text, "--if-revision 0").ok();
    assert_eq!((&applied["changed"], &applied["revision"]), (&true.into(), &1.into()));
    assert_eq!(world.apply(&text, "").ok()["revision"], 1);

    let shown = world.broker.admin("policy show --domain fleet").run_text();
    let file = world.broker.file("shown.toml", shown.stdout());
    let again = world.broker.admin("policy apply --domain fleet").arg(&file).run().ok();
    assert_eq!((&again["changed"], &again["revision"]), (&false.into(), &1.into()));
    let diff = world.broker.admin("policy diff --domain fleet").arg(&file).run().ok();
    assert_eq!(diff["changes"], serde_json::json!([]));

    // Another owner, by the other command.
    let trust = world.broker.admin("trust add --domain fleet --kind simulated-enclave --label deployment");
    trust.with("--measurement", "ab".repeat(32)).run().ok();
    world.apply(&text, "--if-revision 1").failed(5).is("conflict").says(&[
        "has revision 2",
        "--if-revision 2",
        "policy diff",
    ]);
    let diff = world.broker.admin("policy diff --domain fleet").arg(&file).run().ok();
    let change = &diff["changes"][0];
    assert!(
        change["at"].as_str().unwrap().ends_with("(deployment)") && change["after"].is_null(),
        "{change}"
    );
    let json = world.broker.admin("policy show --domain fleet").run().ok();
    assert_eq!((&json["revision"], &json["milan"]), (&2.into(), &"refused".into()));
    assert_eq!(json["policy"]["sev-snp"]["minimum-guest-svn"], 3);
    // It outlives the process, and its changes are in the trail.
    let mut broker = world.broker;
    broker.stop();
    broker.serve();
    assert_eq!(broker.admin("policy show --domain fleet").run().ok(), json);
    assert!(world.fleet.verify_audit(&broker) >= 3);
}

#[test]
fn an_expired_reference_value_admits_and_renews_nobody_and_members_stay_members() {
    let world = World::new();
    let soon = SystemTime::now() + Duration::from_secs(8);
    let text = OffsetDateTime::from(soon).replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
    world.apply(&world.entry(&format!("expires = {text:?}")), "").ok();
    world.fleet.enroll(&world.broker, &world.machine).run().ok();
    store(&world.broker, &world.machine.state, "a", b"kept").run().ok();
    std::thread::sleep(soon.duration_since(SystemTime::now()).unwrap_or_default());
    let again =
        Machine { state: world.machine.state.with_file_name("again"), ..world.fleet.machine("other") };
    let again = Machine { platform: world.machine.platform.clone(), ..again };
    world.fleet.enroll(&world.broker, &again).run().failed(6).says(&["trusted in this domain no longer"]);
    let evidence = format!("simulated-enclave:{}", world.machine.platform.display());
    let renew = command("key-client").arg("renew").with("--admission", world.broker.admission.to_string());
    renew.with("--evidence", evidence).with("--state-dir", &world.machine.state).run().failed(6);
    retrieve(&world.broker, &world.machine.state, "a")
        .args("--out -")
        .run_text()
        .code()
        .filter(|code| *code == 0)
        .unwrap();
    let warned = world.apply(&world.entry(&format!("expires = {text:?}")), "").ok();
    assert!(warned["warnings"][0].as_str().unwrap().contains("has expired"));
}

#[test]
fn a_measurement_that_no_machine_of_its_kind_can_have_is_refused() {
    let world = World::new();
    for (kind, digits, says) in
        [("sev-snp", 64, "is 96 hex digits"), ("simulated-enclave", 96, "is 64 hex digits")]
    {
        let call = world.broker.admin("trust add --domain fleet --kind").arg(kind);
        let call = call.with("--measurement", "0".repeat(digits)).with("--attest-root", &world.machine.root);
        call.run().failed(3).says(&[kind, says]);
    }
    assert_eq!(world.broker.admin("policy show --domain fleet").run().ok()["revision"], 0);
}

#[test]
fn no_machine_gets_a_label_that_another_entry_of_its_measurement_has() {
    let world = World::new();
    let value = "ab".repeat(48);
    let entry = |more: &str| format!("[[measurement]]\nkind = \"sev-snp\"\nvalue = {value:?}\n{more}\n");
    let both = entry("label = \"deployment\"\nvmpl = 0") + entry("label = \"guest\"\nvmpl = 2").as_str();
    world.apply(&both, "").failed(3).says(&[
        "another label",
        "whatever its VMPL and roots",
        "the same label",
    ]);
    let file = world.broker.file("both.toml", format!("format = 1\n{both}"));
    world.broker.admin("policy diff --domain fleet").arg(file).run().failed(3).says(&["another label"]);
    world.apply(&entry("label = \"deployment\"\nvmpl = 2"), "").ok();
    let add = |label: &str| {
        let add = world.broker.admin("trust add --domain fleet --kind sev-snp").args(label);
        add.with("--measurement", &value).run()
    };
    for label in ["--label test", ""] {
        add(label).failed(3).says(&["another label", "the same label"]);
    }
    assert_eq!(world.broker.admin("policy show --domain fleet").run().ok()["revision"], 1);
    add("--label deployment").ok();
}

#[test]
fn trust_add_of_a_sev_snp_machine_never_takes_over_another_entry_s_root() {
    let world = World::new();
    let add = |byte: &str| {
        let add = world.broker.admin("trust add --domain fleet --kind sev-snp");
        add.with("--measurement", byte.repeat(48))
    };
    let by_test_root = add("ab").with("--attest-root", &world.machine.root).run().ok();
    assert_eq!(by_test_root["roots"].as_array().unwrap().len(), 1);
    assert_eq!(add("cd").run().ok()["roots"], serde_json::json!([]));
    let listed = world.broker.admin("trust list --domain fleet").run().ok();
    assert_eq!(listed["references"][1]["roots"], serde_json::json!([]));
    // Nor are AMD's taken away, or added, unseen.
    add("cd").with("--attest-root", &world.machine.root).run().failed(3).says(&["under AMD's own roots"]);
    add("ab").run().failed(3).says(&["under roots that are named"]);
    assert_eq!(world.broker.admin("trust list --domain fleet").run().ok(), listed);
    // A simulated enclave has no roots but those that a domain names.
    let enclave = |byte: &str| {
        let add = world.broker.admin("trust add --domain fleet --kind simulated-enclave");
        add.with("--measurement", byte.repeat(32))
    };
    let named = enclave("01").with("--attest-root", &world.machine.root).run().ok();
    assert_eq!(enclave("02").run().ok()["roots"], named["roots"]);
}

#[test]
fn sev_snp_without_chips_or_the_waiver_says_that_milan_is_refused() {
    let world = World::new();
    let entry = |table: &str| format!("[[{table}]]\nkind = \"sev-snp\"\nvalue = \"{}\"\n", "ab".repeat(48));
    let warned = |text: &str| {
        let file = world.broker.file("policy.toml", format!("format = 1\n{text}"));
        let diff = world.broker.admin("policy diff --domain fleet").arg(file).run().ok();
        let applied = world.apply(text, "").ok();
        let shown = world.broker.admin("policy show --domain fleet").run().ok();
        assert_eq!((&diff["warnings"], &shown["warnings"]), (&applied["warnings"], &applied["warnings"]));
        applied["warnings"].to_string().contains("list the chips that are taken in sev-snp.chips")
    };
    assert!(warned(&entry("measurement")) && warned(&entry("broker")));
    for other in [
        "[sev-snp]\nproducts = [\"genoa\", \"turin\"]\n".to_owned(),
        "[sev-snp]\nmilan-without-chip-list = true\n".to_owned(),
        format!("[sev-snp]\nchips = [\"{}\"]\n", "ab".repeat(64)),
    ] {
        assert!(!warned(&(entry("measurement") + other.as_str())), "{other}");
    }
    assert!(!warned(&world.entry("")));
    // People have it on standard error, beside the result.
    let file = world.broker.file("policy.toml", format!("format = 1\n{}", entry("measurement")));
    let run = world.broker.admin("policy apply --domain fleet").arg(file).run_text();
    assert!(!String::from_utf8_lossy(run.stdout()).contains("warning"));
    assert!(run.stderr().starts_with("warning: sev-snp machines are trusted"), "{}", run.stderr());
}
