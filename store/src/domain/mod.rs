//! Domains: their keys, and what describes them.

mod keys;
pub(crate) mod record;
pub(crate) mod root;

pub use keys::DomainKeys;
pub use record::{BrokerIdentity, DomainRecord, HomeMark, StoredDomain};
