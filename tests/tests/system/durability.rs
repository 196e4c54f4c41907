//! Acknowledged means durable: what the kernel was asked to do between a store request and its answer.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::fleet::Fleet;
use claviger_tests::message;
use claviger_tests::tools;

/// A system call, from the line where it ended.
#[derive(Debug)]
struct Call {
    name: String,
    /// What it was given, with what strace says about its file descriptor.
    arguments: String,
    result: i64,
    /// Where in the trace it began, and where it ended.
    lines: (usize, usize),
}

impl Call {
    fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }
}

/// Reads strace's output: `PID NAME(ARGUMENTS) = RESULT`, or the two halves of a call that others interrupted.
fn calls(trace: &str) -> Vec<Call> {
    let mut unfinished = std::collections::HashMap::new();
    let mut calls = Vec::new();
    for (line, text) in trace.lines().enumerate() {
        let Some((pid, text)) = text.split_once(' ') else { continue };
        let (begun, text) = match text.trim_start().strip_suffix(" <unfinished ...>") {
            Some(first) => {
                unfinished.insert(pid, (line, first.to_owned()));
                continue;
            }
            None => {
                match text.trim_start().strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
                    Some((_, rest)) => {
                        let (begun, first) = unfinished.remove(pid).expect("a call that was begun");
                        (begun, format!("{first}{rest}"))
                    }
                    None => (line, text.trim_start().to_owned()),
                }
            }
        };
        let Some((call, result)) = text.rsplit_once(" = ") else { continue };
        let Some((name, arguments)) = call.split_once('(') else { continue };
        let result = result.split(' ').next().and_then(|number| number.parse().ok());
        let (name, arguments) = (name.to_owned(), arguments.to_owned());
        calls.extend(result.map(|result| Call { name, arguments, result, lines: (begun, line) }));
    }
    calls
}

const SENDS: [&str; 4] = ["sendto", "sendmsg", "write", "writev"];
const READS: [&str; 4] = ["recvfrom", "recvmsg", "read", "readv"];
const SYNCS: [&str; 2] = ["fdatasync", "fsync"];

/// The calls after `skip` lines, as soon as one of them sent something on the channel to `peer`: strace writes a
/// call down when it is over, and its bytes are here before that.
fn calls_until_answer(trace: &Path, skip: usize, peer: &str) -> Vec<Call> {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let mut calls = calls(&fs::read_to_string(trace).unwrap());
        calls.retain(|call| call.lines.0 >= skip && call.result >= 0);
        if calls.iter().any(|call| call.is(&SENDS) && call.arguments.contains(peer)) {
            return calls;
        }
        assert!(Instant::now() < end, "no answer to {peer} in {} calls", calls.len());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a request; whether something under `place` was synced after it had come and before its answer left.
fn is_synced(broker: &Broker, fleet: &Fleet, trace: &Path, request: &[u8], place: &str) -> bool {
    let mut channel = fleet.channel(broker);
    let peer = channel.local_address().to_string();
    // The handshake and a first request are over before the one that counts.
    channel.request(&message::retrieve("absent")).refused("not-found");
    calls_until_answer(trace, 0, &peer);
    let skip = fs::read_to_string(trace).unwrap().lines().count();
    channel.request(request);
    let calls = calls_until_answer(trace, skip, &peer);
    let on_channel = |call: &&Call| call.arguments.contains(&peer);
    let answer = calls.iter().filter(on_channel).find(|call| call.is(&SENDS)).unwrap().lines.0;
    let request = calls
        .iter()
        .filter(on_channel)
        .filter(|call| call.is(&READS) && call.result > 0 && call.lines.1 < answer)
        .map(|call| call.lines.1)
        .max()
        .expect("the request was read");
    let place = broker.data_dir().join(place);
    calls
        .iter()
        .filter(|call| call.is(&SYNCS) && call.arguments.contains(place.to_str().unwrap()))
        .any(|call| call.lines.0 > request && call.lines.1 < answer)
}

/// A broker under strace, which writes to this file.
fn traced(trace: &Path, config: &str) -> Broker {
    let calls = "trace=fdatasync,fsync,recvfrom,recvmsg,read,readv,sendto,sendmsg,write,writev";
    let path = trace.to_str().unwrap();
    // -D: the broker is this process's child, and strace the stranger.
    let wrapper =
        ["strace", "-D", "-f", "-yy", "-s", "0", "-e", calls, "-o", path].map(str::to_owned).to_vec();
    Broker::start_with(Setup { wrapper, config: config.to_owned(), ..Setup::default() })
}

#[test]
fn a_store_is_synced_between_its_request_and_its_answer() {
    if !tools::have("strace", "strace") {
        return;
    }
    let trace = tempfile::NamedTempFile::new().unwrap();
    let broker = traced(trace.path(), "");
    let fleet = Fleet::create(&broker, "fleet", "members");
    for size in [1, 64, 4_000, 300_000, 1 << 20] {
        let store = message::store("a", &vec![7; size]);
        assert!(is_synced(&broker, &fleet, trace.path(), &store, "store"), "{size} bytes");
    }
}

#[test]
fn a_record_is_synced_before_its_answer_where_the_domain_says_so() {
    if !tools::have("strace", "strace") {
        return;
    }
    let trace = tempfile::NamedTempFile::new().unwrap();
    // What the timer syncs is later than any answer here.
    let broker = traced(trace.path(), "[limits]\naudit_sync_ms = 3600000\n");
    let fleet = Fleet::create(&broker, "fleet", "members");
    let synced = || is_synced(&broker, &fleet, trace.path(), &message::retrieve("absent"), "audit");
    let set = |sync: &str| broker.admin("audit set --domain fleet --sync").arg(sync).run().ok();
    assert!(!synced(), "written is the default");
    assert_eq!(set("durable")["audit_sync"], "durable");
    assert!(synced() && synced());
    assert_eq!(broker.admin("domain show fleet").run().ok()["audit_sync"], "durable");
    set("written");
    assert!(!synced());
    broker.admin("audit set --domain fleet --sync never").run().failed(2);
    broker.admin("audit set --domain nowhere --sync durable").run().failed(4);
}
