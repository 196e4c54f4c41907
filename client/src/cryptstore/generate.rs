//! New keys.

use std::fmt;
use std::str::FromStr;

use claviger_attest::{KeyAlgorithm, SigningKey};
use claviger_proto::key::{KeyMessage, MessageKey, SymmetricKind};
use claviger_proto::{EntryType, ParseError, ResourceName, Secret};
use zeroize::Zeroizing;

use super::{Item, ItemError};

/// What kind of key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generate {
    /// A symmetric key.
    Symmetric(SymmetricKind),
    /// A key pair.
    Pair(KeyAlgorithm),
}

impl Generate {
    /// All of them, in the order in which they are told.
    pub fn all() -> impl Iterator<Item = Self> {
        let symmetric = SymmetricKind::ALL.into_iter().map(Self::Symmetric);
        symmetric.chain(KeyAlgorithm::ALL.into_iter().map(Self::Pair))
    }

    /// The name on command lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Symmetric(kind) => kind.as_str(),
            Self::Pair(algorithm) => algorithm.as_str(),
        }
    }
}

impl fmt::Display for Generate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Generate {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const UNKNOWN: ParseError = ParseError::Key("no key of this kind is made");
        Self::all().find(|kind| kind.as_str() == text).ok_or(UNKNOWN)
    }
}

impl Item {
    /// A new key as a `key_message` that is called after its tag. It may leave in the clear unless `exportable` is
    /// set to false.
    #[expect(clippy::missing_panics_doc, reason = "it parses a constant")]
    pub fn generate(kind: Generate, tag: &ResourceName) -> Result<Self, ItemError> {
        let key = match kind {
            Generate::Symmetric(kind) => {
                let mut bits = Zeroizing::new(vec![0; kind.size()]);
                aws_lc_rs::rand::fill(&mut bits).map_err(|_| ItemError::Randomness)?;
                let secret = Secret::new(std::mem::take(&mut *bits));
                MessageKey::Other { key_type: kind.as_str().to_owned(), secret }
            }
            Generate::Pair(algorithm) => {
                let key = SigningKey::generate(algorithm).map_err(|_| ItemError::Randomness)?;
                MessageKey::Private(key.to_private().map_err(|_| ItemError::Randomness)?)
            }
        };
        let blob = Secret::copy_from(&KeyMessage::new(tag.as_str(), key).encode());
        let entry_type = EntryType::KEY_MESSAGE.parse().expect("a constant of the type");
        Ok(Self { entry_type, blob, exportable: true })
    }
}
