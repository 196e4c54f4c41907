//! From a simulated platform to an admitted agent.

use std::sync::Arc;
use std::time::Duration;

use claviger_attest::{
    BrokerMeasurements, CertificateError, EvidenceKind, Expected, Issuer, KeyAlgorithm, Measurement,
    PolicyCertificate, ReferenceValue, ReferenceValues, Role, SigningKey, SimulatedPlatform, TrustPolicy,
    self_signed_policy, verify, verify_agent, verify_broker,
};
use claviger_proto::DomainName;
use claviger_proto::key::read_public;
use rustls_pki_types::UnixTime;

const NOW: u64 = 1_800_000_000;

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW))
}

fn domain() -> DomainName {
    "dom0".parse().expect("a domain name")
}

fn issuer(algorithm: KeyAlgorithm) -> (Arc<Issuer>, PolicyCertificate) {
    let key = SigningKey::generate(algorithm).expect("a key");
    let policy = self_signed_policy(&key, &domain(), now(), 100).expect("a policy");
    (Arc::new(Issuer::new(key, policy.clone(), &domain()).expect("a pair")), policy)
}

fn admit(platform_key: Option<SigningKey>, policy_algorithm: KeyAlgorithm, agent_algorithm: KeyAlgorithm) {
    let measurement = Measurement::from_bytes(&[0x11; 32]).expect("32 bytes");
    let made = SimulatedPlatform::generate(measurement, platform_key, now()).expect("a platform");

    // The platform goes through its files, as it does on a machine.
    let files = made.files().expect("files");
    let file = |name| files.iter().find(|(n, _)| *n == name).expect(name).1.expose();
    let platform = SimulatedPlatform::from_files(
        file("attest_key_file.bin"),
        file("cf_utility.measurement"),
        file("platform_attest_endorsement.bin"),
    )
    .expect("a platform");
    assert!(platform.root().is_none());
    let root = read_public(file("platform_key_file.bin")).expect("a root");
    assert_eq!(Some(&root), made.root());

    let mut values = ReferenceValues::default();
    let kind = EvidenceKind::SimulatedEnclave;
    values.add(ReferenceValue::new(kind, measurement, None, vec![root]).expect("a value"));

    let agent = SigningKey::generate(agent_algorithm).expect("a key");
    let spki = agent.public().spki_der();
    let binding = [0x22; 64];
    let evidence = platform.evidence(spki, &binding, now()).expect("evidence");
    let expected = Expected { binding: &binding, spki };
    let attested =
        verify(kind.submitted_evidence_type(), &evidence, &values, &expected, now()).expect("attested");

    let (issuer, policy) = issuer(policy_algorithm);
    let identified = TrustPolicy::default().identify(attested.clone(), None).expect("no demand");
    let leaf = issuer.into_admission().admit(&identified, now()).expect("admitted");
    let peer = verify_agent(&policy, &domain(), &leaf, now()).expect("an agent");
    assert_eq!(peer.measurement(), Some(&measurement));
    assert_eq!(peer.challenge_fresh(), Some(true));
    let extension = peer.extension().expect("ours");
    assert_eq!(extension.role, Role::Agent);
    assert_eq!(extension.evidence_kind, Some(kind));
    assert_eq!(extension.evidence_digest.as_ref(), Some(attested.evidence_digest()));
    assert_eq!((extension.reported_tcb, extension.chip_id, extension.instance.as_ref()), (None, None, None));
    assert_eq!(peer.not_after(), policy.not_after(), "a year, but no longer than the policy certificate");

    let as_broker = verify_broker(&policy, &domain(), &leaf, &BrokerMeasurements::Any, now());
    assert_eq!(as_broker.map(|_| ()), Err(CertificateError::Usage));
}

#[test]
fn a_machine_on_a_new_simulated_platform_is_admitted() {
    admit(None, KeyAlgorithm::P384, KeyAlgorithm::P256);
}

#[test]
fn platforms_and_policies_with_other_keys_do_as_well() {
    let key = |algorithm| Some(SigningKey::generate(algorithm).expect("a key"));
    admit(key(KeyAlgorithm::P256), KeyAlgorithm::P256, KeyAlgorithm::P384);
    admit(key(KeyAlgorithm::P384), KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa2048);
    admit(key(KeyAlgorithm::Rsa3072), KeyAlgorithm::P256, KeyAlgorithm::P256);
    admit(None, KeyAlgorithm::Ed25519, KeyAlgorithm::Ed25519);
    admit(None, KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa2048);
}

#[test]
fn keys_survive_their_files_form() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa2048] {
        let key = SigningKey::generate(algorithm).expect("a key");
        let again = SigningKey::from_private(&key.to_private().expect("a copy")).expect("a key");
        assert_eq!(key.public(), again.public());
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
    }
    assert!("ed448".parse::<KeyAlgorithm>().is_err());
}
