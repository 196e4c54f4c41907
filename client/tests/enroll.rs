//! Enrolment against an admission service in this process, whole and broken in one place at a time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use claviger_attest::{KeyAlgorithm, ReferenceValues, Role};
use claviger_client::evidence::SimulatedEnclave;
use claviger_client::{Address, Admitted, Collector, Enrollment, Error, ProtocolFault, enroll};
use claviger_proto::ErrorCode;
use claviger_proto::key_service::Refusal;
use claviger_proto::trust::TrustResponse;
use rustls_pki_types::UnixTime;
use support::admission::{NONCE, admit, challenge, platform, spki_of};
use support::{Domain, Leaf, hasty, linger, measurement, read_frame, serve, tls, write_frame};

async fn enrolled(domain: &Domain, dir: &tempfile::TempDir, admission: &Address) -> Result<Admitted, Error> {
    let enrollment = Enrollment {
        domain: &domain.name,
        policy: &domain.policy,
        collector: &Collector::SimulatedEnclave(SimulatedEnclave::new(dir.path())),
        ticket: None,
        algorithm: KeyAlgorithm::P256,
    };
    enroll(admission, &enrollment, &hasty()).await
}

/// The result against a service that answers the evidence with this, or says it instead of a challenge.
async fn answered(domain: &Domain, challenged: bool, answer: TrustResponse) -> Error {
    let (dir, _) = platform();
    let server = serve(tls(&domain.leaf(Role::Broker), None), move |mut stream| async move {
        if challenged {
            challenge(&mut stream).await;
            read_frame(&mut stream).await.unwrap();
        }
        write_frame(&mut stream, &answer.encode_body(Some("r1"))).await;
        linger(stream).await;
    })
    .await;
    enrolled(domain, &dir, &server).await.err().unwrap()
}

#[tokio::test]
async fn evidence_bound_to_the_channel_is_admitted() {
    let domain = Arc::new(Domain::new("fleet"));
    let (dir, references) = platform();
    let leaf = domain.leaf(Role::Broker);
    let (config, certificate, of) = (tls(&leaf, None), leaf.certificate, domain.clone());
    let server = serve(config, |stream| admit(of, certificate, references, stream)).await;
    let Admitted { identity, peer } = enrolled(&domain, &dir, &server).await.unwrap();
    assert_eq!(peer.measurement(), Some(&measurement()));
    assert_eq!(peer.challenge_fresh(), Some(true));
    assert_eq!(identity.key().public().unwrap().spki_der(), spki_of(identity.certificate()));
    assert!(identity.verify(UnixTime::now()).is_ok());
}

#[tokio::test]
async fn an_unknown_measurement_or_root_is_refused_with_the_broker_s_word() {
    let domain = Arc::new(Domain::new("fleet"));
    let (dir, _) = platform();
    let (_, of_another_root) = platform();
    for (references, word) in [
        (ReferenceValues::default(), "isn't trusted"),
        (of_another_root, "not from a platform with this root"),
    ] {
        let leaf = domain.leaf(Role::Broker);
        let (config, certificate, of) = (tls(&leaf, None), leaf.certificate, domain.clone());
        let server = serve(config, |stream| admit(of, certificate, references, stream)).await;
        let error = enrolled(&domain, &dir, &server).await.err().unwrap();
        assert_eq!((error.code(), error.exit_status()), ("attestation-refused", 6));
        assert!(error.to_string().contains(word), "{error}");
        assert!(error.next().contains("request r2"), "{}", error.next());
    }
}

#[tokio::test]
async fn t06_no_evidence_is_shown_to_who_isn_t_the_domain_s_broker() {
    let (domain, other) = (Domain::new("fleet"), Domain::new("fleet"));
    let (dir, _) = platform();
    for leaf in [other.leaf(Role::Broker), domain.leaf(Role::Agent)] {
        let server = serve(tls(&leaf, None), |_| async { panic!("the handshake must not complete") }).await;
        let error = enrolled(&domain, &dir, &server).await.err().unwrap();
        assert!(matches!(error, Error::BrokerRefused { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_key_is_not_kept() {
    let domain = Domain::new("fleet");
    let Leaf { certificate, .. } = domain.leaf(Role::Agent);
    let error = answered(&domain, true, TrustResponse::Admitted(certificate)).await;
    assert!(matches!(error, Error::Protocol { fault: ProtocolFault::OtherKey, .. }), "{error}");
}

#[tokio::test]
async fn a_certificate_that_would_not_be_accepted_is_not_kept() {
    let (domain, other) = (Domain::new("fleet"), Domain::new("fleet"));
    for certificate in
        [other.leaf(Role::Agent).certificate, domain.leaf(Role::Broker).certificate, b"no DER".to_vec()]
    {
        let error = answered(&domain, true, TrustResponse::Admitted(certificate)).await;
        assert!(matches!(error, Error::Protocol { fault: ProtocolFault::Certificate(_), .. }), "{error}");
    }
}

#[tokio::test]
async fn answers_out_of_turn_are_refused() {
    let domain = Domain::new("fleet");
    let Leaf { certificate, .. } = domain.leaf(Role::Agent);
    for (challenged, answer) in
        [(false, TrustResponse::Admitted(certificate)), (true, TrustResponse::Challenge(NONCE))]
    {
        let error = answered(&domain, challenged, answer).await;
        assert!(matches!(error, Error::Protocol { fault: ProtocolFault::Unrelated, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_at_any_point_is_told_with_its_code() {
    let domain = Domain::new("fleet");
    for challenged in [false, true] {
        let refusal = Refusal::new(ErrorCode::Busy, "the broker is busy");
        let error = answered(&domain, challenged, TrustResponse::Refused(refusal)).await;
        assert_eq!(
            (error.code(), error.exit_status(), error.to_string().as_str()),
            ("busy", 8, "the broker is busy")
        );
    }
}

#[tokio::test]
async fn without_a_platform_nothing_is_sent_but_the_error_names_the_directory() {
    let domain = Domain::new("fleet");
    let dir = tempfile::tempdir().unwrap();
    let server = serve(tls(&domain.leaf(Role::Broker), None), |mut stream| async move {
        challenge(&mut stream).await;
        assert!(read_frame(&mut stream).await.is_none());
    })
    .await;
    let error = enrolled(&domain, &dir, &server).await.err().unwrap();
    assert_eq!((error.code(), error.exit_status()), ("evidence", 1));
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
}
