//! Each limit, hit alone. Those of time are in `threats/load.rs`.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use claviger_tests::admission::Admission;
use claviger_tests::broker::Broker;
use claviger_tests::channel::{Channel, Hello, connect, hello_bytes, refusal};
use claviger_tests::fleet::Fleet;
use claviger_tests::message::{self, Writer};
use rustls::AlertDescription;

use super::{configured, metric, until};

fn with_limits(limits: &str) -> (Broker, Fleet) {
    let broker = configured(&format!("[limits]\n{limits}"));
    let fleet = Fleet::create(&broker, "fleet", "members");
    (broker, fleet)
}

const REFUSED: &str = "claviger_connections_refused_total";

#[test]
fn t31_connections_in_all() {
    let (broker, fleet) = with_limits("connections = 2\nfirst_frame_ms = 600000\nidle_ms = 600000");
    let mut one = fleet.channel(&broker);
    let mut two = fleet.channel(&broker);
    let own = fleet.member();
    let third = || Channel::connect(broker.listen, &Hello::ours("fleet"), Some(&own));
    assert!(third().and_then(|mut third| third.try_request(&message::retrieve("a"))).is_err());
    until("it is counted", || metric(&broker, &format!("{REFUSED}{{reason=\"connections\"}}")) >= 1);
    one.request(&message::store("a", b"x")).ok();
    two.request(&message::store("a", b"y")).ok();
    drop(one);
    until("a place comes back", || third().and_then(|mut c| c.try_request(&message::retrieve("a"))).is_ok());
}

#[test]
fn t31_handshakes_under_way() {
    let (broker, fleet) = with_limits("handshakes = 1\nhandshake_ms = 600000");
    // Its hello is whole, so it holds the place; a silent one holds none.
    let _silent = connect(broker.listen).unwrap();
    let mut held = connect(broker.listen).unwrap();
    held.write_all(&hello_bytes(&Hello::ours("fleet"))).unwrap();
    held.read_exact(&mut [0; 1]).unwrap();
    let refused = || refusal(broker.listen, &Hello::ours("fleet"), Some(&fleet.member()));
    assert_eq!(refused(), AlertDescription::UserCanceled);
    let busy = r#"claviger_handshakes_total{result="busy",phase="choice"}"#;
    until("it is counted", || metric(&broker, busy) >= 1);
    drop(held);
    let own = fleet.member();
    let open = || Channel::connect(broker.listen, &Hello::ours("fleet"), Some(&own));
    until("a place comes back", || open().and_then(|mut c| c.try_request(&message::retrieve("a"))).is_ok());
}

/// Sends hellos until one is refused for its rate, before the broker says anything of its own.
fn hurry(broker: &Broker) {
    let hello = hello_bytes(&Hello::ours("fleet"));
    for _ in 0..100 {
        let mut tcp = connect(broker.listen).unwrap();
        tcp.write_all(&hello).unwrap();
        let mut head = [0; 7];
        tcp.read_exact(&mut head).unwrap();
        // A fatal alert: user_canceled.
        if head == [21, 3, 3, 0, 2, 2, 90] {
            return;
        }
    }
    panic!("a hundred handshakes, and none was refused");
}

#[test]
fn t31_handshakes_in_a_second() {
    for (limit, result) in
        [("handshakes_per_second", "rate"), ("handshakes_per_second_per_address", "rate-per-address")]
    {
        let (broker, fleet) = with_limits(&format!("{limit} = 3"));
        hurry(&broker);
        let series = format!("claviger_handshakes_total{{result=\"{result}\",phase=\"choice\"}}");
        until("it is counted", || metric(&broker, &series) >= 1);
        // It is over in a second.
        let own = fleet.member();
        let open = || Channel::connect(broker.listen, &Hello::ours("fleet"), Some(&own));
        until("tokens come back", || open().and_then(|mut c| c.try_request(&message::retrieve("a"))).is_ok());
    }
}

#[test]
fn message_bodies() {
    let (broker, fleet) = with_limits("key_service_frame = 20000\nadmission_frame = 20000");
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("a", &vec![7; 18_000])).ok();
    channel.request(&message::store("a", &vec![7; 20_001])).refused("too-large");
    let mut admission = Admission::begin(&broker, &fleet);
    assert_eq!(admission.send(&vec![7; 20_001]).code(), "too-large");
    let mut admission = Admission::begin(&broker, &fleet);
    assert_eq!(admission.send(&vec![7; 19_000]).code(), "malformed");
}

#[test]
fn names_secrets_and_versions() {
    let (broker, fleet) = with_limits("name_bytes = 8\nsecret_bytes = 64\nversions_per_name = 3");
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("a/234567", b"x")).ok();
    channel.request(&message::store("a/2345678", b"x")).refused("invalid-name");
    channel.request(&message::store("b", &[7; 64])).ok();
    channel.request(&message::store("b", &[7; 65])).refused("too-large");
    for version in 1..=3 {
        assert_eq!(channel.request(&message::store("c", b"x")).ok().stored_version(), Some(version));
    }
    channel.request(&message::store("c", b"x")).refused("quota-exceeded");
    let state = fleet.state_of("member", &fleet.member());
    let told = claviger_tests::fleet::store(&broker, &state, "c", b"x").run();
    told.failed(3).is("quota-exceeded").says(&["3 versions", "another name"]);
    assert_eq!(channel.request(&message::retrieve("c")).ok().blob(), b"x");
    fleet.verify_audit(&broker);
}

#[test]
fn stores_that_wait_and_keys_in_the_making() {
    let (broker, fleet) = with_limits("pending_stores = 1\nkeys_in_making = 1");
    let mut channels: Vec<_> = (0..16).map(|_| fleet.channel(&broker)).collect();
    let mut all_at_once = |body: &[u8]| {
        for channel in &mut channels {
            channel.send(body).unwrap();
        }
        let answers = channels.iter_mut().map(|channel| message::Response::read(channel.receive().unwrap()));
        let codes: Vec<_> = answers.map(|answer| answer.code().to_owned()).collect();
        assert!(codes.iter().all(|code| code.is_empty() || code == "busy"), "{codes:?}");
        assert!(codes.iter().any(String::is_empty), "one at least is done: {codes:?}");
        codes.iter().any(|code| code == "busy")
    };
    until("a store is refused", || all_at_once(&message::store("a", b"x")));
    let generate = Writer::new().bytes(1, "k").bytes(2, "generate").bytes(102, "rsa-2048").done();
    until("a key is refused", || all_at_once(&generate));
    let busy = |kind: &str| format!("claviger_requests_total{{kind=\"{kind}\",outcome=\"busy\"}}");
    assert!(metric(&broker, &busy("store")) >= 1 && metric(&broker, &busy("generate")) >= 1);
}

#[test]
fn t20_large_bodies_in_memory() {
    let (broker, fleet) = with_limits("large_bodies = 1\nbody_ms = 600000");
    let mut holds = fleet.channel(&broker);
    holds.send_bytes(&100_000_i32.to_le_bytes()).unwrap();
    holds.send_bytes(&[7; 10]).unwrap();
    let in_use = r#"claviger_permits_in_use{permit="large_bodies"}"#;
    until("it holds the place", || metric(&broker, in_use) >= 1);
    fleet.channel(&broker).request(&message::store("a", &vec![7; 60_000])).ok();
    let mut waits = fleet.channel(&broker);
    let waiting =
        std::thread::spawn(move || waits.request(&message::store("b", &vec![7; 80_000])).succeeded());
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished(), "there is no second place");
    drop(holds);
    assert!(waiting.join().unwrap());
}
