//! What describes a domain.

use std::sync::Arc;

use claviger_proto::Secret;

use crate::domain::DomainKeys;

/// The broker's own certificate in a domain, and its key.
pub struct BrokerIdentity {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// Its private key, PKCS#8 DER.
    pub key: Secret,
}

/// What describes a domain, for the broker to interpret. Carries secrets: no `Debug`, no `Clone`.
pub struct DomainRecord {
    /// The policy certificate, DER.
    pub policy_certificate: Vec<u8>,
    /// The policy key, PKCS#8 DER, when the broker holds it.
    pub policy_key: Option<Secret>,
    /// The broker's own certificate, once there is one.
    pub broker_identity: Option<BrokerIdentity>,
    /// The ACL preset's name.
    pub preset: String,
    /// The reference values, as the broker serializes them.
    pub references: Vec<u8>,
    /// When it was created, seconds since 1970.
    pub created: i64,
}

/// A domain as the store has it.
pub struct StoredDomain {
    /// Its keys.
    pub keys: Arc<DomainKeys>,
    /// What describes it.
    pub record: DomainRecord,
}
