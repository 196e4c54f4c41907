//! `key-admin revocation`: who is revoked is no member from the next request on, and everybody else is.

use std::path::Path;

use claviger_attest::{KeyAlgorithm, Role, SigningKey, sha256};
use claviger_client::state::StateDir;
use claviger_tests::admission::{Admission, renewal};
use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, pem};
use claviger_tests::channel::{Channel, Credentials, Hello, refusal};
use claviger_tests::elsewhere::{listed, simulated, start as start_elsewhere, wait_for, wait_for_another};
use claviger_tests::fleet::{Fleet, Machine, client, retrieve, store};
use claviger_tests::message;
use claviger_tests::programs::{Call, command};
use claviger_tests::proving::Prover;
use rustls::AlertDescription;
use rustls::pki_types::UnixTime;

/// The field of a message that is the resource's name.
const NAME: u32 = 1;

fn start() -> (Broker, Fleet) {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    (broker, fleet)
}

fn change(broker: &Broker, verb: &str, kind: &str, what: &str) -> Call {
    broker.admin("revocation").arg(verb).args("--domain fleet").arg(kind).arg(what)
}

fn revoke(broker: &Broker, kind: &str, what: &str) {
    let told = change(broker, "add", kind, what).run().ok();
    assert_eq!((&told["kind"], &told["what"], &told["by"]), (&kind.into(), &what.into(), &"operator".into()));
}

fn take_back(broker: &Broker, kind: &str, what: &str) {
    assert_eq!(change(broker, "remove", kind, what).run().ok()["removed"], true);
}

fn fingerprint(certificate: &[u8]) -> String {
    hex::encode(sha256(certificate))
}

fn own(state: &Path) -> Credentials {
    let identity = StateDir::new(state).identity().unwrap();
    let key = identity.key().pkcs8_der().to_vec();
    Credentials { certificate: identity.certificate().to_vec(), key }
}

fn renew(broker: &Broker, machine: &Machine) -> Call {
    command("key-client")
        .arg("renew")
        .with("--admission", broker.admission.to_string())
        .with("--evidence", simulated(machine))
        .with("--state-dir", &machine.state)
}

/// A machine that enrolled with a ticket, so that it is an instance of this label; and the ticket's id.
fn instance(broker: &Broker, fleet: &Fleet, machine: &Machine, label: &str) -> String {
    let (id, file) = ticket(broker, label);
    fleet.enroll(broker, machine).with("--ticket-file", file).run().ok();
    id
}

fn ticket(broker: &Broker, label: &str) -> (String, std::path::PathBuf) {
    let file = broker.dir().join(format!("{label}-{}.ticket", rand()));
    let made =
        broker.admin("ticket create --domain fleet --label").arg(label).with("--out", &file).run().ok();
    (made["tickets"][0]["id"].as_str().unwrap().to_owned(), file)
}

