//! Certificates of chips' keys, with a stand-in for the key distribution service in this process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claviger_attest::{ChipId, SnpProduct};
use claviger_client::endorsements::{Budget, EndorsementError, Endorser, Kds, Place, Settings, Source, Vcek};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What is taken for a certificate here.
const DER: &[u8] = &[0x30, 0x81, 3, 1, 2, 3];

const FLEET: Source<'_> =
    Source { domain: "fleet", address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };

fn vcek(chip: u8) -> Vcek {
    Vcek::new(SnpProduct::Milan, ChipId::new([chip; 64]).unwrap(), [2, 0, 0, 0, 0, 0, 6, 115])
}

/// A service that answers each request with what `answer` says then, and counts.
#[derive(Clone)]
struct Service {
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<Vec<u8>>>,
    url: String,
}

fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service =
            Self { asked: Arc::default(), answer: Arc::new(Mutex::new(http("200 OK", "", DER))), url };
        let serving = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        service
    }

    async fn serve(self, mut stream: TcpStream) {
        let (mut request, mut chunk) = (Vec::new(), [0; 1024]);
        while !request.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut chunk).await.unwrap();
            assert!(length > 0);
            request.extend_from_slice(&chunk[..length]);
        }
        assert!(request.starts_with(b"GET /vcek/v1/Milan/"), "{}", String::from_utf8_lossy(&request));
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Long enough for others to ask meanwhile.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = self.answer.lock().unwrap().clone();
        stream.write_all(&answer).await.unwrap();
    }

    fn answers(&self, answer: Vec<u8>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn settings(&self) -> Settings {
        Settings { kds: Some(kds(&self.url)), pause: Duration::from_millis(200), ..Settings::default() }
    }
}

fn kds(url: &str) -> Kds {
    Kds::new(url, Path::new("/nowhere")).unwrap()
}

async fn get(endorser: &Endorser, chip: u8) -> Result<Vec<u8>, EndorsementError> {
    endorser.get(&vcek(chip), FLEET).await.map(|found| found.certificate)
}

#[tokio::test]
async fn many_that_ask_at_once_cost_one_fetch_and_who_is_known_none() {
    let service = Service::start().await;
    let endorser = Endorser::new(service.settings());
    let mut asking = JoinSet::new();
    for _ in 0..50 {
        let endorser = endorser.clone();
        asking.spawn(async move { get(&endorser, 1).await });
    }
    // Who made the fetch necessary may go.
    let impatient = tokio::time::timeout(Duration::from_millis(20), get(&endorser, 1)).await;
    assert!(impatient.is_err());
    for outcome in asking.join_all().await {
        assert_eq!(outcome.unwrap(), DER);
    }
    assert_eq!(get(&endorser, 1).await.unwrap(), DER);
    assert_eq!(service.asked(), 1);
}

#[tokio::test]
async fn what_was_fetched_is_kept_over_a_start_and_an_outage() {
    let (service, cache) = (Service::start().await, tempfile::tempdir().unwrap());
    let settings = Settings { cache: Some(cache.path().to_owned()), ..service.settings() };
    assert_eq!(get(&Endorser::new(settings.clone()), 1).await.unwrap(), DER);
    // Nobody listens there.
    let away = Settings { kds: Some(kds("http://127.0.0.1:1")), ..settings };
    let endorser = Endorser::new(away);
    assert_eq!(get(&endorser, 1).await.unwrap(), DER);
    assert!(matches!(get(&endorser, 2).await, Err(EndorsementError::Unavailable { .. })));
    assert_eq!(get(&endorser, 1).await.unwrap(), DER, "an outage holds up nobody who is known");
    endorser.forget(&vcek(1));
    assert!(get(&endorser, 1).await.is_err(), "what didn't verify is gone from memory and disk");
}

#[tokio::test]
async fn folders_come_first_and_one_without_a_tcb_last() {
    let (service, root) = (Service::start().await, tempfile::tempdir().unwrap());
    let put = |chip: &str, name: &str, bytes: &[u8]| {
        let dir = root.path().join("vcek").join(chip.repeat(64));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), bytes).unwrap();
    };
    put("01", "bl02_tee00_snp06_ucode115_vcek.der", &[0x30, 0x81, 1, 1]);
    put("02", "vcek.der", &[0x30, 0x81, 1, 2]);
    let settings = Settings { folders: vec![root.path().to_owned()], ..service.settings() };
    let endorser = Endorser::new(settings.clone());
    assert_eq!(get(&endorser, 1).await.unwrap(), [0x30, 0x81, 1, 1]);
    assert_eq!(service.asked(), 0);
    assert_eq!(get(&endorser, 2).await.unwrap(), DER, "the service has the one of this TCB");
    let offline = Endorser::new(Settings { kds: None, ..settings });
    assert_eq!(get(&offline, 2).await.unwrap(), [0x30, 0x81, 1, 2]);
    assert_eq!(get(&offline, 3).await, Err(EndorsementError::Offline));
}

