//! Certificates, good and bad. [`Fake`] makes *signed* certificates, so that each test can break exactly one
//! thing; the good ones beside them show that nothing else was broken.

mod delegate;
mod extension;
mod issue;
mod peer;
mod person;
mod pinned;
mod policy;
mod quote;
mod revocation;

use std::sync::LazyLock;
use std::time::Duration;

use claviger_proto::DomainName;
use rustls_pki_types::UnixTime;

use super::der::{self, tlv};
use super::extension::OID_BYTES;
use super::template::{self, Template};
use super::{AdmissionExtension, BrokerMeasurements, Peer, PolicyCertificate, verify_agent, verify_broker};
use crate::error::CertificateError;
use crate::key::{KeyAlgorithm, SigningKey};
use crate::role::Role;
use crate::{Issuer, self_signed_policy};

/// The time at which everything good here is valid: 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;
const MEASURED: &str = "Measured-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn domain() -> DomainName {
    "dom0".parse().expect("a domain name")
}

fn new_key() -> SigningKey {
    SigningKey::generate(KeyAlgorithm::P256).expect("a key")
}

/// A policy key with its certificate, and a machine's key.
struct World {
    policy_key: SigningKey,
    policy: PolicyCertificate,
    machine: SigningKey,
}

impl World {
    fn new() -> Self {
        let policy_key = new_key();
        let policy = self_signed_policy(&policy_key, &domain(), at(NOW - 10 * DAY), 20).expect("a policy");
        Self { policy_key, policy, machine: new_key() }
    }

    fn issuer(&self) -> Issuer {
        let key = SigningKey::from_private(&self.policy_key.to_private().expect("a copy")).expect("a key");
        Issuer::new(key, self.policy.clone(), &domain()).expect("a pair")
    }

    fn agent(&self, leaf: &[u8]) -> Result<Peer, CertificateError> {
        verify_agent(&self.policy, &domain(), leaf, at(NOW))
    }

    fn broker(&self, leaf: &[u8]) -> Result<Peer, CertificateError> {
        verify_broker(&self.policy, &domain(), leaf, &BrokerMeasurements::Any, at(NOW))
    }
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// The parts of a leaf that verifies as an agent of [`WORLD`], to be changed before it is signed.
struct Fake {
    subject: Vec<u8>,
    validity: (u64, u64),
    extensions: Vec<Vec<u8>>,
}

impl Fake {
    /// As the stock implementation or any other signer would make it: a measured subject, nothing else.
    fn plain() -> Self {
        let subject = template::name(&[
            (template::ORGANIZATION, MEASURED),
            (template::COMMON_NAME, super::CERTIFIER_USERS),
        ]);
        Self { subject, validity: (NOW - DAY, NOW + DAY), extensions: Vec::new() }
    }

    fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    fn with_role(self, role: Role) -> Self {
        self.with(admission(&AdmissionExtension::new(role).encode()))
    }

    fn with_usage(self, purposes: &[&[u8]]) -> Self {
        self.with(template::extended_key_usage(purposes))
    }

    fn subject(mut self, attributes: &[(&[u8], &str)]) -> Self {
        self.subject = template::name(attributes);
        self
    }

    fn organization(self, text: &str) -> Self {
        self.subject(&[(template::ORGANIZATION, text), (template::COMMON_NAME, super::CERTIFIER_USERS)])
    }

    /// Signed by the policy key of [`WORLD`].
    fn sign(&self) -> Vec<u8> {
        self.sign_by(&WORLD.policy_key)
    }

    fn sign_by(&self, key: &SigningKey) -> Vec<u8> {
        let template = Template {
            issuer: WORLD.policy.subject_der(),
            subject: &self.subject,
            spki: WORLD.machine.public().spki_der(),
            validity: self.validity,
            extensions: &self.extensions,
        };
        template.sign(key).expect("a signed fake")
    }
}

/// Our extension with this value, whatever it is.
fn admission(value: &[u8]) -> Vec<u8> {
    template::extension(OID_BYTES, false, value)
}

/// The extensions of a good broker's certificate.
fn broker() -> Fake {
    Fake::plain()
        .with_role(Role::Broker)
        .with_usage(&[template::SERVER_AUTH])
        .with(template::dns_name("dom0"))
        .with(template::key_usage(template::DIGITAL_SIGNATURE))
}

/// The extensions of a good agent's certificate of ours.
fn agent() -> Fake {
    Fake::plain()
        .with_role(Role::Agent)
        .with_usage(&[template::CLIENT_AUTH])
        .with(template::key_usage(template::DIGITAL_SIGNATURE))
}

/// A Name whose organization is this text as a string of another type.
fn name_of_type(string_type: u8, text: &[u8]) -> Vec<u8> {
    let attribute =
        tlv(der::SEQUENCE, &[&tlv(der::OID, &[template::ORGANIZATION]), &tlv(string_type, &[text])]);
    tlv(der::SEQUENCE, &[&tlv(der::SET, &[&attribute])])
}