/// A number that no other file has.
fn rand() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn t09_what_is_revoked_ends_at_the_next_request_of_an_open_channel() {
    let (broker, fleet) = start();
    let other = Fleet::create(&broker, "other", "members");
    let mut bystander = fleet.channel(&broker);
    bystander.request(&message::store("a", b"secret")).ok();
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let id = instance(&broker, &fleet, &machine, "vm-7");
    let victim = own(&machine.state);
    let of_certificate = fingerprint(&victim.certificate);
    let measurement = machine.measurement.clone();
    // The same measurement in another tenant is the other tenant's business.
    let twin = other.issue(Role::Agent, Some(&measurement));
    let mut tenant = Channel::ours(broker.listen, "other", &twin);
    let mut open = Channel::ours(broker.listen, "fleet", &victim);
    let kinds = [
        ("certificate", of_certificate.as_str()),
        ("enrolment", &of_certificate),
        ("instance", "vm-7"),
        ("instance", &id),
        ("measurement", &measurement),
    ];
    for (kind, what) in kinds {
        open.request(&message::retrieve("a")).ok();
        revoke(&broker, kind, what);
        let there = open.request(&message::retrieve("a")).refused("certificate-refused").without_id();
        let absent = open.request(&message::retrieve("b")).refused("certificate-refused").without_id();
        // The name that was asked for, which is echoed, apart.
        let said = |answer: Vec<(u32, _)>| answer.into_iter().filter(|(n, _)| *n != NAME).collect::<Vec<_>>();
        assert!(said(there) == said(absent), "it learns nothing of what exists");
        open.request(&message::store("a", b"other")).refused("certificate-refused");
        let told = refusal(broker.listen, &Hello::ours("fleet"), Some(&victim));
        assert_eq!(told, AlertDescription::CertificateRevoked, "{kind}");
        bystander.request(&message::retrieve("a")).ok();
        tenant.request(&message::retrieve("a")).refused("not-found");
        let failure = retrieve(&broker, &machine.state, "a").args("--out -").run().failed(3);
        failure.is("certificate-refused").says(&["CertificateRevoked"]);
        assert!(failure.next.contains("owner has revoked"), "{}", failure.next);
        take_back(&broker, kind, what);
    }
    open.request(&message::retrieve("a")).ok();
    Channel::ours(broker.listen, "fleet", &victim).request(&message::retrieve("a")).ok();
    let records = broker.admin("audit list --domain fleet --outcome certificate-refused").run().ok();
    let reason = records["records"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("has revoked this"), "{records}");
    let changes = broker.admin("audit list --domain fleet --action revocation-add").run().ok();
    assert_eq!(changes["records"].as_array().unwrap().len(), kinds.len());
    let (_, metrics) = broker.page("/metrics");
    assert!(metrics.contains("claviger_revoked_refused_total{kind=\"instance\"}"), "{metrics}");
    fleet.verify_audit(&broker);
}

#[test]
fn t08_what_is_revoked_can_t_renew_and_a_whole_enrolment_ends_with_its_renewals() {
    let (broker, fleet) = start();
    let machine = fleet.admitted(&broker, "vm");
    let first = own(&machine.state);
    // Also on a channel that was open before.
    let mut begun = Admission::begin_as(&broker, &fleet, &first);
    revoke(&broker, "certificate", &fingerprint(&first.certificate));
    let new = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let binding = begun.renewal_binding(&new);
    let evidence = machine.evidence(new.public().spki_der(), &binding);
    let answer = begun.send(&renewal(evidence, &new, &binding));
    assert_eq!((answer.status(), answer.code()), ("failed", "certificate-refused"));
    assert!(answer.artifact().is_none());
    renew(&broker, &machine).run().failed(3).is("certificate-refused").says(&["revoked"]);
    assert_eq!(own(&machine.state).certificate, first.certificate);
    take_back(&broker, "certificate", &fingerprint(&first.certificate));

    // Twice, so that what is named isn't only the certificate before.
    renew(&broker, &machine).run().ok();
    renew(&broker, &machine).run().ok();
    let last = own(&machine.state);
    store(&broker, &machine.state, "a", b"secret").run().ok();
    let mut open = Channel::ours(broker.listen, "fleet", &last);
    // One certificate's revocation is no other's.
    revoke(&broker, "certificate", &fingerprint(&first.certificate));
    open.request(&message::retrieve("a")).ok();
    revoke(&broker, "enrolment", &fingerprint(&first.certificate));
    open.request(&message::retrieve("a")).refused("certificate-refused");
    renew(&broker, &machine).run().failed(3).is("certificate-refused");
    let refused = broker.admin("audit list --domain fleet --action renew").run().ok();
    let said = refused["records"].to_string();
    assert!(said.contains(&format!("of the enrolment {}", fingerprint(&first.certificate))), "{said}");
    assert!(said.contains("has revoked this enrolment"), "{said}");
    // Another enrolment is another one, if the domain trusts what runs there.
    fleet.enroll(&broker, &machine).arg("--replace").run().ok();
    retrieve(&broker, &machine.state, "a").args("--out -").run_text();
    client(&broker, &machine.state, "show", "a").run().ok();
    fleet.verify_audit(&broker);
}

