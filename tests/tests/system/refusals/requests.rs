//! Requests that are refused: answered with `failed` and no data wherever they can be answered at all.

use std::fs;

use claviger_tests::broker::Broker;
use claviger_tests::channel::{Channel, Hello};
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::message::{self, Writer, entry, frame, store_entry};

use super::undisturbed;

fn start() -> (Broker, Fleet) {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    (broker, fleet)
}

/// Sends a request in our dialect and in the stock one: both are refused, ours with this code.
fn refused(broker: &Broker, fleet: &Fleet, body: &[u8], code: &str) {
    undisturbed(broker, fleet, || {
        let mut ours = fleet.channel(broker);
        ours.request(body).refused(code);
        // The refusal spends one request, not the connection.
        ours.request(&message::store("after", b"a refusal")).ok();

        let hello = Hello::stock(fleet.policy.subject_der());
        let mut stock = Channel::connect(broker.listen, &hello, Some(&fleet.member())).unwrap();
        let answer = stock.request(body);
        assert!(!answer.succeeded());
        assert!(answer.fields.numbers().iter().all(|number| *number < 100), "{answer:?}");
    });
}

#[test]
fn messages_that_are_none() {
    let (broker, fleet) = start();
    for body in [&[0xff; 4][..], b"\x0a\x7fshort", &[0; 64], b"GET / HTTP/1.1\r\n\r\n"] {
        refused(&broker, &fleet, body, "malformed");
    }
    // Not UTF-8 where text belongs.
    refused(&broker, &fleet, &Writer::new().bytes(1, b"\xff\xfe").bytes(2, "retrieve").done(), "malformed");
}

#[test]
fn requests_that_are_not_known_or_not_whole() {
    let (broker, fleet) = start();
    for kind in ["erase", "List", "STORE", "Retrieve", "Freshness", ""] {
        let body = Writer::new().bytes(1, "a").bytes(2, kind).done();
        refused(&broker, &fleet, &body, "unknown-request");
    }
    for kind in ["signed-nonce", "freshness", "store"] {
        refused(&broker, &fleet, &Writer::new().bytes(1, "a").bytes(2, kind).done(), "malformed");
    }
    refused(&broker, &fleet, &message::store("a", b""), "malformed");
    refused(&broker, &fleet, &store_entry("a", b"\xff\xff\xff"), "malformed");
    refused(&broker, &fleet, &store_entry("a", &entry("a", -1, b"x", true)), "malformed");
    refused(&broker, &fleet, &message::retrieve_version("a", -1), "malformed");
    let untyped = Writer::new().bytes(1, "a").bytes(5, b"blob").done();
    refused(&broker, &fleet, &store_entry("a", &untyped), "malformed");
}

#[test]
fn over_long_names() {
    let (broker, fleet) = start();
    let longest = "n".repeat(255);
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store(&longest, b"fits")).ok();
    for length in [256, 300, 5_000, 900_000] {
        let name = "n".repeat(length);
        refused(&broker, &fleet, &message::retrieve(&name), "invalid-name");
        refused(&broker, &fleet, &message::store(&name, b"x"), "invalid-name");
        refused(&broker, &fleet, &store_entry("a", &entry(&name, 0, b"x", true)), "invalid-name");
    }
    // With the domain in front it is longer than it may be, too.
    refused(&broker, &fleet, &message::retrieve(&format!("fleet/{longest}")), "invalid-name");
    let state = fleet.state_of("member", &fleet.member());
    let failure = retrieve(&broker, &state, &"n".repeat(256)).args("--out -").run().failed(3);
    failure.is("invalid-name").says(&["255"]);
}

#[test]
fn frames_that_are_too_large_are_answered_and_end_the_connection() {
    let (broker, fleet) = start();
    let body = vec![0x5a; 8 << 20];
    undisturbed(&broker, &fleet, || {
        let mut ours = fleet.channel(&broker);
        ours.send(&body).unwrap();
        message::Response::read(ours.receive().unwrap()).refused("too-large");
        assert!(ours.is_closed());

        let hello = Hello::stock(fleet.policy.subject_der());
        let mut stock = Channel::connect(broker.listen, &hello, Some(&fleet.member())).unwrap();
        stock.send(&body).unwrap();
        assert!(!message::Response::read(stock.receive().unwrap()).succeeded());
        assert!(stock.is_closed());

        // It says so before the body comes: the length alone is too much.
        let mut announced = fleet.channel(&broker);
        announced.send_bytes(&i32::MAX.to_le_bytes()).unwrap();
        message::Response::read(announced.receive().unwrap()).refused("too-large");
    });
    // One byte above a secret's limit, in a frame that is not too large.
    refused(&broker, &fleet, &message::store("a", &body[..=1 << 20]), "too-large");
}

