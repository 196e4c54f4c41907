//! The policy store: what a stock program's trust manager remembers of itself and its domains.

use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::decode_exactly;
use crate::fields::{Fields, Sink};
use crate::trust::PURPOSE_AUTHENTICATION;
use crate::{ParseError, Secret};

/// How many entries a stock policy store has room for.
const MOST: i32 = 500;

/// An opened policy store. Holds secrets: no `Debug`, no `Clone`.
pub struct PolicyStore {
    /// Its entries, in their order.
    pub entries: Vec<PolicyEntry>,
}

/// An entry of a policy store. May be secret: no `Debug`, no `Clone`.
pub struct PolicyEntry {
    /// `auth-key`, `app-symmetric-key`, `all-certifiers`, …
    pub tag: String,
    /// What the value is: `key` (a `key_message`), `string`, `certifiers_message`, …
    pub kind: String,
    /// The value.
    pub value: Secret,
}

/// A domain that the machine was certified in, or is to be (stock `certifier_entry`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certifier {
    /// The domain's name, as text.
    pub domain: String,
    /// Its policy certificate, DER.
    pub policy_certificate: Vec<u8>,
    /// The admission certificate, DER; empty where there is none yet.
    pub admission_certificate: Vec<u8>,
}

#[derive(prost::Message)]
#[prost(skip_debug)]
struct PolicyStoreWire {
    #[prost(int32, optional, tag = "1")]
    max_ents: Option<i32>,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<PolicyEntryWire>,
}

#[derive(prost::Message)]
#[prost(skip_debug)]
struct PolicyEntryWire {
    #[prost(string, optional, tag = "1")]
    tag: Option<String>,
    #[prost(string, optional, tag = "2")]
    kind: Option<String>,
    #[prost(bytes = "vec", optional, tag = "3")]
    value: Option<Vec<u8>>,
}

impl Drop for PolicyEntryWire {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

#[derive(prost::Message)]
struct CertifiersWire {
    #[prost(message, repeated, tag = "1")]
    certifiers: Vec<CertifierWire>,
}

/// Where the domain's services are and its platform rule (3, 4, 9 to 11) aren't needed.
#[derive(prost::Message)]
struct CertifierWire {
    #[prost(string, optional, tag = "1")]
    domain_name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "2")]
    domain_cert: Option<Vec<u8>>,
    #[prost(string, optional, tag = "5")]
    purpose: Option<String>,
    #[prost(bool, optional, tag = "6")]
    is_certified: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    is_initialized: Option<bool>,
    #[prost(bytes = "vec", optional, tag = "8")]
    admissions_cert: Option<Vec<u8>>,
}

impl Certifier {
    /// The value of an entry [`PolicyStore::CERTIFIERS`] with this domain, in which the machine is certified.
    pub fn encode(&self) -> Secret {
        let certifier = CertifierWire {
            domain_name: Some(self.domain.clone()),
            domain_cert: Some(self.policy_certificate.clone()),
            purpose: Some(PURPOSE_AUTHENTICATION.to_owned()),
            is_certified: Some(true),
            is_initialized: Some(true),
            admissions_cert: Some(self.admission_certificate.clone()),
        };
        Secret::new(CertifiersWire { certifiers: vec![certifier] }.encode_to_vec())
    }
}

impl Fields for PolicyEntry {
    fn write(&self, out: &mut impl Sink) {
        out.text(1, &self.tag);
        out.text(2, &self.kind);
        out.bytes(3, self.value.expose());
    }
}

impl Fields for PolicyStore {
    fn write(&self, out: &mut impl Sink) {
        out.int32(1, MOST);
        for entry in &self.entries {
            out.nested(2, entry);
        }
    }
}

impl PolicyStore {
    /// Serializes as the stock programs do.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        Fields::encode(self)
    }

    /// Tag and type of the entry with the private key that all of a machine's admission certificates are for.
    pub const AUTH_KEY: (&str, &str) = ("auth-key", "key");
    /// Tag and type of the entry with the key that stock applications use for their own data.
    pub const APP_KEY: (&str, &str) = ("app-symmetric-key", "key");
    /// Tag and type of the entry with the domains.
    pub const CERTIFIERS: (&str, &str) = ("all-certifiers", "certifiers_message");

    /// Reads a serialized `policy_store_message`.
    pub(super) fn decode(plain: &[u8]) -> Result<Self, ParseError> {
        let wire: PolicyStoreWire = decode_exactly(plain, "policy_store_message")?;
        let entries = wire.entries.into_iter().map(|mut entry| PolicyEntry {
            tag: entry.tag.take().unwrap_or_default(),
            kind: entry.kind.take().unwrap_or_default(),
            value: Secret::new(entry.value.take().unwrap_or_default()),
        });
        Ok(Self { entries: entries.collect() })
    }

    /// The first entry with this tag and type, which is the one that stock programs take.
    pub fn find(&self, (tag, kind): (&str, &str)) -> Option<&PolicyEntry> {
        self.entries.iter().find(|entry| entry.tag == tag && entry.kind == kind)
    }

    /// The domains.
    pub fn certifiers(&self) -> Result<Vec<Certifier>, ParseError> {
        let Some(entry) = self.find(Self::CERTIFIERS) else { return Ok(Vec::new()) };
        let wire = CertifiersWire::decode(entry.value.expose())
            .map_err(|_| ParseError::Message("certifiers_message"))?;
        let certifiers = wire.certifiers.into_iter().map(|certifier| Certifier {
            domain: certifier.domain_name.unwrap_or_default(),
            policy_certificate: certifier.domain_cert.unwrap_or_default(),
            admission_certificate: certifier.admissions_cert.unwrap_or_default(),
        });
        Ok(certifiers.collect())
    }
}
