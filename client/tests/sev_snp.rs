//! Enrolment with a report that somebody else makes, while the channel stays open.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger_attest::{KeyAlgorithm, Role};
use claviger_client::evidence::SevSnp;
use claviger_client::{Address, Collector, Enrollment, Error, enroll};
use claviger_proto::ErrorCode;
use claviger_proto::key_service::Refusal;
use claviger_proto::trust::{TrustRequest, TrustResponse};
use support::admission::{binding, challenge, client_key};
use support::{Domain, hasty, linger, read_frame, serve, tls, write_frame};

const REPORT: usize = 1184;

/// Enrols from a directory; whatever stands in for a broker admits nobody.
async fn refused(domain: &Domain, dir: &Path, admission: &Address) -> Error {
    let collector = format!("sev-snp:{}", dir.display()).parse().unwrap();
    assert_eq!(collector, Collector::SevSnp(SevSnp::Files(dir.to_owned())));
    let (name, policy) = (&domain.name, &domain.policy);
    let enrollment = Enrollment {
        domain: name,
        policy,
        collector: &collector,
        algorithm: KeyAlgorithm::P256,
        ticket: None,
    };
    enroll(admission, &enrollment, &hasty()).await.err().unwrap()
}

/// Plays the platform's owner: makes one report for what is asked.
fn answer(dir: &Path) -> std::thread::JoinHandle<()> {
    let dir = dir.to_owned();
    std::thread::spawn(move || {
        let read = || fs::read(dir.join("report-data.bin")).ok();
        let asked = (0..1000).find_map(|_| {
            std::thread::sleep(Duration::from_millis(5));
            read()
        });
        let mut report = vec![0x5a; REPORT];
        report[0x50..0x90].copy_from_slice(&asked.unwrap());
        fs::write(dir.join("report.bin"), report).unwrap();
    })
}

#[tokio::test]
async fn a_report_made_elsewhere_is_submitted_on_the_channel_that_asked_for_it() {
    let domain = Arc::new(Domain::new("fleet"));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("vcek.der"), b"a certificate").unwrap();
    let leaf = domain.leaf(Role::Broker);
    let (config, certificate, of) = (tls(&leaf, None), leaf.certificate, domain.clone());
    let server = serve(config, |mut stream| async move {
        challenge(&mut stream).await;
        let body = read_frame(&mut stream).await.unwrap();
        let (request, evidence) = TrustRequest::decode_body(&body).unwrap();
        assert_eq!(request.submitted_evidence_type, "sev-snp-package");
        assert_eq!(evidence.enclave_type, "sev-snp");
        let types: Vec<_> = evidence.items.iter().map(|item| item.evidence_type.as_str()).collect();
        assert_eq!(types, ["sev-snp-report", "sev-snp-certificates"]);
        let spki = client_key(&stream).spki_der().to_vec();
        let bound = binding(&of, &stream, &certificate, &spki);
        assert_eq!(evidence.items[0].serialized[0x50..0x90], bound);
        assert!(evidence.items[1].serialized.ends_with(b"a certificate"));
        let refusal = Refusal::new(ErrorCode::AttestationRefused, "seen");
        write_frame(&mut stream, &TrustResponse::Refused(refusal).encode_body(Some("r2"))).await;
        linger(stream).await;
    })
    .await;
    let answering = answer(dir.path());
    let error = refused(&domain, dir.path(), &server).await;
    answering.join().unwrap();
    assert_eq!(error.to_string(), "seen");
    assert!(!dir.path().join("report-data.bin").exists());
}

#[tokio::test]
async fn t01_a_report_of_an_earlier_channel_is_never_submitted() {
    let domain = Domain::new("fleet");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("report.bin"), vec![0x5a; REPORT]).unwrap();
    let server = serve(tls(&domain.leaf(Role::Broker), None), |mut stream| async move {
        challenge(&mut stream).await;
        let sent = tokio::time::timeout(Duration::from_millis(500), read_frame(&mut stream)).await;
        assert!(sent.is_err(), "nothing is sent, and the wait goes on");
    })
    .await;
    let began = Instant::now();
    let error = refused(&domain, dir.path(), &server).await;
    // The broker has ended the channel: to wait on would be for nothing.
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!((error.code(), error.exit_status()), ("evidence", 1));
    assert!(error.to_string().contains("answers another request"), "{error}");
    assert!(error.next().contains("evidence_ms"), "{}", error.next());
    assert!(!dir.path().join("report-data.bin").exists(), "a request that nobody waits for is gone");
}
