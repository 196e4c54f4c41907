//! Rows 17 and 23: where secrets must never be.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::channel::{Channel, Hello, connect};
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::message::{self, Writer, entry, store_entry};
use claviger_tests::programs::program;

/// A secret that is nothing else.
const CANARY: &[u8] = b"cAnArY-5f1c0de8-Tw33t!-NeVeR-t0-B3-s33n";
/// A name that only sealed records may have.
const NAME: &str = "canary-name/9d41";

/// The forms in which a secret could have been written.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = hex::encode(secret);
    let decimal = |between: &str| secret.iter().map(u8::to_string).collect::<Vec<_>>().join(between);
    let mut forms = vec![secret.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    forms.extend([decimal(", ").into_bytes(), decimal(",").into_bytes()]);
    forms.extend((0..3).map(|shift| base64(&secret[shift..])));
    forms
}

/// Base64 of the whole groups of three.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| ALPHABET[bits >> shift & 63])
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}

#[track_caller]
fn assert_absent(secret: &[u8], place: &str, bytes: &[u8]) {
    for form in forms(secret) {
        let found = bytes.windows(form.len()).position(|window| window == form);
        assert!(found.is_none(), "the secret is in {place}, at {found:?}");
    }
}

/// Every file under a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// Sends the canary in every request that it could be in, good and bad.
fn spread(broker: &Broker, fleet: &Fleet) {
    let mut channel = fleet.channel(broker);
    channel.request(&message::store(NAME, CANARY)).ok();
    assert_eq!(channel.request(&message::retrieve(NAME)).ok().blob(), CANARY);
    let conflict = store_entry(NAME, &entry(NAME, 1, &CANARY.repeat(2), true));
    channel.request(&conflict).refused("conflict");
    channel.request(&message::store("fleet-private-auth-key", CANARY)).refused("reserved-name");
    channel.request(&message::store("../escape", CANARY)).refused("invalid-name");
    channel.request(&[CANARY, &[0xff; 9]].concat()).refused("malformed");
    channel.request(&store_entry(NAME, CANARY)).refused("malformed");
    let untyped = Writer::new().bytes(1, NAME).bytes(5, CANARY).done();
    channel.request(&store_entry(NAME, &untyped)).refused("malformed");
    let credentials = Writer::new().bytes(1, NAME).bytes(2, "signed-nonce").bytes(6, CANARY).done();
    channel.request(&credentials).refused("malformed");
    broker.admin("acl preset --domain fleet closed").run().ok();
    channel.request(&message::store(NAME, CANARY)).refused("not-found");
    broker.admin("acl preset --domain fleet members").run().ok();
    channel.send(&CANARY.repeat(60_000)).unwrap();
    message::Response::read(channel.receive().unwrap()).refused("too-large");

    let hello = Hello::stock(fleet.policy.subject_der());
    let mut stock = Channel::connect(broker.listen, &hello, Some(&fleet.member())).unwrap();
    stock.request(&message::store(NAME, CANARY)).ok();
    // A client that speaks no TLS, by mistake.
    for to in [broker.listen, broker.admission] {
        drop(connect(to).unwrap().write_all(&message::frame(&message::store(NAME, CANARY))));
    }
}

