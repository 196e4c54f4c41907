//! Sealed exports: items for one recipient, by HPKE (RFC 9180) in base mode.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | `claviger export\n` |
//! | 1 | format, 1 |
//! | 1 | suite: 1 is DHKEM(P-256, HKDF-SHA256), 2 is DHKEM(P-384, HKDF-SHA384); AES-256-GCM with both |
//! | 32 | SHA-256 of the recipient's `SubjectPublicKeyInfo` |
//! | 65 or 97 | the encapsulated key |
//! | rest | the sealed items |
//!
//! Everything before the encapsulated key is the additional data; HPKE's info is `claviger cryptstore export v1`.
//! Inside is a protobuf message of serialized `cryptstore_entry`s (field 1, repeated). Base mode says who can open an
//! export, not who made it.

use aws_lc_rs::digest::{SHA256, digest};
use claviger_proto::format::Content;
use claviger_proto::key::{KeyKind, PrivateKey, PublicKey};
use claviger_proto::{Entry, ErrorCode, ResourceName};
use prost::Message as _;
use rustls::crypto::aws_lc_rs::hpke::{DH_KEM_P256_HKDF_SHA256_AES_256, DH_KEM_P384_HKDF_SHA384_AES_256};
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Cryptstore, ItemError, Which};

/// Largest export that is read, in bytes: what a whole cryptstore may have, and a little more.
pub const MAX_EXPORT: usize = (64 << 20) + (64 << 10);

const MAGIC: &[u8; 16] = b"claviger export\n";
const FORMAT: u8 = 1;
const FINGERPRINT: usize = 32;
const HEAD: usize = MAGIC.len() + 2 + FINGERPRINT;
const INFO: &[u8] = b"claviger cryptstore export v1";

/// Why an export can't be made, or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A key of another kind.
    #[error("a recipient's key is P-256 or P-384, not {}", kind.as_str())]
    Recipient {
        /// Its kind.
        kind: KeyKind,
    },
    /// The recipient's public key can't be used.
    #[error("the recipient's public key isn't one that can be sealed for")]
    BadKey,
    /// It isn't an export.
    #[error("it isn't a sealed export of a cryptstore")]
    NotOne,
    /// A newer version's export.
    #[error("the export has format {found}, which this version doesn't know")]
    UnknownFormat {
        /// The format found.
        found: u8,
    },
    /// It is sealed for somebody else.
    #[error("the export is sealed for another key")]
    OtherRecipient,
    /// It was altered.
    #[error("the export is damaged")]
    Damaged,
}

impl ExportError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Recipient { .. } | Self::BadKey => ErrorCode::Refused.as_str(),
            Self::NotOne => ErrorCode::Malformed.as_str(),
            Self::UnknownFormat { .. } => "unknown-format",
            Self::OtherRecipient => "other-recipient",
            Self::Damaged => "damaged",
        }
    }

    /// The exit status: 3 refused, 1 other.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::UnknownFormat { .. } | Self::Damaged => 1,
            _ => 3,
        }
    }

    /// What to do next, as a sentence without its full stop.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Recipient { .. } | Self::BadKey => {
                "have the recipient make a p256 or p384 key (key-client cryptstore generate, print --public)"
            }
            Self::NotOne => "check the file",
            Self::UnknownFormat { .. } => "use the version of key-client that wrote it, or a newer one",
            Self::OtherRecipient => {
                "give the private key whose fingerprint key-client cryptstore print shows for the recipient"
            }
            Self::Damaged => "fetch the file again",
        }
    }
}

/// What seals for one kind of key.
struct Suite {
    number: u8,
    kind: KeyKind,
    hpke: &'static dyn Hpke,
    /// Bytes of an encapsulated key: an uncompressed point.
    encapsulated: usize,
}

static SUITES: [Suite; 2] = [
    Suite { number: 1, kind: KeyKind::P256, hpke: DH_KEM_P256_HKDF_SHA256_AES_256, encapsulated: 65 },
    Suite { number: 2, kind: KeyKind::P384, hpke: DH_KEM_P384_HKDF_SHA384_AES_256, encapsulated: 97 },
];

/// Whom an export is for: a P-256 or P-384 public key.
pub struct Recipient {
    suite: &'static Suite,
    point: Vec<u8>,
    fingerprint: [u8; FINGERPRINT],
}

impl Recipient {
    /// The holder of this key's private half.
    pub fn new(key: &PublicKey) -> Result<Self, ExportError> {
        let kind = key.kind();
        let suite = SUITES.iter().find(|suite| suite.kind == kind);
        let (Some(suite), Some(point)) = (suite, key.ec_point()) else {
            return Err(ExportError::Recipient { kind });
        };
        Ok(Self { suite, point, fingerprint: fingerprint(key) })
    }

    /// SHA-256 of the key's `SubjectPublicKeyInfo`.
    pub fn fingerprint(&self) -> &[u8; FINGERPRINT] {
        &self.fingerprint
    }

