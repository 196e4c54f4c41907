//! Writing a store that stock programs open, and keeping what one had.

use claviger_proto::key::{KeyKind, SymmetricKind};
use claviger_proto::stock_store::{MAX_STOCK_CONTENT, ProtectedBlob, encode_cryptstore};
use claviger_proto::{Entry, ResourceName, Version};

use super::{CertifierError, Seal, cipher};
use crate::cryptstore::content::{CERTIFICATE, KEY, tag_of};
use crate::cryptstore::{Cryptstore, ItemError, Which};
use crate::identity::Identity;

/// What a store is encrypted with. The stock programs have a third, in which they can't reliably open what they wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenAlgorithm {
    /// `aes-256-gcm`
    Gcm,
    /// `aes-256-cbc-hmac-sha256`
    CbcHmacSha256,
}

impl WrittenAlgorithm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Gcm, Self::CbcHmacSha256];

    /// The stock name.
    pub fn as_str(self) -> &'static str {
        self.kind().as_str()
    }

    fn kind(self) -> SymmetricKind {
        match self {
            Self::Gcm => SymmetricKind::Aes256Gcm,
            Self::CbcHmacSha256 => SymmetricKind::Aes256CbcHmacSha256,
        }
    }
}

impl Cryptstore {
    /// Items as a stock cryptstore, with the machine's own identity or without it. Stock programs give the first entry
    /// with a tag, whatever version is asked for, so a tag is to be named once.
    pub fn export_certifier(
        &self,
        what: &[(ResourceName, Which)],
        with_identity: bool,
        seal: &Seal,
        algorithm: WrittenAlgorithm,
    ) -> Result<Vec<u8>, ItemError> {
        let mut entries = if with_identity { self.own_entries()? } else { Vec::new() };
        for (tag, which) in what {
            self.own(tag)?;
            let entry = self.find(tag, *which)?;
            if seal.is_simulated() && !entry.exportable {
                return Err(CertifierError::InTheClear { tag: tag.to_string() }.into());
            }
            entries.push(entry);
        }
        Ok(write(&entries, seal, algorithm)?)
    }

    /// The entries of the identity, in the order in which `cf_utility` has them.
    fn own_entries(&self) -> Result<Vec<&Entry>, CertifierError> {
        let identity = self.identity().ok_or(CertifierError::NotMember)?;
        let kind = identity.key().kind();
        if !matches!(kind, KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096) {
            return Err(CertifierError::NotRsa { kind });
        }
        let own = [CERTIFICATE, KEY].iter().map(|role| self.get(&tag_of(identity.domain(), role), None));
        own.collect::<Option<_>>().ok_or(CertifierError::NotMember)
    }

    /// Keeps what a stock store had, all of it or nothing: items, and the identity where this machine has none or the
    /// same. `now` is in seconds since 1970.
    pub fn import_certifier(
        &mut self,
        identity: Option<&Identity>,
        items: Vec<Entry>,
        now: i64,
    ) -> Result<Vec<(ResourceName, Version)>, ItemError> {
        let Some(identity) = identity else { return self.import(items) };
        if let Some(domain) = self.domain() {
            let same = self.identity().is_some_and(|own| own.certificate() == identity.certificate());
            return if same && domain == identity.domain() {
                self.import(items)
            } else {
                Err(CertifierError::Member { domain: domain.clone() }.into())
            };
        }
        let taken = self.import(items)?;
        self.set_identity(identity, now);
        Ok(taken)
    }
}

fn write(entries: &[&Entry], seal: &Seal, algorithm: WrittenAlgorithm) -> Result<Vec<u8>, CertifierError> {
    let plain = encode_cryptstore(entries.iter().copied());
    if plain.len() > MAX_STOCK_CONTENT {
        return Err(CertifierError::TooLarge);
    }
    let key = cipher::generate(algorithm.kind()).map_err(|_| CertifierError::Randomness)?;
    let data = cipher::seal(&key, &plain).map_err(|_| CertifierError::Randomness)?;
    Ok(ProtectedBlob { sealed_key: seal.seal(&key)?, data }.encode())
}
