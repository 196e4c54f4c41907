//! Evidence and certificates, in a small world that is fixed in `data/` (made by `examples/world.rs`).

use std::sync::LazyLock;
use std::time::Duration;

use claviger_attest::measure::{BootHashes, Firmware, GuestFeatures, SnpLaunch, VcpuType};
use claviger_attest::{
    AdmissionExtension, BrokerMeasurements, EvidenceKind, Expected, Measurement, PolicyCertificate,
    Principals, ReferenceValue, ReferenceValues, Role, TrustedPrincipal, sha256, verify, verify_agent,
    verify_broker,
};
use claviger_proto::DomainName;
use claviger_proto::key::PublicKey;
use claviger_proto::trust::EvidencePackage;
use prost::Message as _;
use rustls_pki_types::UnixTime;

/// The moment at which everything in the world is valid: 2026-11-24, in seconds since 1970.
pub const NOW: u64 = 1_795_478_400;
/// The binding of the world's one channel.
pub const BINDING: [u8; 64] = [7; 64];
/// The binding of another channel.
pub const ELSEWHERE: [u8; 64] = [8; 64];

const POLICY: &[u8] = include_bytes!("../data/policy.der");
const AGENT_SPKI: &[u8] = include_bytes!("../data/agent.spki");
const PLATFORM_SPKI: &[u8] = include_bytes!("../data/platform.spki");
const MEASUREMENT: &[u8] = include_bytes!("../data/measurement");

struct World {
    domain: DomainName,
    policy: PolicyCertificate,
    measurement: Measurement,
    references: ReferenceValues,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let measurement = Measurement::from_bytes(MEASUREMENT).expect("a measurement");
    let root = PublicKey::from_spki_der(PLATFORM_SPKI).expect("a key");
    let mut references = ReferenceValues::default();
    let value = ReferenceValue::new(EvidenceKind::SimulatedEnclave, measurement, None, vec![root]);
    references.add(value.expect("a reference value"));
    let policy = PolicyCertificate::from_der(POLICY).expect("a policy certificate");
    World { domain: "dom0".parse().expect("a domain name"), policy, measurement, references }
});

/// The world's moment.
pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW))
}

/// An evidence package. What verifies was signed in the world, so it says what the world says.
pub fn evidence(data: &[u8]) {
    let Ok(package) = EvidencePackage::decode(data) else { return };
    let world = &*WORLD;
    let submitted = EvidenceKind::SimulatedEnclave.submitted_evidence_type();
    let attested_by = |binding| {
        let expected = Expected { binding, spki: AGENT_SPKI };
        verify(submitted, &package, &world.references, &expected, now())
    };
    let here = attested_by(&BINDING);
    assert!(here.is_err() || attested_by(&ELSEWHERE).is_err(), "evidence for two channels");
    if let Ok(attested) = here {
        assert_eq!(attested.measurement(), &world.measurement);
        assert_eq!(attested.spki(), AGENT_SPKI);
    }
}

/// A leaf, as either end reads it: no certificate is both an agent's and a broker's.
pub fn certificate(data: &[u8]) {
    let world = &*WORLD;
    let agent = verify_agent(&world.policy, &world.domain, data, now());
    let broker = verify_broker(&world.policy, &world.domain, data, &BrokerMeasurements::Any, now());
    assert!(agent.is_err() || broker.is_err());
    if let Ok(peer) = agent {
        assert_eq!((peer.role(), peer.measurement().is_some()), (Role::Agent, true));
    }
    if let Ok(peer) = broker {
        assert_eq!(peer.role(), Role::Broker);
    }
}

/// A principal's certificate, in a domain that takes its own members' for a principal's: as good as it may be, it
/// proves nothing without a signature. And one by which a domain is to know somebody.
pub fn principal(data: &[u8]) {
    let by = |der| "CertifierUsers".parse().and_then(|name| TrustedPrincipal::new(name, der));
    let mut known = Principals::default();
    known.add(by(POLICY).expect("an authority"));
    if let Ok(trusted) = by(data) {
        assert_eq!(*trusted.fingerprint(), sha256(data));
        known.add(trusted);
    }
    for chain in [vec![data.to_vec()], vec![data.to_vec(), POLICY.to_vec()]] {
        assert!(known.prove(&chain, &BINDING, &[], now()).is_err());
    }
}

/// The value of our extension: one value, one encoding.
pub fn admission_extension(data: &[u8]) {
    if let Ok(extension) = AdmissionExtension::decode(data) {
        assert_eq!(extension.encode(), data);
    }
}

/// A policy certificate, as an owner hands it in.
pub fn policy_certificate(data: &[u8]) {
    if let Ok(policy) = PolicyCertificate::from_der(data) {
        assert_eq!(policy.der(), data);
        assert!(PublicKey::from_spki_der(policy.spki_der()).is_ok());
    }
}

/// The end of a firmware image, where all of it is that is read. What is accepted is measured, and a kernel only
/// where it changes the measurement.
pub fn firmware(data: &[u8]) {
    let mut image = vec![0; data.len().next_multiple_of(4096)];
    let start = image.len() - data.len();
    image[start..].copy_from_slice(data);
    let Ok(firmware) = Firmware::parse(&image) else { return };
    let boot = BootHashes::new([1; 32], None, None).expect("no command line is one");
    let epyc: VcpuType = "EPYC".parse().expect("a type");
    let measured = |boot| {
        let launch = SnpLaunch::new(&firmware, boot)?;
        launch.measurement(2, epyc, GuestFeatures::default())
    };
    let plain = measured(None).expect("firmware that was read is measured");
    if let Ok(with_kernel) = measured(Some(&boot)) {
        assert!(firmware.measures_kernel());
        assert_ne!(with_kernel, plain);
    }
}
