//! What is in a cryptstore: the domain, its policy certificate, and entries under tags.

use claviger_attest::PolicyCertificate;
use claviger_proto::key::{KeyMessage, MessageKey};
use claviger_proto::{DomainName, Entry, EntryType, ResourceName, Secret, Version};
use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::StateError;
use crate::identity::Identity;

/// The two entries that make up the identity, after `<domain>-`.
const KEY: &str = "private-auth-key";
const CERTIFICATE: &str = "admission-certificate";

/// An open cryptstore. Holds secrets: no `Debug`, no `Clone`.
pub struct Cryptstore {
    domain: DomainName,
    policy: PolicyCertificate,
    entries: Vec<Entry>,
}

/// The serialized form. Private: it carries secrets.
#[derive(prost::Message)]
#[prost(skip_debug)]
struct Content {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(bytes = "vec", tag = "2")]
    policy_certificate: Vec<u8>,
    /// Serialized `cryptstore_entry`s.
    #[prost(bytes = "vec", repeated, tag = "3")]
    entries: Vec<Vec<u8>>,
}

impl Drop for Content {
    fn drop(&mut self) {
        self.entries.zeroize();
    }
}

impl Cryptstore {
    /// A cryptstore with an identity and nothing else. `now` is in seconds since 1970.
    pub fn new(identity: &Identity, now: i64) -> Self {
        let (domain, policy) = (identity.domain().clone(), identity.policy().clone());
        let mut cryptstore = Self { domain, policy, entries: Vec::new() };
        cryptstore.set_identity(identity, now);
        cryptstore
    }

    /// The domain that this machine is a member of.
    pub fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// The policy certificate that this machine trusts.
    pub fn policy(&self) -> &PolicyCertificate {
        &self.policy
    }

    /// This machine's identity, or `None` when the cryptstore holds none that can be read.
    pub fn identity(&self) -> Option<Identity> {
        let key = KeyMessage::decode(self.get(&self.tag_of(KEY), None)?.blob.expose()).ok()?;
        let certificate = self.get(&self.tag_of(CERTIFICATE), None)?.blob.expose().to_vec();
        match key.key {
            MessageKey::Private(key) => {
                Some(Identity::new(self.domain.clone(), self.policy.clone(), certificate, key))
            }
            MessageKey::Public(_) | MessageKey::Other { .. } => None,
        }
    }

    /// Puts a new identity in the place of the old one, whose key is forgotten. `now` is in seconds since 1970.
    #[expect(clippy::missing_panics_doc, reason = "it parses constants")]
    pub fn set_identity(&mut self, identity: &Identity, now: i64) {
        self.policy = identity.policy().clone();
        let parts = [
            (KEY, EntryType::KEY_MESSAGE, false, Secret::copy_from(&identity.key_message())),
            (CERTIFICATE, EntryType::X509, true, Secret::copy_from(identity.certificate())),
        ];
        for (role, entry_type, exportable, blob) in parts {
            let tag = self.tag_of(role);
            let version = self.get(&tag, None).and_then(|old| old.version).and_then(Version::next);
            self.entries.retain(|entry| entry.tag != tag);
            let entry_type = entry_type.parse().expect("a constant of the type");
            let version = Some(version.unwrap_or(Version::FIRST));
            self.entries.push(Entry { tag, entry_type, version, entered: now, exportable, blob });
        }
    }

    /// Keeps a retrieved entry under a tag, at the version that it has in the broker. Keeping the same again
    /// changes nothing; something else at a version that is taken is refused.
    pub fn keep(&mut self, tag: &ResourceName, mut entry: Entry) -> Result<(), StateError> {
        if tag.is_reserved_in(&self.domain) {
            return Err(StateError::Reserved { tag: tag.to_string() });
        }
        let version = entry.version.unwrap_or(Version::FIRST);
        if let Some(kept) = self.get(tag.as_str(), Some(version)) {
            let same = kept.blob == entry.blob
                && kept.entry_type == entry.entry_type
                && kept.exportable == entry.exportable;
            return if same { Ok(()) } else { Err(StateError::Taken { tag: tag.to_string(), version }) };
        }
        tag.as_str().clone_into(&mut entry.tag);
        entry.version = Some(version);
        self.entries.push(entry);
        Ok(())
    }

    /// An entry under a tag: this version of it, or the latest.
    pub fn get(&self, tag: &str, version: Option<Version>) -> Option<&Entry> {
        let tagged = self.entries.iter().filter(|entry| entry.tag == tag);
        tagged.filter(|entry| version.is_none() || entry.version == version).max_by_key(|entry| entry.version)
    }

    /// Every entry, in the order in which they were kept.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The stock name of one of the two entries that make up the identity.
    fn tag_of(&self, role: &str) -> String {
        format!("{}-{role}", self.domain)
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut content = Content::default();
        content.domain = self.domain.to_string();
        content.policy_certificate = self.policy.der().to_vec();
        content.entries = self.entries.iter().map(|entry| std::mem::take(&mut *entry.encode())).collect();
        Zeroizing::new(content.encode_to_vec())
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let content = Content::decode(bytes).ok()?;
        Some(Self {
            domain: content.domain.parse().ok()?,
            policy: PolicyCertificate::from_der(&content.policy_certificate).ok()?,
            entries: content.entries.iter().map(|entry| Entry::decode(entry).ok()).collect::<Option<_>>()?,
        })
    }
}
