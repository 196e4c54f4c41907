//! SIGHUP, and a second SIGTERM.

use std::fs;

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::channel::{Channel, Hello};
use claviger_tests::fleet::Fleet;
use claviger_tests::message;
use rustix::process::Signal;

use super::{configured, metric, until};

fn hang_up(broker: &mut Broker, config: &str, result: &str) {
    let series = format!("claviger_config_reloads_total{{result=\"{result}\"}}");
    let before = metric(broker, &series);
    broker.file("broker.toml", config);
    broker.signal(Signal::HUP);
    until("it is read again", || metric(broker, &series) > before);
}

/// Log lines with this in them.
fn lines(broker: &Broker, word: &str) -> usize {
    broker.log().lines().filter(|line| line.contains(word)).count()
}

#[test]
fn what_can_be_read_again_counts_at_once_and_the_rest_is_named() {
    let mut broker = configured("[limits]\nversions_per_name = 2");
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    Fleet::create(&broker, "other", "members");
    let own = fleet.member();
    let nameless = || {
        let mut channel = Channel::connect(broker.listen, &Hello::silent(), Some(&own))?;
        channel.try_request(&message::store("a", b"x"))
    };
    assert!(nameless().is_err(), "there are two domains");
    let mut before = fleet.channel(&broker);
    before.request(&message::store("b", b"x")).ok();
    let config = "default_domain = 'fleet'\nshards = 7\n\
        [limits]\nconnections = 9\nidle_ms = 1\nversions_per_name = 100\nadmissions = 3";
    hang_up(&mut broker, config, "ok");

    let limit = |permit: &str| metric(&broker, &format!("claviger_permits_limit{{permit=\"{permit}\"}}"));
    assert_eq!((limit("connections"), limit("admissions")), (9, 64));
    assert!(nameless_of(&broker, &own), "fleet is the default now");
    let mut after = fleet.channel(&broker);
    after.request(&message::retrieve("b")).ok();
    assert!(after.is_closed(), "it was idle for a millisecond");
    // Who began before has the limits that it began with; and what counts from the next start doesn't yet.
    before.request(&message::store("b", b"x")).ok();
    before.request(&message::store("b", b"x")).refused("quota-exceeded");
    let log = broker.log();
    for key in ["shards", "limits.admissions", "limits.versions_per_name"] {
        let line = log.lines().find(|line| line.contains(&format!("\"key\":\"{key}\""))).expect(key);
        assert!(line.contains("WARN") && line.contains("next start"), "{line}");
    }
    for key in ["default_domain", "limits.connections", "limits.idle_ms"] {
        let line = log.lines().find(|line| line.contains(&format!("\"key\":\"{key}\""))).expect(key);
        assert!(line.contains("INFO"), "{line}");
    }
    // What didn't change isn't named.
    assert_eq!(lines(&broker, "\"key\":\"listen\""), 0);
    // Without a default again.
    hang_up(&mut broker, "", "ok");
    assert!(!nameless_of(&broker, &own));
}

fn nameless_of(broker: &Broker, own: &claviger_tests::channel::Credentials) -> bool {
    let channel = Channel::connect(broker.listen, &Hello::silent(), Some(own));
    channel.and_then(|mut channel| channel.try_request(&message::store("a", b"x"))).is_ok()
}

#[test]
fn a_bad_file_changes_nothing_and_is_told() {
    let mut broker = configured("[limits]\nconnections = 77");
    for bad in ["[limits]\nconnections = 5\nfoo = 1", "[limits]\nconnections = 0", "shards = "] {
        hang_up(&mut broker, bad, "error");
    }
    assert_eq!(metric(&broker, r#"claviger_permits_limit{permit="connections"}"#), 77);
    let log = broker.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("\"ERROR\"")).collect();
    assert_eq!(told.len(), 3, "{log}");
    assert!(told[0].contains("foo") && told[1].contains("limits.connections"), "{told:?}");
    fs::remove_file(broker.dir().join("broker.toml")).unwrap();
    broker.signal(Signal::HUP);
    until("it is told", || lines(&broker, "can't be read") == 1);
    assert_eq!(broker.page("/readyz").0, 200);
    broker.stop();
}

#[test]
fn the_log_filter_is_read_again() {
    let mut broker = configured("log_filter = 'error'");
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    assert_eq!(broker.log(), "");
    hang_up(&mut broker, "log_filter = 'debug'", "ok");
    fleet.channel(&broker).request(&message::store("a", b"x")).ok();
    until("it says more", || lines(&broker, "committed") == 1);
    hang_up(&mut broker, "log_filter = 'error'", "ok");
    fleet.channel(&broker).request(&message::store("a", b"x")).ok();
    assert_eq!(lines(&broker, "committed"), 1);
}

#[test]
fn what_is_read_while_it_is_sealed_counts_when_it_is_unsealed() {
    let mut broker = Broker::init(Setup::default());
    broker.serve();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    Fleet::create(&broker, "other", "members");
    broker.admin("seal").run().ok();
    hang_up(&mut broker, "default_domain = 'fleet'", "ok");
    broker.admin("unseal").with("--key-file", broker.key_file()).run().ok();
    assert!(nameless_of(&broker, &fleet.member()));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut broker = configured("[limits]\ndrain_ms = 600000\nbody_ms = 600000");
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    let mut held = fleet.channel(&broker);
    held.request(&message::store("a", b"kept")).ok();
    held.send_bytes(&message::frame(&message::store("a", b"never whole"))[..9]).unwrap();
    // It has to have begun, for the broker to wait for it.
    std::thread::sleep(std::time::Duration::from_millis(300));
    broker.signal(Signal::TERM);
    until("it drains", || broker.page("/readyz") == (503, "draining\n".to_owned()));
    assert!(broker.is_running());
    broker.signal(Signal::TERM);
    assert_eq!(broker.wait().code(), Some(1), "{}", broker.log());
    assert!(broker.log().contains("cut-off"), "{}", broker.log());
    broker.serve();
    assert_eq!(fleet.channel(&broker).request(&message::retrieve("a")).ok().blob(), b"kept");
}
