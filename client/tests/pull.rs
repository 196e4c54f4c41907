//! A pull from a home broker in this process, whole and broken in one place at a time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use claviger_attest::{Issuer, KeyAlgorithm, Role, SigningKey};
use claviger_client::evidence::SimulatedEnclave;
use claviger_client::{Address, BrokerLeaf, Collector, Error, ProtocolFault, Pull, Pulled};
use claviger_proto::limits::MAX_DOMAIN_STATE_FRAME;
use claviger_proto::trust::{TrustRequest, TrustResponse};
use claviger_proto::{DomainState, Secret};
use rustls_pki_types::UnixTime;
use support::admission::{challenge, client_key, platform};
use support::{Domain, Leaf, hasty, linger, measurement, read_frame, serve, tls, write_frame};

/// How the home broker of a test certifies the key of the channel.
type Certify = fn(&Issuer, &[u8]) -> Option<Vec<u8>>;

fn of_role(issuer: &Issuer, role: Role, spki: &[u8]) -> Option<Vec<u8>> {
    issuer.identity(role, spki, Some(&measurement()), UnixTime::now(), 1).ok()
}

fn broker(issuer: &Issuer, spki: &[u8]) -> Option<Vec<u8>> {
    of_role(issuer, Role::Broker, spki)
}

fn state(trust: Vec<u8>, certificate: Option<Vec<u8>>) -> DomainState {
    DomainState {
        generation: [7; 16],
        serial: 1,
        time: 0,
        preset: "members".to_owned(),
        trust,
        access: Vec::new(),
        policy_key: None,
        certificate,
    }
}

/// Home, which answers one broker.
async fn home(leaf: Leaf, issuer: Arc<Issuer>, certify: Certify, trust: Vec<u8>) -> Address {
    serve(tls(&leaf, None), move |mut stream| async move {
        challenge(&mut stream).await;
        // Who doesn't trust this home has gone.
        let Some(body) = read_frame(&mut stream).await else { return };
        let (request, _) = TrustRequest::decode_body(&body).unwrap();
        assert!(request.purpose.starts_with("broker-"), "{}", request.purpose);
        let certificate = certify(&issuer, client_key(&stream).spki_der());
        write_frame(&mut stream, &TrustResponse::encode_state(&state(trust, certificate), "r2")).await;
        linger(stream).await;
    })
    .await
}

async fn pulled(domain: &Domain, home: &Address, identity: Option<&BrokerLeaf>) -> Result<Pulled, Error> {
    let (dir, _) = platform();
    let collector = Collector::SimulatedEnclave(SimulatedEnclave::new(dir.path()));
    let pull = Pull { domain: &domain.name, policy: &domain.policy, collector: &collector, identity };
    claviger_client::pull(home, &pull, &hasty()).await
}

async fn of_home(certify: Certify, identity: Option<Role>) -> Result<Pulled, Error> {
    let domain = Domain::new("fleet");
    let home = home(domain.leaf(Role::Broker), Arc::clone(&domain.issuer), certify, Vec::new()).await;
    let own = identity.map(|role| domain.leaf(role));
    let own = own.map(|leaf| BrokerLeaf { certificate: leaf.certificate, key: Secret::new(leaf.key) });
    pulled(&domain, &home, own.as_ref()).await
}

fn fault(result: Result<Pulled, Error>) -> ProtocolFault {
    match result.err().unwrap() {
        Error::Protocol { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_broker_elsewhere_gets_the_domain_and_a_certificate_for_its_key() {
    let Pulled { state, identity } = of_home(broker, None).await.unwrap();
    assert_eq!((state.serial, state.certificate.is_none(), identity.is_some()), (1, true, true));
    // With one it gets no other.
    let Pulled { identity, .. } = of_home(|_, _| None, Some(Role::Broker)).await.unwrap();
    assert!(identity.is_none());
}

#[tokio::test]
async fn a_certificate_that_home_gives_is_a_brokers_of_the_domain_for_the_key_of_the_channel() {
    let agents = of_home(|issuer, spki| of_role(issuer, Role::Agent, spki), None).await;
    assert!(matches!(fault(agents), ProtocolFault::Certificate(_)));
    let of_another = |_: &Issuer, spki: &[u8]| broker(&Domain::new("fleet").issuer, spki);
    assert!(matches!(fault(of_home(of_another, None).await), ProtocolFault::Certificate(_)));
    let other_key = |issuer: &Issuer, _: &[u8]| {
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        broker(issuer, key.public().spki_der())
    };
    assert!(matches!(fault(of_home(other_key, None).await), ProtocolFault::OtherKey));
    // None where one was asked for, and one where none was.
    assert!(matches!(fault(of_home(|_, _| None, None).await), ProtocolFault::Unrelated));
    assert!(matches!(fault(of_home(broker, Some(Role::Broker)).await), ProtocolFault::Unrelated));
}

#[tokio::test]
async fn who_isn_t_the_domain_s_broker_is_no_home_and_sees_no_evidence() {
    let domain = Domain::new("fleet");
    let policy = Arc::clone(&domain.issuer);
    for leaf in [Domain::new("fleet").leaf(Role::Broker), domain.leaf(Role::Agent)] {
        let home = home(leaf, Arc::clone(&policy), |_, _| panic!("evidence was shown"), Vec::new()).await;
        let error = pulled(&domain, &home, None).await.err().unwrap();
        assert_eq!(error.exit_status(), 3, "{error}");
    }
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_bound() {
    let domain = Domain::new("fleet");
    let answered = async |size| {
        let home =
            home(domain.leaf(Role::Broker), Arc::clone(&domain.issuer), broker, vec![b' '; size]).await;
        pulled(&domain, &home, None).await
    };
    assert!(answered(MAX_DOMAIN_STATE_FRAME - (64 << 10)).await.is_ok());
    assert!(matches!(fault(answered(MAX_DOMAIN_STATE_FRAME).await), ProtocolFault::Malformed(_)));
}
