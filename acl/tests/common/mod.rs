//! Machines of two domains, with real certificates.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use claviger_attest::{
    Attested, BrokerMeasurements, Endorsements, EvidenceKind, Expected, Issuer, KeyAlgorithm, Measurement,
    Moment, Peer, PolicyCertificate, Principals, Proofs, ReferenceValue, ReferenceValues, Role, SigningKey,
    SimulatedPlatform, SimulatedSnp, SimulatedSnpGuest, SnpProduct, SnpRequirements, Standing, TrustPolicy,
    TrustedPrincipal, screen, self_signed_policy, sign_as_principal, snp_package, verify, verify_agent,
    verify_broker,
};
use claviger_proto::evidence::EvidenceUserData;
use claviger_proto::{DomainName, ResourceName, Secret};
use rustls_pki_types::UnixTime;

pub(crate) const PREFIX: &str = "dom0";

pub(crate) fn domain(name: &str) -> DomainName {
    name.parse().unwrap()
}

pub(crate) fn name(text: &str) -> ResourceName {
    text.parse().unwrap()
}

/// A measurement of 32 bytes, or of 48 where the byte is odd.
pub(crate) fn measurement(byte: u8) -> Measurement {
    Measurement::from_bytes(&vec![byte; if byte.is_multiple_of(2) { 32 } else { 48 }]).unwrap()
}

/// What `measurement(byte)` is called by the domain.
pub(crate) fn labels(pairs: &[(u8, &str)]) -> Vec<(Measurement, String)> {
    pairs.iter().map(|(byte, label)| (measurement(*byte), (*label).to_owned())).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

const KIND: EvidenceKind = EvidenceKind::SimulatedEnclave;

#[derive(Clone)]
struct Domain {
    name: DomainName,
    certificate: PolicyCertificate,
    issuer: Arc<Issuer>,
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_hours(500_000))
}

impl Domain {
    fn new(name: &str) -> Self {
        let name = domain(name);
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        let certificate = self_signed_policy(&key, &name, now(), 365).unwrap();
        let issuer = Issuer::new(key, certificate.clone(), &name).unwrap();
        Self { name, certificate, issuer: Arc::new(issuer) }
    }

    fn leaf(&self, role: Role, byte: u8) -> Vec<u8> {
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        self.issuer.identity(role, key.public().spki_der(), Some(&measurement(byte)), now(), 30).unwrap()
    }

    fn agent(&self, byte: u8) -> Peer {
        verify_agent(&self.certificate, &self.name, &self.leaf(Role::Agent, byte), now()).unwrap()
    }

    /// An agent with the measurement of byte 2 that came with a ticket of its own, which the owner calls so.
    fn instance(self, ticket: u8, label: &str) -> Peer {
        let root = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        let platform = SimulatedPlatform::generate(measurement(2), Some(root), now()).unwrap();
        let mut references = ReferenceValues::default();
        let roots = vec![platform.root().unwrap().clone()];
        references.add(ReferenceValue::new(KIND, measurement(2), None, roots).unwrap());
        let agent = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        let spki = agent.public().spki_der();
        let said = EvidenceUserData::with_ticket(&Secret::new(vec![ticket; 32]));
        let evidence = platform.evidence_with(spki, &[1; 64], Some(&said), now()).unwrap();
        let expected = Expected { binding: &[1; 64], spki };
        let attested =
            verify(KIND.submitted_evidence_type(), &evidence, &references, &expected, now()).unwrap();
        let machine = TrustPolicy::default().identify(attested, None).unwrap();
        let issuer = self.issuer.into_admission();
        let leaf = issuer.admit(&machine.labelled(Some(label.to_owned())), now()).unwrap();
        verify_agent(&self.certificate, &self.name, &leaf, now()).unwrap()
    }

    /// An agent with the measurement of byte 5 on a platform that reports `bootloader=4 tee=1 snp=24 microcode=219`.
    fn snp(self) -> Peer {
        let (product, kind) = (SnpProduct::Genoa, EvidenceKind::SevSnp);
        let platform = SimulatedSnp::generate(product, None).unwrap();
        let (chip_id, root) = (platform.chip_id(), platform.root().public().clone());
        let (host_data, guest_svn, vmpl, debug) = ([0; 32], 0, 0, false);
        let runs = [5; 48];
        let guest =
            SimulatedSnpGuest { product, chip_id, measurement: runs, host_data, guest_svn, vmpl, debug };
        let mut references = ReferenceValues::default();
        references.add(ReferenceValue::new(kind, measurement(5), None, vec![root]).unwrap());
        references.set_snp(SnpRequirements { chips: Some(vec![chip_id]), ..SnpRequirements::default() });
        let agent = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        let expected = Expected { binding: &[1; 64], spki: agent.public().spki_der() };
        let package = snp_package(&guest.report([1; 64], platform.vcek()).unwrap(), None, None);
        let certificates = platform.certificates(now()).unwrap();
        let endorsements = Endorsements { certificates: &certificates, ..Endorsements::default() };
        let screened = screen("sev-snp-package", &package, &references, &expected, now()).unwrap();
        let attested = screened.verify(&endorsements, now()).unwrap();
        let machine = TrustPolicy { references, ..TrustPolicy::default() }.identify(attested, None).unwrap();
        let leaf = self.issuer.into_admission().admit(&machine, now()).unwrap();
        verify_agent(&self.certificate, &self.name, &leaf, now()).unwrap()
    }

