//! Row 11: names that try to be more than names.

use claviger_tests::broker::Broker;
use claviger_tests::fleet::Fleet;
use claviger_tests::message::{self, entry, store_entry};

#[test]
fn t11_names_outside_the_grammar_are_refused_on_the_wire() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("a/b", b"secret")).ok();
    let names = [
        "",
        "/",
        "//",
        "a//b",
        "/a/b",
        "a/b/",
        ".",
        "..",
        "a/../a/b",
        "./a/b",
        "a/./b",
        "../fleet/a/b",
        "a/b/..",
        "%2e%2e/a",
        "a%2fb",
        "a\\b",
        "a b",
        " a/b",
        "a/b ",
        "a/b\n",
        "a/b\t",
        "a/b\0",
        "a\u{7f}",
        "a/*",
        "*",
        "a/?",
        "a+b",
        "a:b",
        "a@b",
        "a~b",
        "a|b",
        "$(a)",
        "`a`",
        "a'b",
        "a\"b",
        "{a}",
        "[a]",
        "ä",
        "a/б",
        "а/b",
        "ａ/b",
        "a/\u{202e}b",
        "a/\u{200b}b",
        "fleet/",
        "fleet//a",
        "fleet/../a/b",
    ];
    for name in names {
        channel.request(&message::retrieve(name)).refused("invalid-name");
        channel.request(&message::store(name, b"x")).refused("invalid-name");
        channel.request(&store_entry("a", &entry(name, 0, b"x", true))).refused("invalid-name");
    }
    // Case is kept, never folded.
    for name in ["A/b", "a/B", "A/B"] {
        channel.request(&message::retrieve(name)).refused("not-found");
    }
    assert_eq!(channel.request(&message::retrieve("a/b")).ok().blob(), b"secret");
}

#[test]
fn t11_domain_names_outside_the_grammar_are_refused() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    for name in ["Fleet", "fleet-", "-fleet", "1fleet", "fleet.a", "fleet/a", "..", "*", "fl eet", "flöet"] {
        let create = broker.admin("domain create").arg(name).with("--policy-key", &fleet.policy_key);
        let run = create.run();
        assert_eq!(run.code(), Some(2), "{run}");
    }
    let long = "f".repeat(64);
    assert_eq!(broker.admin("domain show").arg(&long).run().code(), Some(2));
}