    fn head(&self) -> Vec<u8> {
        [MAGIC.as_slice(), &[FORMAT, self.suite.number], &self.fingerprint].concat()
    }
}

fn fingerprint(key: &PublicKey) -> [u8; FINGERPRINT] {
    let mut out = [0; FINGERPRINT];
    out.copy_from_slice(digest(&SHA256, key.spki_der()).as_ref());
    out
}

/// What is inside. Private: it carries secrets.
#[derive(prost::Message)]
#[prost(skip_debug)]
struct Items {
    #[prost(bytes = "vec", repeated, tag = "1")]
    entries: Vec<Vec<u8>>,
}

impl Drop for Items {
    fn drop(&mut self) {
        self.entries.zeroize();
    }
}

impl Cryptstore {
    /// Seals items, exportable or not, for one recipient. The machine's own identity isn't among what can be.
    pub fn export(
        &self,
        what: &[(ResourceName, Which)],
        recipient: &Recipient,
    ) -> Result<Vec<u8>, ItemError> {
        let mut items = Items::default();
        for (tag, which) in what {
            self.own(tag)?;
            items.entries.push(std::mem::take(&mut *self.find(tag, *which)?.encode()));
        }
        let plain = Zeroizing::new(items.encode_to_vec());
        let head = recipient.head();
        let to = HpkePublicKey(recipient.point.clone());
        let sealed = recipient.suite.hpke.seal(INFO, &head, &plain, &to);
        let (EncapsulatedSecret(encapsulated), sealed) = sealed.map_err(|_| ExportError::BadKey)?;
        Ok([head, encapsulated, sealed].concat())
    }
}

impl Cryptstore {
    /// The key that opens an export, out of whichever version of an item it is sealed for. The machine's own
    /// identity signs, and opens nothing.
    pub fn opening_key(
        &self,
        tag: &ResourceName,
        export: &SealedExport<'_>,
    ) -> Result<PrivateKey, ItemError> {
        self.own(tag)?;
        self.find(tag, Which::Latest)?;
        let versions = self.entries().filter(|entry| entry.tag == tag.as_str());
        let keys = versions.filter_map(|entry| match Content::of_blob(&entry.entry_type, &entry.blob) {
            Ok(Content::Private(key)) => Some(key),
            _ => None,
        });
        let mut fitting = keys.filter(|key| key.public().is_ok_and(|public| export.is_for(&public)));
        fitting.next().ok_or(ExportError::OtherRecipient.into())
    }
}

/// An export, read but not opened.
pub struct SealedExport<'a> {
    suite: &'static Suite,
    head: &'a [u8],
    encapsulated: &'a [u8],
    sealed: &'a [u8],
}

impl<'a> SealedExport<'a> {
    /// Reads what is around the sealed items.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ExportError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ExportError::NotOne)?;
        let format = *rest.first().ok_or(ExportError::NotOne)?;
        if format != FORMAT {
            return Err(ExportError::UnknownFormat { found: format });
        }
        let (head, rest) = bytes.split_at_checked(HEAD).ok_or(ExportError::Damaged)?;
        let number = head[MAGIC.len() + 1];
        let suite = SUITES.iter().find(|suite| suite.number == number).ok_or(ExportError::Damaged)?;
        let (encapsulated, sealed) = rest.split_at_checked(suite.encapsulated).ok_or(ExportError::Damaged)?;
        Ok(Self { suite, head, encapsulated, sealed })
    }

    /// Whom it is for: SHA-256 of the public key. Nothing vouches for it before the export is opened.
    pub fn recipient(&self) -> &[u8] {
        &self.head[HEAD - FINGERPRINT..]
    }

    /// Whether this is the recipient's key.
    pub fn is_for(&self, key: &PublicKey) -> bool {
        self.recipient() == fingerprint(key)
    }

    /// Opens it with the recipient's private key.
    pub fn open(&self, key: &PrivateKey) -> Result<Vec<Entry>, ExportError> {
        let public = key.public().map_err(|_| ExportError::BadKey)?;
        if !self.is_for(&public) {
            return Err(ExportError::OtherRecipient);
        }
        let number = key.ec_number().filter(|_| key.kind() == self.suite.kind);
        let number = number.ok_or(ExportError::Damaged)?.into_zeroizing();
        let secret = HpkePrivateKey::from(number.to_vec());
        let encapsulated = EncapsulatedSecret(self.encapsulated.to_vec());
        let plain = self.suite.hpke.open(&encapsulated, INFO, self.head, self.sealed, &secret);
        let plain = Zeroizing::new(plain.map_err(|_| ExportError::Damaged)?);
        let items = Items::decode(plain.as_slice()).map_err(|_| ExportError::Damaged)?;
        let entries: Option<Vec<_>> = items.entries.iter().map(|entry| Entry::decode(entry).ok()).collect();
        entries.filter(|entries| !entries.is_empty()).ok_or(ExportError::Damaged)
    }
}
