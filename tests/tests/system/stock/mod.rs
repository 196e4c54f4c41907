//! Peers that speak the stock dialect: the Certifier Framework's client, as it was captured and as it is described.

mod admission;
mod migration;
mod mistakes;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use claviger_attest::KeyAlgorithm;
use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Leaf, pem, unpem};
use claviger_tests::channel::{Channel, Credentials, Hello, connect, refusal};
use claviger_tests::fleet::Fleet;
use claviger_tests::message::{self, Response, frame};
use claviger_tests::tools;
use rustls::AlertDescription;

const MEASUREMENT: &str = "d44a9721e169650f0e2373f7e3bfccf940aa155cab21e26075f7d129a538cdd4";

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A broker with a domain whose policy key is RSA and in stock files, and another domain beside it.
fn start() -> (Broker, Fleet) {
    let broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "dom1", "--algorithm rsa-2048 --format certifier");
    fleet.create_on(&broker, "members").ok();
    fleet.allow_stock(&broker);
    Fleet::create(&broker, "neighbour", "members");
    (broker, fleet)
}

/// A stock member: an RSA key under an RSA policy key.
fn member(fleet: &Fleet) -> Credentials {
    fleet.authority().issue(&Leaf { algorithm: KeyAlgorithm::Rsa2048, ..Leaf::stock(MEASUREMENT) })
}

/// A stock client's whole conversation: the frame in two records, one response, the connection's end.
fn converse(broker: &Broker, hello: &Hello, own: &Credentials, request: &[u8]) -> Response {
    let mut channel = Channel::connect(broker.listen, hello, Some(own)).unwrap();
    assert_eq!(channel.tls().alpn_protocol(), None);
    let (header, body) = request.split_at(4);
    channel.send_bytes(header).unwrap();
    if !body.is_empty() {
        channel.send_bytes(body).unwrap();
    }
    let response = Response::read(channel.receive().unwrap());
    assert!(response.fields.numbers().iter().all(|number| *number < 100), "{response:?}");
    assert_eq!(response.fields.text(2), Some("final"));
    assert!(channel.is_closed(), "one request on a connection");
    response
}

/// What the captured requests get, in the order in which they were sent to the stock server. Where ours differs
/// from its answer on purpose, the reason is beside it.
const CAPTURED: [(&str, Expected); 28] = [
    ("stock_store", Stored),
    ("stock_retrieve_sim", Entry("key-client-test-key", 1, b"01234567890123456789012345678901\n")),
    ("stock_retrieve_sev", Entry("key-client-test-key", 1, b"01234567890123456789012345678901\n")),
    ("stock_store_entry", Stored),
    ("stock_retrieve_entry", Whole("entry-key")),
    ("retrieve_missing", Failed),
    ("retrieve_not_exportable", Failed),
    ("retrieve_server_cert", Failed), // reserved: a machine's own certificate is nobody else's resource
    ("retrieve_key_message_entry", Failed), // the stock server's own entry, which ours doesn't have
    ("retrieve_bad_version", Failed), // the stock server ignores the version
    ("request_signed_nonce", Failed),
    ("request_unknown_type", Failed),
    ("request_empty", Failed),
    ("request_malformed", Failed),
    ("request_negative_length", Failed),
    ("store_garbage_entry", Failed),
    ("store_no_data", Failed), // the stock server keeps an empty entry under the tag ""
    ("store_blob_no_data", Failed), // nothing is no secret
    ("store_entry_other_tag", Stored),
    ("version_1_store_v0_A", Stored),
    ("version_1_retrieve_v0", Entry("ver-test", 1, b"A")),
    ("version_2_store_v0_B", Stored),
    ("version_2_retrieve_v0", Entry("ver-test", 2, b"B")), // the stock server returns the first for ever
    ("version_3_store_v0_C", Stored),
    ("version_3_retrieve_v0", Entry("ver-test", 3, b"C")),
    ("version_4_store_v2_D", Failed), // a version never changes
    ("version_5_store_new_v5", Stored),
    ("version_5_retrieve", Entry("ver-test2", 5, b"A")), // it is the version that was asked for
];

use Expected::{Entry, Failed, Stored, Whole};

