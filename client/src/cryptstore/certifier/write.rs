//! Writing a store that stock programs open, and keeping what one had.

use claviger_proto::key::{KeyKind, SymmetricKind};
use claviger_proto::stock_store::{
    Certifier, MAX_STOCK_CONTENT, PolicyEntry, PolicyStore, ProtectedBlob, encode_cryptstore,
};
use claviger_proto::{Entry, EntryType, ResourceName, Secret, Version};

use super::contents::{PUBLIC_ALGORITHM, SYMMETRIC_ALGORITHM};
use super::seal::message;
use super::{CertifierError, Seal, cipher};
use crate::cryptstore::content::{CERTIFICATE, KEY, tag_of};
use crate::cryptstore::{Cryptstore, ItemError, Which};
use crate::identity::Identity;

/// What the stock programs call a cryptstore's key.
const NAME: &str = "cryptstore-sealing-key";

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
        Ok(write(&encode_cryptstore(entries), seal, algorithm)?)
    }

    /// The machine's own identity as a stock policy store, which is where stock programs look whether they are certified
    /// in a domain; with `app-symmetric-key`, the cryptstore's own or a new one.
    pub fn export_certifier_policy(
        &self,
        seal: &Seal,
        algorithm: WrittenAlgorithm,
    ) -> Result<Vec<u8>, ItemError> {
        let identity = self.own_identity()?;
        let app = PolicyStore::APP_KEY.0;
        let app_key =
            match self.get(app, None).filter(|item| item.entry_type.as_str() == EntryType::KEY_MESSAGE) {
                Some(item) => Secret::copy_from(item.blob.expose()),
                None => cipher::generate(algorithm.kind())
                    .map(|key| message(app, &key))
                    .map_err(|_| CertifierError::Randomness)?,
            };
        let certifier = Certifier {
            domain: identity.domain().to_string(),
            policy_certificate: identity.policy().der().to_vec(),
            admission_certificate: identity.certificate().to_vec(),
        };
        let text = |text: &str| Secret::copy_from(text.as_bytes());
        let entry = |(tag, kind): (&str, &str), value| PolicyEntry {
            tag: tag.to_owned(),
            kind: kind.to_owned(),
            value,
        };
        let store = PolicyStore {
            entries: vec![
                entry(PUBLIC_ALGORITHM, text(identity.key().kind().as_str())),
                entry(SYMMETRIC_ALGORITHM, text(algorithm.as_str())),
                entry(PolicyStore::AUTH_KEY, Secret::copy_from(&identity.key_message())),
                entry(PolicyStore::APP_KEY, app_key),
                entry(PolicyStore::CERTIFIERS, certifier.encode()),
            ],
        };
        Ok(write(&store.encode(), seal, algorithm)?)
    }

    /// The entries of the identity, in the order in which `cf_utility` has them.
    fn own_entries(&self) -> Result<Vec<&Entry>, CertifierError> {
        let identity = self.own_identity()?;
        let own = [CERTIFICATE, KEY].iter().map(|role| self.get(&tag_of(identity.domain(), role), None));
        own.collect::<Option<_>>().ok_or(CertifierError::NotMember)
    }

    /// The identity, if stock programs can load it.
    fn own_identity(&self) -> Result<Identity, CertifierError> {
        let identity = self.identity().ok_or(CertifierError::NotMember)?;
        match identity.key().kind() {
            KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => Ok(identity),
            kind => Err(CertifierError::NotRsa { kind }),
        }
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

fn write(plain: &[u8], seal: &Seal, algorithm: WrittenAlgorithm) -> Result<Vec<u8>, CertifierError> {
    if plain.len() > MAX_STOCK_CONTENT {
        return Err(CertifierError::TooLarge);
    }
    let key = cipher::generate(algorithm.kind()).map_err(|_| CertifierError::Randomness)?;
    let data = cipher::seal(&key, plain).map_err(|_| CertifierError::Randomness)?;
    Ok(ProtectedBlob { sealed_key: seal.seal(message(NAME, &key).expose())?, data }.encode())
}
