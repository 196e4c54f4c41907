//! What a stock store opens to, sorted: items to be kept, identities, and what isn't taken.

use std::collections::BTreeMap;
use std::fmt;

use claviger_proto::stock_store::{Flaw, PolicyEntry, PolicyStore, ProtectedBlob, StockItem, StockStore};
use claviger_proto::{Entry, EntryType, ResourceName, Version};

use super::identity::{self, StockIdentity};
use super::{CertifierError, Seal, cipher};
use crate::cryptstore::content::reserved_anywhere;

/// Tags and types of a policy store's entries with what its program makes keys of.
pub(super) const PUBLIC_ALGORITHM: (&str, &str) = ("public-key-algorithm", "string");
pub(super) const SYMMETRIC_ALGORITHM: (&str, &str) = ("symmetric-key-algorithm", "string");

/// The opened content of a stock store. Holds secrets: no `Debug`, no `Clone`.
pub struct Contents {
    /// What can be kept, in the file's order; of a cryptstore with its versions.
    pub items: Vec<Entry>,
    /// The machine's identities, at most one for each domain.
    pub identities: Vec<StockIdentity>,
    /// What isn't taken because there is no use for it here.
    pub left_out: Vec<LeftOut>,
    /// What should be kept and can't.
    pub flawed: Vec<Flawed>,
}

/// Something in a store that isn't taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// What it is called there.
    pub tag: String,
    /// Why it isn't taken, as a phrase.
    pub why: String,
}

/// A tag of which stock programs use another version than is the latest: they give the first entry that they find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overtaken {
    /// The tag.
    pub tag: String,
    /// What stock programs give.
    pub given: Version,
    /// What is the latest.
    pub latest: Version,
}

/// An entry that can't be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flawed {
    /// Which entry of the file, from 1.
    pub place: usize,
    /// Its tag, as it is there.
    pub tag: String,
    /// Why.
    pub flaw: Flaw,
}

impl fmt::Display for Flawed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} ({:?}): {}", self.place, self.tag, self.flaw)
    }
}

impl Flawed {
    fn left_out(self) -> LeftOut {
        LeftOut { tag: self.tag, why: format!("entry {}: {}", self.place, self.flaw) }
    }
}

impl Contents {
    /// Opens a store's file.
    pub fn open(file: &[u8], seal: &Seal) -> Result<Self, CertifierError> {
        let blob = ProtectedBlob::decode(file).map_err(CertifierError::NotOne)?;
        let key = seal.unseal(&blob.sealed_key)?;
        let plain = cipher::open(&key, &blob.data).map_err(|_| CertifierError::Damaged)?;
        Self::read(plain.expose())
    }

    /// Reads what a store opened to.
    pub fn read(plain: &[u8]) -> Result<Self, CertifierError> {
        let mut contents =
            Self { items: Vec::new(), identities: Vec::new(), left_out: Vec::new(), flawed: Vec::new() };
        match StockStore::decode(plain).map_err(CertifierError::Content)? {
            StockStore::Cryptstore(items) => contents.sort(items),
            StockStore::Policy(store) => contents.sort_policy(store)?,
        }
        Ok(contents)
    }

    fn sort(&mut self, items: Vec<StockItem>) {
        let mut own = Vec::new();
        for StockItem { place, tag, entry } in items {
            match entry {
                Ok(entry) if is_own(&tag) => own.push(entry),
                Ok(entry) => self.items.push(entry),
                Err(flaw) => self.flawed.push(Flawed { place, tag, flaw }),
            }
        }
        identity::collect(own, &mut self.identities, &mut self.left_out);
    }

    fn sort_policy(&mut self, store: PolicyStore) -> Result<(), CertifierError> {
        identity::of_policy_store(&store, &mut self.identities, &mut self.left_out)
            .map_err(CertifierError::Content)?;
        for (entry, place) in store.entries.into_iter().zip(1..) {
            let named = (entry.tag.as_str(), entry.kind.as_str());
            if named == PolicyStore::AUTH_KEY || named == PolicyStore::CERTIFIERS {
                continue;
            }
            if named == PUBLIC_ALGORITHM || named == SYMMETRIC_ALGORITHM {
                let why = "a setting of the stock program".to_owned();
                self.left_out.push(LeftOut { tag: entry.tag, why });
                continue;
            }
            let tag = entry.tag.clone();
            // In a policy store an identity isn't among the entries, so this is none.
            if is_own(&tag) {
                let why = "the tag of a machine's own identity, which isn't kept so".to_owned();
                self.left_out.push(LeftOut { tag, why });
                continue;
            }
            match item(entry) {
                Ok(item) if self.items.iter().any(|other| other.tag == item.tag) => {
                    self.flawed.push(Flawed { place, tag, flaw: Flaw::Again(Version::FIRST) });
                }
                Ok(item) => self.items.push(item),
                Err(flaw) => self.flawed.push(Flawed { place, tag, flaw }),
            }
        }
        Ok(())
    }

    /// Only the items under these tags, each of which must be there. Identities stay.
    pub fn only(mut self, tags: &[String]) -> Result<Self, CertifierError> {
        for tag in tags {
            let there = self.items.iter().any(|item| item.tag == *tag)
                || self.flawed.iter().any(|flawed| flawed.tag == *tag);
            if !there {
                return Err(CertifierError::NoSuchTag { tag: tag.clone() });
            }
        }
        self.items.retain(|item| tags.contains(&item.tag));
        self.flawed.retain(|flawed| tags.contains(&flawed.tag));
        Ok(self)
    }

    /// The tags of which stock programs use another version than is the latest here.
    pub fn overtaken(&self) -> Vec<Overtaken> {
        let mut first: BTreeMap<&str, (Version, Version)> = BTreeMap::new();
        for item in &self.items {
            let version = item.version.unwrap_or(Version::FIRST);
            let (_, latest) = first.entry(&item.tag).or_insert((version, version));
            *latest = version.max(*latest);
        }
        let overtaken = first.into_iter().filter(|(_, (given, latest))| given != latest);
        overtaken.map(|(tag, (given, latest))| Overtaken { tag: tag.to_owned(), given, latest }).collect()
    }

    /// Refuses a store with entries that can't be kept.
    pub fn sound(self) -> Result<Self, CertifierError> {
        if self.flawed.is_empty() { Ok(self) } else { Err(CertifierError::Flawed { flawed: self.flawed }) }
    }

    /// Leaves the entries out that can't be kept.
    #[must_use]
    pub fn salvaged(mut self) -> Self {
        self.left_out.extend(self.flawed.drain(..).map(Flawed::left_out));
        self
    }
}

/// Whether a tag is of some machine's identity, in whatever domain.
fn is_own(tag: &str) -> bool {
    tag.parse::<ResourceName>().is_ok_and(|tag| reserved_anywhere(&tag))
}

/// An entry of a policy store as an item. It never leaves a stock program, so it isn't exportable.
fn item(entry: PolicyEntry) -> Result<Entry, Flaw> {
    if entry.tag.is_empty() {
        return Err(Flaw::NoTag);
    }
    let name = entry.tag.parse::<ResourceName>().map_err(Flaw::Tag)?;
    let kind = if entry.kind == "key" { EntryType::KEY_MESSAGE } else { entry.kind.as_str() };
    let entry_type = kind.parse().map_err(Flaw::Content)?;
    let version = Some(Version::FIRST);
    let item = Entry {
        tag: name.to_string(),
        entry_type,
        version,
        entered: 0,
        exportable: false,
        blob: entry.value,
    };
    // As an entry it has the limits of one.
    Entry::decode(&item.encode()).map_err(Flaw::Content)
}