#[derive(Clone, Copy, Debug)]
enum Expected {
    Failed,
    Stored,
    /// A blob: tag, version, bytes.
    Entry(&'static str, i64, &'static [u8]),
    /// The entry that was stored under this tag, field by field.
    Whole(&'static str),
}

#[test]
fn captured_requests_get_the_answers_that_the_stock_client_accepts() {
    let (broker, fleet) = start();
    let (hello, own) = (Hello::stock(fleet.policy.subject_der()), member(&fleet));
    for (name, expected) in CAPTURED {
        let request = data(&format!("keyservice/{name}.request.frame"));
        let response = converse(&broker, &hello, &own, &request);
        assert_eq!(response.succeeded(), !matches!(expected, Failed), "{name}: {response:?}");
        match expected {
            Failed => {}
            Stored => assert_eq!(response.fields.bytes(4), None, "{name}"),
            Entry(tag, version, blob) => {
                let entry = response.entry();
                let got = (entry.text(1), entry.text(2), entry.int(3), entry.bytes(5), entry.int(6));
                assert_eq!(
                    got,
                    (Some(tag), Some("binary-blob"), Some(version), Some(blob), Some(1)),
                    "{name}"
                );
            }
            Whole(tag) => {
                let entry = response.entry();
                let sent = data("keyservice/stock_store_entry.request.frame");
                let sent = message::Reader::parse(message::Reader::parse(&sent[4..]).bytes(5).unwrap());
                assert_eq!(entry.text(1), Some(tag));
                assert_eq!((entry.text(2), entry.bytes(5)), (sent.text(2), sent.bytes(5)));
                assert_eq!((entry.int(3), entry.int(6)), (sent.int(3), sent.int(6)));
            }
        }
    }
    // The entry's own tag and version had won.
    let other = converse(&broker, &hello, &own, &frame(&message::retrieve("OTHER")));
    assert_eq!((other.blob(), other.entry().int(3)), (b"zzz".to_vec(), Some(7)));
}

#[test]
fn a_stock_policy_key_and_admission_certificate_work_as_they_are() {
    let broker = Broker::start();
    let file = broker.dir().join("policy_key_file.bin");
    fs::write(&file, data("stock/policy_key.key_message.pb")).unwrap();
    broker.admin("domain create dom0 --preset members").with("--policy-key", &file).run().ok();
    broker.admin("domain stock allow dom0").run().ok();
    Fleet::create(&broker, "neighbour", "members");

    // The very bytes that the stock client begins with: the broker answers with a ServerHello of dom0's.
    let mut tcp = connect(broker.listen).unwrap();
    tcp.write_all(&data("stock/stock_client_hello.record")).unwrap();
    let mut head = [0; 6];
    tcp.read_exact(&mut head).unwrap();
    assert_eq!((head[0], head[5]), (0x16, 2), "a handshake record with a ServerHello: {head:x?}");

    let own = Credentials {
        certificate: data("stock/client_sev.cert.der"),
        key: unpem(&data("stock/client_sev.key.pkcs8.pem")),
    };
    let policy = claviger_proto::key::read_certificate(&data("stock/policy_key.key_message.pb")).unwrap();
    let policy = claviger_attest::PolicyCertificate::from_der(&policy).unwrap();
    let hello = Hello::stock(policy.subject_der());
    let request = data("keyservice/stock_store.request.frame");
    assert!(converse(&broker, &hello, &own, &request).succeeded());
    let request = data("keyservice/stock_retrieve_sev.request.frame");
    let blob = converse(&broker, &hello, &own, &request).blob();
    assert_eq!(blob, b"01234567890123456789012345678901\n");
}

#[test]
fn a_broker_with_one_domain_needs_no_hint() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    let own = fleet.authority().issue(&Leaf::stock(MEASUREMENT));
    let stored = converse(&broker, &Hello::silent(), &own, &frame(&message::store("a", b"secret")));
    assert!(stored.succeeded());
}

#[test]
fn stock_members_are_served_only_while_the_domain_allows_them() {
    let (broker, fleet) = start();
    let (hello, own) = (Hello::stock(fleet.policy.subject_der()), member(&fleet));
    let request = frame(&message::store("a", b"secret"));
    // A channel that is open when it is taken back.
    let mut open = Channel::connect(broker.listen, &hello, Some(&own)).unwrap();
    let denied = broker.admin("domain stock deny dom1 key-service").run().ok();
    assert_eq!((&denied["key_service"], &denied["admission"]), (&false.into(), &false.into()));
    open.send_bytes(&request).unwrap();
    assert!(!Response::read(open.receive().unwrap()).succeeded(), "in force for the next request");
    let told = refusal(broker.listen, &hello, Some(&own));
    assert_eq!(told, AlertDescription::NoApplicationProtocol);
    // It is the dialect that isn't allowed, not the member, nor another domain's stock members.
    Channel::ours(broker.listen, "dom1", &own).request(&message::retrieve("a")).refused("not-found");
    broker.admin("domain stock allow neighbour admission").run().ok();
    assert_eq!(refusal(broker.listen, &hello, Some(&own)), AlertDescription::NoApplicationProtocol);
    broker.admin("domain stock allow dom1").run().ok();
    assert!(converse(&broker, &hello, &own, &request).succeeded());
    let shown = broker.admin("domain stock show dom1").run().ok();
    assert_eq!((&shown["key_service"], &shown["admission"]), (&true.into(), &false.into()));
    fleet.verify_audit(&broker);
}

