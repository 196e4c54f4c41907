//! From sealed to serving and back, without a restart.

pub(crate) mod memory;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::channel::{Channel, Hello, refusal};
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::message;
use claviger_tests::programs::Run;
use rustls::AlertDescription;
use serde_json::json;

const PASSPHRASE: &str = "correct horse battery staple";

/// A broker with a domain and a secret in it, started again without the key file of its first slot.
struct Sealed {
    broker: Broker,
    fleet: Fleet,
    state: PathBuf,
    /// The key file, put aside.
    key: PathBuf,
    passphrase: PathBuf,
    shares: Vec<PathBuf>,
}

impl Sealed {
    fn new() -> Self {
        Self::with(Setup::default())
    }

    fn with(setup: Setup) -> Self {
        let mut broker = Broker::start_with(setup);
        let fleet = Fleet::create(&broker, "fleet", "members");
        let state = fleet.state_of("member", &fleet.member());
        store(&broker, &state, "a", b"secret").run().ok();
        broker.stop();
        let passphrase = broker.file("passphrase", PASSPHRASE);
        broker.slot("add --key-slot passphrase").with("--new-passphrase-file", &passphrase).run().ok();
        let dir = broker.dir().join("shares");
        let split = broker.slot("split --shares 3 --threshold 2").with("--out-dir", &dir).run().ok();
        let shares = split["files"].as_array().unwrap();
        let shares = shares.iter().map(|file| file.as_str().unwrap().into()).collect();
        let key = broker.dir().join("aside.key");
        fs::rename(broker.key_file(), &key).unwrap();
        broker.serve();
        let sealed = Self { broker, fleet, state, key, passphrase, shares };
        sealed.is_sealed();
        sealed
    }

    #[track_caller]
    fn is_sealed(&self) {
        assert_eq!(self.broker.page("/readyz").0, 503);
        assert_eq!(self.broker.page("/livez").0, 200);
        let status = self.broker.admin("status").run().ok();
        assert_eq!((&status["state"], &status["domains"]), (&json!("sealed"), &json!(null)));
        self.broker.admin("domain list").run().failed(7).is("sealed").says(&["key-admin unseal"]);
        retrieve(&self.broker, &self.state, "a").args("--out -").run().failed(7);
        assert_eq!(refusal(self.broker.listen, &Hello::ours("fleet"), None), AlertDescription::InternalError);
    }

    #[track_caller]
    fn serves(&self) {
        assert_eq!(self.broker.page("/readyz").0, 200);
        let run = retrieve(&self.broker, &self.state, "a").args("--out -").run_text();
        assert_eq!(run.stdout(), b"secret", "{run}");
        store(&self.broker, &self.state, "b", b"another").run().ok();
        self.fleet.verify_audit(&self.broker);
    }

    fn unseal(&self, option: &str, file: &PathBuf) -> Run {
        self.broker.admin("unseal").with(option, file).run()
    }

    fn seal(&self) -> Run {
        self.broker.admin("seal").run()
    }
}

#[test]
fn each_kind_of_slot_unseals_a_running_broker_and_seal_ends_it_again() {
    let sealed = Sealed::new();
    for (option, file) in [("--passphrase-file", &sealed.passphrase), ("--key-file", &sealed.key)] {
        assert_eq!(sealed.unseal(option, file).ok()["state"], "ready");
        sealed.serves();
        sealed.unseal(option, file).failed(5).is("conflict");
        assert_eq!(sealed.seal().ok()["state"], "sealed");
        sealed.is_sealed();
        // It is what was asked for.
        assert_eq!(sealed.seal().ok()["state"], "sealed");
    }
    let first = sealed.unseal("--share-file", &sealed.shares[2]).ok();
    assert_eq!(first, serde_json::json!({"state": "sealed", "shares": {"have": 1, "needed": 2}}));
    sealed.is_sealed();
    assert_eq!(sealed.unseal("--share-file", &sealed.shares[0]).ok(), serde_json::json!({"state": "ready"}));
    sealed.serves();
}

