//! Revocation lists that the broker is given: in force at once, never an older one again, and closed where they end.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use claviger_attest::fakes::{FakeCrl, FakePlatform, FakeSignature};
use claviger_tests::broker::{Broker, Setup};
use claviger_tests::programs::command;
use rustix::process::Signal;

use super::World;

/// The serial of the test platform's ASK.
const ASK: &[u8] = &[1, 0, 1];
const DAY: u64 = 86_400;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A list of the platform's ARK, issued so many days ago.
fn list(fake: &FakePlatform, days: u64, ends: u64, revoked: &[u8]) -> Vec<u8> {
    let list = FakeCrl {
        issuer: "ARK-Genoa".to_owned(),
        validity: (now() - days * DAY, Some(ends)),
        revoked: vec![revoked.to_vec()],
        extensions: Vec::new(),
        signature: FakeSignature::Pss,
    };
    list.sign(&fake.ark)
}

/// A world whose broker has a folder with the platform's ARK and this list.
fn listed(list: impl Fn(&FakePlatform) -> Vec<u8>) -> (World, std::path::PathBuf) {
    let mut world = World::new();
    let (dir, fake) = (world.broker.dir().join("crls"), world.platform.fake());
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("ark.der"), fake.ark_certificate().sign(&fake.ark)).unwrap();
    fs::write(dir.join("genoa.crl"), list(fake)).unwrap();
    let config = format!("kds_url = ''\ncrl_dir = {:?}\n", dir.display().to_string());
    world.broker.stop();
    world.broker.configure(config);
    world.broker.serve();
    (world, dir)
}

