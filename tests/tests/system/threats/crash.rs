//! Row 32: crashes while stores are under way.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use claviger_tests::broker::Broker;
use claviger_tests::channel::Credentials;
use claviger_tests::fleet::Fleet;
use claviger_tests::message;

const WRITERS: usize = 6;

/// Stores without an end, until the broker is gone; tells of each store that was acknowledged.
fn write(
    broker: &Broker,
    own: &Credentials,
    writer: usize,
    acknowledged: &Mutex<Vec<(String, i64, Vec<u8>)>>,
) {
    let hello = claviger_tests::channel::Hello::ours("fleet");
    let Ok(mut channel) = claviger_tests::channel::Channel::connect(broker.listen, &hello, Some(own)) else {
        return;
    };
    for count in 0_usize.. {
        // Small ones, and some that take many chunks.
        let size = if count.is_multiple_of(8) { 200_000 } else { 64 };
        let name = format!("writer-{writer}/{}", count % 3);
        let blob = format!("{}:{writer}:{count};", broker.pid()).into_bytes().repeat(size / 16);
        match channel.try_request(&message::store(&name, &blob)) {
            Ok(response) => {
                let version = response.ok().stored_version().expect("a version");
                acknowledged.lock().unwrap().push((name, version, blob));
            }
            Err(_) => return,
        }
    }
}

#[test]
fn t32_every_acknowledged_store_survives_kill_9() {
    let mut broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let own = fleet.member();
    let acknowledged = Mutex::new(Vec::new());
    for round in 1..=3 {
        let before = acknowledged.lock().unwrap().len();
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (broker, own, acknowledged) = (&broker, &own, &acknowledged);
                scope.spawn(move || write(broker, own, writer, acknowledged));
            }
            let end = Instant::now() + Duration::from_mins(2);
            while acknowledged.lock().unwrap().len() < before + 20 * round && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            let pid = rustix::process::Pid::from_raw(broker.pid().cast_signed()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        broker.kill_done();
        assert!(acknowledged.lock().unwrap().len() > before, "nothing was stored before the crash");
        broker.serve();
        check(&broker, &fleet, &acknowledged.lock().unwrap());
    }
}

fn check(broker: &Broker, fleet: &Fleet, acknowledged: &[(String, i64, Vec<u8>)]) {
    let mut channel = fleet.channel(broker);
    for (name, version, blob) in acknowledged {
        let kept = channel.request(&message::retrieve_version(name, *version));
        assert!(kept.ok().blob() == *blob, "{name} version {version}");
    }
    // What was under way is there whole or not at all, and the next version comes after it.
    let names: std::collections::BTreeSet<_> = acknowledged.iter().map(|(name, ..)| name).collect();
    for name in names {
        let latest = channel.request(&message::retrieve(name)).ok().entry();
        let (version, blob) = (latest.int(3).unwrap(), latest.bytes(5).unwrap());
        let unit = blob.iter().position(|byte| *byte == b';').unwrap() + 1;
        assert!(blob.chunks(unit).all(|chunk| chunk == &blob[..unit]), "{name} version {version} is torn");
        let highest =
            acknowledged.iter().filter(|(other, ..)| other == name).map(|(_, version, _)| *version).max();
        assert!(Some(version) >= highest);
        assert_eq!(
            channel.request(&message::store(name, b"after;")).ok().stored_version(),
            Some(version + 1)
        );
    }
    fleet.verify_audit(broker);
}
