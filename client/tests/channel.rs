//! The channel against servers of every kind: whom it talks to, and what it makes of what they say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use claviger_attest::Role;
use claviger_client::{Channel, Error, Options};
use rustls::HandshakeKind;
use support::messages::{broker, retrieve, store};
use support::{Domain, serve, serve_tcp, tls};

/// The error of connecting to a server with this leaf; nothing may reach it.
async fn refused(client: &Domain, leaf: &support::Leaf) -> Error {
    let (told, hears) = tokio::sync::oneshot::channel();
    let server = serve_tcp({
        let config = tls(leaf, None);
        move |tcp| async move {
            let accepted = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config)).accept(tcp).await;
            told.send(accepted.is_ok()).unwrap();
        }
    })
    .await;
    let error = Channel::connect(&server, &client.agent(), &Options::default()).await.err().unwrap();
    assert!(!hears.await.unwrap(), "the handshake must not complete");
    assert_eq!((error.code(), error.exit_status()), ("broker-refused", 3));
    error
}

#[tokio::test]
async fn many_requests_go_over_one_channel() {
    let domain = Domain::new("fleet");
    let name = domain.name.clone();
    let server = serve(tls(&domain.leaf(Role::Broker), None), |stream| async move {
        let (_, tls) = stream.get_ref();
        assert_eq!(tls.server_name(), Some("fleet"));
        assert_eq!(tls.alpn_protocol(), Some(b"claviger/1".as_slice()));
        assert_eq!(tls.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(tls.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(
            tls.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name),
            Some(rustls::NamedGroup::X25519MLKEM768)
        );
        broker(name, stream).await;
    })
    .await;
    let mut channel = Channel::connect(&server, &domain.agent(), &Options::default()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(channel.store(store("disk", vec![1; 64])).await.unwrap().get(), 7);
        assert_eq!(channel.retrieve(retrieve("disk")).await.unwrap().blob.expose(), b"secret");
    }
    // A name whose first segment is the domain's own name is still that name.
    assert!(channel.retrieve(retrieve("fleet/disk")).await.is_ok());
}

#[tokio::test]
async fn the_largest_secret_fits_and_a_refusal_ends_nothing() {
    let domain = Domain::new("fleet");
    let name = domain.name.clone();
    let server = serve(tls(&domain.leaf(Role::Broker), None), |stream| broker(name, stream)).await;
    let mut channel = Channel::connect(&server, &domain.agent(), &Options::default()).await.unwrap();
    let largest = vec![7; claviger_proto::limits::MAX_DATA];
    assert!(channel.store(store("disk", largest)).await.is_ok());
    let error = channel.retrieve(retrieve("forbidden")).await.err().unwrap();
    assert_eq!((error.code(), error.exit_status()), ("not-found", 4));
    assert!(error.next().contains("request r1"), "{}", error.next());
    assert!(channel.retrieve(retrieve("disk")).await.is_ok());
}

#[tokio::test]
async fn t37_an_agent_s_certificate_plays_no_broker() {
    let domain = Domain::new("fleet");
    let error = refused(&domain, &domain.leaf(Role::Agent)).await;
    assert!(matches!(error, Error::BrokerRefused { .. }), "{error}");
    // The same with a certificate for servers too, as stock admission hands them out: the role still lacks.
    let error = refused(&domain, &stock_leaf(&domain)).await;
    assert!(error.to_string().contains("doesn't say broker"), "{error}");
}

/// A certificate as the stock admission service issues them: for clients and servers, without a role.
fn stock_leaf(domain: &Domain) -> support::Leaf {
    use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
    let signer = KeyPair::try_from(domain.policy_key.as_slice()).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_der(&domain.policy.der().into(), signer).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![domain.name.to_string()]).unwrap();
    params.distinguished_name.push(DnType::OrganizationName, format!("Measured-{}", support::measurement()));
    params.distinguished_name.push(DnType::CommonName, "CertifierUsers");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    support::Leaf { certificate: certificate.der().to_vec(), key: key.serialize_der() }
}

#[tokio::test]
async fn t06_a_broker_under_another_policy_certificate_is_refused() {
    let (domain, other) = (Domain::new("fleet"), Domain::new("fleet"));
    let error = refused(&domain, &other.leaf(Role::Broker)).await;
    assert!(error.to_string().contains("isn't signed by this domain's policy key"), "{error}");
}

#[tokio::test]
async fn a_broker_of_another_domain_under_the_same_key_is_refused() {
    let key = claviger_attest::SigningKey::generate(claviger_attest::KeyAlgorithm::P256).unwrap();
    let now = rustls_pki_types::UnixTime::now();
    let (domain, other) = (Domain::under("fleet", &key, now, 10), Domain::under("fleet2", &key, now, 10));
    let error = refused(&domain, &other.leaf(Role::Broker)).await;
    assert!(matches!(error, Error::BrokerRefused { .. }), "{error}");
}