#[test]
fn key_client_does_not_send_what_is_too_large_or_empty() {
    let (broker, fleet) = start();
    let state = fleet.state_of("member", &fleet.member());
    let file = broker.dir().join("large");
    fs::write(&file, vec![1; 8 << 20]).unwrap();
    let large = claviger_tests::programs::command("key-client").args("store a");
    let large = large.with("--broker", broker.listen.to_string()).with("--state-dir", &state);
    large.with("--in", &file).run().failed(3).is("too-large");
    store(&broker, &state, "a", b"").run().failed(3).is("malformed");
    retrieve(&broker, &state, "a").args("--out -").run().failed(4);
}

#[test]
fn frames_without_a_message_are_answered() {
    let (broker, fleet) = start();
    undisturbed(&broker, &fleet, || {
        for header in [0_i32, -1, i32::MIN] {
            let mut ours = fleet.channel(&broker);
            ours.send_bytes(&header.to_le_bytes()).unwrap();
            message::Response::read(ours.receive().unwrap()).refused("malformed");
            assert!(ours.is_closed());
        }
    });
}

#[test]
fn half_a_frame_is_no_request() {
    let (broker, fleet) = start();
    let whole = frame(&message::store("half", b"never stored"));
    undisturbed(&broker, &fleet, || {
        for length in [1, 3, 4, 5, whole.len() - 1] {
            let mut channel = fleet.channel(&broker);
            channel.send_bytes(&whole[..length]).unwrap();
            drop(channel);
        }
    });
    fleet.channel(&broker).request(&message::retrieve("half")).refused("not-found");
}

#[test]
fn not_allowed_and_not_found_are_one_answer() {
    let (broker, fleet) = start();
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("there", b"secret")).ok();
    let missing = channel.request(&message::retrieve("absent")).refused("not-found").clone();
    broker.admin("acl preset --domain fleet closed").run().ok();
    let answers = |channel: &mut Channel| {
        let requests =
            [message::retrieve("there"), message::retrieve("absent"), message::store("there", b"x")];
        requests.map(|body| without_name(channel.request(&body).without_id()))
    };
    let [there, absent, put] = answers(&mut channel);
    assert_eq!(there, without_name(missing.without_id()));
    assert_eq!((&there, &there), (&absent, &put));

    // To a stock peer, byte for byte: names of the same length, one there and one not.
    let hello = Hello::stock(fleet.policy.subject_der());
    let ask = |name: &str| {
        let mut stock = Channel::connect(broker.listen, &hello, Some(&fleet.member())).unwrap();
        String::from_utf8_lossy(&stock.request(&message::retrieve(name)).body).replace(name, "NAME")
    };
    assert_eq!(ask("there"), ask("thera"));

    let state = fleet.state_of("member", &fleet.member());
    let by_command = |name: &str| {
        let failure = retrieve(&broker, &state, name).args("--out -").run().failed(4);
        let (next, _id) = failure.next.split_once("request ").unwrap();
        (failure.code, failure.message, next.to_owned())
    };
    assert_eq!(by_command("there"), by_command("absent"));
}

/// The answer repeats the name that was asked for; the rest must not depend on it.
fn without_name(fields: Vec<(u32, message::Field)>) -> Vec<(u32, message::Field)> {
    fields.into_iter().filter(|(number, _)| *number != 1).collect()
}

#[test]
fn a_version_that_is_taken_is_a_conflict_and_changes_nothing() {
    let (broker, fleet) = start();
    let state = fleet.state_of("member", &fleet.member());
    store(&broker, &state, "a", b"first").run().ok();
    let failure = undisturbed(&broker, &fleet, || {
        store(&broker, &state, "a", b"second").args("--version 1").run().failed(5)
    });
    failure.is("conflict").says(&["version"]);
    let kept = retrieve(&broker, &state, "a").args("--out -").run_text();
    assert_eq!(kept.stdout(), b"first");
}

#[test]
fn reserved_names_are_refused_whatever_the_policy_says() {
    let (broker, fleet) = start();
    let names = [
        "fleet-private-auth-key",
        "fleet-admission-certificate",
        "fleet/private-auth-key",
        "fleet/admission-certificate",
        "fleet_private_auth_key",
        "a/fleet-private-auth-key",
        "FLEET-Private-Auth-Key",
        "fleet-private-auth-key/a",
    ];
    for name in names {
        refused(&broker, &fleet, &message::retrieve(name), "reserved-name");
        refused(&broker, &fleet, &message::store(name, b"x"), "reserved-name");
        refused(&broker, &fleet, &store_entry("a", &entry(name, 0, b"x", true)), "reserved-name");
    }
    let state = fleet.state_of("member", &fleet.member());
    store(&broker, &state, names[0], b"x").run().failed(3).is("reserved-name");
}
