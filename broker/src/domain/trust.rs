//! What a domain trusts, as the store keeps it: JSON inside the domain's sealed record.

use claviger_attest::{ReferenceValues, TrustPolicy};
use serde::{Deserialize, Serialize};

/// Largest policy as it is kept, in bytes: some hundred measurements with roots of their own, and far below the
/// largest value of an engine.
pub(crate) const MAX_POLICY: usize = 512 << 10;

/// What a domain trusts, and which version of it this is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Counts the changes; 0 before the first.
    pub revision: u64,
    /// What is trusted.
    pub policy: TrustPolicy,
}

impl Trust {
    /// Serializes for the store.
    ///
    /// # Panics
    /// Never: a policy is plain data, whose serialization can't fail.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a policy is plain data")
    }

    /// Reads what the store holds; nothing at all is nothing trusted.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        match bytes.first() {
            None => Ok(Self::default()),
            // Of a data directory from before policies: the reference values alone.
            Some(b'[') => {
                let references: ReferenceValues = serde_json::from_slice(bytes)?;
                Ok(Self { revision: 0, policy: TrustPolicy { references, ..TrustPolicy::default() } })
            }
            Some(_) => serde_json::from_slice(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_older_forms_are_read() {
        assert_eq!(Trust::decode(b"").expect("nothing"), Trust::default());
        assert_eq!(Trust::decode(b"[]").expect("no values"), Trust::default());
        let trust = Trust { revision: 7, ..Trust::default() };
        assert_eq!(Trust::decode(&trust.encode()).expect("read"), trust);
        assert!(Trust::decode(b"{\"revision\":1,\"policy\":{},\"more\":1}").is_err());
    }
}
