//! Domains: their keys, and what describes them.

mod keys;
mod record;

pub use keys::DomainKeys;
pub use record::{BrokerIdentity, DomainRecord, StoredDomain};
