//! What one domain may take of a broker: over each quota a clear answer, nobody else pays, and more counts at once.

use std::sync::atomic::{AtomicBool, Ordering};

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::channel::{Channel, Credentials, Hello, alert};
use claviger_tests::fleet::{self, Fleet};
use claviger_tests::message::{self, Response};
use rustls::AlertDescription;
use serde_json::Value;

/// Two domains, and a member's channel in each.
struct Two {
    broker: Broker,
    red: Fleet,
    blue: Fleet,
}

impl Two {
    fn start() -> Self {
        Self::with("")
    }

    fn with(config: &str) -> Self {
        let broker = Broker::start_with(Setup { config: config.to_owned(), ..Setup::default() });
        let (red, blue) =
            (Fleet::create(&broker, "red", "members"), Fleet::create(&broker, "blue", "members"));
        Self { broker, red, blue }
    }

    /// Sets quotas of red.
    #[track_caller]
    fn set(&self, quotas: &str) -> Value {
        self.broker.admin("quota set --domain red").args(quotas).run().ok()
    }

    fn show(&self, domain: &str) -> Value {
        self.broker.admin("quota show --domain").arg(domain).run().ok()
    }

    /// Blue stores and gets, on a new connection.
    #[track_caller]
    fn blue_is_served(&self) {
        let mut channel = self.blue.channel(&self.broker);
        channel.request(&message::store("neighbour", b"blue")).ok();
        assert_eq!(channel.request(&message::retrieve("neighbour")).ok().blob(), b"blue");
    }

    fn open(&self, own: &Credentials) -> std::io::Result<Channel> {
        let mut channel = Channel::connect(self.broker.listen, &Hello::ours("red"), Some(own))?;
        // With TLS 1.3 a client learns only from the first answer that it is in.
        channel.try_request(&message::retrieve("absent"))?;
        Ok(channel)
    }
}

/// How long to wait, where an answer says.
fn retry_after(response: &Response) -> Option<i64> {
    response.fields.int(110)
}

#[test]
fn t34_over_its_quota_of_names_bytes_or_versions_a_domain_is_told_so_and_its_neighbour_is_served() {
    let two = Two::start();
    let own = two.red.member();
    let mut channel = Channel::ours(two.broker.listen, "red", &own);
    let state = two.red.state_of("member", &own);
    two.set("--names 2 --bytes 10K --versions-per-name 3");
    channel.request(&message::store("a", b"1")).ok();
    channel.request(&message::store("b", b"1")).ok();
    // A name.
    let refused = channel.request(&message::store("c", b"1"));
    assert_eq!(retry_after(refused.refused("quota-exceeded")), None, "waiting is of no use");
    let told = fleet::store(&two.broker, &state, "c", b"1").run();
    told.failed(3).is("quota-exceeded").says(&["2 names", "quota set"]);
    channel.request(&message::retrieve("c")).refused("not-found");
    // Versions.
    channel.request(&message::store("a", b"2")).ok();
    channel.request(&message::store("a", b"3")).ok();
    channel.request(&message::store("a", b"4")).refused("quota-exceeded");
    // Bytes.
    channel.request(&message::store("b", &[7; 9_000])).refused("quota-exceeded");
    let told = fleet::store(&two.broker, &state, "b", &[7; 9_000]).run();
    told.failed(3).is("quota-exceeded").says(&["10240 bytes", "destroy"]);
    // A key that the broker makes, and an operator's import, take as much.
    let secret = two.broker.file("secret", "x");
    let import = two.broker.admin("entry import c --domain red").with("--in", &secret).run();
    import.failed(3).is("quota-exceeded");
    assert_eq!(channel.request(&message::retrieve("a")).ok().blob(), b"3", "what is there is given");
    two.blue_is_served();
    assert_eq!(two.show("red")["used"]["names"], 2);
    assert_eq!(two.show("red")["used"]["bytes"], 4 * 256 + 4);
    // More, and it counts for the next request of an open connection.
    two.set("--names 3 --bytes 1M --versions-per-name 4");
    channel.request(&message::store("a", b"4")).ok();
    channel.request(&message::store("b", &[7; 9_000])).ok();
    channel.request(&message::store("c", b"1")).ok();
    two.red.verify_audit(&two.broker);
}