#[test]
fn a_second_request_on_a_stock_connection_is_ignored() {
    let (broker, fleet) = start();
    let (hello, own) = (Hello::stock(fleet.policy.subject_der()), member(&fleet));
    let mut channel = Channel::connect(broker.listen, &hello, Some(&own)).unwrap();
    let pipelined =
        [frame(&message::store("first", b"one")), frame(&message::store("second", b"two"))].concat();
    channel.send_bytes(&pipelined).unwrap();
    assert!(Response::read(channel.receive().unwrap()).succeeded());
    assert!(channel.is_closed());
    let second = converse(&broker, &hello, &own, &frame(&message::retrieve("second")));
    assert!(!second.succeeded());
}

#[test]
fn a_stock_reader_finds_a_response_s_header_in_one_record() {
    let (broker, fleet) = start();
    let (hello, own) = (Hello::stock(fleet.policy.subject_der()), member(&fleet));
    let mut channel = Channel::connect(broker.listen, &hello, Some(&own)).unwrap();
    channel.send(&message::retrieve("absent")).unwrap();
    let first = channel.read_record().unwrap();
    assert!(first.len() >= 4, "{} bytes in the first record", first.len());
}

#[test]
fn a_stock_client_that_leaves_early_costs_nobody_anything() {
    let (broker, fleet) = start();
    let (hello, own) = (Hello::stock(fleet.policy.subject_der()), member(&fleet));
    for _ in 0..20 {
        let mut leaves = Channel::connect(broker.listen, &hello, Some(&own)).unwrap();
        leaves.send(&message::store("a", &vec![7; 100_000])).unwrap();
        drop(leaves);
        drop(Channel::connect(broker.listen, &hello, Some(&own)).unwrap());
        let mut tcp = connect(broker.listen).unwrap();
        tcp.write_all(&data("stock/stock_client_hello.record")).unwrap();
    }
    assert!(converse(&broker, &hello, &own, &frame(&message::store("b", b"secret"))).succeeded());
    fleet.verify_audit(&broker);
}

/// Runs a client of another TLS library, with another maker of certificates than ours, against a domain of its own.
fn in_python(script: &str) -> Option<(Broker, Fleet)> {
    if !tools::have_python_cryptography() {
        return None;
    }
    let broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "dom1", "--algorithm rsa-2048");
    fleet.create_on(&broker, "members").ok();
    fleet.allow_stock(&broker);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(script);
    let run = Command::new("python3")
        .arg(script)
        .args([&fleet.policy_key, &fleet.policy_cert])
        .args([&broker.listen.port().to_string(), MEASUREMENT])
        // What it imports leaves nothing beside it.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    Some((broker, fleet))
}

#[test]
fn a_client_in_python_stores_and_retrieves() {
    let Some((broker, fleet)) = in_python("stock_client.py") else { return };
    assert_eq!(
        fleet.channel(&broker).request(&message::retrieve("from-python")).ok().blob(),
        b"python's secret"
    );
}

#[test]
fn a_client_in_python_takes_every_shape_of_a_stock_client() {
    let Some((mut broker, fleet)) = in_python("stock_shapes.py") else { return };
    assert!(broker.is_running());
    fleet.verify_audit(&broker);
}

fn s_client(broker: &Broker, fleet: &Fleet, options: &[&str], request: &[u8]) -> (bool, Vec<u8>, String) {
    let dir = broker.dir();
    let own = member(fleet);
    fs::write(
        dir.join("own.pem"),
        pem("CERTIFICATE", &own.certificate) + pem("PRIVATE KEY", &own.key).as_str(),
    )
    .unwrap();
    fs::write(dir.join("policy.pem"), pem("CERTIFICATE", fleet.policy.der())).unwrap();
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &broker.listen.to_string(), "-quiet", "-noservername"])
        .args(["-cert", "own.pem", "-key", "own.pem", "-CAfile", "policy.pem", "-verify_return_error"])
        .args(["-requestCAfile", "policy.pem", "-purpose", "sslserver"])
        .args(options)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have given up already.
    drop(stdin.write_all(request));
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    (output.status.success(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn openssl_finds_the_domain_by_its_policy_certificate_and_verifies_the_broker() {
    if !tools::have("openssl", "openssl") {
        return;
    }
    let (broker, fleet) = start();
    let (_, stored, told) = s_client(&broker, &fleet, &[], &frame(&message::store("a", b"by openssl")));
    let body = stored.get(4..).unwrap_or_else(|| panic!("{told}")).to_vec();
    assert!(Response::read(body).succeeded());
    let (_, retrieved, told) = s_client(&broker, &fleet, &[], &frame(&message::retrieve("a")));
    let body = retrieved.get(4..).unwrap_or_else(|| panic!("{told}")).to_vec();
    assert_eq!(Response::read(body).blob(), b"by openssl");
}

#[test]
fn older_tls_is_refused() {
    if !tools::have("openssl", "openssl") {
        return;
    }
    // The only domain, for TLS 1.2 has no way to name one by its policy certificate.
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    fleet.allow_stock(&broker);
    let (success, answer, told) = s_client(&broker, &fleet, &["-tls1_2"], &frame(&message::retrieve("a")));
    assert!(!success && answer.is_empty(), "{told}");
    assert!(told.contains("protocol version"), "{told}");
}
