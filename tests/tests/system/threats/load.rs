//! Rows 20 and 31: peers that cost much, and what they don't cost the others.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;

use claviger_tests::admission::Admission;
use claviger_tests::broker::{Broker, Setup};
use claviger_tests::channel::{Channel, Hello, connect, hello_bytes};
use claviger_tests::fleet::Fleet;
use claviger_tests::message::{self, frame};

/// Each connection is a file here as well.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
fn t31_a_thousand_silent_connections_leave_the_others_served() {
    raise_file_limit();
    // None of them may end by its deadline before the test does.
    let config =
        "[limits]\nhello_ms = 600000\nhandshake_ms = 600000\nfirst_frame_ms = 600000\nbody_ms = 600000";
    let broker = Broker::start_with(Setup { config: config.to_owned(), ..Setup::default() });
    let fleet = Fleet::create(&broker, "fleet", "members");
    let own = fleet.member();
    let mut neighbour = fleet.channel(&broker);
    neighbour.request(&message::store("a", b"secret")).ok();

    let mut silent: Vec<TcpStream> = Vec::new();
    let mut half: Vec<Channel> = Vec::new();
    let hello = hello_bytes(&Hello::ours("fleet"));
    let begun = |bytes: &[u8], to| {
        let mut tcp = connect(to).unwrap();
        tcp.write_all(bytes).unwrap();
        tcp
    };
    for n in 0..250 {
        let to = if n % 2 == 0 { broker.listen } else { broker.admission };
        silent.push(begun(b"", to));
        silent.push(begun(&hello[..n % hello.len()], to));
        // A whole hello, and nothing after it.
        silent.push(begun(&hello, to));
    }
    let request = frame(&message::store("b", b"never whole"));
    for n in 0..250 {
        let mut channel = Channel::ours(broker.listen, "fleet", &own);
        channel.send_bytes(&request[..n % request.len()]).unwrap();
        half.push(channel);
    }

    for n in 0..200 {
        let mut channel = Channel::ours(broker.listen, "fleet", &own);
        assert_eq!(channel.request(&message::retrieve("a")).ok().blob(), b"secret");
        if n % 20 == 0 {
            neighbour.request(&message::store("c", b"more")).ok();
        }
    }
    let machine = fleet.admitted(&broker, "vm");
    assert!(machine.state.exists(), "admission goes on as well");
    let open = broker.admin("status").run().ok()["connections"].as_u64().unwrap();
    assert!(open >= 1_000, "the silent ones were there all the time: {open}");
    assert!(silent.iter().all(|tcp| tcp.as_raw_fd() >= 0) && half.len() == 250);
}

#[test]
fn t31_every_phase_of_a_silent_peer_ends() {
    // Long enough for who isn't silent, on a busy machine.
    let phases = ["hello", "handshake", "first_frame", "body", "idle", "evidence"];
    let config =
        phases.iter().fold("[limits]\n".to_owned(), |config, phase| config + *phase + "_ms = 2000\n");
    let broker = Broker::start_with(Setup { config, ..Setup::default() });
    let fleet = Fleet::create(&broker, "fleet", "members");
    let own = fleet.member();
    let hello = hello_bytes(&Hello::ours("fleet"));
    let mut begun = Vec::new();
    for to in [broker.listen, broker.admission] {
        for bytes in [&b""[..], &hello[..3], &hello[..100], &hello] {
            let mut tcp = connect(to).unwrap();
            tcp.write_all(bytes).unwrap();
            begun.push(tcp);
        }
    }
    let before_the_first_frame = Channel::ours(broker.listen, "fleet", &own);
    let mut in_a_body = Channel::ours(broker.listen, "fleet", &own);
    in_a_body.send_bytes(&frame(&message::store("a", b"x"))[..9]).unwrap();
    let mut idle = Channel::ours(broker.listen, "fleet", &own);
    idle.request(&message::store("a", b"x")).ok();
    let mut without_evidence = Admission::begin(&broker, &fleet);

    for tcp in &mut begun {
        // Reads until the broker closes; a reset is an end as well, and a test that waited in vain isn't.
        let ended = tcp.read_to_end(&mut Vec::new());
        assert!(ended.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true));
    }
    for mut channel in [before_the_first_frame, in_a_body, idle] {
        assert!(channel.is_closed());
    }
    assert!(without_evidence.channel().is_closed());
}

