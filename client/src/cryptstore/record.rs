//! A cryptstore as bytes, before it is sealed.
//!
//! Format 2 adds to format 1 that there may be no identity yet, and the highest versions of tags whose latest was
//! deleted. Format 1 is read, and becomes format 2 when it is written next.

use claviger_attest::PolicyCertificate;
use claviger_proto::{Entry, Version};
use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::Cryptstore;
use super::content::Membership;

/// The serialized form. Private: it carries secrets.
#[derive(prost::Message)]
#[prost(skip_debug)]
struct Content {
    /// Empty, with the certificate, where there is no identity.
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(bytes = "vec", tag = "2")]
    policy_certificate: Vec<u8>,
    /// Serialized `cryptstore_entry`s.
    #[prost(bytes = "vec", repeated, tag = "3")]
    entries: Vec<Vec<u8>>,
    /// Where it isn't that of an entry that is there.
    #[prost(message, repeated, tag = "4")]
    last: Vec<Last>,
}

#[derive(prost::Message)]
struct Last {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(int32, tag = "2")]
    version: i32,
}

impl Drop for Content {
    fn drop(&mut self) {
        self.entries.zeroize();
    }
}

impl Cryptstore {
    /// As format 2.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut content = Content::default();
        if let Some(Membership { domain, policy }) = &self.membership {
            content.domain = domain.to_string();
            content.policy_certificate = policy.der().to_vec();
        }
        content.entries = self.entries.iter().map(|entry| std::mem::take(&mut *entry.encode())).collect();
        let beyond = self
            .last
            .iter()
            .filter(|(tag, last)| self.get(tag, None).and_then(|latest| latest.version) != Some(**last));
        content.last = beyond
            .map(|(tag, last)| Last { tag: tag.clone(), version: Version::to_wire(Some(*last)) })
            .collect();
        Zeroizing::new(content.encode_to_vec())
    }

    /// From either format.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let content = Content::decode(bytes).ok()?;
        let mut cryptstore = Self::empty();
        if !content.domain.is_empty() || !content.policy_certificate.is_empty() {
            let policy = PolicyCertificate::from_der(&content.policy_certificate).ok()?;
            cryptstore.membership = Some(Membership { domain: content.domain.parse().ok()?, policy });
        }
        for Last { tag, version } in &content.last {
            let version = Version::from_wire(*version).ok()??;
            cryptstore.last.insert(tag.clone(), version);
        }
        for entry in &content.entries {
            cryptstore.push(Entry::decode(entry).ok()?);
        }
        Some(cryptstore)
    }
}
