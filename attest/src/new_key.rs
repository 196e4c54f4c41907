//! New keys, made from the system's randomness.

use std::fmt;
use std::str::FromStr;

use claviger_proto::key::{KeyMessage, MessageKey, SymmetricKind};
use claviger_proto::limits::MAX_KEY_KIND;
use claviger_proto::{EntryType, ParseError, ResourceName, Secret};
use zeroize::Zeroizing;

use crate::{KeyAlgorithm, SigningKey};

/// What kind of key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewKey {
    /// So many random bytes, without a meaning: a disk's key, a token. 1 to [`NewKey::MOST_BYTES`].
    Bytes(usize),
    /// A symmetric key, as a `key_message`.
    Symmetric(SymmetricKind),
    /// A key pair, as a `key_message`.
    Pair(KeyAlgorithm),
}

/// Why no key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewKeyError {
    /// There is no such kind.
    #[error(
        "a kind of key is bytes-N (N from 1 to 4096), one of the AES kinds (aes-256, …), p256, p384, ed25519, \
         rsa-2048, rsa-3072 or rsa-4096"
    )]
    Kind,
    /// What is there is no key that another can be made like.
    #[error(
        "no new one of this kind is made: it is neither plain bytes nor a key_message of a kind that is made"
    )]
    Unlike,
    /// The system gives no randomness.
    #[error("the system gives no randomness; nothing was made")]
    Randomness,
}

impl NewKey {
    /// Most random bytes of one key.
    pub const MOST_BYTES: usize = 4096;

    /// All kinds that have a name of their own, in the order in which they are told.
    pub fn all() -> impl Iterator<Item = Self> {
        let symmetric = SymmetricKind::ALL.into_iter().map(Self::Symmetric);
        symmetric.chain(KeyAlgorithm::ALL.into_iter().map(Self::Pair))
    }

    /// The kind of what is there, so that another of it can be made.
    pub fn like(entry_type: &EntryType, blob: &Secret) -> Result<Self, NewKeyError> {
        match entry_type.as_str() {
            EntryType::BINARY_BLOB if blob.len() <= Self::MOST_BYTES => Ok(Self::Bytes(blob.len())),
            EntryType::KEY_MESSAGE => {
                let message = KeyMessage::decode(blob.expose()).map_err(|_| NewKeyError::Unlike)?;
                match message.key {
                    MessageKey::Private(key) => KeyAlgorithm::of_kind(key.kind()).map(Self::Pair),
                    MessageKey::Other { key_type, .. } => key_type.parse().ok().map(Self::Symmetric),
                    MessageKey::Public(_) => None,
                }
                .ok_or(NewKeyError::Unlike)
            }
            _ => Err(NewKeyError::Unlike),
        }
    }

    /// Makes one, called `name` where the format has a place for that. RSA takes seconds.
    #[expect(clippy::missing_panics_doc, reason = "it parses a constant")]
    pub fn make(self, name: &ResourceName) -> Result<(EntryType, Secret), NewKeyError> {
        let key = match self {
            Self::Bytes(length) => return Ok((EntryType::binary_blob(), random(length)?)),
            Self::Symmetric(kind) => {
                MessageKey::Other { key_type: kind.as_str().to_owned(), secret: random(kind.size())? }
            }
            Self::Pair(algorithm) => {
                let key = SigningKey::generate(algorithm).map_err(|_| NewKeyError::Randomness)?;
                MessageKey::Private(key.to_private().map_err(|_| NewKeyError::Randomness)?)
            }
        };
        let blob = Secret::copy_from(&KeyMessage::new(name.as_str(), key).encode());
        Ok((EntryType::KEY_MESSAGE.parse().expect("a constant of the type"), blob))
    }
}

fn random(length: usize) -> Result<Secret, NewKeyError> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NewKeyError::Randomness)?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

impl fmt::Display for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(length) => write!(f, "bytes-{length}"),
            Self::Symmetric(kind) => f.write_str(kind.as_str()),
            Self::Pair(algorithm) => f.write_str(algorithm.as_str()),
        }
    }
}

impl FromStr for NewKey {
    type Err = NewKeyError;

    fn from_str(text: &str) -> Result<Self, NewKeyError> {
        if text.len() > MAX_KEY_KIND {
            return Err(NewKeyError::Kind);
        }
        if let Some(length) = text.strip_prefix("bytes-") {
            let length = length.parse().ok().filter(|length| (1..=Self::MOST_BYTES).contains(length));
            // One spelling only: no sign, no zeros in front.
            return length.map(Self::Bytes).filter(|kind| kind.to_string() == text).ok_or(NewKeyError::Kind);
        }
        Self::all().find(|kind| kind.to_string() == text).ok_or(NewKeyError::Kind)
    }
}

impl From<NewKeyError> for ParseError {
    fn from(_: NewKeyError) -> Self {
        Self::Key("no key of this kind is made")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_of_its_kind_and_another_like_it_differs() {
        let name: ResourceName = "web/key".parse().expect("a name");
        let slow = |kind: &NewKey| kind.to_string().starts_with("rsa-");
        let kinds = NewKey::all().filter(|kind| !slow(kind)).chain([NewKey::Bytes(1), NewKey::Bytes(64)]);
        for kind in kinds {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            let (entry_type, blob) = kind.make(&name).expect("made");
            assert_eq!(NewKey::like(&entry_type, &blob), Ok(kind));
            if kind != NewKey::Bytes(1) {
                assert!(kind.make(&name).expect("made").1 != blob);
            }
        }
    }

    #[test]
    fn other_kinds_and_other_things_are_refused() {
        for kind in ["", "aes", "bytes-", "bytes-0", "bytes-4097", "bytes-+1", "bytes-01", "p521", "RSA-2048"]
        {
            assert_eq!(kind.parse::<NewKey>(), Err(NewKeyError::Kind), "{kind}");
        }
        let blob = Secret::copy_from(b"some certificate");
        for entry_type in [EntryType::X509, EntryType::KEY_MESSAGE, "mine"] {
            let entry_type = entry_type.parse().expect("a type");
            assert_eq!(NewKey::like(&entry_type, &blob), Err(NewKeyError::Unlike));
        }
        let large = Secret::new(vec![0; NewKey::MOST_BYTES + 1]);
        assert_eq!(NewKey::like(&EntryType::binary_blob(), &large), Err(NewKeyError::Unlike));
    }
}