#[test]
fn t34_destroying_makes_room_and_all_is_there_after_a_restart() {
    let mut two = Two::start();
    let mut channel = two.red.channel(&two.broker);
    two.set("--bytes 6000 --connections 77");
    channel.request(&message::store("a", &[1; 5_000])).ok();
    channel.request(&message::store("b", &[1; 3_000])).refused("quota-exceeded");
    two.broker.stop();
    two.broker.serve();
    let shown = two.show("red");
    assert_eq!((&shown["set"]["bytes"], &shown["set"]["connections"]), (&6000.into(), &77.into()));
    assert_eq!(shown["used"]["bytes"], 5_256);
    let mut channel = two.red.channel(&two.broker);
    channel.request(&message::store("b", &[1; 3_000])).refused("quota-exceeded");
    let state = two.red.state_of("member", &two.red.member());
    fleet::client(&two.broker, &state, "destroy", "a").args("--version 1").run().ok();
    channel.request(&message::store("b", &[1; 3_000])).ok();
    assert_eq!(two.show("red")["used"], serde_json::json!({"names": 2, "bytes": 3_512, "connections": 1}));
}

#[test]
fn t34_over_its_requests_a_domain_is_told_how_long_to_wait() {
    let two = Two::start();
    two.red.allow_stock(&two.broker);
    let mut channel = two.red.channel(&two.broker);
    channel.request(&message::store("a", b"secret")).ok();
    two.set("--requests-per-second 1");
    let busy = (0..20).map(|_| channel.request(&message::retrieve("a"))).find(|told| !told.succeeded());
    let busy = busy.expect("twenty at one a second, and none was refused");
    let wait = retry_after(busy.refused("busy")).expect("how long to wait");
    assert!((1..=1_100).contains(&wait), "{wait}");
    two.blue_is_served();
    // A stock program gets what it knows: `failed`, and none of our fields.
    let failed = (0..20).find_map(|_| {
        let hello = Hello::stock(two.red.policy.subject_der());
        let mut stock = Channel::connect(two.broker.listen, &hello, Some(&two.red.member())).unwrap();
        let told = stock.request(&message::retrieve("a"));
        (!told.succeeded()).then_some(told)
    });
    let failed = failed.expect("one is refused");
    assert_eq!(failed.status(), "failed");
    assert!(failed.fields.numbers().iter().all(|number| *number < 100));
    // Who waits is served; with more, at once.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(channel.request(&message::retrieve("a")).ok().blob(), b"secret");
    two.set("--requests-per-second 100000");
    for _ in 0..50 {
        channel.request(&message::retrieve("a")).ok();
    }
    let (_, page) = two.broker.page("/metrics");
    let counted = page.lines().any(|line| {
        line.strip_prefix("claviger_over_quota_total{quota=\"requests\"} ").is_some_and(|count| count != "0")
    });
    assert!(counted, "{page}");
}

#[test]
fn t34_over_its_connections_a_domain_is_turned_away_and_goes_on_admitting() {
    let two = Two::start();
    let own = two.red.member();
    two.set("--connections 2");
    let (first, mut second) = (two.open(&own).unwrap(), two.open(&own).unwrap());
    let refused = two.open(&own).err().expect("a third");
    assert_eq!(alert(&refused), Some(AlertDescription::UserCanceled), "{refused}");
    let state = two.red.state_of("member", &own);
    fleet::retrieve(&two.broker, &state, "a").run().failed(8).is("busy");
    two.blue_is_served();
    // Who isn't a member takes no member's place, and the other way round.
    two.red.admitted(&two.broker, "vm");
    assert_eq!(two.show("red")["used"]["connections"], 2);
    second.request(&message::store("a", b"x")).ok();
    two.set("--connections 3");
    let third = two.open(&own).unwrap();
    drop((first, second, third));
    // Places come back; the broker notices in its own time.
    two.set("--connections 1");
    while two.open(&own).is_err() {}
}

