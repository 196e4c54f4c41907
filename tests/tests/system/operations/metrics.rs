//! `/livez`, `/readyz`, `/metrics`.

use std::collections::BTreeMap;
use std::fs;

use claviger_tests::broker::Broker;
use claviger_tests::channel::{Channel, Hello, connect, refusal};
use claviger_tests::fleet::Fleet;
use claviger_tests::message;
use claviger_tests::programs::workspace;

use super::{configured, metric, until};

/// Names and kinds, as the page has them.
fn shown(broker: &Broker) -> BTreeMap<String, String> {
    let (_, page) = broker.page("/metrics");
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

#[test]
fn the_book_has_every_metric_and_no_other() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.admitted(&broker, "vm");
    fleet.channel(&broker).request(&message::store("a", b"x")).ok();
    let page = fs::read_to_string(workspace().join("docs/operations.md")).unwrap();
    let documented: BTreeMap<_, _> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `claviger_"))
        .map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
            let (name, kind) = (cells.next().unwrap(), cells.next().unwrap());
            (format!("claviger_{name}"), kind.to_owned())
        })
        .collect();
    assert_eq!(documented, shown(&broker));
    let (_, metrics) = broker.page("/metrics");
    for (name, _) in documented {
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} says what it is");
    }
}

#[test]
fn what_happens_is_counted() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let count = |series: &str| metric(&broker, series);
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("a", b"x")).ok();
    channel.request(&message::retrieve("a")).ok();
    channel.request(&message::retrieve("a")).ok();
    channel.request(&message::retrieve("absent")).refused("not-found");
    channel.request(b"\xff\xff\xff").refused("malformed");
    let requests = |kind: &str, outcome: &str| {
        count(&format!("claviger_requests_total{{kind=\"{kind}\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!((requests("store", "ok"), requests("retrieve", "ok")), (1, 2));
    assert_eq!((requests("retrieve", "not-found"), requests("unreadable", "malformed")), (1, 1));
    assert_eq!(requests("rotate", "ok"), 0);
    let mut large = fleet.channel(&broker);
    large.send_bytes(&(2_i32 << 20).to_le_bytes()).unwrap();
    message::Response::read(large.receive().unwrap()).refused("too-large");
    assert_eq!(requests("unreadable", "too-large"), 1);
    drop(large);

    let done = r#"claviger_handshakes_total{result="done",phase="tls"}"#;
    let took = |phase: &str| count(&format!("claviger_handshake_seconds_count{{phase=\"{phase}\"}}"));
    assert_eq!((count(done), took("tls"), took("hello")), (2, 2, 2));
    refusal(broker.listen, &Hello::ours("nobody"), None);
    // The peer is told first.
    let counted = |series: &str| until(series, || count(series) == 1);
    counted(r#"claviger_handshakes_total{result="unknown-domain",phase="choice"}"#);
    let stranger = Fleet::generate(broker.dir(), "stranger", "--algorithm p256");
    let refused = Channel::connect(broker.listen, &Hello::ours("fleet"), Some(&stranger.member()));
    assert!(refused.and_then(|mut channel| channel.try_request(&message::retrieve("a"))).is_err());
    counted(r#"claviger_handshakes_total{result="failed",phase="tls"}"#);
    counted("claviger_certificates_refused_total");
    drop(connect(broker.listen).unwrap());
    counted(r#"claviger_handshakes_total{result="failed",phase="hello"}"#);

    assert!(count("claviger_commit_seconds_count") >= 2, "the domain, and the store");
    assert!(count(r#"claviger_commit_batch_size_bucket{le="1"}"#) >= 2);
    counted(r#"claviger_permits_in_use{permit="connections"}"#);
    assert_eq!(count(r#"claviger_permits_limit{permit="connections"}"#), 16384);
    assert!(count(r#"claviger_connections_total{listener="key-service"}"#) >= 4);
    drop(channel);
    until("the place comes back", || count(r#"claviger_permits_in_use{permit="connections"}"#) == 0);
    assert!(broker.page("/metrics").1.contains("claviger_build_info{version=\""));
}

#[test]
fn what_a_domain_does_is_counted_under_its_name_for_as_many_as_the_operator_says() {
    let broker = configured("[limits]\ndomains_in_metrics = 1");
    let (first, second) =
        (Fleet::create(&broker, "first", "members"), Fleet::create(&broker, "second", "members"));
    let count = |series: &str| metric(&broker, &format!("claviger_domain_{series}"));
    let requests =
        |domain, result| count(&format!("requests_total{{domain=\"{domain}\",result=\"{result}\"}}"));
    first.admitted(&broker, "vm");
    let mut channel = first.channel(&broker);
    channel.request(&message::store("a", b"x")).ok();
    channel.request(&message::retrieve("a")).ok();
    channel.request(&message::retrieve("absent")).refused("not-found");
    second.channel(&broker).request(&message::store("b", b"x")).ok();
    assert_eq!((requests("first", "ok"), requests("first", "refused")), (2, 1));
    assert_eq!((requests("_rest", "ok"), requests("_rest", "refused")), (1, 0));
    assert_eq!(count(r#"admissions_total{domain="first",result="ok"}"#), 1);
    assert_eq!(count(r#"channels_total{domain="_rest",result="ok"}"#), 1);
    let (_, page) = broker.page("/metrics");
    assert!(!page.contains("\"second\""), "{page}");
    // It counts on when the broker was sealed meanwhile, and its place is another's when it is gone.
    broker.admin("seal").run().ok();
    broker.admin("unseal").with("--key-file", broker.key_file()).run().ok();
    assert_eq!(requests("first", "ok"), 2);
    broker.admin("domain delete first").run().ok();
    let third = Fleet::create(&broker, "third", "members");
    third.channel(&broker).request(&message::store("c", b"x")).ok();
    assert_eq!((requests("third", "ok"), requests("_rest", "ok")), (1, 1));
    assert!(!broker.page("/metrics").1.contains("\"first\""));
}

#[test]
fn readyz_says_why_not_and_livez_only_whether() {
    let mut broker = configured("[limits]\ndrain_ms = 600000\nbody_ms = 600000");
    let fleet = Fleet::create(&broker, "fleet", "members");
    let is = |broker: &Broker, ready: u64, sealed: u64| {
        assert_eq!(broker.page("/livez"), (200, "ok\n".to_owned()));
        assert_eq!((metric(broker, "claviger_ready"), metric(broker, "claviger_sealed")), (ready, sealed));
    };
    assert_eq!(broker.page("/readyz"), (200, "ready\n".to_owned()));
    is(&broker, 1, 0);
    broker.admin("seal").run().ok();
    let (status, reason) = broker.page("/readyz");
    assert!(status == 503 && reason.starts_with("sealed"), "{reason}");
    is(&broker, 0, 1);
    broker.admin("unseal").with("--key-file", broker.key_file()).run().ok();
    assert_eq!(broker.page("/readyz").0, 200);

    let mut held = fleet.channel(&broker);
    held.request(&message::store("a", b"x")).ok();
    held.send_bytes(&message::frame(&message::store("a", b"in time"))[..9]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    broker.signal(rustix::process::Signal::TERM);
    until("it drains", || broker.page("/readyz") == (503, "draining\n".to_owned()));
    is(&broker, 0, 0);
    held.send_bytes(&message::frame(&message::store("a", b"in time"))[9..]).unwrap();
    assert!(message::Response::read(held.receive().unwrap()).succeeded());
    assert!(broker.wait().success());
}
