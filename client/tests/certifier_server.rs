//! A stock key server on the other end: whom it takes for one, and what it makes of what that says.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use claviger_attest::{Role, sha256};
use claviger_client::certifier::{CertifierError, Fingerprint, KeyServer, look};
use claviger_client::{Address, Error, Options, Phase, ProtocolFault};
use claviger_proto::key_service::{Dialect, PutOptions, Request, Retrieve, Store, decode_request};
use claviger_proto::{Entry, Version};
use support::messages::{name, retrieve, store};
use support::stock::{Asked, Cryptstore, Reply, data, entry, framed, key_server, leaf, patient};
use support::{Domain, Leaf, hasty};

const VALID: (i64, i64) = (-1, 365);

fn pin(leaf: &Leaf) -> Fingerprint {
    Fingerprint(sha256(&leaf.certificate))
}

fn server(domain: &Domain, address: &Address, pinned: &[Fingerprint], options: &Options) -> KeyServer {
    KeyServer::new(address, &domain.agent(), pinned, options).unwrap()
}

/// A server with these entries, and this machine's end.
async fn serving(entries: Vec<Entry>) -> (KeyServer, Asked) {
    let domain = Domain::new("fleet");
    let leaf = leaf(&domain, VALID);
    let mut cryptstore = Cryptstore(entries);
    let (address, asked) = key_server(&leaf, move |body| cryptstore.answer(body)).await;
    (server(&domain, &address, &[pin(&leaf)], &patient()), asked)
}

/// What a retrieve of `disk`, or of a version of it, comes to with a server that answers so.
async fn answered(version: Option<u32>, answer: impl Fn() -> Reply + Send + 'static) -> Result<Entry, Error> {
    let domain = Domain::new("fleet");
    let leaf = leaf(&domain, VALID);
    let (address, _) = key_server(&leaf, move |_| answer()).await;
    let server = server(&domain, &address, &[pin(&leaf)], &hasty());
    server.retrieve(Retrieve { name: name("disk"), version: version.and_then(Version::new) }).await
}

/// What came of it, as long as it is the stock server's own.
fn certifier<T>(result: Result<T, Error>) -> CertifierError {
    match result.err().unwrap() {
        Error::Certifier(error) => error,
        error => panic!("{error}"),
    }
}

fn is_store(body: &[u8]) -> bool {
    let decoded = decode_request(Dialect::Stock, &"fleet".parse().unwrap(), body);
    matches!(decoded.request(), Ok(Request::Store(_)))
}

#[tokio::test]
async fn each_request_has_a_connection_of_its_own_and_a_full_handshake() {
    let (server, asked) = serving(vec![entry("disk", 3, b"secret")]).await;
    for _ in 0..3 {
        let got = server.retrieve(retrieve("disk")).await.unwrap();
        assert_eq!((got.blob.expose(), got.version), (b"secret".as_slice(), Version::new(3)));
    }
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert_eq!(server.store(store("other", vec![7; 100_000])).await.unwrap(), Version::new(1));
    assert_eq!(server.retrieve(retrieve("other")).await.unwrap().blob.expose(), vec![7; 100_000]);
}

#[tokio::test]
async fn captured_answers_are_read_as_what_they_are() {
    let asking = |of: &'static str, version: Option<u32>, file: &'static str| async move {
        let domain = Domain::new("fleet");
        let leaf = leaf(&domain, VALID);
        let (address, _) = key_server(&leaf, move |_| Reply::Bytes(data(file))).await;
        let server = server(&domain, &address, &[pin(&leaf)], &hasty());
        let version = version.and_then(Version::new);
        server.retrieve(Retrieve { name: name(of), version }).await
    };
    let blob = asking("key-client-test-key", None, "stock_retrieve_sim.response.frame").await.unwrap();
    assert_eq!(blob.blob.expose(), b"01234567890123456789012345678901\n");
    assert_eq!((blob.entry_type.as_str(), blob.exportable), ("binary-blob", true));
    let key = asking("entry-key", None, "stock_retrieve_entry.response.frame").await.unwrap();
    assert_eq!(key.entry_type.as_str(), "key-message-serialized-protobuf");
    for file in ["retrieve_missing.response.frame", "request_malformed.response.frame"] {
        let failed = asking("key-client-test-key", None, file).await.err().unwrap();
        assert_eq!((failed.code(), failed.exit_status()), ("not-found", 4), "{file}");
    }
    // It had a second version by then, and goes on giving the first.
    let first = "version_2_retrieve_v0.response.frame";
    assert_eq!(asking("ver-test", None, first).await.unwrap().blob.expose(), b"A");
    assert!(asking("ver-test", Some(1), first).await.is_ok());
    let other = certifier(asking("ver-test", Some(2), first).await);
    assert!(matches!(other, CertifierError::OtherVersion { given: 1, .. }), "{other}");
    // An answer to another request.
    for (of, file) in [("disk", first), ("key-client-test-key", "stock_store.response.frame")] {
        let error = asking(of, None, file).await.err().unwrap();
        assert!(matches!(error, Error::Protocol { fault: ProtocolFault::Unrelated, .. }), "{error}");
    }
}

