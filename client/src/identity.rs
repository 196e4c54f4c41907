//! Who this machine is in its domain.

use claviger_attest::{BrokerMeasurements, CertificateError, Peer, PolicyCertificate, verify_agent};
use claviger_proto::key::{KeyMessage, MessageKey, PrivateKey};
use claviger_proto::{DomainName, Secret};
use rustls_pki_types::UnixTime;
use zeroize::Zeroizing;

/// A machine's identity in one domain: the policy certificate that it trusts, its admission certificate,
/// and the private key of that. Holds a secret: no `Debug`, no `Clone`.
pub struct Identity {
    domain: DomainName,
    policy: PolicyCertificate,
    certificate: Vec<u8>,
    key: PrivateKey,
    brokers: BrokerMeasurements,
}

impl Identity {
    /// Puts the parts together. `certificate` is DER. Whether it is valid is for the broker to say;
    /// [`Identity::verify`] asks beforehand.
    pub fn new(domain: DomainName, policy: PolicyCertificate, certificate: Vec<u8>, key: PrivateKey) -> Self {
        Self { domain, policy, certificate, key, brokers: BrokerMeasurements::Any }
    }

    /// The same, which talks only to brokers that run one of these.
    #[must_use]
    pub fn with_brokers(self, brokers: BrokerMeasurements) -> Self {
        Self { brokers, ..self }
    }

    /// What the domain's broker has to run for this machine to talk to it.
    pub fn brokers(&self) -> &BrokerMeasurements {
        &self.brokers
    }

    /// What is demanded of a broker on one channel: what the caller says, else what this machine remembers.
    pub(crate) fn demands(&self, said: &BrokerMeasurements) -> BrokerMeasurements {
        if *said == BrokerMeasurements::Any { self.brokers.clone() } else { said.clone() }
    }

    /// The domain.
    pub fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// The policy certificate: what the other end has to chain to.
    pub fn policy(&self) -> &PolicyCertificate {
        &self.policy
    }

    /// The admission certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The private key of the admission certificate.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Checks the admission certificate as the broker will: chain, dates, role.
    pub fn verify(&self, now: UnixTime) -> Result<Peer, CertificateError> {
        verify_agent(&self.policy, &self.domain, &self.certificate, now)
    }

    /// The private key as a stock `key_message`, which is how cryptstores keep it.
    #[expect(clippy::missing_panics_doc, reason = "a key that was read once is read again")]
    pub fn key_message(&self) -> Zeroizing<Vec<u8>> {
        let copy = PrivateKey::from_pkcs8_der(Secret::copy_from(self.key.pkcs8_der()));
        let key = MessageKey::Private(copy.expect("it was read as this key before"));
        let (not_before, not_after) = (None, None);
        KeyMessage { name: "auth-key".to_owned(), key, certificate: None, not_before, not_after }.encode()
    }
}

/// What is wrong with a machine's own certificate, as a stable code (`expired`, `not-yet-valid`, `policy-expired`,
/// `policy-not-yet-valid`, else `certificate-refused`), and what to do next.
pub fn diagnose(fault: &CertificateError) -> (&'static str, &'static str) {
    match fault {
        CertificateError::Expired => {
            ("expired", "if this machine's clock is right, enroll it again (key-client enroll --replace)")
        }
        CertificateError::NotYetValid => (
            "not-yet-valid",
            "set this machine's clock; if it is right, the clock was wrong where the certificate was issued",
        ),
        CertificateError::PolicyExpired => (
            "policy-expired",
            "if this machine's clock is right, the domain's owner makes a new policy certificate",
        ),
        CertificateError::PolicyNotYetValid => ("policy-not-yet-valid", "set this machine's clock"),
        other => (other.code().as_str(), "enroll this machine again (key-client enroll --replace)"),
    }
}
