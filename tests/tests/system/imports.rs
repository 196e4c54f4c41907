//! Secrets put into a broker from its own machine.

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::channel::connect;
use claviger_tests::fleet::{Fleet, retrieve};
use claviger_tests::message;
use claviger_tests::programs::{Call, Run, command};

const SECRET: &[u8] = b"a-disk-key-that-came-by-hand";

fn import(broker: &Broker, name: &str, domain: &str) -> Call {
    broker.admin("entry import").arg(name).with("--domain", domain)
}

fn import_ok(broker: &Broker, name: &str, blob: &[u8]) -> Run {
    import(broker, name, "fleet").args("--in -").stdin(blob).run()
}

#[test]
fn an_imported_entry_is_one_like_any_other() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let state = fleet.state_of("member", &fleet.member());
    let records = fleet.verify_audit(&broker);
    let file = broker.file("disk.key", SECRET);
    let made = import(&broker, "storage-disk-key", "fleet").with("--in", &file).run().ok();
    assert_eq!((&made["name"], &made["version"]), (&"storage-disk-key".into(), &1.into()));
    let run = retrieve(&broker, &state, "storage-disk-key").args("--out -").run_text();
    assert_eq!(run.stdout(), SECRET, "{run}");
    // With its own record: the import and the retrieval.
    assert_eq!(fleet.verify_audit(&broker), records + 2);
    assert_eq!(import_ok(&broker, "fleet/storage-disk-key", b"next").ok()["version"], 2);
    let typed = import(&broker, "typed", "fleet").args("--in - --type my-type --version 7").stdin(SECRET);
    assert_eq!(typed.run().ok()["version"], 7);
    let mut channel = fleet.channel(&broker);
    let entry = channel.request(&message::retrieve("typed")).ok().entry();
    assert!(entry.text(2) == Some("my-type"), "its type is kept");
    // The largest there may be.
    let large = vec![0x5a; 1 << 20];
    import_ok(&broker, "large", &large).ok();
    assert_eq!(channel.request(&message::retrieve("large")).ok().blob(), large);
}

#[test]
fn what_is_said_to_be_a_certificate_or_a_key_is_looked_at() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    for entry_type in ["X509-der-cert", "key-message-serialized-protobuf"] {
        let bad = import(&broker, "bad", "fleet").args("--in -").with("--type", entry_type).stdin(SECRET);
        bad.run().failed(3);
    }
    fleet.channel(&broker).request(&message::retrieve("bad")).refused("not-found");
}

#[test]
fn one_that_is_not_exportable_never_leaves() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let stays = import(&broker, "stays", "fleet").args("--in - --not-exportable").stdin(SECRET);
    stays.run().ok();
    fleet.channel(&broker).request(&message::retrieve("stays")).refused("not-found");
}

#[test]
fn the_operator_writes_whatever_the_preset_and_reads_nothing() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "closed");
    import_ok(&broker, "a", SECRET).ok();
    fleet.channel(&broker).request(&message::retrieve("a")).refused("not-found");
    // No call of the admin API gives it back, whichever way it is asked.
    for line in ["domain show fleet", "domain list", "status", "trust list --domain fleet"] {
        let run = broker.admin(line).run();
        let said = [run.stdout(), run.stderr().as_bytes()].concat();
        let hex = hex::encode(SECRET);
        assert!(!said.windows(SECRET.len()).any(|window| window == SECRET), "{run}");
        assert!(!said.windows(hex.len()).any(|window| window == hex.as_bytes()), "{run}");
    }
    for (method, path) in [
        ("GET", "/v1/domains/fleet/entries"),
        ("GET", "/v1/domains/fleet/entries/a"),
        ("PUT", "/v1/domains/fleet/entries/a"),
        ("DELETE", "/v1/domains/fleet/entries"),
    ] {
        let (status, body) = raw(&broker, method, path);
        assert!(matches!(status, 404 | 405), "{method} {path}: {status} {body}");
    }
}