#[tokio::test]
async fn t37_nobody_but_the_pinned_server_is_talked_to_and_nothing_is_sent_to_them() {
    let (domain, other) = (Domain::new("fleet"), Domain::new("fleet"));
    let (expired, early) = (leaf(&domain, (-3, -1)), leaf(&domain, (1, 3)));
    let (good, foreign) = (leaf(&domain, VALID), leaf(&other, VALID));
    let client_only = domain.leaf(Role::Agent);
    let wrong: [(&Leaf, Fingerprint, &str); 5] = [
        (&good, pin(&foreign), "isn't one that is pinned"),
        (&expired, pin(&expired), "has expired"),
        (&early, pin(&early), "isn't valid yet"),
        (&foreign, pin(&foreign), "isn't signed by this domain's policy key"),
        (&client_only, pin(&client_only), "isn't meant for this use"),
    ];
    for (leaf, pinned, word) in wrong {
        let (address, asked) = key_server(leaf, |_| Reply::Silence).await;
        let server = server(&domain, &address, &[pinned], &hasty());
        let error = server.retrieve(retrieve("disk")).await.err().unwrap();
        assert_eq!((error.code(), error.exit_status()), ("broker-refused", 3), "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(asked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn without_a_pin_there_is_no_server() {
    let domain = Domain::new("fleet");
    let address = "127.0.0.1:1".parse().unwrap();
    let none = certifier(KeyServer::new(&address, &domain.agent(), &[], &hasty()).map(drop));
    assert_eq!((none.code(), none.exit_status()), ("no-pin", 3));
    assert!(none.next().contains("key-client peer pin"));
}

#[tokio::test]
async fn looking_at_a_server_tells_its_fingerprint_and_sends_it_nothing() {
    let (domain, other) = (Domain::new("fleet"), Domain::new("fleet"));
    for (leaf, acceptable) in [(leaf(&domain, VALID), true), (leaf(&other, VALID), false)] {
        let (address, asked) = key_server(&leaf, |_| Reply::Silence).await;
        let seen = look(&address, &domain.agent(), &hasty()).await.unwrap();
        assert_eq!((seen.fingerprint, seen.fault.is_none()), (pin(&leaf), acceptable));
        assert!(seen.facts.unwrap().subject.contains("Measured-5a5a"));
        assert!(asked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_entry_that_wasn_t_asked_for_is_not_taken() {
    let reply = |entry: Entry| move || framed(&response(&entry));
    let error = answered(None, reply(entry("other", 1, b"x"))).await.err().unwrap();
    assert!(matches!(error, Error::Protocol { fault: ProtocolFault::Unrelated, .. }), "{error}");
    let other = answered(Some(2), reply(entry("disk", 3, b"x"))).await;
    let other = certifier(other);
    assert_eq!((other.code(), other.exit_status()), ("other-version", 4));
    assert!(answered(Some(3), reply(entry("disk", 3, b"x"))).await.is_ok());
}

fn response(entry: &Entry) -> Vec<u8> {
    use claviger_proto::key_service::{Echo, Outcome, encode_response};
    let copy = Entry::decode(&entry.encode()).unwrap();
    encode_response(&Echo::default(), None, &Outcome::Retrieved(copy)).to_vec()
}

#[tokio::test]
async fn what_isn_t_an_answer_ends_in_an_error_and_never_in_waiting() {
    let whole = response(&entry("disk", 1, b"secret"));
    let short = [&u32::try_from(whole.len()).unwrap().to_le_bytes(), &whole[..10]].concat();
    let cases: [(Vec<u8>, &str); 7] = [
        (Vec::new(), "closed"),
        (vec![1, 0], "closed"),
        (short, "closed"),
        (0_i32.to_le_bytes().to_vec(), "protocol"),
        ((-1_i32).to_le_bytes().to_vec(), "protocol"),
        (i32::MAX.to_le_bytes().to_vec(), "protocol"),
        (vec![3, 0, 0, 0, 0xff, 0xff, 0xff], "protocol"),
    ];
    for (bytes, code) in cases {
        let told = bytes.clone();
        let error = answered(None, move || Reply::Bytes(bytes.clone())).await.err().unwrap();
        assert_eq!(error.code(), code, "{told:?}: {error}");
    }
    let error = answered(None, || Reply::Silence).await.err().unwrap();
    assert!(matches!(error, Error::Timeout { phase: Phase::Answer, .. }), "{error}");
}

#[tokio::test]
async fn a_store_keeps_type_version_and_whether_it_is_exportable() {
    let (server, asked) = serving(Vec::new()).await;
    let key = Store { entry_type: "X509-der-cert".parse().unwrap(), ..store("cert", vec![1; 64]) };
    assert_eq!(server.store(key).await.unwrap(), Version::new(1));
    assert_eq!(server.retrieve(retrieve("cert")).await.unwrap().entry_type.as_str(), "X509-der-cert");
    let hidden = Store { exportable: false, ..store("hidden", vec![1; 64]) };
    assert_eq!(server.store(hidden).await.unwrap(), None, "nobody can look at it");
    let failed = certifier(server.retrieve(retrieve("hidden")).await);
    assert!(matches!(failed, CertifierError::Failed { .. }));
    let last = asked.lock().unwrap().iter().rfind(|body| is_store(body)).cloned().unwrap();
    assert!(last.windows(16).any(|window| window == b"cryptstore-entry"));
}

#[tokio::test]
async fn a_store_that_no_reader_would_see_is_not_made() {
    let (server, asked) = serving(vec![entry("disk", 3, b"old")]).await;
    let at = |version| Store { version: Version::new(version), ..store("disk", b"new".to_vec()) };
    for version in [0, 1, 2, 3, 5] {
        let refused = certifier(server.store(at(version)).await);
        assert_eq!((refused.code(), refused.exit_status()), ("conflict", 5), "{version}");
        assert!(refused.next().contains("--version 4"), "{}", refused.next());
    }
    let new = Store { version: Version::new(2), ..store("new", b"new".to_vec()) };
    let refused = certifier(server.store(new).await);
    assert!(matches!(refused, CertifierError::NotFirst { .. }), "{refused}");
    assert!(!asked.lock().unwrap().iter().any(|body| is_store(body)), "nothing was stored");
    // The next number takes the old one's place, and once more changes nothing.
    assert_eq!(server.store(at(4)).await.unwrap(), Version::new(4));
    assert_eq!(server.store(at(4)).await.unwrap(), Version::new(4));
    assert_eq!(asked.lock().unwrap().iter().filter(|body| is_store(body)).count(), 1);
    assert_eq!(server.retrieve(retrieve("disk")).await.unwrap().blob.expose(), b"new");
}

#[tokio::test]
async fn a_store_that_readers_don_t_see_is_told() {
    // An entry that no retrieve shows is in front.
    let hidden = Entry { exportable: false, ..entry("disk", 1, b"old") };
    let (server, _) = serving(vec![hidden]).await;
    let error = certifier(server.store(store("disk", b"new".to_vec())).await);
    assert_eq!((error.code(), error.exit_status()), ("not-kept", 5));
}

#[tokio::test]
async fn a_store_that_somebody_else_s_is_in_front_of_is_told() {
    let domain = Domain::new("fleet");
    let leaf = leaf(&domain, VALID);
    for (there, version) in [(entry("disk", 1, b"theirs"), None), (entry("disk", 2, b"mine"), Some(1))] {
        // Missing at the first look; stored, as it says; and then it is another's.
        let (mut looks, failed) = (0, data("retrieve_missing.response.frame"));
        let (address, _) = key_server(&leaf, move |body| {
            if is_store(body) {
                return Reply::Bytes(data("stock_store.response.frame"));
            }
            looks += 1;
            if looks == 1 { Reply::Bytes(failed.clone()) } else { framed(&response(&there)) }
        })
        .await;
        let server = server(&domain, &address, &[pin(&leaf)], &patient());
        let mine = Store { version: version.and_then(Version::new), ..store("disk", b"mine".to_vec()) };
        assert_eq!(certifier(server.store(mine).await).code(), "not-kept");
    }
}

#[tokio::test]
async fn what_a_stock_server_would_do_wrong_is_refused_before_it_is_sent() {
    let (server, asked) = serving(Vec::new()).await;
    for reserved in ["fleet-private-auth-key", "fleet-admission-certificate", "a/FLEET_private_auth_key"] {
        let error = server.store(store(reserved, b"x".to_vec())).await.err().unwrap();
        assert_eq!((error.code(), error.exit_status()), ("reserved-name", 3), "{reserved}");
        assert!(server.retrieve(retrieve(reserved)).await.is_err());
    }
    let options = PutOptions { if_latest: None, expires: Some(2_000_000_000) };
    let error = certifier(server.store(Store { options, ..store("a", b"x".to_vec()) }).await);
    assert_eq!(error.code(), "peer-lacks");
    assert!(asked.lock().unwrap().is_empty());
}
