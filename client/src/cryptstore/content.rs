//! What is in a cryptstore: perhaps an identity, and entries under tags.

use std::collections::BTreeMap;

use claviger_attest::{BrokerMeasurements, PolicyCertificate};
use claviger_proto::key::{KeyMessage, MessageKey};
use claviger_proto::{DomainName, Entry, EntryType, ResourceName, Secret, Version};

use super::ItemError;
use crate::identity::Identity;

/// The two entries that make up the identity, after `<domain>-`.
pub(super) const KEY: &str = "private-auth-key";
pub(super) const CERTIFICATE: &str = "admission-certificate";

/// An open cryptstore. Holds secrets: no `Debug`, no `Clone`.
pub struct Cryptstore {
    pub(super) membership: Option<Membership>,
    pub(super) entries: Vec<Entry>,
    /// The highest version that each tag has ever had. A version isn't given twice, not even after it was deleted.
    pub(super) last: BTreeMap<String, Version>,
}

/// The domain that a machine is a member of.
pub(super) struct Membership {
    pub(super) domain: DomainName,
    pub(super) policy: PolicyCertificate,
    /// What the domain's broker has to run.
    pub(super) brokers: BrokerMeasurements,
    /// The delegated issuer that the admission certificate came by, DER.
    pub(super) issuer: Option<Vec<u8>>,
}

/// What is to be put under a tag.
pub struct Item {
    /// What the blob is.
    pub entry_type: EntryType,
    /// The secret.
    pub blob: Secret,
    /// Whether it may leave in the clear. Sealed for a recipient it may either way.
    pub exportable: bool,
}

impl Item {
    /// Plain bytes that may leave.
    pub fn blob(blob: Secret) -> Self {
        Self { entry_type: EntryType::binary_blob(), blob, exportable: true }
    }
}

/// Which version of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The highest that is there.
    Latest,
    /// This one.
    Version(Version),
}

impl Which {
    /// From an optional number, as command lines have it.
    pub fn of(version: Option<Version>) -> Self {
        version.map_or(Self::Latest, Self::Version)
    }

    pub(super) fn version(self) -> Option<Version> {
        match self {
            Self::Latest => None,
            Self::Version(version) => Some(version),
        }
    }
}

impl Cryptstore {
    /// A cryptstore without an identity and without entries.
    pub fn empty() -> Self {
        Self { membership: None, entries: Vec::new(), last: BTreeMap::new() }
    }

    /// A cryptstore with an identity and nothing else. `now` is in seconds since 1970.
    pub fn new(identity: &Identity, now: i64) -> Self {
        let mut cryptstore = Self::empty();
        cryptstore.set_identity(identity, now);
        cryptstore
    }

    /// The domain that this machine is a member of; `None` before it enrolled.
    pub fn domain(&self) -> Option<&DomainName> {
        self.membership.as_ref().map(|membership| &membership.domain)
    }

    /// The policy certificate that this machine trusts; `None` before it enrolled.
    pub fn policy(&self) -> Option<&PolicyCertificate> {
        self.membership.as_ref().map(|membership| &membership.policy)
    }

    /// This machine's identity, or `None` when the cryptstore holds none that can be read.
    pub fn identity(&self) -> Option<Identity> {
        let Membership { domain, policy, brokers, issuer } = self.membership.as_ref()?;
        let key = KeyMessage::decode(self.get(&tag_of(domain, KEY), None)?.blob.expose()).ok()?;
        let certificate = self.get(&tag_of(domain, CERTIFICATE), None)?.blob.expose().to_vec();
        match key.key {
            MessageKey::Private(key) => {
                let identity = Identity::new(domain.clone(), policy.clone(), certificate, key);
                Some(identity.with_brokers(brokers.clone()).by_issuer(issuer.clone()))
            }
            MessageKey::Public(_) | MessageKey::Other { .. } => None,
        }
    }