#[test]
fn t31_fewer_than_256_connections_from_one_address_are_never_refused() {
    raise_file_limit();
    let config = "[limits]\nconnections_per_address = 256\nfirst_frame_ms = 600000\nidle_ms = 600000";
    let broker = Broker::start_with(Setup { config: config.to_owned(), ..Setup::default() });
    let fleet = Fleet::create(&broker, "fleet", "members");
    let own = fleet.member();
    let open = || Channel::connect(broker.listen, &Hello::ours("fleet"), Some(&own));
    let mut channels: Vec<_> = (0..255).map(|_| open().unwrap()).collect();
    channels[0].request(&message::store("a", b"secret")).ok();
    for channel in &mut channels {
        assert_eq!(channel.request(&message::retrieve("a")).ok().blob(), b"secret");
    }
    // The 257th is over the limit that was set, and is refused at once instead of waiting.
    channels.push(open().unwrap());
    assert!(open().and_then(|mut one| one.try_request(&message::retrieve("a"))).is_err());
    drop(channels);
    // Places come back; the broker notices closed connections in its own time.
    while open().and_then(|mut one| one.try_request(&message::retrieve("a"))).is_err() {}
}

/// Garbage of every kind, once.
fn garbage(broker: &Broker, fleet: &Fleet, own: &claviger_tests::channel::Credentials, seed: usize) {
    let noise: Vec<u8> = (0..3000_usize).map(|i| (i * 31 + seed * 7).to_le_bytes()[0] | 1).collect();
    let hello = hello_bytes(&Hello::ours("fleet"));
    for to in [broker.listen, broker.admission] {
        for bytes in
            [&noise[..], b"GET / HTTP/1.1\r\n\r\n", &hello[..hello.len() / 2], &[0x16, 3, 1, 0x40, 0]]
        {
            let mut tcp = connect(to).unwrap();
            // The broker may close in the middle of it.
            drop(tcp.write_all(bytes));
        }
    }
    let mut channel = Channel::ours(broker.listen, "fleet", own);
    for body in [&noise[..], &[0xff; 100], &message::retrieve(&"n".repeat(2000)), &[0x0a; 1000]] {
        assert!(!channel.request(body).succeeded());
    }
    let large = vec![0x5a; 2 << 20];
    drop(channel.send(&large));
    drop(channel.receive());
    let mut announced = Channel::ours(broker.listen, "fleet", own);
    // A body within the limit that never comes.
    announced.send_bytes(&1_000_000_i32.to_le_bytes()).unwrap();
    let mut admission = Admission::begin(broker, fleet);
    assert_eq!(admission.send(&noise).status(), "failed");
}

#[test]
fn t20_memory_stays_flat_under_garbage() {
    const MOST_GROWTH_KIB: usize = 12 << 10;
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let own = fleet.member();
    let mut neighbour = fleet.channel(&broker);
    neighbour.request(&message::store("a", b"secret")).ok();
    for seed in 0..30 {
        garbage(&broker, &fleet, &own, seed);
    }
    let before = broker.resident();
    for seed in 0..120 {
        garbage(&broker, &fleet, &own, seed);
    }
    let after = broker.resident();
    assert!(after <= before + MOST_GROWTH_KIB, "{before} KiB grew to {after} KiB");
    assert_eq!(neighbour.request(&message::retrieve("a")).ok().blob(), b"secret");
    fleet.verify_audit(&broker);
}

#[test]
fn t20_what_is_announced_takes_no_memory_before_it_comes() {
    const CONNECTIONS: usize = 100;
    raise_file_limit();
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let own = fleet.member();
    let mut channels: Vec<_> =
        (0..CONNECTIONS).map(|_| Channel::ours(broker.listen, "fleet", &own)).collect();
    for channel in &mut channels {
        channel.request(&message::retrieve("absent")).refused("not-found");
    }
    let before = broker.resident();
    for channel in &mut channels {
        channel.send_bytes(&1_000_000_i32.to_le_bytes()).unwrap();
    }
    // Whoever asks now is served after the broker has read all those headers.
    for _ in 0..20 {
        Channel::ours(broker.listen, "fleet", &own)
            .request(&message::retrieve("absent"))
            .refused("not-found");
    }
    let grown = broker.resident().saturating_sub(before);
    assert!(grown < CONNECTIONS * 1_000_000 / 1024 / 4, "{grown} KiB for bodies that never came");
}
