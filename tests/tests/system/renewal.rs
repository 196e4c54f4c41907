//! `key-client renew`, and renewals by hand that are right in all but one thing.

use std::fs;

use claviger_attest::{CertificateFacts, KeyAlgorithm, Purpose, Role, SigningKey};
use claviger_client::state::StateDir;
use claviger_proto::trust::EvidencePackage;
use claviger_tests::admission::{Admission, renewal, request};
use claviger_tests::broker::Broker;
use claviger_tests::certificate::Leaf;
use claviger_tests::channel::{Channel, Credentials};
use claviger_tests::fleet::{Fleet, Machine, client, retrieve, store};
use claviger_tests::message::{self, TrustResponse};
use claviger_tests::programs::{Call, command, program, workspace};
use claviger_tests::tools;
use serde_json::Value;

fn renew(broker: &Broker, machine: &Machine) -> Call {
    command("key-client")
        .arg("renew")
        .with("--admission", broker.admission.to_string())
        .with("--evidence", format!("simulated-enclave:{}", machine.platform.display()))
        .with("--state-dir", &machine.state)
}

fn start() -> (Broker, Fleet, Machine) {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let machine = fleet.admitted(&broker, "vm");
    (broker, fleet, machine)
}

fn own(machine: &Machine) -> Credentials {
    let identity = StateDir::new(&machine.state).identity().unwrap();
    let key = identity.key().pkcs8_der().to_vec();
    Credentials { certificate: identity.certificate().to_vec(), key }
}

fn kept(machine: &Machine) -> Vec<u8> {
    fs::read(machine.state.join("cryptstore")).unwrap()
}

#[test]
fn a_renewed_machine_goes_on_and_so_do_the_channels_that_it_had() {
    let (broker, fleet, machine) = start();
    store(&broker, &machine.state, "a", b"secret").run().ok();
    retrieve(&broker, &machine.state, "a").run().ok();
    let before = own(&machine);
    let mut open = Channel::ours(broker.listen, "fleet", &before);
    open.request(&message::retrieve("a")).ok();
    let told = renew(&broker, &machine).run().ok();
    let after = own(&machine);
    assert_eq!((&told["renewed"], &told["domain"]), (&true.into(), &"fleet".into()));
    assert_eq!(told["measurement"], machine.measurement);
    let fingerprint =
        |own: &Credentials| hex::encode(CertificateFacts::read(&own.certificate).unwrap().fingerprint);
    assert_eq!(
        (&told["certificate_fingerprint"], &told["previous_fingerprint"]),
        (&fingerprint(&after).into(), &fingerprint(&before).into())
    );
    assert!(before.key != after.key && before.certificate != after.certificate);
    // The old channel, a new one under the old certificate, and the machine as it is now.
    open.request(&message::retrieve("a")).ok();
    Channel::ours(broker.listen, "fleet", &before).request(&message::retrieve("a")).ok();
    let got = retrieve(&broker, &machine.state, "a").args("--out -").run_text();
    assert_eq!(got.stdout(), b"secret", "{got}");
    // What it kept is kept.
    command("key-client")
        .args("cryptstore get a")
        .with("--state-dir", &machine.state)
        .args("--out -")
        .run_text();
    // Once more, with the key as it is; and with one of another kind.
    renew(&broker, &machine).arg("--keep-key").run().ok();
    assert_eq!(own(&machine).key, after.key);
    assert_ne!(own(&machine).certificate, after.certificate);
    for kind in ["ed25519", "rsa-2048", "p384"] {
        renew(&broker, &machine).with("--key", kind).run().ok();
        let identity = StateDir::new(&machine.state).identity().unwrap();
        assert_eq!(identity.key().kind().as_str(), kind);
        renew(&broker, &machine).run().ok();
        assert_eq!(StateDir::new(&machine.state).identity().unwrap().key().kind().as_str(), kind);
        client(&broker, &machine.state, "show", "a").run().ok();
    }
    renew(&broker, &machine).args("--keep-key --key p256").run().failed(2);
    fleet.verify_audit(&broker);
    let (_, metrics) = broker.page("/metrics");
    assert!(metrics.contains("result=\"renewed\""), "{metrics}");
}

