//! What the channel makes of answers: late, broken, oversize, somebody else's, and of TLS alerts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::future::pending;
use std::time::Duration;

use claviger_attest::Role;
use claviger_client::{Address, Channel, Error, Options, Phase, ProtocolFault};
use claviger_proto::key_service::{Echo, Outcome, encode_response};
use claviger_proto::limits::MAX_KEY_SERVICE_FRAME;
use rustls_pki_types::UnixTime;
use support::messages::{broker, entry, retrieve, store};
use support::{Domain, hasty, linger, read_frame, serve, serve_tcp, tls, write_frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The error of connecting and asking once, against a server that does `session` after the handshake.
async fn asked<F, S>(domain: &Domain, options: &Options, session: S) -> Error
where
    S: FnOnce(TlsStream<TcpStream>) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let server = serve(tls(&domain.leaf(Role::Broker), None), session).await;
    let mut channel = Channel::connect(&server, &domain.agent(), options).await.unwrap();
    channel.retrieve(retrieve("disk")).await.err().unwrap()
}

/// The same, against a server that answers with these bytes, header and all, and stays.
async fn answered(bytes: Vec<u8>) -> Error {
    asked(&Domain::new("fleet"), &hasty(), |mut stream| async move {
        read_frame(&mut stream).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.flush().await.unwrap();
        linger(stream).await;
    })
    .await
}

async fn not_connected(server: &Address) -> Error {
    Channel::connect(server, &Domain::new("fleet").agent(), &hasty()).await.err().unwrap()
}

#[track_caller]
fn is(error: &Error, code: &str, exit_status: u8) {
    assert_eq!((error.code(), error.exit_status()), (code, exit_status), "{error}");
    assert!(!error.next().is_empty());
}

#[tokio::test]
async fn t31_a_silent_server_costs_the_limit_of_its_phase() {
    let silent = serve_tcp(|tcp| async move {
        pending::<()>().await;
        drop(tcp);
    })
    .await;
    let error = not_connected(&silent).await;
    assert!(matches!(error, Error::Timeout { phase: Phase::Handshake, .. }), "{error}");
    is(&error, "timeout", 8);

    let error = asked(&Domain::new("fleet"), &hasty(), linger).await;
    assert!(matches!(error, Error::Timeout { phase: Phase::Answer, .. }), "{error}");
}

