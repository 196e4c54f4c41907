//! Brokers that don't start, and why.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::programs::{Failure, command};

/// A broker that served a domain with a secret in it, and was stopped.
fn stopped() -> (Broker, std::path::PathBuf) {
    let mut broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let state = fleet.state_of("member", &fleet.member());
    store(&broker, &state, "a", b"secret").run().ok();
    broker.stop();
    (broker, state)
}

/// It doesn't start, with this exit code; its last words.
#[track_caller]
fn refuses(broker: &mut Broker, code: i32) -> Failure {
    let (status, log) = broker.try_serve().expect_err("it serves");
    assert_eq!(status.code(), Some(code), "{log}");
    let last = log.lines().last().unwrap_or_default();
    let error = serde_json::from_str::<serde_json::Value>(last).unwrap_or_else(|_| panic!("{log}"));
    let text = |key: &str| error["error"][key].as_str().unwrap_or_default().to_owned();
    Failure { code: text("code"), message: text("message"), next: text("next") }
}

/// Everything is as it was: it starts and the secret is there.
fn recovers(broker: &mut Broker, state: &Path) {
    broker.serve();
    let run = retrieve(broker, state, "a").args("--out -").run_text();
    assert_eq!(run.stdout(), b"secret", "{run}");
}

#[test]
fn a_wrong_key_file_ends_with_7_and_changes_nothing() {
    let (mut broker, state) = stopped();
    let right = fs::read(broker.key_file()).unwrap();
    let mut other = right.clone();
    other[0] ^= 1;
    for wrong in [other, right[..31].to_vec(), vec![0; 5000]] {
        fs::write(broker.key_file(), wrong).unwrap();
        let failure = refuses(&mut broker, 7);
        failure.is("sealed").says(&["root.key"]);
    }
    fs::write(broker.key_file(), &right).unwrap();
    recovers(&mut broker, &state);
}

#[test]
fn a_key_file_that_others_can_read_is_told() {
    let (mut broker, state) = stopped();
    fs::set_permissions(broker.key_file(), fs::Permissions::from_mode(0o644)).unwrap();
    recovers(&mut broker, &state);
    let warning = broker.log().lines().find(|line| line.contains("WARN")).map(str::to_owned).unwrap();
    assert!(warning.contains("root.key"), "{warning}");
}

#[test]
fn without_its_key_file_a_broker_starts_sealed() {
    let (mut broker, state) = stopped();
    let aside = broker.dir().join("aside");
    fs::rename(broker.key_file(), &aside).unwrap();
    broker.serve();
    assert_eq!(broker.page("/readyz").0, 503);
    assert_eq!(broker.page("/livez").0, 200);
    assert_eq!(broker.admin("status").run().ok()["state"], "sealed");
    broker.admin("domain list").run().failed(7).is("sealed");
    broker.admin("audit verify --domain fleet").run().failed(7).is("sealed");
    let run = retrieve(&broker, &state, "a").args("--out -").run();
    assert!(run.code() != Some(0) && run.stdout().is_empty(), "{run}");
    broker.stop();
    fs::rename(&aside, broker.key_file()).unwrap();
    recovers(&mut broker, &state);
    assert_eq!(broker.page("/readyz").0, 200);
}

#[test]
fn the_key_slots_of_another_broker_are_refused() {
    let (mut broker, state) = stopped();
    let other = Broker::init(Setup::default());
    let slots = broker.data_dir().join("slots.json");
    let right = fs::read(&slots).unwrap();
    fs::copy(other.data_dir().join("slots.json"), &slots).unwrap();
    let (status, log) = broker.try_serve().unwrap_err();
    assert!(matches!(status.code(), Some(1 | 7)), "{log}");
    fs::write(&slots, right).unwrap();
    recovers(&mut broker, &state);
}

#[test]
fn the_store_of_another_broker_is_refused() {
    let (mut broker, state) = stopped();
    let mut other = Broker::start();
    other.stop();
    let (store, aside) = (broker.data_dir().join("store"), broker.dir().join("aside"));
    fs::rename(&store, &aside).unwrap();
    fs::rename(other.data_dir().join("store"), &store).unwrap();
    let failure = refuses(&mut broker, 1);
    failure.says(&["another"]);
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&aside, &store).unwrap();
    recovers(&mut broker, &state);
}

#[test]
fn a_data_directory_of_another_format_is_refused() {
    let (mut broker, state) = stopped();
    let file = broker.data_dir().join("broker.json");
    let right = fs::read_to_string(&file).unwrap();
    let mut later: serde_json::Value = serde_json::from_str(&right).unwrap();
    assert_eq!(later["format"], 1, "{right}");
    later["format"] = 99.into();
    fs::write(&file, later.to_string()).unwrap();
    refuses(&mut broker, 1).says(&["format", "99"]);
    fs::write(&file, "{}").unwrap();
    refuses(&mut broker, 1);
    fs::write(&file, right).unwrap();
    recovers(&mut broker, &state);
}

#[test]
fn a_directory_that_is_none_of_a_broker_is_refused() {
    let mut broker = Broker::init(Setup::default());
    fs::remove_dir_all(broker.data_dir()).unwrap();
    refuses(&mut broker, 1).says(&["key-broker init"]);
    fs::create_dir(broker.data_dir()).unwrap();
    refuses(&mut broker, 1);
}

#[test]
fn init_never_touches_what_is_there() {
    let broker = Broker::init(Setup::default());
    let init = |dir: &Path, key: &Path| {
        let slot = format!("file:{}", key.display());
        command("key-broker").arg("init").with("--data-dir", dir).with("--key-slot", slot).run()
    };
    let before = fs::read(broker.data_dir().join("slots.json")).unwrap();
    init(&broker.data_dir(), &broker.key_file()).failed(3);
    assert_eq!(fs::read(broker.data_dir().join("slots.json")).unwrap(), before);

    // A key file that is there is used, if it can be.
    let key = broker.dir().join("own.key");
    fs::write(&key, [7; 31]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let dir = broker.dir().join("second");
    init(&dir, &key).failed(3).says(&["31", "32"]);
    assert!(!dir.exists() || fs::read_dir(&dir).unwrap().next().is_none());
    fs::write(&key, [7; 48]).unwrap();
    init(&dir, &key).ok();
    assert_eq!(fs::read(&key).unwrap(), [7; 48]);
}

#[test]
fn a_port_in_use_ends_with_1_and_starts_nothing() {
    let mut broker = Broker::init(Setup::default());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--listen", "--admission-listen", "--ops-listen"] {
        let serve = command("key-broker").args("serve").with("--data-dir", broker.data_dir());
        let serve = if option == "--listen" { serve } else { serve.args("--listen 127.0.0.1:0") };
        serve.with(option, &address).run().failed(1).is("address-in-use").says(&[&address]);
        assert!(!broker.data_dir().join("admin.sock").exists());
    }
    drop(taken);
    broker.serve();
}

#[test]
fn a_configuration_that_cannot_be_followed_ends_with_2() {
    let wrong =
        ["listn = '127.0.0.1:0'", "[limits]\nframes = 3", "listen = 3", "not toml at all", "shards = 0"];
    for config in wrong {
        let mut broker = Broker::init(Setup { config: config.to_owned(), ..Setup::default() });
        refuses(&mut broker, 2).is("configuration");
    }
    let few = "[limits]\nconnections_per_address = 255".to_owned();
    let mut broker = Broker::init(Setup { config: few, ..Setup::default() });
    refuses(&mut broker, 2).says(&["connections_per_address", "256"]);
}
