//! Who this machine is in its domain.

use claviger_attest::{BrokerMeasurements, CertificateError, Peer, PolicyCertificate, verify_agent_chain};
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
    issuer: Option<Vec<u8>>,
    key: PrivateKey,
    brokers: BrokerMeasurements,
}

impl Identity {
    /// Puts the parts together. `certificate` is DER. Whether it is valid is for the broker to say;
    /// [`Identity::verify`] asks beforehand.
    pub fn new(domain: DomainName, policy: PolicyCertificate, certificate: Vec<u8>, key: PrivateKey) -> Self {
        Self { domain, policy, certificate, issuer: None, key, brokers: BrokerMeasurements::Any }
    }

    /// The same, whose certificate came by this delegated issuer (its certificate, DER), if by any.
    #[must_use]
    pub fn by_issuer(self, issuer: Option<Vec<u8>>) -> Self {
        Self { issuer, ..self }
    }

    /// The certificate of the delegated issuer that the admission certificate came by, DER; `None` where that lies
    /// directly under the policy certificate.
    pub fn issuer(&self) -> Option<&[u8]> {
        self.issuer.as_deref()
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
        verify_agent_chain(&self.policy, &self.domain, &self.certificate, self.issuer.as_slice(), now)
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
/// `policy-not-yet-valid`, `issuer-expired`, else `certificate-refused`), and what to do next.
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
        CertificateError::IssuerExpired => (
            "issuer-expired",
            "if this machine's clock is right, the domain's owner signs another issuer, then enroll this machine again \
             (key-client enroll --replace)",
        ),
        CertificateError::PolicyNotYetValid => ("policy-not-yet-valid", "set this machine's clock"),
        other => (other.code().as_str(), "enroll this machine again (key-client enroll --replace)"),
    }
}