/// Has the broker read its configuration again.
fn hang_up(broker: &mut Broker, result: &str) {
    let series = format!("claviger_config_reloads_total{{result=\"{result}\"}} ");
    let count = |broker: &Broker| -> u64 {
        let (_, page) = broker.page("/metrics");
        page.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or(0)
    };
    let (before, end) = (count(broker), Instant::now() + Duration::from_secs(20));
    broker.signal(Signal::HUP);
    while count(broker) == before {
        assert!(Instant::now() < end, "{}", broker.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn refused(world: &World, label: &str, says: &str) {
    let before = world.broker.log().len();
    let failure = world.enroll(&world.machine(label)).run().failed(6);
    failure.is("attestation-refused").says(&["doesn't satisfy this domain"]);
    let log = world.broker.log();
    let line = log[before..].lines().find(|line| line.contains("evidence is refused")).unwrap();
    assert!(line.contains("by the rule revocation ") && line.contains(says), "{line}");
    assert!(line.contains("crl_dir"), "what to do is told: {line}");
}

#[test]
fn a_revoked_chain_is_refused_as_soon_as_the_list_is_read_and_no_older_list_takes_that_back() {
    let (mut world, dir) = listed(|fake| list(fake, 9, now() + DAY, &[9]));
    world.enrolled("before");
    let fake = world.platform.fake();
    let put = |bytes: &[u8]| fs::write(dir.join("genoa.crl"), bytes).unwrap();
    put(&list(fake, 5, now() + DAY, ASK));
    world.enrolled("unread");
    hang_up(&mut world.broker, "ok");
    refused(&world, "after", "revokes a certificate");
    // A file that is no list changes nothing.
    put(b"<html>");
    hang_up(&mut world.broker, "error");
    assert!(world.broker.log().contains("genoa.crl"), "{}", world.broker.log());
    refused(&world, "damaged", "revokes a certificate");
    // Nor does one of a time to come, which would keep the right one from being taken.
    let to_come = FakeCrl {
        issuer: "ARK-Genoa".to_owned(),
        validity: (now() + DAY, Some(now() + 2 * DAY)),
        revoked: vec![vec![9]],
        extensions: Vec::new(),
        signature: FakeSignature::Pss,
    };
    put(&to_come.sign(&fake.ark));
    hang_up(&mut world.broker, "error");
    assert!(world.broker.log().contains("doesn't count yet"), "{}", world.broker.log());
    refused(&world, "early", "revokes a certificate");
    // Nor does the older one, nor that there is none.
    let read_well = |world: &World| world.broker.log().matches("the configuration is read again\"").count();
    put(&list(fake, 9, now() + DAY, &[9]));
    let before = read_well(&world);
    hang_up(&mut world.broker, "error");
    let log = world.broker.log();
    let line = log.lines().find(|line| line.contains("older than the one that is known")).unwrap();
    assert!(!line.contains(": ") || !line.contains(".00000Z"), "{line}");
    assert_eq!(read_well(&world), before, "{log}");
    refused(&world, "older", "revokes a certificate");
    fs::remove_file(dir.join("genoa.crl")).unwrap();
    hang_up(&mut world.broker, "ok");
    assert!(world.broker.log().contains("it stays in force"));
    refused(&world, "none", "revokes a certificate");
    put(&list(fake, 9, now() + DAY, &[9]));
    hang_up(&mut world.broker, "error");
    assert_eq!(world.broker.log().matches("older than the one that is known").count(), 2);
    put(&list(fake, 4, now() + DAY, &[9]));
    hang_up(&mut world.broker, "ok");
    world.enrolled("newer");
}

#[test]
fn t35_a_list_that_is_out_of_date_refuses_what_is_under_its_ark() {
    let (world, _) = listed(|fake| list(fake, 9, now() - DAY, &[9]));
    assert!(world.broker.log().contains("isn't current"), "{}", world.broker.log());
    refused(&world, "late", "counted until");
}

#[test]
fn a_broker_does_not_start_with_a_file_that_is_no_list() {
    let mut broker = Broker::init(Setup::default());
    let dir = broker.dir().join("crls");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("genoa.crl"), b"<html>").unwrap();
    broker.configure(format!("crl_dir = {:?}\n", dir.display().to_string()));
    let (status, log) = broker.try_serve().unwrap_err();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("crl_dir") && log.contains("genoa.crl"), "{log}");
}

#[test]
fn attest_verify_takes_lists() {
    let fake = FakePlatform::of(claviger_attest::SnpProduct::Genoa);
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    let [vcek, ask, ark] = fake.chain(claviger_attest::SnpSigner::Vcek);
    for (name, bytes) in [("vcek.der", vcek), ("ask.der", ask), ("ark.der", ark)] {
        write(name, &bytes);
    }
    write("report", &fake.report(5).sign(&fake.vcek));
    let root = fake.root().to_pem();
    let value = "5a".repeat(48);
    let policy = format!(
        "format = 1\n[[measurement]]\nkind = \"sev-snp\"\nvalue = \"{value}\"\nroots = ['''{root}''']\n[sev-snp]\n"
    );
    write("policy.toml", policy.as_bytes());
    let verify = |dir: &Path, more: &str| {
        let call = command("key-admin").args("attest verify --kind sev-snp --report report --certs .");
        call.args("--policy policy.toml").args(more).current_dir(dir).run()
    };
    verify(dir.path(), "").ok();
    write("good", &list(fake, 9, now() + DAY, &[9]));
    verify(dir.path(), "--crl good").ok();
    write("bad", &list(fake, 9, now() + DAY, ASK));
    let run = verify(dir.path(), "--crl good --crl bad");
    assert_eq!(run.code(), Some(6), "{run}");
    let told: serde_json::Value = serde_json::from_slice(run.stdout()).unwrap();
    assert_eq!(told["refused_by"]["rule"], "revocation");
    let next = told["refused_by"]["next"].as_str().unwrap();
    assert!(next.contains("current list with --crl") && !next.contains("SIGHUP"), "{told}");
    write("crl.der", &list(fake, 9, now() + DAY, ASK));
    assert_eq!(verify(dir.path(), "").code(), Some(6));
}