#[test]
fn an_item_of_a_cryptstore_arrives_as_what_it_was_and_one_that_stays_does_not() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let passphrase = broker.file("passphrase", "correct horse");
    let cryptstore = |line: &str| {
        let call = command("key-client").arg("cryptstore").args(line).current_dir(broker.dir());
        call.with("--state-dir", "keys").with("--passphrase-file", &passphrase)
    };
    cryptstore("init --key-slot passphrase").run().ok();
    broker.file("one", SECRET);
    cryptstore("put web/key --in one --type own-type").run().ok();
    cryptstore("generate pair --kind p256").run().ok();
    cryptstore("put stays --in one --not-exportable").run().ok();
    let import = |name: &str| {
        let call = import(&broker, name, "fleet").with("--from-cryptstore", broker.dir().join("keys"));
        call.with("--passphrase-file", &passphrase)
    };
    assert_eq!(import("web/key").run().ok()["version"], 1);
    import("pair-2").args("--tag pair").run().ok();
    import("kept").args("--tag web/key --not-exportable").run().ok();
    let mut channel = fleet.channel(&broker);
    let entry = channel.request(&message::retrieve("web/key")).ok().entry();
    assert!(entry.text(2) == Some("own-type"), "its type is kept");
    assert_eq!(channel.request(&message::retrieve("web/key")).ok().blob(), SECRET);
    let entry = channel.request(&message::retrieve("pair-2")).ok().entry();
    assert_eq!(entry.text(2), Some("key-message-serialized-protobuf"));
    channel.request(&message::retrieve("kept")).refused("not-found");
    // What may not leave its cryptstore doesn't, and the broker hears nothing of it.
    let records = fleet.verify_audit(&broker);
    import("stays").run().failed(3).is("not-exportable").says(&["nothing was sent"]);
    import("absent").run().failed(4).is("not-found");
    import("web/key").args("--item-version 2").run().failed(4).is("not-found");
    channel.request(&message::retrieve("stays")).refused("not-found");
    assert_eq!(fleet.verify_audit(&broker), records + 1, "the retrieval alone");
}

/// A call of the admin API as it isn't made by key-admin.
fn raw(broker: &Broker, method: &str, path: &str) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let mut socket = std::os::unix::net::UnixStream::connect(broker.admin_socket()).unwrap();
    write!(socket, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn what_cannot_be_imported_is_told_and_changes_nothing() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let state = fleet.state_of("member", &fleet.member());
    import_ok(&broker, "a", SECRET).ok();
    let records = fleet.verify_audit(&broker);
    for reserved in ["fleet-private-auth-key", "fleet_admission_certificate", "fleet/private-auth-key"] {
        import_ok(&broker, reserved, SECRET).failed(3).is("reserved-name");
    }
    for bad in ["../a", "a//b", ".", "a b", "a%2e", &"n".repeat(256)] {
        let failure = import(&broker, bad, "fleet").args("--in -").stdin(SECRET).run().failed(3);
        failure.is("invalid-name");
    }
    import_ok(&broker, "a", b"").failed(3).says(&["empty"]);
    import_ok(&broker, "a", &vec![0; (1 << 20) + 1]).failed(3).is("too-large");
    let at =
        |version: &str| import(&broker, "a", "fleet").args("--in -").with("--version", version).stdin(b"x");
    at("1").run().failed(5).is("conflict");
    at("5").run().failed(5).says(&["2"]);
    for usage in ["0", "-1", "2147483648", "x"] {
        at(usage).run().failed(2);
    }
    import(&broker, "a", "fleet").args("--in - --type").arg("a b").stdin(b"x").run().failed(2);
    import(&broker, "a", "nowhere").args("--in -").stdin(b"x").run().failed(4).is("not-found");
    import(&broker, "a", "fleet").with("--in", broker.dir().join("nowhere")).run().failed(1);
    let run = retrieve(&broker, &state, "a").args("--out -").run_text();
    assert_eq!(run.stdout(), SECRET, "{run}");
    assert_eq!(fleet.verify_audit(&broker), records + 1, "the retrieval alone");
}

#[test]
fn t03_no_listener_but_the_admin_socket_imports_or_unseals() {
    use std::io::{Read as _, Write as _};
    let broker = Broker::start_with(Setup::default());
    Fleet::create(&broker, "fleet", "members");
    for path in ["/v1/domains/fleet/entries", "/v1/unseal", "/v1/seal", "/v1/status"] {
        for to in [broker.ops, broker.listen, broker.admission] {
            let mut tcp = connect(to).unwrap();
            let call = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
            );
            // A listener that isn't HTTP may have closed before the end of it.
            drop(tcp.write_all(call.as_bytes()));
            let mut answer = Vec::new();
            // A listener that isn't HTTP ends the connection, or sends an alert.
            drop(tcp.read_to_end(&mut answer));
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert!(!answer.contains(" 200 ") && !answer.contains(" 201 "), "{to} {path}: {answer}");
            assert!(to != broker.ops || answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        }
    }
    assert_eq!(broker.page("/readyz").0, 200);
}