#[test]
fn what_does_not_unseal_is_told_and_changes_nothing() {
    let sealed = Sealed::new();
    let table = fs::read(sealed.broker.data_dir().join("slots.json")).unwrap();
    let file = |content: &[u8]| sealed.broker.file("wrong", content);
    sealed.unseal("--passphrase-file", &file(b"correct horse")).failed(3).says(&["isn't the passphrase"]);
    sealed.unseal("--passphrase-file", &file(b"")).failed(3);
    sealed.unseal("--key-file", &file(&[7; 32])).failed(3).says(&["isn't the key"]);
    sealed.unseal("--key-file", &file(&[7; 5000])).failed(3);
    sealed.unseal("--share-file", &file(b"hello")).failed(3).says(&["no share"]);
    sealed.broker.admin("unseal --forget-shares --key-file x").run().failed(2);
    sealed.broker.admin("unseal").run().failed(3).says(&["terminal"]);
    sealed.is_sealed();
    assert_eq!(fs::read(sealed.broker.data_dir().join("slots.json")).unwrap(), table);
    sealed.unseal("--passphrase-file", &sealed.passphrase).ok();
    sealed.serves();
}

#[test]
fn t19_shares_are_one_ceremony_that_can_be_begun_anew_and_ends_with_the_broker() {
    let mut sealed = Sealed::new();
    let share = |sealed: &Sealed, at: usize| sealed.unseal("--share-file", &sealed.shares[at]);
    assert_eq!(share(&sealed, 0).ok()["shares"]["have"], 1);
    share(&sealed, 0).failed(3).says(&["share 1", "already"]);
    let other = Broker::init(Setup::default());
    let dir = other.dir().join("shares");
    other.slot("split --shares 2 --threshold 2").with("--out-dir", &dir).run().ok();
    sealed.unseal("--share-file", &dir.join("share-2.txt")).failed(3).says(&["doesn't have"]);
    // A wrong one doesn't cost those that came before.
    assert!(share(&sealed, 1).ok()["shares"].is_null());
    sealed.serves();

    sealed.seal().ok();
    assert_eq!(share(&sealed, 1).ok()["shares"]["have"], 1);
    let forgotten = sealed.broker.admin("unseal --forget-shares").run().ok();
    assert_eq!(forgotten, serde_json::json!({"state": "sealed"}));
    assert_eq!(share(&sealed, 0).ok()["shares"]["have"], 1);
    sealed.broker.stop();
    sealed.broker.serve();
    assert_eq!(share(&sealed, 2).ok()["shares"]["have"], 1, "the one before ended with the broker");
    share(&sealed, 0).ok();
    sealed.serves();
}

#[test]
fn one_unsealing_at_a_time() {
    let sealed = Sealed::new();
    let wrong = sealed.broker.file("wrong", "a passphrase that it is not");
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..6).map(|_| scope.spawn(|| sealed.unseal("--passphrase-file", &wrong))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let codes: Vec<_> = runs.iter().map(Run::code).collect();
    assert!(codes.iter().all(|code| matches!(code, Some(3 | 8))), "{codes:?}");
    assert!(codes.contains(&Some(3)) && codes.contains(&Some(8)), "{codes:?}");
    sealed.unseal("--passphrase-file", &sealed.passphrase).ok();
    sealed.serves();
}

#[test]
fn sealing_ends_the_channels_that_are_open() {
    let sealed = Sealed::new();
    sealed.unseal("--key-file", &sealed.key).ok();
    let mut idle: Vec<Channel> = (0..8).map(|_| sealed.fleet.channel(&sealed.broker)).collect();
    for channel in &mut idle {
        assert_eq!(channel.request(&message::retrieve("a")).ok().blob(), b"secret");
    }
    let enrolling = sealed.fleet.member();
    let mut waiting =
        Channel::connect(sealed.broker.admission, &Hello::ours("fleet"), Some(&enrolling)).unwrap();
    // The challenge; the evidence doesn't come.
    waiting.receive().unwrap();
    let began = Instant::now();
    sealed.seal().ok();
    assert!(began.elapsed() < Duration::from_secs(5), "nobody is waited for who has nothing under way");
    for channel in &mut idle {
        assert!(channel.is_closed());
    }
    drop(waiting.read_to_end());
    sealed.is_sealed();
    sealed.unseal("--key-file", &sealed.key).ok();
    for channel in &mut idle {
        assert!(channel.try_request(&message::retrieve("a")).is_err(), "it doesn't come back to life");
    }
    sealed.serves();
}