#[test]
fn t17_a_secret_is_in_no_log_no_audit_no_metric_and_no_file() {
    let env = vec![("CLAVIGER_LOG", "trace".to_owned()), ("RUST_BACKTRACE", "full".to_owned())];
    let mut broker = Broker::start_with(Setup { env, ..Setup::default() });
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    let machine = fleet.admitted(&broker, "vm");
    spread(&broker, &fleet);
    let stored = store(&broker, &machine.state, NAME, CANARY).run();
    stored.ok();
    let kept = retrieve(&broker, &machine.state, NAME).run();
    kept.ok();
    let piped = retrieve(&broker, &machine.state, NAME).args("--out -").run();
    assert_eq!(piped.stdout(), CANARY);
    let conflict = store(&broker, &machine.state, NAME, &CANARY.repeat(2)).args("--version 1").run();
    conflict.failed(5);
    for run in [&stored, &kept, &conflict] {
        assert_absent(CANARY, "what key-client says", &[run.stdout(), run.stderr().as_bytes()].concat());
    }
    assert_absent(CANARY, "what key-client says", piped.stderr().as_bytes());
    fleet.verify_audit(&broker);
    let (_, metrics) = broker.page("/metrics");
    assert!(metrics.contains("claviger_requests_total"), "{metrics}");
    // A domain's name is no secret to the operator; what is in it is.
    for secret in [CANARY, NAME.as_bytes()] {
        assert_absent(secret, "the metrics", metrics.as_bytes());
    }
    assert_absent(CANARY, "the log", broker.log().as_bytes());
    // A crash says nothing more.
    broker.signal(rustix::process::Signal::ABORT);
    assert!(!broker.wait().success());
    let log = broker.log();
    assert!(log.contains("\"TRACE\""), "the log was as talkative as it can be");
    assert_absent(CANARY, "the log", log.as_bytes());
    assert_absent(CANARY, "standard output", &fs::read(broker.stdout_file()).unwrap());
    let key = claviger_tests::certificate::unpem(&fs::read(&fleet.policy_key).unwrap());
    // PKCS#8 of P-256: the private number.
    let number = &key[36..68];
    for file in files(&broker.data_dir()) {
        let bytes = fs::read(&file).unwrap();
        for secret in [CANARY, NAME.as_bytes(), number] {
            assert_absent(secret, &file.display().to_string(), &bytes);
        }
    }
    assert_absent(number, "the log", log.as_bytes());
    for file in files(&machine.state) {
        assert_absent(CANARY, &file.display().to_string(), &fs::read(&file).unwrap());
    }
    // It is there all the same.
    broker.serve();
    assert_eq!(fleet.channel(&broker).request(&message::retrieve(NAME)).ok().blob(), CANARY);
}

/// Everything under a directory is its owner's alone, but the files that are public by their nature.
#[track_caller]
fn assert_private(dir: &Path, public: &[&str]) {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir), 0o700, "{}", dir.display());
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            assert_private(&path, public);
        } else if !public.contains(&name) {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}

#[test]
fn t23_files_are_their_owner_s_alone_whatever_the_umask() {
    // The harness runs every program under umask 000.
    let mut broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "fleet", "--algorithm p256");
    fleet.create_on(&broker, "members").ok();
    let machine = fleet.admitted(&broker, "vm");
    store(&broker, &machine.state, "a", &vec![7; 200_000]).run().ok();
    retrieve(&broker, &machine.state, "a").run().ok();
    let out = broker.dir().join("out");
    // An existing file that everybody could read doesn't stay so.
    fs::write(&out, "old").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o666)).unwrap();
    retrieve(&broker, &machine.state, "a").with("--out", &out).run().ok();
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    fleet.verify_audit(&broker);

    assert_private(&broker.data_dir(), &[]);
    assert_private(&machine.state, &[]);
    assert_private(&machine.platform, &["cf_utility.measurement"]);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(broker.admin_socket()), mode(broker.key_file())), (0o600, 0o600));
    let owner = fleet.policy_key.parent().unwrap().to_owned();
    assert_eq!((mode(owner), mode(fleet.policy_key.clone())), (0o700, 0o600));
    // What it writes as it ends, and what it opens again, too.
    broker.stop();
    assert_private(&broker.data_dir(), &[]);
    broker.serve();
    assert_private(&broker.data_dir(), &[]);
}

#[test]
fn t23_no_secret_is_in_a_command_line_or_environment() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    let state = fleet.state_of("member", &fleet.member());
    let root = fs::read(broker.key_file()).unwrap();
    let seen = |pid: u32| {
        let read = |what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap();
        [read("cmdline"), read("environ")].concat()
    };
    assert_absent(&root, "the broker's command line", &seen(broker.pid()));

    // A store that waits for the rest of its input.
    let mut child = std::process::Command::new(program("key-client"))
        .args(["store", "a", "--in", "-", "--broker", &broker.listen.to_string(), "--state-dir"])
        .arg(&state)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(CANARY).unwrap();
    assert_absent(CANARY, "key-client's command line", &seen(child.id()));
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_absent(CANARY, "the broker's command line", &seen(broker.pid()));
    assert_eq!(fleet.channel(&broker).request(&message::retrieve("a")).ok().blob(), CANARY);
}
