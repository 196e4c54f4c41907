//! A stock machine's identity: an admission certificate, and the private key that it is for.

use std::collections::BTreeSet;

use claviger_attest::{PolicyCertificate, SigningKey};
use claviger_proto::key::{KeyMessage, MessageKey};
use claviger_proto::stock_store::PolicyStore;
use claviger_proto::{DomainName, Entry, ParseError, Secret};
use rustls_pki_types::UnixTime;

use super::{CertifierError, Contents, LeftOut};
use crate::cryptstore::content::{CERTIFICATE, KEY, tag_of};
use crate::identity::Identity;
use crate::tls;

/// An identity as a store has it; nothing is checked yet. Holds a secret: no `Debug`, no `Clone`.
pub struct StockIdentity {
    /// The domain.
    pub domain: DomainName,
    /// The admission certificate, DER.
    certificate: Vec<u8>,
    /// The private key, as a serialized `key_message`.
    key: Secret,
    /// The policy certificate beside it, DER, in a policy store.
    policy: Option<Vec<u8>>,
}

impl Contents {
    /// The identity in the domain of a policy certificate that somebody vouches for: what the store itself says of a
    /// domain's policy is no better than its seal. It is checked as a broker would check it, at `now`.
    pub fn identity(
        &self,
        policy: &PolicyCertificate,
        now: UnixTime,
    ) -> Result<Option<Identity>, CertifierError> {
        let named = policy.domain_named();
        let found = match self.identities.as_slice() {
            [only] if named.is_none() => Some(only),
            all => all.iter().find(|identity| named == Some(identity.domain.as_str())),
        };
        found.map(|found| found.check(policy, now)).transpose()
    }
}

impl StockIdentity {
    /// What its two parts are called.
    pub fn tags(&self) -> [String; 2] {
        [CERTIFICATE, KEY].map(|role| tag_of(&self.domain, role))
    }

    fn check(&self, policy: &PolicyCertificate, now: UnixTime) -> Result<Identity, CertifierError> {
        let bad = |why| CertifierError::BadIdentity { domain: self.domain.to_string(), why };
        if self.policy.as_deref().is_some_and(|own| own != policy.der()) {
            return Err(bad("the store has another policy certificate for it"));
        }
        let message = KeyMessage::decode(self.key.expose()).map_err(|_| bad("its key can't be read"))?;
        let MessageKey::Private(key) = message.key else { return Err(bad("its key isn't a private key")) };
        SigningKey::from_private(&key).map_err(|_| bad("its private key can't sign"))?;
        // Which also finds a certificate that isn't one.
        tls::certified(&self.certificate, &[], key.pkcs8_der())
            .map_err(|_| bad("its certificate isn't one for its key"))?;
        let domain = self.domain.clone();
        let identity = Identity::new(domain, policy.clone(), self.certificate.clone(), key);
        match identity.verify(now) {
            Ok(_) => Ok(identity),
            Err(error) => Err(CertifierError::Certificate { domain: self.domain.clone(), error }),
        }
    }
}

/// Finds the identities among the entries that are a machine's own. What doesn't become part of one is left out.
pub(super) fn collect(mut own: Vec<Entry>, identities: &mut Vec<StockIdentity>, left_out: &mut Vec<LeftOut>) {
    let domains: BTreeSet<DomainName> = own.iter().filter_map(|entry| domain_of(&entry.tag)).collect();
    for domain in domains {
        let key = take_latest(&mut own, &tag_of(&domain, KEY));
        let certificate = take_latest(&mut own, &tag_of(&domain, CERTIFICATE));
        match (key, certificate) {
            (Some(key), Some(certificate)) => {
                let certificate = certificate.blob.expose().to_vec();
                identities.push(StockIdentity { domain, certificate, key: key.blob, policy: None });
            }
            (key, certificate) => own.extend(key.into_iter().chain(certificate)),
        }
    }
    left_out.extend(own.into_iter().map(|entry| {
        let version = entry.version.map_or(0, claviger_proto::Version::get);
        let why =
            format!("version {version} of a machine's own: an older one, or without what belongs to it");
        LeftOut { tag: entry.tag, why }
    }));
}

fn domain_of(tag: &str) -> Option<DomainName> {
    let stem = [KEY, CERTIFICATE].iter().find_map(|role| tag.strip_suffix(role)?.strip_suffix('-'))?;
    stem.parse().ok()
}

/// Takes the highest version out.
fn take_latest(entries: &mut Vec<Entry>, tag: &str) -> Option<Entry> {
    let tagged = entries.iter().enumerate().filter(|(_, entry)| entry.tag == tag);
    let (at, _) = tagged.max_by_key(|(_, entry)| entry.version)?;
    Some(entries.remove(at))
}

/// Finds the identities of a policy store: one key, and a certificate in each domain.
pub(super) fn of_policy_store(
    store: &PolicyStore,
    identities: &mut Vec<StockIdentity>,
    left_out: &mut Vec<LeftOut>,
) -> Result<(), ParseError> {
    let key = store.find(PolicyStore::AUTH_KEY);
    let before = identities.len();
    for certifier in store.certifiers()? {
        let domain = certifier.domain.parse::<DomainName>();
        match (domain, key) {
            (Ok(domain), Some(key))
                if !certifier.admission_certificate.is_empty()
                    && identities.iter().all(|other| other.domain != domain) =>
            {
                identities.push(StockIdentity {
                    domain,
                    certificate: certifier.admission_certificate,
                    key: Secret::copy_from(key.value.expose()),
                    policy: Some(certifier.policy_certificate),
                });
            }
            _ => {
                let why = "a domain without a certificate and key of this machine".to_owned();
                left_out.push(LeftOut { tag: certifier.domain, why });
            }
        }
    }
    if key.is_some() && identities.len() == before {
        let why = "a machine's own key that no certificate is for".to_owned();
        left_out.push(LeftOut { tag: PolicyStore::AUTH_KEY.0.to_owned(), why });
    }
    Ok(())
}
