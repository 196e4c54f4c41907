//! Requests on the wire with one thing wrong: each gets an answer, and the channel goes on.

use claviger_tests::broker::Broker;
use claviger_tests::channel::{Channel, Hello};
use claviger_tests::fleet::Fleet;
use claviger_tests::message::{self, Writer};

/// Field numbers of a request.
const NAME: u32 = 1;
const KIND: u32 = 2;
const VERSION: u32 = 4;
const IF_LATEST: u32 = 100;
const EXPIRES: u32 = 101;
const KEY_KIND: u32 = 102;
const ALL: u32 = 104;
const PREFIX: u32 = 105;
const AFTER: u32 = 106;
const SIZE: u32 = 107;

fn of(kind: &str) -> Writer {
    Writer::new().bytes(NAME, "a").bytes(KIND, kind)
}

#[test]
fn t20_every_field_missing_empty_too_large_or_of_another_type_is_refused_and_the_channel_goes_on() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("a", b"x")).ok();
    let long = "x".repeat(300);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("no name", Writer::new().bytes(KIND, "versions").done(), "invalid-name"),
        ("an empty name", Writer::new().bytes(NAME, "").bytes(KIND, "show").done(), "unknown-request"),
        ("a long name", Writer::new().bytes(NAME, &long).bytes(KIND, "rotate").done(), "invalid-name"),
        ("a name that is a number", Writer::new().int(NAME, 7).bytes(KIND, "rotate").done(), "malformed"),
        ("no kind of request", Writer::new().bytes(NAME, "a").done(), "unknown-request"),
        ("no version", of("delete").done(), "malformed"),
        ("version 0", of("delete").int(VERSION, 0).done(), "malformed"),
        ("a negative version", of("destroy").int(VERSION, -1).done(), "malformed"),
        ("a version and all", of("undelete").int(VERSION, 1).int(ALL, 1).done(), "malformed"),
        ("a version in bytes", of("delete").bytes(VERSION, "1").done(), "malformed"),
        ("a version that isn't there", of("delete").int(VERSION, 9).done(), "not-found"),
        ("a negative latest", of("rotate").int(IF_LATEST, -2).done(), "malformed"),
        ("no kind of key", of("generate").done(), "malformed"),
        ("an unknown kind of key", of("generate").bytes(KEY_KIND, "p521").done(), "refused"),
        ("a long kind of key", of("generate").bytes(KEY_KIND, &long).done(), "malformed"),
        ("an expiry in 1970", of("rotate").int(EXPIRES, 1).done(), "refused"),
        ("an expiry of 0", of("rotate").int(EXPIRES, 0).done(), "malformed"),
        ("an expiry before 1970", of("rotate").int(EXPIRES, -9).done(), "malformed"),
        ("a long prefix", of("list").bytes(PREFIX, &long).done(), "invalid-name"),
        ("a page of nothing", of("list").int(SIZE, 0).done(), "malformed"),
        ("a negative page", of("versions").int(SIZE, -1).done(), "malformed"),
        ("a cursor that is no name", of("list").bytes(AFTER, "a//b").done(), "invalid-name"),
        ("a cursor that is no number", of("versions").bytes(AFTER, "two").done(), "malformed"),
        (
            "a reserved name",
            Writer::new().bytes(NAME, "fleet-private-auth-key").bytes(KIND, "rotate").done(),
            "reserved-name",
        ),
    ];
    for (what, body, code) in cases {
        let response = channel.request(&body);
        assert_eq!((response.succeeded(), response.code()), (false, code), "{what}");
    }
    // Nothing was changed, and the channel still serves.
    assert_eq!(channel.request(&message::retrieve("a")).ok().blob(), b"x");
    assert_eq!(channel.request(&message::store("a", b"y")).ok().stored_version(), Some(2));
}

#[test]
fn a_stock_peer_has_store_and_retrieve_only() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    fleet.channel(&broker).request(&message::store("a", b"x")).ok();
    for kind in ["list", "versions", "describe", "delete", "undelete", "destroy", "rotate", "generate"] {
        let hello = Hello::stock(fleet.policy.subject_der());
        let mut stock = Channel::connect(broker.listen, &hello, Some(&fleet.member())).expect("a channel");
        let response = stock.request(&of(kind).int(VERSION, 1).done());
        assert!(!response.succeeded(), "{kind}");
    }
    assert_eq!(fleet.channel(&broker).request(&message::retrieve("a")).ok().blob(), b"x");
}