    fn broker(&self, byte: u8) -> Peer {
        let leaf = self.leaf(Role::Broker, byte);
        verify_broker(&self.certificate, &self.name, &leaf, &BrokerMeasurements::Any, now()).unwrap()
    }
}

/// All machines that the tests ask for.
pub(crate) struct Machines {
    /// Agents of `dom0` with the measurements of these bytes.
    pub(crate) agents: Vec<(u8, Peer)>,
    /// An agent of `dom0` with the measurement of byte 2 and an instance, `vm-1`.
    pub(crate) instance: Peer,
    /// Another machine like it, `vm-2`.
    pub(crate) twin: Peer,
    /// An agent of `dom0` whose certificate says its TCB.
    pub(crate) snp: Peer,
    /// An agent of `dom1` with the measurement of byte 2.
    pub(crate) foreign: Peer,
    /// A broker of `dom0` with the measurement of byte 2.
    pub(crate) broker: Peer,
}

pub(crate) static MACHINES: LazyLock<Machines> = LazyLock::new(|| {
    let (dom0, dom1) = (Domain::new("dom0"), Domain::new("dom1"));
    let agents = [2, 2, 3, 4].map(|byte| (byte, dom0.agent(byte))).into();
    let (foreign, broker) = (dom1.agent(2), dom0.broker(2));
    let twin = dom0.clone().instance(2, "vm-2");
    let snp = dom0.clone().snp();
    Machines { agents, foreign, broker, twin, snp, instance: dom0.instance(1, "vm-1") }
});

/// The first agent with this byte's measurement.
pub(crate) fn agent(byte: u8) -> &'static Peer {
    MACHINES.agents.iter().find(|(b, _)| *b == byte).map(|(_, peer)| peer).unwrap()
}

/// What a peer proved on its channel, and the domain that knows it.
pub(crate) struct Proven {
    proofs: Proofs,
    known: Principals,
    asked: Moment,
}

impl Proven {
    /// What of it counts so long after the challenge.
    pub(crate) fn after(&self, age: Duration) -> Standing<'_> {
        let steady = self.asked.steady + age;
        self.proofs.standing(&self.known, Moment { steady, ..self.asked })
    }
}

const BINDING: [u8; 64] = [0xb1; 64];

/// Fresh evidence of the machine of byte 2, if `fresh`, and these principals.
pub(crate) fn proven(fresh: bool, principals: &[&str]) -> Proven {
    let asked = Moment { steady: Instant::now(), wall: now() };
    let (mut proofs, mut known) = (Proofs::default(), Principals::default());
    if fresh {
        proofs.prove_fresh(&attested(), agent(2), asked).unwrap();
    }
    for name in principals {
        // A machine's certificate is as good as any other for a principal: it is the owner who says.
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        let domain = Domain::new(PREFIX);
        let spki = key.public().spki_der();
        let leaf = domain.issuer.identity(Role::Agent, spki, Some(&measurement(2)), now(), 30).unwrap();
        known.add(TrustedPrincipal::new(name.parse().unwrap(), &leaf).unwrap());
        let signature = sign_as_principal(&key, &BINDING).unwrap();
        proofs.prove_principals(known.prove(&[leaf], &BINDING, &signature, now()).unwrap());
    }
    Proven { proofs, known, asked }
}

fn attested() -> Attested {
    let root = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let trusted = root.public().clone();
    let platform = SimulatedPlatform::generate(measurement(2), Some(root), now()).unwrap();
    let spki = trusted.spki_der().to_vec();
    let evidence = platform.evidence(&spki, &BINDING, now()).unwrap();
    let kind = EvidenceKind::SimulatedEnclave;
    let mut values = ReferenceValues::default();
    values.add(ReferenceValue::new(kind, measurement(2), None, vec![trusted]).unwrap());
    let expected = Expected { binding: &BINDING, spki: &spki };
    verify(kind.submitted_evidence_type(), &evidence, &values, &expected, now()).unwrap()
}