#[test]
fn if_due_renews_in_the_last_third_or_when_less_is_left_than_asked_for() {
    let (broker, fleet, mut machine) = start();
    let before = kept(&machine);
    let told = renew(&broker, &machine).arg("--if-due").run().ok();
    assert_eq!((&told["renewed"], kept(&machine) == before), (&false.into(), true));
    assert!(told["due"].as_i64().unwrap() < told["not_after"].as_i64().unwrap());
    renew(&broker, &machine).args("--before 1d").run().failed(2);
    renew(&broker, &machine).args("--if-due --before soon").run().failed(2);
    let told = renew(&broker, &machine).args("--if-due --before 363d").run().ok();
    assert_eq!(told["renewed"], false);
    let told = renew(&broker, &machine).args("--if-due --before 366d").run().ok();
    assert_eq!((&told["renewed"], kept(&machine) == before), (&true.into(), false));
    // Five minutes are over, and two, or twenty, are left.
    for (minutes, due) in [(2, true), (20, false)] {
        let lifetime = time::Duration::minutes(minutes);
        let leaf = Leaf { lifetime, ..Leaf::stock(&machine.measurement) };
        machine.state = fleet.state_of(&format!("left-{minutes}"), &fleet.authority().issue(&leaf));
        let told = renew(&broker, &machine).arg("--if-due").run().ok();
        assert_eq!(told["renewed"], due, "{minutes}");
    }
    // Not due needs no broker.
    let Value::Bool(false) = renew(&broker, &machine).arg("--if-due").run().ok()["renewed"] else {
        panic!("it isn't due");
    };
}

#[test]
fn a_renewal_that_fails_leaves_the_old_identity_as_it_was() {
    let (mut broker, fleet, machine) = start();
    let before = kept(&machine);
    let other = fleet.machine("other");
    let unknown = Machine { platform: other.platform, ..fleet.machine("x") };
    let unknown = Machine { state: machine.state.clone(), ..unknown };
    renew(&broker, &unknown).run().failed(6).is("attestation-refused").says(&["trust add"]);
    let nowhere = Machine {
        platform: broker.dir().join("nowhere"),
        state: machine.state.clone(),
        ..fleet.machine("y")
    };
    renew(&broker, &nowhere).run().failed(1);
    broker.stop();
    renew(&broker, &machine).run().failed(8).is("unreachable");
    assert!(kept(&machine) == before);
    broker.serve();
    // Who isn't trusted any more isn't renewed, though its certificate is good still.
    let remove = broker.admin("trust remove --domain fleet --kind simulated-enclave");
    remove.with("--measurement", &machine.measurement).run().ok();
    renew(&broker, &machine).run().failed(6).is("attestation-refused");
    assert!(kept(&machine) == before);
    retrieve(&broker, &machine.state, "missing").args("--out -").run().failed(4);
}

#[test]
fn a_machine_that_runs_something_else_by_now_is_renewed_if_that_is_trusted_as_well() {
    let (broker, fleet, machine) = start();
    let updated = fleet.machine("updated");
    fleet.trust(&broker, &updated, "updated");
    let updated = Machine { state: machine.state.clone(), ..updated };
    let told = renew(&broker, &updated).run().ok();
    assert_ne!(updated.measurement, machine.measurement);
    assert_eq!(told["measurement"], updated.measurement);
    retrieve(&broker, &machine.state, "missing").args("--out -").run().failed(4);
}

/// A machine that the domain trusts, and who it is.
struct By {
    broker: Broker,
    fleet: Fleet,
    machine: Machine,
    own: Credentials,
    new: SigningKey,
}

impl By {
    fn hand() -> Self {
        let (broker, fleet, machine) = start();
        let (own, new) = (own(&machine), SigningKey::generate(KeyAlgorithm::P256).unwrap());
        Self { broker, fleet, machine, own, new }
    }

    fn begin(&self) -> Admission {
        Admission::begin_as(&self.broker, &self.fleet, &self.own)
    }

    fn evidence(&self, binding: &[u8; 64]) -> EvidencePackage {
        self.machine.evidence(self.new.public().spki_der(), binding)
    }

    /// A renewal on this channel, all of it right.
    fn right(&self, admission: &mut Admission) -> TrustResponse {
        let binding = admission.renewal_binding(&self.new);
        admission.send(&renewal(self.evidence(&binding), &self.new, &binding))
    }

    /// The same with evidence and proof for this binding.
    fn with(&self, admission: &mut Admission, binding: &[u8; 64]) -> TrustResponse {
        admission.send(&renewal(self.evidence(binding), &self.new, binding))
    }
}

#[track_caller]
fn refused(response: &TrustResponse, code: &str) {
    assert_eq!((response.status(), response.code()), ("failed", code));
    assert!(response.artifact().is_none());
}

#[test]
fn t02_evidence_of_one_renewal_is_refused_in_another() {
    let by = By::hand();
    let (mut first, mut second) = (by.begin(), by.begin());
    let seen = first.renewal_binding(&by.new);
    refused(&by.with(&mut second, &seen), "attestation-refused");
    // The other's nonce on this channel.
    let mut third = by.begin();
    let spki = by.new.public().spki_der();
    let stale = third.binding_of(Purpose::Renew, &by.own.certificate, spki, &first.nonce());
    refused(&by.with(&mut third, &stale), "attestation-refused");
    assert_eq!(by.right(&mut first).status(), "succeeded");
}

