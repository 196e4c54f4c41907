//! A cryptstore as bytes, before it is sealed.
//!
//! Format 2 adds to format 1 that there may be no identity yet, and the highest versions of tags whose latest was
//! deleted. Format 1 is read, and becomes format 2 when it is written next.

use claviger_attest::{BrokerMeasurements, Measurement, PolicyCertificate};
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
    /// What the domain's broker has to run, one of these; empty where anything will do.
    #[prost(bytes = "vec", repeated, tag = "5")]
    brokers: Vec<Vec<u8>>,
    /// The delegated issuer that the admission certificate came by; empty where it came by none.
    #[prost(bytes = "vec", tag = "6")]
    issuer: Vec<u8>,
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
        if let Some(Membership { domain, policy, brokers, issuer }) = &self.membership {
            content.issuer = issuer.clone().unwrap_or_default();
            if let BrokerMeasurements::Listed(listed) = brokers {
                content.brokers = listed.iter().map(|measurement| measurement.as_bytes().to_vec()).collect();
            }
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
            let brokers = if content.brokers.is_empty() {
                BrokerMeasurements::Any
            } else {
                let read = content.brokers.iter().map(|bytes| Measurement::from_bytes(bytes).ok());
                BrokerMeasurements::Listed(read.collect::<Option<_>>()?)
            };
            let domain = content.domain.parse().ok()?;
            let issuer = Some(content.issuer.clone()).filter(|der| !der.is_empty());
            cryptstore.membership = Some(Membership { domain, policy, brokers, issuer });
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use claviger_proto::{ResourceName, Secret};
    use proptest::prelude::*;

    use super::*;
    use crate::cryptstore::Item;

    /// What may be asked of a cryptstore, on few names, so that things meet.
    #[derive(Clone, Debug)]
    enum Ask {
        Put { tag: u8, version: u32, blob: u8 },
        Keep { tag: u8, version: u32, blob: u8 },
        Delete { tag: u8, version: u32 },
        Reopen,
    }

    fn asks() -> impl Strategy<Value = Vec<Ask>> {
        let ask = (0..4_u8, 0..3_u8, 0..5_u32, 0..3_u8).prop_map(|(kind, tag, version, blob)| match kind {
            0 => Ask::Put { tag, version, blob },
            1 => Ask::Keep { tag, version: version.max(1), blob },
            2 => Ask::Delete { tag, version },
            _ => Ask::Reopen,
        });
        proptest::collection::vec(ask, 0..60)
    }

    /// The rules, without a cryptstore: what is there, and the highest version of each tag.
    #[derive(Default)]
    struct Model {
        there: BTreeMap<(u8, u32), u8>,
        last: BTreeMap<u8, u32>,
    }

    impl Model {
        /// The version that it becomes, or nothing where it is refused.
        fn put(&mut self, tag: u8, version: u32, blob: u8) -> Option<u32> {
            let last = self.last.get(&tag).copied();
            let next = last.unwrap_or(0) + 1;
            if version != 0 && last.is_some() && version != next {
                return (self.there.get(&(tag, version)) == Some(&blob)).then_some(version);
            }
            let version = if version == 0 { next } else { version };
            self.insert(tag, version, blob);
            Some(version)
        }

        fn keep(&mut self, tag: u8, version: u32, blob: u8) -> bool {
            if let Some(kept) = self.there.get(&(tag, version)) {
                return *kept == blob;
            }
            self.insert(tag, version, blob);
            true
        }

        fn insert(&mut self, tag: u8, version: u32, blob: u8) {
            self.there.insert((tag, version), blob);
            let last = self.last.entry(tag).or_insert(version);
            *last = version.max(*last);
        }

        fn delete(&mut self, tag: u8, version: u32) -> usize {
            let before = self.there.len();
            self.there.retain(|(of, number), _| *of != tag || (version != 0 && *number != version));
            before - self.there.len()
        }
    }

    fn tag_of(tag: u8) -> ResourceName {
        format!("tag-{tag}").parse().unwrap()
    }

    proptest! {
        #[test]
        fn a_cryptstore_is_what_its_rules_say_however_often_it_is_reopened(asks in asks()) {
            let (mut cryptstore, mut model) = (Cryptstore::empty(), Model::default());
            for ask in asks {
                match ask {
                    Ask::Put { tag, version, blob } => {
                        let item = Item::blob(Secret::copy_from(&[blob]));
                        let put = cryptstore.put(&tag_of(tag), item, Version::new(version), 0);
                        prop_assert_eq!(put.ok().map(Version::get), model.put(tag, version, blob));
                    }
                    Ask::Keep { tag, version, blob } => {
                        let Item { entry_type, blob: secret, exportable } =
                            Item::blob(Secret::copy_from(&[blob]));
                        let (name, version_of) = ("elsewhere".to_owned(), Version::new(version));
                        let entry = Entry {
                            tag: name, entry_type, version: version_of, entered: 0, exportable, blob: secret,
                        };
                        let kept = cryptstore.keep(&tag_of(tag), entry);
                        prop_assert_eq!(kept.is_ok(), model.keep(tag, version, blob));
                    }
                    Ask::Delete { tag, version } => {
                        let deleted = cryptstore.delete(&tag_of(tag), Version::new(version));
                        prop_assert_eq!(deleted.map_or(0, |versions| versions.len()), model.delete(tag, version));
                    }
                    Ask::Reopen => cryptstore = Cryptstore::decode(&cryptstore.encode()).unwrap(),
                }
                let there: BTreeMap<_, _> = cryptstore
                    .entries()
                    .map(|entry| ((entry.tag.clone(), entry.version.unwrap().get()), entry.blob.expose()[0]))
                    .collect();
                let expected = model.there.iter().map(|((tag, version), blob)| {
                    ((tag_of(*tag).to_string(), *version), *blob)
                });
                prop_assert_eq!(there, expected.collect());
            }
        }
    }
}