#[test]
fn t39_what_is_revoked_is_not_admitted_and_its_ticket_stays_unused() {
    let (broker, fleet) = start();
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    revoke(&broker, "measurement", &machine.measurement);
    fleet
        .enroll(&broker, &machine)
        .run()
        .failed(6)
        .is("attestation-refused")
        .says(&["revoked", "measurement"]);
    take_back(&broker, "measurement", &machine.measurement);
    let (id, file) = ticket(&broker, "vm-7");
    for what in ["vm-7", &id] {
        revoke(&broker, "instance", what);
        let refused = fleet.enroll(&broker, &machine).with("--ticket-file", &file).run().failed(6);
        refused.is("attestation-refused").says(&["instance"]);
        take_back(&broker, "instance", what);
    }
    let listed = broker.admin("ticket list --domain fleet").run().ok();
    assert_eq!(listed["tickets"][0]["state"], "new");
    fleet.enroll(&broker, &machine).with("--ticket-file", &file).run().ok();
}

#[test]
fn revocations_outlive_a_restart_are_listed_and_end_when_they_were_meant_to() {
    let (mut broker, fleet) = start();
    let (victim, brief) = (fleet.member(), fleet.member());
    let add = change(&broker, "add", "certificate", &fingerprint(&victim.certificate));
    add.with("--reason", "state stolen").with("--lasts", "365d").run().ok();
    change(&broker, "add", "certificate", &fingerprint(&brief.certificate)).with("--lasts", "1s").run().ok();
    broker.stop();
    broker.serve();
    let told = refusal(broker.listen, &Hello::ours("fleet"), Some(&victim));
    assert_eq!(told, AlertDescription::CertificateRevoked);
    let listed = broker.admin("revocation list --domain fleet").run().ok();
    let one = listed["revocations"].as_array().unwrap().iter().find(|one| one["reason"] == "state stolen");
    let one = one.unwrap();
    assert_eq!(one["until"].as_i64().unwrap() - one["since"].as_i64().unwrap(), 365 * 86_400);
    assert_eq!(broker.admin("domain show fleet").run().ok()["revocations"], 2);
    // What is over by itself counts no longer, and goes with the next change.
    std::thread::sleep(std::time::Duration::from_secs(2));
    Channel::ours(broker.listen, "fleet", &brief).request(&message::retrieve("a")).refused("not-found");
    revoke(&broker, "principal", "ops");
    assert_eq!(broker.admin("domain show fleet").run().ok()["revocations"], 2);
    fleet.verify_audit(&broker);
}

#[test]
fn what_can_t_be_revoked_changes_nothing() {
    let (broker, _fleet) = start();
    let hex = "ab".repeat(32);
    for (kind, what) in [
        ("certificate", "ab"),
        ("certificate", hex.to_uppercase().as_str()),
        ("enrolment", "vm-7"),
        ("instance", "a/b"),
        ("measurement", "ab"),
        ("principal", "a b"),
        ("machine", &hex),
    ] {
        change(&broker, "add", kind, what).run().failed(2);
    }
    change(&broker, "add", "instance", "a").with("--reason", "a".repeat(129)).run().failed(3);
    change(&broker, "add", "instance", "a").with("--reason", "a\nb").run().failed(3);
    change(&broker, "add", "principal", "ops").with("--lasts", "1d").run().failed(3);
    change(&broker, "remove", "instance", "a").run().failed(4).is("not-found");
    broker.admin("revocation list --domain nothing").run().failed(4);
    let listed = broker.admin("revocation list --domain fleet").run().ok();
    assert_eq!(listed["revocations"], serde_json::json!([]));
}

