//! What the stock programs made is accepted where it should be, and nowhere else.

use std::time::Duration;

use claviger_attest::{
    AttestError, BrokerMeasurements, CertificateError, EvidenceKind, Expected, IssueError, Issuer, KeyError,
    Measurement, Peer, PolicyCertificate, PolicyError, ReferenceError, ReferenceValue, ReferenceValues, Role,
    SigningKey, SimulatedPlatform, verify, verify_agent, verify_broker,
};
use claviger_proto::DomainName;
use claviger_proto::evidence::{Claim, Clause, ReportInfo, SignedClaim, SignedReport, UserData};
use claviger_proto::key::{KeyMessage, MessageKey, PublicKey, read_public};
use claviger_proto::trust::{EvidencePackage, TrustRequest};
use prost::Message as _;
use rustls_pki_types::UnixTime;

const POLICY: &[u8] = include_bytes!("data/stock/policy_cert.der");
const POLICY_KEY: &[u8] = include_bytes!("data/stock/policy_key.key_message.pb");
const REQUEST: &[u8] = include_bytes!("data/stock/simulated_rsa2048.request.frame");
const PLATFORM_KEY: &[u8] = include_bytes!("data/stock/platform_key_file.bin");
const ATTEST_KEY: &[u8] = include_bytes!("data/stock/attest_key_file.bin");
const MEASUREMENT: &[u8] = include_bytes!("data/stock/cf_utility.measurement");
const ENDORSEMENT: &[u8] = include_bytes!("data/stock/platform_attest_endorsement.bin");

const ADMISSIONS: [(&str, &[u8]); 4] = [
    ("client_sev", include_bytes!("data/stock/client_sev.cert.der")),
    ("server_simulated", include_bytes!("data/stock/server_simulated.cert.der")),
    ("simulated_rsa3072", include_bytes!("data/stock/simulated_rsa3072.cert.der")),
    ("simulated_rsa4096", include_bytes!("data/stock/simulated_rsa4096.cert.der")),
];

/// When all of it is valid: 2026-12-11.
const NOW: u64 = 1_797_000_000;

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW))
}

fn domain() -> DomainName {
    "dom0".parse().expect("a domain name")
}

fn policy() -> PolicyCertificate {
    PolicyCertificate::from_der(POLICY).expect("a policy certificate")
}

fn agent(leaf: &[u8]) -> Result<Peer, CertificateError> {
    verify_agent(&policy(), &domain(), leaf, now())
}

fn policy_key() -> SigningKey {
    let message = KeyMessage::decode(POLICY_KEY).expect("a key message");
    assert_eq!(message.certificate.as_deref(), Some(POLICY));
    let MessageKey::Private(key) = message.key else { panic!("it is a private key") };
    SigningKey::from_private(&key).expect("a signing key")
}

#[test]
fn a_stock_policy_certificate_is_accepted() {
    assert_eq!(policy().check_dates(now()), Ok(()));
    assert_eq!(policy().der(), POLICY);
    assert_eq!(policy().not_after().as_secs(), 1_953_179_862);
    // The Name that the stock client sends in `certificate_authorities`.
    assert_eq!(hex::encode(&policy().subject_der()[..12]), "30333112301006035504030c");
}

#[test]
fn stock_admission_certificates_are_agents_of_whom_the_rest_is_unknown() {
    for (name, leaf) in ADMISSIONS {
        let peer = agent(leaf).expect(name);
        assert_eq!(peer.role(), Role::Agent, "{name}");
        assert_eq!(peer.extension(), None, "{name}");
        assert_eq!(peer.challenge_fresh(), None, "{name}");
    }
    let simulated = agent(ADMISSIONS[1].1).expect("an agent");
    assert_eq!(simulated.measurement().expect("measured").as_bytes(), MEASUREMENT);
    assert_eq!(
        agent(ADMISSIONS[0].1).expect("an agent").measurement().expect("measured").as_bytes().len(),
        48
    );
}

