//! From a simulated platform to a broker's certificate.

use std::sync::Arc;
use std::time::Duration;

use claviger_attest::{
    AttestError, BrokerMeasurements, BrokerValue, CertificateError, Endorsements, EvidenceKind, Expected,
    Issuer, KeyAlgorithm, Measurement, ReferenceValue, Role, SigningKey, SimulatedPlatform, TrustPolicy,
    self_signed_policy, verify_agent, verify_broker,
};
use rustls_pki_types::UnixTime;

const KIND: EvidenceKind = EvidenceKind::SimulatedEnclave;
const BINDING: [u8; 64] = [0x22; 64];
const NOW: u64 = 1_800_000_000;

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW))
}

fn measurement(byte: u8) -> Measurement {
    Measurement::from_bytes(&[byte; 32]).expect("32 bytes")
}

struct World {
    platform: SimulatedPlatform,
    key: SigningKey,
    policy: TrustPolicy,
}

/// A broker that is listed so often, each time with its `may_issue`.
fn world(listed: &[bool]) -> World {
    let platform = SimulatedPlatform::generate(measurement(0x11), None, now()).expect("a platform");
    let mut policy = TrustPolicy::default();
    for (at, may_issue) in listed.iter().enumerate() {
        let root = platform.root().expect("its root").clone();
        let value = ReferenceValue::new(KIND, measurement(0x11), Some(format!("n{at}")), vec![root]);
        policy.brokers.push(BrokerValue { value: value.expect("a value"), may_issue: *may_issue });
    }
    World { platform, key: SigningKey::generate(KeyAlgorithm::P256).expect("a key"), policy }
}

impl World {
    fn attest(&self) -> Result<claviger_attest::ListedBroker, AttestError> {
        let spki = self.key.public().spki_der();
        let evidence = self.platform.evidence(spki, &BINDING, now()).expect("evidence");
        let expected = Expected { binding: &BINDING, spki };
        let screened =
            self.policy.screen_broker(KIND.submitted_evidence_type(), &evidence, &expected, now())?;
        screened.verify(&Endorsements::default(), now())
    }
}

#[test]
fn a_listed_broker_gets_a_broker_s_certificate_that_carries_its_measurement() {
    let world = world(&[false]);
    let listed = world.attest().expect("listed");
    let domain = "dom0".parse().expect("a name");
    let policy_key = SigningKey::generate(KeyAlgorithm::P384).expect("a key");
    let policy = self_signed_policy(&policy_key, &domain, now(), 400).expect("a policy");
    let issuer = Arc::new(Issuer::new(policy_key, policy.clone(), &domain).expect("a pair"));
    let leaf = issuer.into_broker_admission().admit(&listed, now()).expect("a certificate");

    let any = BrokerMeasurements::Any;
    let peer = verify_broker(&policy, &domain, &leaf, &any, now()).expect("a broker");
    assert_eq!((peer.role(), peer.measurement()), (Role::Broker, Some(&measurement(0x11))));
    assert_eq!(peer.extension().and_then(|e| e.evidence_kind), Some(KIND));
    let listed = |byte| BrokerMeasurements::Listed([measurement(byte)].into());
    verify_broker(&policy, &domain, &leaf, &listed(0x11), now()).expect("this one");
    assert_eq!(
        verify_broker(&policy, &domain, &leaf, &listed(0x12), now()).err(),
        Some(CertificateError::BrokerMeasurement)
    );
    // serverAuth only.
    assert_eq!(verify_agent(&policy, &domain, &leaf, now()).err(), Some(CertificateError::Usage));
}

#[test]
fn what_agents_may_run_admits_no_broker_and_the_other_way_round() {
    let mut world = world(&[true]);
    let value = world.policy.brokers.pop().expect("one").value;
    world.policy.references.add(value);
    assert_eq!(world.attest().err(), Some(AttestError::UnknownMeasurement(measurement(0x11))));
}

#[test]
fn a_broker_has_the_policy_key_only_where_every_word_about_it_says_so() {
    for (listed, may) in [(&[true] as &[bool], true), (&[false], false), (&[true, false], false)] {
        assert_eq!(world(listed).attest().expect("listed").may_issue(), may, "{listed:?}");
    }
}

#[test]
fn a_broker_s_listing_ends() {
    let mut world = world(&[true]);
    let broker = world.policy.brokers.pop().expect("one");
    let value = broker.value.expiring(Some(1_800_000_000)).expect("an end");
    world.policy.brokers.push(BrokerValue { value, may_issue: true });
    let expired = AttestError::ExpiredMeasurement { measurement: measurement(0x11), at: 1_800_000_000 };
    assert_eq!(world.attest().err(), Some(expired));
}

#[test]
fn what_is_said_of_another_or_no_longer_decides_nothing_about_the_policy_key() {
    let mut world = world(&[true]);
    let root = vec![world.platform.root().expect("its root").clone()];
    let other = ReferenceValue::new(KIND, measurement(0x12), None, root.clone()).expect("a value");
    let ended = ReferenceValue::new(KIND, measurement(0x11), None, root)
        .and_then(|value| value.expiring(Some(1_800_000_000)))
        .expect("a value");
    for value in [other, ended] {
        world.policy.brokers.push(BrokerValue { value, may_issue: false });
    }
    assert!(world.attest().expect("listed").may_issue());
}