#[test]
fn t09_a_revoked_principal_is_none_on_a_channel_that_stays_open() {
    let (broker, fleet) = start();
    let machine = fleet.admitted(&broker, "vm");
    store(&broker, &machine.state, "disks/a", b"secret").run().ok();
    let rules = broker.file("rules", "p, member, fleet, disks/**, retrieve, deny, unless principal ops\n");
    broker.admin("acl rules set --domain fleet").arg(rules).run().ok();
    let staff = Authority::self_signed("staff", true, time::Duration::hours(1));
    let ops = staff.issue_to("ops", time::Duration::hours(1));
    let file = broker.file("ops.pem", pem("CERTIFICATE", &ops.certificate));
    broker.admin("principal add --domain fleet ops").with("--certificate", file).run().ok();
    let mut prover = Prover::of(&broker, &fleet, &machine);
    let nonce = prover.challenged("disks/a");
    let body = prover.signed(&[&ops], nonce);
    prover.channel.request(&body).ok();
    for (kind, what) in [("principal", "ops".to_owned()), ("certificate", fingerprint(&ops.certificate))] {
        prover.retrieve("disks/a").ok();
        revoke(&broker, kind, &what);
        let nonce = prover.challenged("disks/a");
        let body = prover.signed(&[&ops], nonce);
        prover.channel.request(&body).refused("refused");
        take_back(&broker, kind, &what);
    }
    prover.retrieve("disks/a").ok();
    // Nor does a machine that is revoked prove anything.
    let nonce = prover.challenge();
    let body = prover.signed(&[&ops], nonce);
    revoke(&broker, "measurement", &machine.measurement);
    prover.channel.request(&body).refused("certificate-refused");
}

#[test]
fn brokers_elsewhere_learn_of_it_with_the_next_pull_and_are_revoked_as_well() {
    let home = Broker::start();
    let fleet = Fleet::create(&home, "fleet", "members");
    let (cloud, vm) = (fleet.machine("cloud"), fleet.machine("vm"));
    let tables = listed("measurement", &vm, "") + listed("broker", &cloud, "may-issue = true").as_str();
    claviger_tests::elsewhere::apply(&home, &fleet, &tables);
    let away = start_elsewhere(&home, &fleet, &simulated(&cloud));
    wait_for(&away, "ok");
    let mut member = fleet.channel(&away);
    member.request(&message::store("a", b"secret")).ok();
    revoke(&home, "measurement", &"ab".repeat(32));
    wait_for_another(&away);
    member.request(&message::retrieve("a")).refused("certificate-refused");
    change(&away, "remove", "measurement", &"ab".repeat(32)).run().failed(5).says(&["its home broker"]);
    // The broker itself: it gets nothing more, and gives up the policy key.
    revoke(&home, "measurement", &cloud.measurement);
    wait_for(&away, "refused");
    assert_eq!(away.admin("domain show fleet").run().ok()["policy_key_held_by"], "owner");
}

#[test]
fn admissions_last_as_long_as_the_domain_says() {
    let (broker, fleet) = start();
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let lasts = |time: &str| broker.admin("domain admission set fleet --lasts").arg(time).run();
    for time in ["29m", "366d"] {
        lasts(time).failed(3).says(&["30m", "365d"]);
    }
    let shown = || broker.admin("domain admission show fleet").run().ok()["admission_lasts"].take();
    assert_eq!(shown(), 365 * 86_400);
    assert_eq!(lasts("2h").ok()["admission_lasts"], 7_200);
    let life = || {
        let facts = claviger_attest::CertificateFacts::read(&own(&machine.state).certificate).unwrap();
        facts.not_after.as_secs() - UnixTime::now().as_secs()
    };
    fleet.enroll(&broker, &machine).run().ok();
    // A slow machine takes some of it before it is looked at.
    assert!((7_000..=7_200).contains(&life()), "{}", life());
    lasts("30m").ok();
    // Renewed into the shorter time; and it isn't due yet then.
    renew(&broker, &machine).args("--if-due --before 365d").run().ok();
    assert!((1_600..=1_800).contains(&life()), "{}", life());
    assert_eq!(renew(&broker, &machine).arg("--if-due").run().ok()["renewed"], false);
    let other = Fleet::create(&broker, "other", "members");
    assert_eq!(broker.admin("domain show other").run().ok()["admission_lasts"], 365 * 86_400);
    lasts("365d").ok();
    assert_eq!(shown(), 365 * 86_400);
    fleet.verify_audit(&broker);
    other.verify_audit(&broker);
}