#[test]
fn t37_stock_admission_certificates_are_never_brokers() {
    for (name, leaf) in ADMISSIONS {
        let result = verify_broker(&policy(), &domain(), leaf, &BrokerMeasurements::Any, now());
        let expected = CertificateError::Role { expected: Role::Broker };
        assert_eq!(result.map(|_| ()), Err(expected), "{name}");
    }
}

#[test]
fn a_version_1_leaf_is_refused_and_its_version_3_twin_is_not() {
    assert!(agent(include_bytes!("data/made/v3_leaf.der")).is_ok());
    let v1: &[u8] = include_bytes!("data/made/v1_leaf.der");
    assert_eq!(agent(v1).map(|_| ()), Err(CertificateError::Version));
}

#[test]
fn the_stock_policy_key_issues_for_us_with_sha_256() {
    let issuer = Issuer::new(policy_key(), policy(), &domain()).expect("a pair");
    let measurement = Measurement::from_bytes(MEASUREMENT).expect("32 bytes");
    let spki = policy_key().public().spki_der().to_vec();
    let leaf = issuer.identity(Role::Agent, &spki, Some(&measurement), now(), 30).expect("issued");
    assert_eq!(agent(&leaf).expect("an agent").measurement(), Some(&measurement));
    let (_, x509) = x509_parser::parse_x509_certificate(&leaf).expect("parsed");
    assert_eq!(x509.signature_algorithm.algorithm.to_id_string(), "1.2.840.113549.1.1.11");
}

fn request() -> (TrustRequest, EvidencePackage) {
    TrustRequest::decode_body(&REQUEST[4..]).expect("a request")
}

#[test]
fn stock_evidence_is_read_in_every_part() {
    let (request, evidence) = request();
    assert_eq!(request.submitted_evidence_type, "vse-attestation-package");
    let [claim, report] = evidence.items.as_slice() else { panic!("two items") };
    assert_eq!(
        (claim.evidence_type.as_str(), report.evidence_type.as_str()),
        ("signed-claim", "signed-vse-attestation-report")
    );

    let claim = SignedClaim::decode(claim.serialized.as_slice()).expect("a signed claim");
    assert_eq!(claim.signing_algorithm.as_deref(), Some("rsa-2048-sha256-pkcs-sign"));
    let claim = Claim::decode(claim.claim.expect("a claim").as_slice()).expect("a claim");
    assert_eq!(claim.format.as_deref(), Some("vse-clause"));
    assert_eq!(claim.not_before.as_deref(), Some("2026-11-24T05:57:45.00000Z"));
    let clause = Clause::decode(claim.clause.expect("a clause").as_slice()).expect("a clause");
    assert_eq!(clause.verb.as_deref(), Some("says"));
    assert_eq!(clause.clause.expect("another").verb.as_deref(), Some("is-trusted-for-attestation"));

    let report = SignedReport::decode(report.serialized.as_slice()).expect("a signed report");
    let info = ReportInfo::decode(report.report.expect("a report").as_slice()).expect("a report");
    assert_eq!(info.measurement.as_deref(), Some(MEASUREMENT));
    let user_data = UserData::decode(info.user_data.expect("user data").as_slice()).expect("user data");
    assert_eq!((user_data.policy_key, user_data.binding), (None, None));
    let key = KeyMessage::decode(&user_data.enclave_key.expect("a key")).expect("a key");
    assert!(matches!(key.key, MessageKey::Public(_)));
}

fn trusting() -> ReferenceValues {
    let root = read_public(PLATFORM_KEY).expect("a key");
    let measurement = Measurement::from_bytes(MEASUREMENT).expect("32 bytes");
    let value =
        ReferenceValue::new(EvidenceKind::SimulatedEnclave, measurement, None, vec![root]).expect("fine");
    let mut values = ReferenceValues::default();
    values.add(value);
    values
}