#[test]
fn a_request_that_is_cut_off_by_sealing_keeps_nobody() {
    let sealed = Sealed::with(Setup { config: "[limits]\ndrain_ms = 500".to_owned(), ..Setup::default() });
    sealed.unseal("--key-file", &sealed.key).ok();
    let mut slow = sealed.fleet.channel(&sealed.broker);
    let frame = message::frame(&message::retrieve("a"));
    slow.send_bytes(&frame[..frame.len() - 1]).unwrap();
    let began = Instant::now();
    sealed.seal().ok();
    assert!(began.elapsed() < Duration::from_secs(5));
    // The rest of it gets no secret.
    drop(slow.send_bytes(&frame[frame.len() - 1..]));
    let (bytes, _) = slow.read_to_end();
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
    sealed.is_sealed();
    sealed.unseal("--key-file", &sealed.key).ok();
    sealed.serves();
}

#[test]
fn stores_under_way_are_done_or_refused_and_none_is_lost() {
    let sealed = Sealed::new();
    sealed.unseal("--key-file", &sealed.key).ok();
    let stop = AtomicBool::new(false);
    let acknowledged: Vec<i64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (sealed, stop) = (&sealed, &stop);
                scope.spawn(move || {
                    let mut channel = sealed.fleet.channel(&sealed.broker);
                    let name = format!("busy/{writer}");
                    let mut last = 0;
                    while !stop.load(Ordering::Relaxed) {
                        match channel.try_request(&message::store(&name, b"x")) {
                            Ok(response) if response.succeeded() => last = response.stored_version().unwrap(),
                            Ok(response) => {
                                response.refused("sealed");
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    last
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        sealed.seal().ok();
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert!(acknowledged.iter().all(|last| *last > 0), "{acknowledged:?}");
    sealed.unseal("--key-file", &sealed.key).ok();
    let mut channel = sealed.fleet.channel(&sealed.broker);
    for (writer, last) in acknowledged.iter().enumerate() {
        let kept = channel.request(&message::retrieve(&format!("busy/{writer}"))).ok().entry();
        let version = kept.int(3).unwrap();
        // The last answer may not have arrived.
        assert!(version == *last || version == *last + 1, "{version} for {last}");
    }
    sealed.serves();
}

#[test]
fn it_can_be_done_over_and_over_and_ends_as_any_broker() {
    let mut sealed = Sealed::new();
    let before = sealed.broker.resident();
    for _ in 0..20 {
        sealed.unseal("--key-file", &sealed.key).ok();
        sealed.seal().ok();
    }
    let grown = sealed.broker.resident().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more");
    sealed.unseal("--key-file", &sealed.key).ok();
    sealed.serves();
    sealed.broker.stop();
    sealed.broker.serve();
    sealed.is_sealed();
    sealed.broker.stop();
}

#[test]
fn whoever_seals_and_unseals_at_once_it_is_one_or_the_other() {
    let sealed = Sealed::new();
    let end = Instant::now() + Duration::from_secs(4);
    std::thread::scope(|scope| {
        for turn in 0..3 {
            let sealed = &sealed;
            scope.spawn(move || {
                while Instant::now() < end {
                    let run = match turn {
                        0 => sealed.unseal("--key-file", &sealed.key),
                        1 => sealed.seal(),
                        _ => retrieve(&sealed.broker, &sealed.state, "a").args("--out -").run_text(),
                    };
                    // Done, in the state already, busy; for the agent, sealed or cut off.
                    assert!(matches!(run.code(), Some(0 | 5 | 7 | 8)), "{run}");
                    assert!(turn < 2 || run.code() != Some(0) || run.stdout() == b"secret", "{run}");
                }
            });
        }
    });
    sealed.seal().ok();
    sealed.is_sealed();
    sealed.unseal("--key-file", &sealed.key).ok();
    sealed.serves();
}
