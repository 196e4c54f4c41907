//! Machines of two domains, with real certificates.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::sync::LazyLock;
use std::time::Duration;

use claviger_attest::{
    BrokerMeasurements, Issuer, KeyAlgorithm, Measurement, Peer, PolicyCertificate, Role, SigningKey,
    self_signed_policy, verify_agent, verify_broker,
};
use claviger_proto::{DomainName, ResourceName};
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

struct Domain {
    name: DomainName,
    certificate: PolicyCertificate,
    issuer: Issuer,
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
        Self { name, certificate, issuer }
    }

    fn leaf(&self, role: Role, byte: u8) -> Vec<u8> {
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        self.issuer.identity(role, key.public().spki_der(), Some(&measurement(byte)), now(), 30).unwrap()
    }

    fn agent(&self, byte: u8) -> Peer {
        verify_agent(&self.certificate, &self.name, &self.leaf(Role::Agent, byte), now()).unwrap()
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
    /// An agent of `dom1` with the measurement of byte 2.
    pub(crate) foreign: Peer,
    /// A broker of `dom0` with the measurement of byte 2.
    pub(crate) broker: Peer,
}

pub(crate) static MACHINES: LazyLock<Machines> = LazyLock::new(|| {
    let (dom0, dom1) = (Domain::new("dom0"), Domain::new("dom1"));
    Machines {
        agents: [2, 2, 3, 4].map(|byte| (byte, dom0.agent(byte))).into(),
        foreign: dom1.agent(2),
        broker: dom0.broker(2),
    }
});

/// The first agent with this byte's measurement.
pub(crate) fn agent(byte: u8) -> &'static Peer {
    MACHINES.agents.iter().find(|(b, _)| *b == byte).map(|(_, peer)| peer).unwrap()
}
