//! A channel that answers challenges, against servers that give them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use claviger_attest::{KeyAlgorithm, Role, SigningKey, self_signed_policy};
use claviger_client::{Channel, Error, Options, PrincipalKey, Prover};
use claviger_proto::DomainName;
use claviger_proto::key_service::{
    Asked, Challenge, Dialect, Echo, Needs, Outcome, Proof, Refusal, decode_request, encode_response,
};
use rustls::pki_types::UnixTime;
use support::messages::retrieve;
use support::{Domain, private, read_frame, serve, tls, write_frame};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const PRINCIPAL: Needs = Needs { freshness: false, principal: true };
const FRESHNESS: Needs = Needs { freshness: true, principal: false };

/// Challenges every request for `needs`, whatever was proven, and takes every answer; counts both.
async fn insatiable(
    domain: DomainName,
    needs: Needs,
    counts: Arc<[AtomicUsize; 2]>,
    mut stream: TlsStream<TcpStream>,
) {
    while let Some(body) = read_frame(&mut stream).await {
        let outcome = match decode_request(Dialect::Ours, &domain, &body).asked.unwrap() {
            Asked::Proof(Proof::Principal(credentials)) => {
                assert!(!credentials.signature.is_empty() && credentials.chain.len() == 1);
                counts[1].fetch_add(1, Ordering::Relaxed);
                Outcome::Proven
            }
            Asked::Proof(Proof::Freshness(_)) => panic!("nobody gave evidence"),
            Asked::Challenge | Asked::Request(_) => {
                counts[0].fetch_add(1, Ordering::Relaxed);
                Outcome::Refused(Refusal::challenge(Challenge { nonce: [7; 32], needs }, "prove it"))
            }
        };
        write_frame(&mut stream, &encode_response(&Echo::default(), Some("r1"), &outcome)).await;
    }
}

fn principal() -> PrincipalKey {
    let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let certificate = self_signed_policy(&key, &"ops".parse().unwrap(), UnixTime::now(), 1).unwrap();
    PrincipalKey::new(vec![certificate.der().to_vec()], &private(key.pkcs8_der())).unwrap()
}

async fn asked(needs: Needs, principal: Option<PrincipalKey>) -> (Error, [usize; 2]) {
    let domain = Domain::new("fleet");
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let (name, counting) = (domain.name.clone(), Arc::clone(&counts));
    let server =
        serve(tls(&domain.leaf(Role::Broker), None), move |stream| insatiable(name, needs, counting, stream))
            .await;
    let identity = domain.agent();
    let prover = Prover::new(&identity, None, principal).unwrap();
    let channel = Channel::connect(&server, &identity, &Options::default()).await.unwrap();
    let mut channel = channel.proving(prover);
    let error = channel.retrieve(retrieve("disk")).await.err().unwrap();
    // A refusal doesn't spend the channel.
    assert!(!matches!(channel.retrieve(retrieve("disk")).await, Err(Error::ChannelSpent)));
    (error, [0, 1].map(|n| counts[n].load(Ordering::Relaxed)))
}

#[tokio::test]
async fn what_is_asked_for_again_after_it_was_proven_is_asked_for_no_third_time() {
    let (error, counts) = asked(PRINCIPAL, Some(principal())).await;
    assert_eq!((error.code(), error.exit_status()), ("proof-needed", 3));
    assert_eq!(counts, [4, 2], "two requests, each made twice and proven once");
    assert!(error.next().contains("another principal"), "{}", error.next());
}

#[tokio::test]
async fn what_it_cannot_prove_it_says_at_once() {
    let (error, counts) = asked(FRESHNESS, Some(principal())).await;
    assert_eq!((error.code(), counts), ("proof-needed", [2, 0]));
    assert!(error.next().contains("--evidence"), "{}", error.next());
    let (error, counts) = asked(PRINCIPAL, None).await;
    assert_eq!((error.code(), counts), ("proof-needed", [2, 0]));
    assert!(error.next().contains("--credentials"), "{}", error.next());
}

#[tokio::test]
async fn proving_beforehand_asks_for_a_challenge_of_its_own() {
    let domain = Domain::new("fleet");
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let (name, counting) = (domain.name.clone(), Arc::clone(&counts));
    let server = serve(tls(&domain.leaf(Role::Broker), None), move |stream| {
        insatiable(name, Needs::default(), counting, stream)
    })
    .await;
    let identity = domain.agent();
    let channel = Channel::connect(&server, &identity, &Options::default()).await.unwrap();
    let mut channel = channel.proving(Prover::new(&identity, None, Some(principal())).unwrap());
    channel.prove().await.unwrap();
    assert_eq!([0, 1].map(|n| counts[n].load(Ordering::Relaxed)), [1, 1]);
}

#[test]
fn a_principal_s_key_is_its_certificate_s() {
    let key = || SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let (own, other) = (key(), key());
    let certificate = self_signed_policy(&own, &"ops".parse().unwrap(), UnixTime::now(), 1).unwrap();
    let chain = || vec![certificate.der().to_vec()];
    assert!(PrincipalKey::new(chain(), &private(own.pkcs8_der())).is_ok());
    let error = PrincipalKey::new(chain(), &private(other.pkcs8_der())).err().unwrap();
    assert!(error.to_string().contains("isn't the certificate's"), "{error}");
    assert!(PrincipalKey::new(Vec::new(), &private(own.pkcs8_der())).is_err());
}
