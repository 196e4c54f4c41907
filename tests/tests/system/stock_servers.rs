//! Our agent with stock servers: a model of them on another TLS stack, as strict and as careless as they are.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::fleet::Fleet;
use claviger_tests::programs::{self, Run, directory, workspace};
use claviger_tests::tools;

use crate::docs;

/// The stock servers of domain `fleet`, and a folder with all that belongs to them and to the machine.
struct Model {
    dir: tempfile::TempDir,
    child: Child,
    key_server: String,
    admission: String,
}

impl Drop for Model {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Model {
    /// Starts them; they trust the simulated platform in `cf_data`. `None` where there is nothing to start them with.
    fn start() -> Option<Self> {
        if !tools::have_python_cryptography() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        programs::command("key-admin").args("simulated init").arg(dir.path().join("cf_data")).run().ok();
        let measurement = hex::encode(fs::read(dir.path().join("cf_data/cf_utility.measurement")).unwrap());
        let told = fs::File::create(dir.path().join("stderr")).unwrap();
        let mut child = Command::new("python3")
            .args(["-W", "ignore"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stock_server.py"))
            .arg(dir.path())
            .args(["fleet", &measurement])
            .stdout(Stdio::piped())
            .stderr(told)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (key_server, admission) = line.trim().split_once(' ').expect("the model's ports");
        let at = |port: &str| format!("127.0.0.1:{port}");
        Some(Self { key_server: at(key_server), admission: at(admission), dir, child })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `key-client` with these words, in the folder.
    fn client(&self, line: &str) -> Run {
        programs::command("key-client").args(line).current_dir(self.dir.path()).run()
    }

    /// The same to the key server.
    fn ask(&self, line: &str) -> Run {
        self.client(&format!("{line} --broker {} --state-dir state", self.key_server))
    }

    fn enroll(&self, more: &str) -> Run {
        self.client(&format!(
            "enroll --peer certifier --domain fleet --policy-cert policy_cert_file.fleet --admission {} \
             --evidence simulated-enclave:cf_data --state-dir state {more}",
            self.admission
        ))
    }

    /// SHA-256 of the server's certificate.
    fn fingerprint(&self) -> String {
        hex::encode(claviger_attest::sha256(&fs::read(self.path("server.der")).unwrap()))
    }

    /// What the servers were asked so far.
    fn log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_machine_is_certified_stores_and_retrieves() {
    let Some(model) = Model::start() else { return };
    let enrolled = model.enroll("").ok();
    assert_eq!(enrolled["domain"], "fleet");
    let pinned = model.client("peer show --state-dir state").ok();
    assert_eq!((&pinned["peer"], &pinned["fingerprints"]), (&"certifier".into(), &serde_json::json!([])));
    model.ask("retrieve disk --out -").failed(3).is("no-pin").says(&["key-client peer pin"]);
    let looked = model.ask("peer look").ok();
    assert_eq!((&looked["fingerprint"], &looked["pinned"]), (&model.fingerprint().into(), &false.into()));
    model.client(&format!("peer pin {} --state-dir state", model.fingerprint())).ok();

    fs::write(model.path("one"), [1; 64]).unwrap();
    fs::write(model.path("two"), vec![2; 300_000]).unwrap();
    assert_eq!(model.ask("store disk --in one").ok()["version"], 1);
    model.ask("store disk --in two").failed(5).is("conflict").says(&["--version 2", "never be returned"]);
    model
        .ask("retrieve disk --version 2 --out got")
        .failed(4)
        .is("other-version")
        .says(&["version 1 of disk"]);
    assert_eq!(model.ask("store disk --in two --version 2").ok()["version"], 2);
    assert_eq!(model.ask("retrieve disk --out got").ok()["version"], 2);
    assert_eq!(fs::read(model.path("got")).unwrap(), vec![2; 300_000]);
    assert!(model.ask("store hidden --in one --not-exportable").ok()["version"].is_null());
    model.ask("retrieve hidden --out got").failed(4).is("not-found");
    // Into the machine's own cryptstore, and a name with the domain in front is another name.
    model.ask("retrieve disk").ok();
    model.ask("retrieve fleet/disk --out got").failed(4).is("not-found");

    let renewed = model.client(&format!(
        "renew --admission {} --evidence simulated-enclave:cf_data --state-dir state",
        model.admission
    ));
    assert_eq!(renewed.ok()["previous_fingerprint"], enrolled["certificate_fingerprint"]);
    model.ask("retrieve disk --out got").ok();
    let nobody = model.client("retrieve disk --broker 127.0.0.1:1 --state-dir state --out got");
    nobody.failed(8).is("unreachable").says(&["that the Certifier server runs"]);
    let told = fs::read_to_string(model.path("stderr")).unwrap();
    // The handshake that a look leaves is all that the server finds wrong.
    assert!(!told.contains("AssertionError") && !told.contains("Traceback"), "{told}");
}

#[test]
fn a_pin_given_at_enrolment_or_on_the_command_is_as_good() {
    let Some(model) = Model::start() else { return };
    let right = model.fingerprint();
    model.enroll(&format!("--key rsa-3072 --server-fingerprint {right}")).ok();
    fs::write(model.path("one"), [1; 64]).unwrap();
    model.ask("store disk --in one").ok();
    let before = model.log().len();
    let wrong = "ab".repeat(32);
    let refused = model.ask(&format!("retrieve disk --out - --server-fingerprint {wrong}"));
    refused.failed(3).is("broker-refused").says(&[&right, "someone else is answering"]);
    assert_eq!(model.log().len(), before, "nothing was sent");
    model.client(&format!("peer pin {wrong} {right} --state-dir state")).ok();
    model.ask("retrieve disk --out got").ok();
    // As a broker it won't do, whatever is remembered.
    model.ask("retrieve disk --peer claviger --out -").failed(3).is("broker-refused");
    model.client("peer forget --state-dir state").ok();
    model.ask("retrieve disk --out -").failed(3).is("broker-refused");
    let said = format!("retrieve disk --peer certifier --server-fingerprint {right} --out got");
    model.ask(&said).ok();
    model.ask(&format!("retrieve disk --server-fingerprint {right} --out -")).failed(2).is("usage");
}

#[test]
fn what_a_stock_server_lacks_is_refused_before_anything_is_sent() {
    let Some(model) = Model::start() else { return };
    model.enroll(&format!("--server-fingerprint {}", model.fingerprint())).ok();
    fs::write(model.path("one"), [1; 64]).unwrap();
    let before = model.log();
    for lacking in [
        "list",
        "versions disk",
        "show disk",
        "generate disk --kind bytes-64",
        "rotate disk",
        "delete disk --all",
        "undelete disk --all",
        "destroy disk --all",
        "trace disk",
        "retrieve disk --out - --evidence simulated-enclave:cf_data",
        "store disk --in one --if-latest 1",
        "store disk --in one --expires-in 1d",
        &format!("retrieve disk --out - --broker-measurement {}", "ab".repeat(32)),
    ] {
        model.ask(lacking).failed(3).is("peer-lacks");
    }
    model.ask("store fleet-private-auth-key --in one").failed(3).is("reserved-name");
    model.enroll("--replace --key p256").failed(3).is("peer-lacks").says(&["RSA"]);
    model.enroll(&format!("--replace --broker-measurement {}", "ab".repeat(32))).failed(3).is("peer-lacks");
    assert_eq!(model.log(), before);
}

/// The service names no domain, so nobody else would notice.
#[test]
fn a_domain_that_the_policy_certificate_doesn_t_name_is_refused_before_anything_is_sent() {
    let broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "dom1", "--algorithm rsa-2048");
    let machine = fleet.machine("vm");
    let enroll = programs::command("key-client")
        .args("enroll --peer certifier --domain other --admission 127.0.0.1:9");
    let enroll = enroll.with("--evidence", format!("simulated-enclave:{}", machine.platform.display()));
    let enroll = enroll.with("--policy-cert", &fleet.policy_cert).with("--state-dir", &machine.state);
    enroll.run().failed(2).says(&["that of domain dom1, not of other", "nothing was sent"]);
}

#[test]
fn a_machine_that_the_service_doesn_t_trust_gets_nothing() {
    let Some(model) = Model::start() else { return };
    fs::write(model.path("cf_data/cf_utility.measurement"), [7; 32]).unwrap();
    model.enroll("").failed(6).is("attestation-refused").says(&["doesn't say why", "its log"]);
    assert!(!model.path("state").exists(), "nothing is left of it");
    // Another domain's certificate is worth nothing here.
    let Some(other) = Model::start() else { return };
    fs::copy(model.path("policy_cert_file.fleet"), other.path("policy_cert_file.fleet")).unwrap();
    other.enroll("").failed(1).is("protocol").says(&["isn't signed by this domain's policy key"]);
    assert!(!other.path("state").exists());
}

/// A broker of ours that allows stock programs is to the agent what a stock server is, but for its mistakes.
#[test]
fn a_broker_that_allows_stock_programs_stands_in_for_both_servers() {
    let broker = Broker::start_with(Setup { stock_domain: Some("dom1"), ..Setup::default() });
    let fleet = Fleet::generate(broker.dir(), "dom1", "--algorithm rsa-2048 --format certifier");
    fleet.create_on(&broker, "members").ok();
    fleet.allow_all_stock(&broker);
    // Which of the broker's domains it means is said as stock clients say it.
    Fleet::create(&broker, "neighbour", "members");
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    fleet.enroll(&broker, &machine).args("--peer certifier").run().ok();
    let at = |line: &str| {
        let call = programs::command("key-client").args(line).current_dir(broker.dir());
        call.with("--broker", broker.listen.to_string()).with("--state-dir", &machine.state).run()
    };
    let looked = at("peer look").ok();
    let pin = looked["fingerprint"].as_str().unwrap().to_owned();
    programs::command("key-client").args("peer pin").arg(pin).with("--state-dir", &machine.state).run().ok();
    broker.file("one", [1; 64]);
    broker.file("two", [2; 64]);
    assert_eq!(at("store disk --in one").ok()["version"], 1);
    assert_eq!(at("store disk --in two --version 2").ok()["version"], 2);
    at("retrieve disk --out got").ok();
    assert_eq!(fs::read(broker.dir().join("got")).unwrap(), [2; 64]);
    // Which a stock server has lost by now.
    at("retrieve disk --version 1 --out got").ok();
    assert_eq!(fs::read(broker.dir().join("got")).unwrap(), [1; 64]);
    // The same certificate serves in our dialect.
    assert_eq!(at("versions disk --peer claviger").ok()["versions"].as_array().unwrap().len(), 2);
    fleet.verify_audit(&broker);
}

/// The page's commands, with the model in the place of the servers, and of `cf_utility` on the server's machine.
#[test]
fn the_page_s_commands_succeed_in_their_order() {
    let Some(model) = Model::start() else { return };
    let page = fs::read_to_string(workspace().join("docs/stock-servers.md")).unwrap();
    let script = docs::commands(&page, "```console,stock");
    assert!(script.contains("key-client peer pin"), "{script}");
    let script =
        script.replace("10.0.0.9:8120", &model.key_server).replace("10.0.0.9:8123", &model.admission);
    fs::write(model.path("script"), script).unwrap();
    let stand_in = "#!/bin/sh\nfor option; do case $option in --output_file=*) out=${option#*=};; esac; done\n\
                    [ -f \"$out\" ] || exit 1\n";
    let tools = model.path("tools");
    fs::create_dir(&tools).unwrap();
    fs::write(tools.join("cf_utility.exe"), stand_in).unwrap();
    let executable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(tools.join("cf_utility.exe"), executable).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let run = Command::new("sh")
        .args(["-eux", "script"])
        .current_dir(model.dir.path())
        .env("PATH", format!("{}:{}:{path}", directory().display(), tools.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