#[test]
fn t34_over_its_handshakes_a_domain_is_turned_away() {
    let two = Two::start();
    let own = two.red.member();
    two.set("--handshakes-per-second 1");
    let refused = (0..50).find_map(|_| two.open(&own).err());
    let refused = refused.expect("fifty at one a second, and none was refused");
    assert_eq!(alert(&refused), Some(AlertDescription::UserCanceled), "{refused}");
    two.blue_is_served();
    two.set("--default handshakes-per-second");
    two.open(&own).unwrap();
}

#[test]
fn t34_a_quiet_tenant_is_served_while_another_floods() {
    let two = Two::with("[limits]\npending_stores = 4\nlarge_bodies = 2");
    let own = two.red.member();
    let mut quiet = two.blue.channel(&two.broker);
    quiet.request(&message::store("a", b"secret")).ok();
    let mut first = two.red.channel(&two.broker);
    first.request(&message::store("a", b"secret")).ok();
    two.set("--requests-per-second 200 --handshakes-per-second 20");
    // A body that never comes holds one of the two places: all of red's share.
    let mut holds = two.red.channel(&two.broker);
    holds.send_bytes(&100_000_i32.to_le_bytes()).unwrap();
    holds.send_bytes(&[7; 10]).unwrap();
    let (over, busy) = (AtomicBool::new(false), AtomicBool::new(false));
    let flood = |n: usize| {
        let mut channel = None;
        while !over.load(Ordering::Relaxed) {
            let open = || Channel::connect(two.broker.listen, &Hello::ours("red"), Some(&own)).ok();
            let Some(open) = channel.as_mut() else {
                channel = open();
                continue;
            };
            let body =
                if n.is_multiple_of(2) { message::store("a", &[7; 2_000]) } else { message::retrieve("a") };
            match Channel::try_request(open, &body) {
                Ok(told) if told.code() == "busy" => busy.store(true, Ordering::Relaxed),
                Ok(_) => {}
                Err(_) => channel = None,
            }
        }
    };
    std::thread::scope(|scope| {
        let flood = &flood;
        for n in 0..16 {
            scope.spawn(move || flood(n));
        }
        let large = vec![7; 70_000];
        for n in 0..200 {
            assert_eq!(quiet.request(&message::retrieve("a")).ok().blob(), b"secret");
            if n % 20 == 0 {
                quiet.request(&message::store("large", &large)).ok();
                two.blue_is_served();
            }
        }
        while !busy.load(Ordering::Relaxed) {
            quiet.request(&message::retrieve("a")).ok();
        }
        over.store(true, Ordering::Relaxed);
    });
    drop(holds);
    two.blue.verify_audit(&two.broker);
    two.red.verify_audit(&two.broker);
}

#[test]
fn quotas_that_cannot_be_change_nothing() {
    let two = Two::start();
    two.set("--names 5");
    let set = |line: &str| two.broker.admin("quota set --domain").args(line).run();
    set("red --names 0").failed(3).says(&["names is 1 to"]);
    set("red --bytes 2M --connections 99999999").failed(3).says(&["connections is 1 to 1048576"]);
    set("red --bytes 1.5M").failed(2);
    set("red --names many").failed(2);
    set("green --names 5").failed(4);
    two.broker.admin("quota show --domain green").run().failed(4);
    let shown = two.show("red");
    assert_eq!(shown["set"], serde_json::json!({"names": 5}));
    assert_eq!(shown["in_force"]["bytes"], 16_u64 << 30);
    two.set("--default names");
    assert_eq!(two.show("red")["set"], serde_json::json!({}));
    // Another domain of its name begins with nothing.
    two.set("--names 1");
    two.broker.admin("domain delete red").run().ok();
    two.red.create_on(&two.broker, "members").ok();
    assert_eq!(two.show("red")["set"], serde_json::json!({}));
}
