//! What can be said about an entry without saying its secret.

use aws_lc_rs::digest::{SHA256, digest};
use claviger_proto::Entry;
use claviger_proto::format::Content;
use claviger_proto::key::PublicKey;
use serde::Serialize;

use super::ItemError;

/// An entry's metadata. Of a symmetric key or a blob nothing but its length is told: a digest of it would let who
/// guesses a weak one check the guess.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Info {
    /// The tag.
    pub tag: String,
    /// The version.
    pub version: u32,
    /// The entry's type.
    #[serde(rename = "type")]
    pub entry_type: String,
    /// Whether it may leave in the clear.
    pub exportable: bool,
    /// When it was entered, seconds since 1970; 0 when unknown.
    pub entered: i64,
    /// Length of the blob in bytes.
    pub bytes: usize,
    /// What the blob turns out to be, as a phrase; absent where it isn't what its type says, or isn't known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<&'static str>,
    /// The public side of a key pair, a public key or a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyInfo>,
    /// What a certificate says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateInfo>,
}

/// A public key, named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// `p256`, `rsa-2048`, …
    pub kind: &'static str,
    /// SHA-256 of its `SubjectPublicKeyInfo`, hex.
    pub fingerprint: String,
}

/// A certificate, named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateInfo {
    /// Whose it is (RFC 4514).
    pub subject: String,
    /// Who made it.
    pub issuer: String,
    /// From when it is good, seconds since 1970.
    pub not_before: i64,
    /// Until when.
    pub not_after: i64,
    /// SHA-256 of the certificate, hex.
    pub fingerprint: String,
}

impl Info {
    /// What can be said about this entry.
    pub fn of(entry: &Entry) -> Self {
        let content = Content::of_blob(&entry.entry_type, &entry.blob).ok();
        let certificate = match &content {
            Some(Content::Certificate(certificate)) => {
                let (not_before, not_after) = certificate.dates();
                Some(CertificateInfo {
                    subject: certificate.subject(),
                    issuer: certificate.issuer(),
                    not_before,
                    not_after,
                    fingerprint: sha256(certificate.der()),
                })
            }
            _ => None,
        };
        Self {
            tag: entry.tag.clone(),
            version: entry.version.map_or(0, claviger_proto::Version::get),
            entry_type: entry.entry_type.to_string(),
            exportable: entry.exportable,
            entered: entry.entered,
            bytes: entry.blob.len(),
            holds: content.as_ref().map(|content| content.shape().as_str()),
            key: content
                .as_ref()
                .and_then(public_of)
                .map(|key| KeyInfo { kind: key.kind().as_str(), fingerprint: sha256(key.spki_der()) }),
            certificate,
        }
    }
}

/// The public key of a key pair, a public key or a certificate.
pub(super) fn public_of(content: &Content) -> Option<PublicKey> {
    match content {
        Content::Private(key) => key.public().ok(),
        Content::Public(key) => Some(key.clone()),
        Content::Certificate(certificate) => certificate.public_key().ok(),
        Content::Symmetric(_) | Content::Bytes(_) => None,
    }
}

/// The public key of an entry, which may leave whatever the entry may.
pub(super) fn public_key(entry: &Entry) -> Result<PublicKey, ItemError> {
    let content = Content::of_blob(&entry.entry_type, &entry.blob)?;
    let (tag, version) = (entry.tag.clone(), entry.version);
    let shape = content.shape().as_str();
    public_of(&content).ok_or(ItemError::NoPublicKey { tag, version, shape })
}

impl super::Cryptstore {
    /// The public key of an item, exportable or not.
    pub fn public_key(
        &self,
        tag: &claviger_proto::ResourceName,
        which: super::Which,
    ) -> Result<PublicKey, ItemError> {
        public_key(self.find(tag, which)?)
    }
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}
