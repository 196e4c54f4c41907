//! The cryptstore's entries, sound or not.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::decode_exactly;
use crate::entry::CryptstoreEntry;
use crate::fields::{Fields, Sink};
use crate::time_text::time_to_text;
use crate::{Entry, ParseError, ResourceName, Version};

/// An entry of a stock cryptstore. May be secret: no `Debug`, no `Clone`.
pub struct StockItem {
    /// Which entry of the file, from 1.
    pub place: usize,
    /// The tag as it is there; empty where there is none.
    pub tag: String,
    /// The entry, with a version and a tag that is a resource name; or why it can't be kept.
    pub entry: Result<Entry, Flaw>,
}

/// Why an entry of a stock cryptstore can't be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// It has no tag: a stock server keeps what is stored without a name.
    #[error("it has no tag")]
    NoTag,
    /// The tag isn't a resource name.
    #[error("its tag isn't one here: {0}")]
    Tag(ParseError),
    /// The version isn't 1 or more.
    #[error("its version is {0}; versions begin with 1")]
    Version(i32),
    /// An entry before it has its tag and version. It is the first that stock programs give.
    #[error("it isn't the first with its tag as version {0}; stock programs never give it")]
    Again(Version),
    /// Type or data are missing, or aren't what they have to be.
    #[error("{0}")]
    Content(ParseError),
}

#[derive(prost::Message)]
#[prost(skip_debug)]
struct CryptstoreWire {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<CryptstoreEntry>,
}

/// Reads a serialized `cryptstore`.
pub(super) fn decode(plain: &[u8]) -> Result<Vec<StockItem>, ParseError> {
    let wire: CryptstoreWire = decode_exactly(plain, "cryptstore")?;
    let mut seen = BTreeSet::new();
    let items = wire.entries.into_iter().zip(1..).map(|(message, place)| {
        let tag = message.tag.clone().unwrap_or_default();
        StockItem { place, entry: entry(message, &tag, &mut seen), tag }
    });
    Ok(items.collect())
}

fn entry(message: CryptstoreEntry, tag: &str, seen: &mut BTreeSet<(String, Version)>) -> Result<Entry, Flaw> {
    if tag.is_empty() {
        return Err(Flaw::NoTag);
    }
    tag.parse::<ResourceName>().map_err(Flaw::Tag)?;
    let number = message.version.unwrap_or(0);
    let version = Version::from_wire(number).ok().flatten().ok_or(Flaw::Version(number))?;
    // The second one is hidden from stock programs even where the first can't be kept.
    if !seen.insert((tag.to_owned(), version)) {
        return Err(Flaw::Again(version));
    }
    Entry::from_wire(message).map_err(Flaw::Content)
}

/// Serializes entries as a stock `cryptstore`, in their order.
pub fn encode_cryptstore<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Zeroizing<Vec<u8>> {
    Fields::encode(&Entries(entries.into_iter().collect()))
}

struct Entries<'a>(Vec<&'a Entry>);

impl Fields for Entries<'_> {
    fn write(&self, out: &mut impl Sink) {
        for entry in &self.0 {
            out.nested(1, &StockEntry(entry));
        }
    }
}

/// An entry as the stock programs have it: one whose time isn't known has none.
struct StockEntry<'a>(&'a Entry);

impl Fields for StockEntry<'_> {
    fn write(&self, out: &mut impl Sink) {
        let Entry { tag, entry_type, version, entered, exportable, blob } = self.0;
        out.text(1, tag);
        out.text(2, entry_type.as_str());
        out.int32(3, Version::to_wire(*version));
        if *entered != 0 {
            out.text(4, &time_to_text(*entered));
        }
        out.bytes(5, blob.expose());
        out.bool(6, *exportable);
    }
}