#[tokio::test]
async fn t31_a_dripping_server_gains_no_time() {
    let error = asked(&Domain::new("fleet"), &hasty(), |mut stream| async move {
        read_frame(&mut stream).await.unwrap();
        let answer = [100_u8, 0, 0, 0].into_iter().chain([0; 100]);
        for byte in answer {
            if stream.write_all(&[byte]).await.and(stream.flush().await).is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(matches!(error, Error::Timeout { phase: Phase::Answer, .. }), "{error}");
}

#[tokio::test]
async fn t20_an_oversize_answer_is_refused_by_its_header_alone() {
    let too_long = i32::try_from(MAX_KEY_SERVICE_FRAME + 1).unwrap().to_le_bytes();
    let error = answered(too_long.to_vec()).await;
    assert!(matches!(error, Error::Protocol { fault: ProtocolFault::Malformed(_), .. }), "{error}");
    is(&error, "protocol", 1);
}

#[tokio::test]
async fn an_empty_negative_or_senseless_answer_is_the_server_s_fault() {
    for bytes in [vec![0; 4], vec![0xff; 4], vec![2, 0, 0, 0, 0xff, 0xff]] {
        let error = answered(bytes).await;
        assert!(matches!(error, Error::Protocol { fault: ProtocolFault::Malformed(_), .. }), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_leaves_before_or_in_the_middle_of_an_answer_closed_it() {
    for bytes in [vec![], vec![100, 0], vec![100, 0, 0, 0, 1, 2, 3]] {
        let error = asked(&Domain::new("fleet"), &hasty(), |mut stream| async move {
            read_frame(&mut stream).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            stream.flush().await.unwrap();
        })
        .await;
        assert!(matches!(error, Error::Closed { phase: Phase::Answer, .. }), "{error}");
        is(&error, "closed", 8);
    }
}

#[tokio::test]
async fn an_answer_to_another_request_is_none() {
    let wrong = [
        encode_response_of(Outcome::Retrieved(entry("other", 7))),
        // A store's answer where an entry was asked for.
        encode_response_of(Outcome::Stored(claviger_proto::Version::FIRST)),
    ];
    for answer in wrong {
        let error = asked(&Domain::new("fleet"), &hasty(), |mut stream| async move {
            read_frame(&mut stream).await.unwrap();
            write_frame(&mut stream, &answer).await;
            linger(stream).await;
        })
        .await;
        assert!(matches!(error, Error::Protocol { fault: ProtocolFault::Unrelated, .. }), "{error}");
    }
}

fn encode_response_of(outcome: Outcome) -> Vec<u8> {
    encode_response(&Echo::default(), Some("r1"), &outcome).to_vec()
}

#[tokio::test]
async fn another_version_than_the_one_asked_for_is_none() {
    let domain = Domain::new("fleet");
    let name = domain.name.clone();
    let server = serve(tls(&domain.leaf(Role::Broker), None), |stream| broker(name, stream)).await;
    let mut channel = Channel::connect(&server, &domain.agent(), &hasty()).await.unwrap();
    let mut asked = retrieve("disk");
    asked.version = claviger_proto::Version::new(6);
    assert!(matches!(
        channel.retrieve(asked).await,
        Err(Error::Protocol { fault: ProtocolFault::Unrelated, .. })
    ));
    is(&channel.retrieve(retrieve("disk")).await.err().unwrap(), "channel-spent", 1);
}

#[tokio::test]
async fn a_dropped_request_spends_the_channel() {
    let domain = Domain::new("fleet");
    let server = serve(tls(&domain.leaf(Role::Broker), None), linger).await;
    let mut channel = Channel::connect(&server, &domain.agent(), &Options::default()).await.unwrap();
    let dropped = tokio::time::timeout(Duration::from_millis(50), channel.retrieve(retrieve("disk"))).await;
    assert!(dropped.is_err());
    assert!(matches!(channel.retrieve(retrieve("disk")).await, Err(Error::ChannelSpent)));
}

#[tokio::test]
async fn a_refused_certificate_is_told_from_the_first_answer() {
    for refusal in [
        rustls::CertificateError::UnknownIssuer,
        rustls::CertificateError::Expired,
        rustls::CertificateError::ApplicationVerificationFailure,
        rustls::CertificateError::BadEncoding,
    ] {
        let domain = Domain::new("fleet");
        let server = serve(tls(&domain.leaf(Role::Broker), Some(refusal)), linger).await;
        let mut channel = Channel::connect(&server, &domain.agent(), &Options::default()).await.unwrap();
        let error = channel.retrieve(retrieve("disk")).await.err().unwrap();
        assert!(matches!(error, Error::CertificateRefused { own: None, .. }), "{error:?}");
        is(&error, "certificate-refused", 3);
    }
}

#[tokio::test]
async fn a_refused_certificate_is_told_even_where_the_request_can_t_be_written() {
    let domain = Domain::new("fleet");
    let leaf = domain.leaf(Role::Broker);
    let server = serve(tls(&leaf, Some(rustls::CertificateError::UnknownIssuer)), linger).await;
    let mut channel = Channel::connect(&server, &domain.agent(), &Options::default()).await.unwrap();
    // Its alert is here and its end closed by now: what is written comes back as a reset.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = channel.store(store("disk", vec![7; 1 << 20])).await.err().unwrap();
    assert!(matches!(error, Error::CertificateRefused { .. }), "{error:?}");
}

#[tokio::test]
async fn an_expired_certificate_s_refusal_says_so() {
    let domain = Domain::new("fleet");
    let long_ago = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 3 * 86_400));
    let old = Domain::under("fleet", &domain.signing_key(), long_ago, 30);
    let agent = old.identity(old.leaf_at(Role::Agent, long_ago));
    let refusal = Some(rustls::CertificateError::Expired);
    let server = serve(tls(&old.leaf(Role::Broker), refusal), linger).await;
    let mut channel = Channel::connect(&server, &agent, &Options::default()).await.unwrap();
    let error = channel.retrieve(retrieve("disk")).await.err().unwrap();
    assert!(error.to_string().contains("the certificate has expired"), "{error}");
}

#[tokio::test]
async fn t35_outside_the_policy_certificate_s_dates_no_broker_is_accepted() {
    let key = Domain::new("fleet").signing_key();
    let long_ago = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 3 * 86_400));
    let over = Domain::under("fleet", &key, long_ago, 1);
    let server = serve(tls(&over.leaf_at(Role::Broker, long_ago), None), linger).await;
    let agent = over.identity(over.leaf_at(Role::Agent, long_ago));
    let error = Channel::connect(&server, &agent, &hasty()).await.err().unwrap();
    assert!(error.to_string().contains("policy certificate has expired"), "{error}");
    is(&error, "broker-refused", 3);
}

/// A server that answers the `ClientHello` with a fatal alert.
async fn alerting(alert: u8) -> Address {
    serve_tcp(move |mut tcp| async move {
        let mut hello = [0; 4096];
        let _ = tcp.read(&mut hello).await.unwrap();
        tcp.write_all(&[21, 3, 3, 0, 2, 2, alert]).await.unwrap();
    })
    .await
}

#[tokio::test]
async fn an_unknown_domain_is_told_by_its_alert() {
    let error = not_connected(&alerting(112).await).await;
    is(&error, "unknown-domain", 3);
    assert!(error.to_string().ends_with("serves no domain fleet"), "{error}");
}

#[tokio::test]
async fn other_alerts_are_told_as_they_are() {
    is(&not_connected(&alerting(120).await).await, "protocol", 1); // no_application_protocol
    is(&not_connected(&alerting(80).await).await, "sealed", 7); // internal_error
    is(&not_connected(&alerting(90).await).await, "busy", 8); // user_canceled
    is(&not_connected(&alerting(40).await).await, "tls", 1); // handshake_failure
    is(&not_connected(&alerting(49).await).await, "certificate-refused", 3); // access_denied
}

#[tokio::test]
async fn a_server_without_our_protocol_is_left() {
    let domain = Domain::new("fleet");
    let mut config = tls(&domain.leaf(Role::Broker), None);
    config.alpn_protocols.clear();
    let server = serve(config, linger).await;
    let error = Channel::connect(&server, &domain.agent(), &hasty()).await.err().unwrap();
    assert!(matches!(error, Error::Protocol { fault: ProtocolFault::Alpn, .. }), "{error}");
}

#[tokio::test]
async fn what_isn_t_tls_is_told() {
    let server = serve_tcp(|mut tcp| async move {
        let mut hello = [0; 4096];
        let _ = tcp.read(&mut hello).await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    })
    .await;
    is(&not_connected(&server).await, "tls", 1);
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let gone = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Address::from(listener.local_addr().unwrap())
    };
    is(&not_connected(&gone).await, "unreachable", 8);
}