    /// Puts a new identity in the place of the old one, whose key is forgotten. `now` is in seconds since 1970.
    #[expect(clippy::missing_panics_doc, reason = "it parses constants")]
    pub fn set_identity(&mut self, identity: &Identity, now: i64) {
        let (domain, policy) = (identity.domain().clone(), identity.policy().clone());
        let parts = [
            (KEY, EntryType::KEY_MESSAGE, false, Secret::copy_from(&identity.key_message())),
            (CERTIFICATE, EntryType::X509, true, Secret::copy_from(identity.certificate())),
        ];
        for (role, entry_type, exportable, blob) in parts {
            let tag = tag_of(&domain, role);
            let version = self.last.get(&tag).map_or(Some(Version::FIRST), |last| last.next());
            // After 2^31 - 1 identities the number stays.
            let version = version.or(self.last.get(&tag).copied());
            self.entries.retain(|entry| entry.tag != tag);
            let entry_type = entry_type.parse().expect("a constant of the type");
            self.push(Entry { tag, entry_type, version, entered: now, exportable, blob });
        }
        let (brokers, issuer) = (identity.brokers().clone(), identity.issuer().map(<[u8]>::to_vec));
        self.membership = Some(Membership { domain, policy, brokers, issuer });
    }

    /// Reads a tag as this cryptstore has them: a resource name, of which the domain's own name is left out. One that
    /// is there as it is written was put before the machine enrolled, and is meant.
    pub fn tag(&self, text: &str) -> Result<ResourceName, ItemError> {
        Ok(match self.domain() {
            Some(domain) if !self.last.contains_key(text) => ResourceName::parse_in(domain, text)?,
            _ => text.parse()?,
        })
    }

    /// Keeps a retrieved entry under a tag, at the version that it has in the broker. Keeping the same again
    /// changes nothing; something else at a version that is taken is refused.
    pub fn keep(&mut self, tag: &ResourceName, mut entry: Entry) -> Result<(), ItemError> {
        self.own(tag)?;
        let version = entry.version.unwrap_or(Version::FIRST);
        if let Some(kept) = self.get(tag.as_str(), Some(version)) {
            return if same(kept, &entry) { Ok(()) } else { Err(taken(tag, version)) };
        }
        tag.as_str().clone_into(&mut entry.tag);
        entry.version = Some(version);
        self.push(entry);
        Ok(())
    }

    /// Puts something new under a tag: as the next version, or as this one, which must be the next (or any, where
    /// the tag has had none). Putting the same at a version that is there changes nothing. `now` is in seconds
    /// since 1970.
    pub fn put(
        &mut self,
        tag: &ResourceName,
        item: Item,
        version: Option<Version>,
        now: i64,
    ) -> Result<Version, ItemError> {
        self.own(tag)?;
        let Item { entry_type, blob, exportable } = item;
        let next = self.next(tag)?;
        let last = self.last.get(tag.as_str());
        let entry = Entry { tag: tag.to_string(), entry_type, version, entered: now, exportable, blob };
        let version = match version {
            Some(asked) if last.is_some() && asked != next => {
                return match self.get(tag.as_str(), Some(asked)) {
                    Some(kept) if same(kept, &entry) => Ok(asked),
                    Some(_) => Err(taken(tag, asked)),
                    None => Err(ItemError::NotNext { tag: tag.to_string(), asked, next }),
                };
            }
            asked => asked.unwrap_or(next),
        };
        self.push(Entry { version: Some(version), ..entry });
        Ok(version)
    }

    /// An entry under a tag: this version of it, or the latest. For this machine's own use: what is to leave it
    /// comes from [`Cryptstore::release`] or [`Cryptstore::export`].
    pub fn get(&self, tag: &str, version: Option<Version>) -> Option<&Entry> {
        let tagged = self.entries.iter().filter(|entry| entry.tag == tag);
        tagged.filter(|entry| version.is_none() || entry.version == version).max_by_key(|entry| entry.version)
    }

    /// An entry, or an error that says that there is none.
    pub fn find(&self, tag: &ResourceName, which: Which) -> Result<&Entry, ItemError> {
        self.get(tag.as_str(), which.version())
            .ok_or_else(|| ItemError::NotFound { tag: tag.to_string(), version: which.version() })
    }