#[tokio::test]
async fn t45_that_there_is_none_is_remembered_for_a_time() {
    let service = Service::start().await;
    let settings = Settings { missing_for: Duration::from_millis(300), ..service.settings() };
    let endorser = Endorser::new(settings);
    service.answers(http("404 Not Found", "", b""));
    assert_eq!(get(&endorser, 1).await, Err(EndorsementError::Missing));
    assert_eq!(get(&endorser, 1).await, Err(EndorsementError::Missing));
    assert_eq!(service.asked(), 1);
    service.answers(http("200 OK", "", DER));
    assert_eq!(get(&endorser, 2).await.unwrap(), DER, "another isn't held up");
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(get(&endorser, 1).await.unwrap(), DER);
}

#[tokio::test]
async fn t45_a_source_over_its_budget_makes_no_more_work() {
    let service = Service::start().await;
    let budget = Budget { fetches: 2, within: Duration::from_mins(1) };
    let endorser = Endorser::new(Settings { budget, ..service.settings() });
    assert!(get(&endorser, 1).await.is_ok() && get(&endorser, 2).await.is_ok());
    assert_eq!(get(&endorser, 3).await, Err(EndorsementError::OverBudget));
    assert!(get(&endorser, 1).await.is_ok(), "who is known costs nothing");
    assert!(
        endorser.get(&vcek(3), Source { domain: "another", ..FLEET }).await.is_ok(),
        "another source has its own"
    );
    assert_eq!(service.asked(), 3);
}

#[tokio::test]
async fn a_service_in_trouble_is_left_alone_for_longer_each_time() {
    let service = Service::start().await;
    let endorser = Endorser::new(service.settings());
    let retry = |outcome: Result<Vec<u8>, EndorsementError>| match outcome {
        Err(EndorsementError::Unavailable { retry, .. }) => retry,
        other => panic!("{other:?}"),
    };
    service.answers(http("500 Oh", "", b""));
    assert_eq!(retry(get(&endorser, 1).await), Duration::from_millis(200));
    assert!(retry(get(&endorser, 2).await) <= Duration::from_millis(200));
    assert_eq!(service.asked(), 1, "it isn't asked in between");
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(retry(get(&endorser, 1).await), Duration::from_millis(400));
    tokio::time::sleep(Duration::from_millis(450)).await;
    service.answers(http("200 OK", "", DER));
    assert!(get(&endorser, 1).await.is_ok());
    service.answers(http("429 Too Many Requests", "retry-after: 7\r\n", b""));
    assert_eq!(retry(get(&endorser, 2).await), Duration::from_secs(7), "it says for how long");
}

#[tokio::test]
async fn what_is_no_certificate_is_neither_given_nor_kept() {
    let (service, cache) = (Service::start().await, tempfile::tempdir().unwrap());
    let long = vec![0; 20_000];
    for body in [&b"<html>a portal</html>"[..], &[0x30, 0x81, 9, 1], &long, b""] {
        let endorser = Endorser::new(Settings { cache: Some(cache.path().to_owned()), ..service.settings() });
        service.answers(http("200 OK", "", body));
        assert!(matches!(get(&endorser, 1).await, Err(EndorsementError::Unavailable { .. })));
    }
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn it_says_where_a_certificate_was_and_takes_other_settings() {
    let (service, cache) = (Service::start().await, tempfile::tempdir().unwrap());
    let settings = Settings { cache: Some(cache.path().to_owned()), ..service.settings() };
    let place = |endorser: Endorser, chip| async move {
        endorser.get(&vcek(chip), FLEET).await.map(|found| found.place)
    };
    let endorser = Endorser::new(Settings { kds: None, ..settings.clone() });
    assert_eq!(place(endorser.clone(), 1).await, Err(EndorsementError::Offline));
    endorser.set(settings.clone());
    let (one, other) = tokio::join!(place(endorser.clone(), 1), place(endorser.clone(), 1));
    // Whichever of the two came first.
    assert!(
        [(&one, &other), (&other, &one)].contains(&(&Ok(Place::Service), &Ok(Place::Shared))),
        "{one:?}, {other:?}"
    );
    assert_eq!(place(endorser, 1).await, Ok(Place::Memory));
    assert_eq!(place(Endorser::new(settings), 1).await, Ok(Place::Folder));
}

#[tokio::test]
async fn t45_what_has_verified_is_not_forgotten_for_another_s_evidence() {
    let service = Service::start().await;
    let endorser = Endorser::new(service.settings());
    for chip in [1, 2] {
        assert_eq!(get(&endorser, chip).await.unwrap(), DER);
    }
    endorser.proven(&vcek(1), DER);
    endorser.proven(&vcek(2), b"another");
    endorser.forget(&vcek(1));
    endorser.forget(&vcek(2));
    for chip in [1, 2] {
        assert_eq!(get(&endorser, chip).await.unwrap(), DER);
    }
    assert_eq!(service.asked(), 3, "one of the two was fetched again");
}