#[test]
fn t08_a_renewal_is_bound_to_the_leaf_that_asks() {
    let by = By::hand();
    let mut admission = by.begin();
    // Another leaf of the same domain, of a machine with the same measurement.
    let other = by.fleet.issue(Role::Agent, Some(&by.machine.measurement));
    let spki = by.new.public().spki_der();
    let bound = admission.binding_of(Purpose::Renew, &other.certificate, spki, &admission.nonce());
    refused(&by.with(&mut admission, &bound), "attestation-refused");
    assert_eq!(by.right(&mut by.begin()).status(), "succeeded");
}

#[test]
fn t08_only_a_member_s_own_valid_leaf_renews() {
    let by = By::hand();
    let stock = Leaf::stock(&by.machine.measurement);
    let expired = Leaf { lifetime: -time::Duration::minutes(1), ..stock.clone() };
    let other = Fleet::create(&by.broker, "other", "members");
    let leaves = [
        ("a stolen leaf that has expired", by.fleet.authority().issue(&expired)),
        ("another domain's", other.issue(Role::Agent, Some(&by.machine.measurement))),
        ("a broker's", by.fleet.issue(Role::Broker, None)),
    ];
    for (what, own) in leaves {
        let mut admission = Admission::begin_as(&by.broker, &by.fleet, &own);
        let answer = by.right(&mut admission);
        assert_eq!((what, answer.status(), answer.code()), (what, "failed", "certificate-refused"));
    }
    // A key of its own making, as in an enrolment.
    refused(&by.right(&mut Admission::begin(&by.broker, &by.fleet)), "certificate-refused");
    // A stock leaf that is valid.
    let stock = by.fleet.authority().issue(&stock);
    let mut admission = Admission::begin_as(&by.broker, &by.fleet, &stock);
    assert_eq!(by.right(&mut admission).status(), "succeeded");
}

#[test]
fn t40_evidence_for_one_purpose_is_none_for_another() {
    let by = By::hand();
    let spki = by.new.public().spki_der();
    let mut admission = by.begin();
    for purpose in [Purpose::Enroll, Purpose::Freshness] {
        let wrong = admission.binding_of(purpose, &by.own.certificate, spki, &admission.nonce());
        refused(&by.with(&mut admission, &wrong), "attestation-refused");
        admission = by.begin();
    }
    // And an enrolment with a renewal's.
    let mut enrolment = Admission::begin(&by.broker, &by.fleet);
    let own = enrolment.spki();
    let leaf = enrolment.leaf().to_vec();
    let binding = enrolment.binding_of(Purpose::Renew, &leaf, &own, &enrolment.nonce());
    refused(&enrolment.submit(by.machine.evidence(&own, &binding)), "attestation-refused");
    assert_eq!(by.right(&mut admission).status(), "succeeded");
}

#[test]
fn the_new_key_has_to_prove_itself_and_to_be_named_by_the_evidence() {
    let by = By::hand();
    let other = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    // The proof is for another binding.
    let mut admission = by.begin();
    let binding = admission.renewal_binding(&by.new);
    let proven = renewal(by.evidence(&binding), &by.new, &[0; 64]);
    refused(&admission.send(&proven), "attestation-refused");
    // The evidence is for another key than the one that is to be certified.
    let mut admission = by.begin();
    let binding = admission.renewal_binding(&other);
    refused(&admission.send(&renewal(by.evidence(&binding), &other, &binding)), "attestation-refused");
    // No new key, and one where none belongs.
    let mut admission = by.begin();
    let binding = admission.renewal_binding(&by.new);
    refused(&admission.send(&request(by.evidence(&binding), "renewal")), "malformed");
    assert_eq!(by.right(&mut by.begin()).status(), "succeeded");
}

#[test]
fn the_units_are_valid_and_leave_little_exposed() {
    if !tools::have("systemd-analyze", "systemd") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let units = ["key-client-renew.service", "key-client-renew.timer"];
    for unit in units {
        let text = fs::read_to_string(workspace().join("dist/systemd").join(unit)).unwrap();
        let here = program("key-client").display().to_string();
        fs::write(dir.path().join(unit), text.replace("/usr/bin/key-client", &here)).unwrap();
    }
    let analyze = |options: &[&str], unit: &str| {
        let analyze =
            std::process::Command::new("systemd-analyze").args(options).arg(dir.path().join(unit)).output();
        let output = analyze.unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    };
    for unit in units {
        let (valid, said) = analyze(&["verify", "--man=no"], unit);
        assert!(valid && !said.contains("key-client-renew."), "{said}");
    }
    // In tenths; without any hardening it would be 96.
    let (few, said) = analyze(&["security", "--offline=true", "--no-pager", "--threshold=40"], units[0]);
    assert!(few, "{said}");
    let service = fs::read_to_string(dir.path().join(units[0])).unwrap();
    assert!(service.contains(" renew --if-due "));
}
