//! Who administers a domain over the network, as its record has it.

use claviger_attest::{CertificateError, Person};
use claviger_proto::admin;
use rustls::pki_types::UnixTime;
use serde::{Deserialize, Serialize};

use super::Domain;
use crate::actors::audit::seconds;

/// Most people that a domain registers: they travel with it to brokers elsewhere.
pub(crate) const MAX_PEOPLE: usize = 64;

/// Somebody whose certificate the policy key signed and the domain's record names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// SHA-256 of the certificate, hex.
    pub fingerprint: String,
    /// What they are, as the certificate says.
    pub role: String,
    /// What they are called, as the certificate says.
    pub name: String,
    /// Its end, seconds since 1970.
    pub not_after: i64,
    /// When they were registered, seconds since 1970.
    pub since: i64,
}

impl Registered {
    /// Somebody who is registered now.
    pub(crate) fn new(person: &Person, now: UnixTime) -> Self {
        Self {
            fingerprint: hex::encode(person.fingerprint()),
            role: person.role().as_str().to_owned(),
            name: person.name().to_string(),
            not_after: seconds(person.not_after()),
            since: seconds(now),
        }
    }

    /// The same, to be told.
    pub(crate) fn describe(&self) -> admin::Person {
        let Self { fingerprint, role, name, not_after, since } = self.clone();
        admin::Person { role, name, fingerprint, not_after, since }
    }
}

impl Domain {
    /// Verifies a person's certificate as of now, revocations included; whether the record names it is another question.
    pub fn person(&self, leaf: &[u8], now: UnixTime) -> Result<Person, CertificateError> {
        let person = claviger_attest::verify_person(&self.policy, leaf, now)?;
        self.access.revocations.check_certificate(person.fingerprint(), now)?;
        Ok(person)
    }

    /// Whether the domain's record names this person, in this role.
    pub fn knows(&self, person: &Person) -> bool {
        let fingerprint = hex::encode(person.fingerprint());
        let role = person.role().as_str();
        self.access.people.iter().any(|known| known.fingerprint == fingerprint && known.role == role)
    }
}