/// The key that stock evidence asks a certificate for.
fn stock_enclave_key() -> PublicKey {
    let (_, evidence) = request();
    let report = SignedReport::decode(evidence.items[1].serialized.as_slice()).expect("a report");
    let info = ReportInfo::decode(report.report.expect("a report").as_slice()).expect("a report");
    let user_data = UserData::decode(info.user_data.expect("user data").as_slice()).expect("user data");
    let message = KeyMessage::decode(&user_data.enclave_key.expect("a key")).expect("a key");
    let MessageKey::Public(key) = message.key else { panic!("it is a public key") };
    key
}

#[test]
fn t40_stock_evidence_is_refused_for_want_of_a_binding_and_for_nothing_else() {
    let (request, evidence) = request();
    let key = stock_enclave_key();
    let expected = Expected { binding: &[7; 64], spki: key.spki_der() };
    let result = verify(&request.submitted_evidence_type, &evidence, &trusting(), &expected, now());
    assert_eq!(result.map(|_| ()), Err(AttestError::Unbound));
}

#[test]
fn a_stock_platform_makes_evidence_that_verifies() {
    let platform = SimulatedPlatform::from_files(ATTEST_KEY, MEASUREMENT, ENDORSEMENT).expect("a platform");
    assert_eq!(platform.measurement().as_bytes(), MEASUREMENT);
    let key = stock_enclave_key();
    let binding = [7; 64];
    let evidence = platform.evidence(key.spki_der(), &binding, now()).expect("evidence");
    let expected = Expected { binding: &binding, spki: key.spki_der() };
    let attested =
        verify("vse-attestation-package", &evidence, &trusting(), &expected, now()).expect("attested");
    assert_eq!(attested.measurement().as_bytes(), MEASUREMENT);
}

#[test]
fn a_platform_whose_files_do_not_belong_together_is_refused() {
    let from = |attest, measurement, endorsement| {
        SimulatedPlatform::from_files(attest, measurement, endorsement).map(|_| ())
    };
    assert!(from(ATTEST_KEY, MEASUREMENT, ENDORSEMENT).is_ok());
    let statement = |result| matches!(result, Err(AttestError::Statement { .. }));
    assert!(statement(from(PLATFORM_KEY, MEASUREMENT, ENDORSEMENT)), "another key");
    assert!(statement(from(ATTEST_KEY, &MEASUREMENT[1..], ENDORSEMENT)), "31 bytes");
    let malformed = |result| matches!(result, Err(AttestError::Malformed { .. }));
    assert!(malformed(from(&ATTEST_KEY[1..], MEASUREMENT, ENDORSEMENT)), "no key");
    assert!(malformed(from(ATTEST_KEY, MEASUREMENT, &ENDORSEMENT[1..])), "no endorsement");
}

#[test]
fn keys_too_short_are_used_for_nothing() {
    let private = KeyMessage::decode(include_bytes!("data/stock/rsa-1024-private.key_message.pb"));
    let MessageKey::Private(key) = private.expect("a key").key else { panic!("it is a private key") };
    assert_eq!(SigningKey::from_private(&key).map(|_| ()), Err(KeyError::Unsupported));

    let root = read_public(include_bytes!("data/stock/rsa-1024-public.key_message.pb")).expect("a key");
    let measurement = Measurement::from_bytes(MEASUREMENT).expect("32 bytes");
    let value = ReferenceValue::new(EvidenceKind::SimulatedEnclave, measurement, None, vec![root.clone()]);
    assert_eq!(value.map(|_| ()), Err(ReferenceError::Root));

    let issuer = Issuer::new(policy_key(), policy(), &domain()).expect("a pair");
    let leaf = issuer.identity(Role::Agent, root.spki_der(), Some(&measurement), now(), 30);
    assert_eq!(leaf, Err(IssueError::SubjectKey));

    let policy = PolicyCertificate::from_der(include_bytes!("data/made/rsa1024_policy.der"));
    assert_eq!(policy.map(|_| ()), Err(PolicyError::Key));
}