    /// An entry that may leave in the clear.
    pub fn release(&self, tag: &ResourceName, which: Which) -> Result<&Entry, ItemError> {
        let entry = self.find(tag, which)?;
        if entry.exportable {
            Ok(entry)
        } else {
            Err(ItemError::NotExportable { tag: tag.to_string(), version: entry.version })
        }
    }

    /// Deletes one version of a tag, or (`None`) all of them, for good; which ones, in their order. A deleted
    /// version's number isn't given again.
    pub fn delete(
        &mut self,
        tag: &ResourceName,
        version: Option<Version>,
    ) -> Result<Vec<Version>, ItemError> {
        self.own(tag)?;
        self.find(tag, Which::of(version))?;
        let doomed =
            |entry: &Entry| entry.tag == tag.as_str() && (version.is_none() || entry.version == version);
        let mut deleted: Vec<_> =
            self.entries.iter().filter(|entry| doomed(entry)).filter_map(|entry| entry.version).collect();
        deleted.sort_unstable();
        self.entries.retain(|entry| !doomed(entry));
        Ok(deleted)
    }

    /// Every entry, in the order in which they were kept.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Takes entries as another cryptstore had them, all or none of them.
    pub fn import(&mut self, entries: Vec<Entry>) -> Result<Vec<(ResourceName, Version)>, ItemError> {
        let mut tags = Vec::new();
        // Everything that can be wrong is found before anything is taken.
        for entry in &entries {
            let tag = self.tag(&entry.tag)?;
            self.own(&tag)?;
            let version = entry.version.unwrap_or(Version::FIRST);
            if self.get(tag.as_str(), Some(version)).is_some_and(|kept| !same(kept, entry)) {
                return Err(taken(&tag, version));
            }
            tags.push((tag, version));
        }
        for ((tag, _), entry) in tags.iter().zip(entries) {
            self.keep(tag, entry)?;
        }
        Ok(tags)
    }

    /// Whether an entry's tag is of the machine's own identity.
    pub fn is_own(&self, tag: &str) -> bool {
        tag.parse::<ResourceName>().is_ok_and(|tag| self.own(&tag).is_err())
    }

    /// Refuses the tags of a machine's own identity: nobody but the agent puts, deletes or exports those.
    pub(super) fn own(&self, tag: &ResourceName) -> Result<(), ItemError> {
        let reserved = match self.domain() {
            Some(domain) => tag.is_reserved_in(domain),
            // Of any domain that it may become a member of.
            None => reserved_anywhere(tag),
        };
        if reserved { Err(ItemError::Reserved { tag: tag.to_string() }) } else { Ok(()) }
    }

    fn next(&self, tag: &ResourceName) -> Result<Version, ItemError> {
        self.last
            .get(tag.as_str())
            .map_or(Some(Version::FIRST), |last| last.next())
            .ok_or_else(|| ItemError::NoVersionLeft { tag: tag.to_string() })
    }

    pub(super) fn push(&mut self, entry: Entry) {
        let version = entry.version.unwrap_or(Version::FIRST);
        let last = self.last.entry(entry.tag.clone()).or_insert(version);
        *last = version.max(*last);
        self.entries.push(entry);
    }
}

/// The stock name of one of the two entries that make up the identity.
pub(super) fn tag_of(domain: &DomainName, role: &str) -> String {
    format!("{domain}-{role}")
}

pub(super) fn reserved_anywhere(tag: &ResourceName) -> bool {
    let folded = tag.as_str().to_ascii_lowercase().replace('_', "-");
    folded.split('/').any(|segment| [KEY, CERTIFICATE].iter().any(|role| segment.ends_with(role)))
}

/// Whether both are one version of one thing; when it was entered doesn't matter.
fn same(kept: &Entry, other: &Entry) -> bool {
    kept.blob == other.blob && kept.entry_type == other.entry_type && kept.exportable == other.exportable
}

fn taken(tag: &ResourceName, version: Version) -> ItemError {
    ItemError::Taken { tag: tag.to_string(), version }
}
