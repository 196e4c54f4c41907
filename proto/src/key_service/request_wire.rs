//! Requests on the wire: written by clients, read and validated by the broker.

mod stock;

pub use stock::{encode_stock_retrieve, encode_stock_store};

use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::Dialect;
use super::challenge::{Credentials, FreshEvidence, Proof};
use super::request::{
    Generate, Latest, List, PageSize, PutOptions, Request, Retrieve, Rotate, Store, Target, Versions, Which,
    kind,
};
use crate::entry::check_size;
use crate::error::ParseError;
use crate::key::pem;
use crate::limits::{MAX_ADMISSION_FRAME, MAX_KEY_KIND, MAX_RESOURCE_NAME};
use crate::trust::EvidencePackage;
use crate::{DomainName, Entry, EntryType, ResourceName, Secret, Version};

/// What we write as `value_type` when the data is a `cryptstore_entry`; to the stock server it is any
/// value that isn't `binary-blob`.
const ENTRY_VALUE: &str = "cryptstore-entry";

/// The stock `key_service_message_request`, and our fields. Private: it carries a secret.
#[derive(prost::Message)]
#[prost(skip_debug)]
struct RequestMessage {
    #[prost(string, optional, tag = "1")]
    resource_name: Option<String>,
    #[prost(string, optional, tag = "2")]
    request_type: Option<String>,
    #[prost(string, optional, tag = "3")]
    value_type: Option<String>,
    #[prost(int32, optional, tag = "4")]
    version: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "5")]
    data: Option<Vec<u8>>,
    #[prost(string, optional, tag = "6")]
    serialized_credentials: Option<String>,
    /// Put only if this is the latest version; 0 is "there has never been one".
    #[prost(int32, optional, tag = "100")]
    if_latest: Option<i32>,
    /// Seconds since 1970.
    #[prost(int64, optional, tag = "101")]
    expires: Option<i64>,
    #[prost(string, optional, tag = "102")]
    key_kind: Option<String>,
    #[prost(bool, optional, tag = "103")]
    exportable: Option<bool>,
    #[prost(bool, optional, tag = "104")]
    all_versions: Option<bool>,
    #[prost(string, optional, tag = "105")]
    prefix: Option<String>,
    /// A name (list) or a version (versions): the last of the page before.
    #[prost(string, optional, tag = "106")]
    page_after: Option<String>,
    #[prost(int32, optional, tag = "107")]
    page_size: Option<i32>,
    /// Fresh evidence, as at admission.
    #[prost(string, optional, tag = "108")]
    submitted_evidence_type: Option<String>,
    #[prost(message, optional, tag = "109")]
    evidence: Option<EvidencePackage>,
}

impl Drop for RequestMessage {
    fn drop(&mut self) {
        self.data.zeroize();
    }
}

impl Request {
    /// Serializes, as our own client sends it on a channel of `domain`: a store always carries a whole entry,
    /// so that type, version and exportable reach stock servers and ours alike.
    pub fn encode(self, domain: &DomainName) -> Zeroizing<Vec<u8>> {
        let mut message = RequestMessage::default();
        message.request_type = Some(self.kind().to_owned());
        message.resource_name = self.name().map(|name| name.to_wire(domain));
        match self {
            Self::Retrieve(Retrieve { version, .. }) | Self::Describe(Retrieve { version, .. }) => {
                message.version = Some(Version::to_wire(version));
            }
            Self::Store(Store { name, version, entry_type, exportable, blob, options }) => {
                let tag = name.to_wire(domain);
                let entry = Entry { tag, entry_type, version, entered: 0, exportable, blob };
                message.value_type = Some(ENTRY_VALUE.to_owned());
                message.version = Some(Version::to_wire(version));
                message.data = Some(std::mem::take(&mut entry.encode()));
                message.set_options(options);
            }
            Self::Generate(Generate { kind, exportable, options, .. }) => {
                message.key_kind = Some(kind);
                message.exportable = Some(exportable);
                message.set_options(options);
            }
            Self::Rotate(Rotate { options, .. }) => message.set_options(options),
            Self::List(List { prefix, after, limit }) => {
                message.prefix = Some(prefix);
                message.set_page(after.map(|name| name.to_wire(domain)), limit);
            }
            Self::Versions(Versions { before, limit, .. }) => {
                message.set_page(before.map(|version| version.to_string()), limit);
            }
            Self::Delete(target) | Self::Undelete(target) | Self::Destroy(target) => match target.versions {
                Which::One(version) => message.version = Some(Version::to_wire(Some(version))),
                Which::All => message.all_versions = Some(true),
            },
        }
        Zeroizing::new(message.encode_to_vec())
    }
}

impl Proof {
    /// Serializes, as our own client sends it.
    pub fn encode(self) -> Zeroizing<Vec<u8>> {
        let mut message = RequestMessage::default();
        match self {
            Self::Freshness(FreshEvidence { submitted, evidence }) => {
                message.request_type = Some(kind::FRESHNESS.to_owned());
                message.submitted_evidence_type = Some(submitted);
                message.evidence = Some(evidence);
            }
            Self::Principal(Credentials { chain, signature }) => {
                message.request_type = Some(kind::SIGNED_NONCE.to_owned());
                message.serialized_credentials = Some(pem::write_certificates(&chain));
                message.data = Some(signature);
            }
        }
        Zeroizing::new(message.encode_to_vec())
    }
}

/// Serializes the request for a challenge.
pub fn encode_challenge_request() -> Vec<u8> {
    let mut message = RequestMessage::default();
    message.request_type = Some(kind::CHALLENGE.to_owned());
    message.encode_to_vec()
}

impl RequestMessage {
    fn set_options(&mut self, options: PutOptions) {
        self.if_latest = options.if_latest.map(|latest| match latest {
            Latest::None => 0,
            Latest::Is(version) => Version::to_wire(Some(version)),
        });
        self.expires = options.expires;
    }

    fn set_page(&mut self, after: Option<String>, size: PageSize) {
        self.page_after = after;
        self.page_size = i32::try_from(size.get()).ok();
    }

    fn read_name(&self, domain: &DomainName) -> Result<ResourceName, ParseError> {
        ResourceName::parse_in(domain, self.resource_name.as_deref().unwrap_or_default())
    }

    fn read_version(&self) -> Result<Option<Version>, ParseError> {
        Version::from_wire(self.version.unwrap_or(0))
    }

    fn read_options(&self) -> Result<PutOptions, ParseError> {
        let latest = self.if_latest.map(Version::from_wire).transpose()?;
        match self.expires {
            Some(..=0) => Err(ParseError::Expiry),
            expires => Ok(PutOptions { if_latest: latest.map(Latest::of), expires }),
        }
    }

    fn read_page_size(&self) -> Result<PageSize, ParseError> {
        match self.page_size {
            None => Ok(PageSize::default()),
            Some(size) => usize::try_from(size).ok().and_then(PageSize::new).ok_or(ParseError::PageSize),
        }
    }

    fn read_target(&self, domain: &DomainName) -> Result<Target, ParseError> {
        let versions = match (self.read_version()?, self.all_versions.unwrap_or(false)) {
            (Some(version), false) => Which::One(version),
            (None, true) => Which::All,
            _ => return Err(ParseError::Missing("version, or that all are meant (one of the two)")),
        };
        Ok(Target { name: self.read_name(domain)?, versions })
    }
}

/// What of a request an answer repeats, even when the rest of it is refused.
#[derive(Debug, Default, Clone)]
pub struct Echo {
    pub(super) resource_name: Option<String>,
}

/// What a peer asks.
pub enum Asked {
    /// Something about resources.
    Request(Request),
    /// A challenge, before a request needs one.
    Challenge,
    /// That its answer to the channel's challenge be judged.
    Proof(Proof),
}

/// A request's body, read: what an answer repeats, and what was asked or why it is nothing.
pub struct Decoded {
    /// For the answer.
    pub echo: Echo,
    /// What was asked.
    pub asked: Result<Asked, ParseError>,
}

impl Decoded {
    /// The request, where only those about resources are taken.
    pub fn request(self) -> Result<Request, ParseError> {
        match self.asked? {
            Asked::Request(request) => Ok(request),
            Asked::Challenge | Asked::Proof(_) => Err(ParseError::UnknownRequest),
        }
    }
}

/// Reads a request that came on a channel of `domain`.
pub fn decode_request(dialect: Dialect, domain: &DomainName, body: &[u8]) -> Decoded {
    match RequestMessage::decode(body) {
        Err(_) => {
            Decoded { echo: Echo::default(), asked: Err(ParseError::Message("key_service_message_request")) }
        }
        Ok(mut message) => {
            let asked = match (dialect, message.request_type.as_deref()) {
                (Dialect::Ours, Some(kind::CHALLENGE)) => Ok(Asked::Challenge),
                (Dialect::Ours, Some(kind::FRESHNESS | kind::SIGNED_NONCE)) => {
                    proof(&mut message, body.len()).map(Asked::Proof)
                }
                _ => validate(dialect, domain, &mut message).map(Asked::Request),
            };
            let resource_name = message.resource_name.take().filter(|name| name.len() <= MAX_RESOURCE_NAME);
            Decoded { echo: Echo { resource_name }, asked }
        }
    }
}

/// An answer to a challenge; as at admission, it has `size` bytes at most.
fn proof(message: &mut RequestMessage, size: usize) -> Result<Proof, ParseError> {
    if size > MAX_ADMISSION_FRAME {
        return Err(ParseError::FrameTooLarge);
    }
    if message.request_type.as_deref() == Some(kind::FRESHNESS) {
        let submitted = message.submitted_evidence_type.take();
        return Ok(Proof::Freshness(FreshEvidence {
            submitted: submitted.ok_or(ParseError::Missing("submitted_evidence_type"))?,
            evidence: message.evidence.take().ok_or(ParseError::Missing("evidence"))?,
        }));
    }
    let chain = message.serialized_credentials.as_deref().unwrap_or_default();
    let chain = pem::read_certificates(chain.as_bytes())?;
    let signature = message.data.take().filter(|signature| !signature.is_empty());
    let signature = signature.ok_or(ParseError::Missing("signature"))?;
    Ok(Proof::Principal(Credentials { chain, signature }))
}

fn validate(
    dialect: Dialect,
    domain: &DomainName,
    message: &mut RequestMessage,
) -> Result<Request, ParseError> {
    match (dialect, message.request_type.as_deref().unwrap_or_default()) {
        (_, kind::RETRIEVE) => Ok(Request::Retrieve(retrieve(domain, message)?)),
        (_, kind::STORE) => validate_store(dialect, domain, message).map(Request::Store),
        (Dialect::Ours, kind) => validate_ours(kind, domain, message),
        (Dialect::Stock, _) => Err(ParseError::UnknownRequest),
    }
}

/// The request types that only our dialect has.
fn validate_ours(kind: &str, domain: &DomainName, message: &RequestMessage) -> Result<Request, ParseError> {
    match kind {
        kind::DESCRIBE => Ok(Request::Describe(retrieve(domain, message)?)),
        kind::GENERATE => {
            let kind = message.key_kind.clone().filter(|kind| (1..=MAX_KEY_KIND).contains(&kind.len()));
            Ok(Request::Generate(Generate {
                name: message.read_name(domain)?,
                kind: kind.ok_or(ParseError::Missing("kind of key"))?,
                exportable: message.exportable.unwrap_or(true),
                options: message.read_options()?,
            }))
        }
        kind::ROTATE => {
            Ok(Request::Rotate(Rotate { name: message.read_name(domain)?, options: message.read_options()? }))
        }
        kind::LIST => list(domain, message).map(Request::List),
        kind::VERSIONS => {
            let before = message.page_after.as_deref().map(|text| text.parse().ok().and_then(Version::new));
            let before = before.map(|version| version.ok_or(ParseError::Missing("version to go on from")));
            let (name, limit) = (message.read_name(domain)?, message.read_page_size()?);
            Ok(Request::Versions(Versions { name, before: before.transpose()?, limit }))
        }
        kind::DELETE => message.read_target(domain).map(Request::Delete),
        kind::UNDELETE => message.read_target(domain).map(Request::Undelete),
        kind::DESTROY => message.read_target(domain).map(Request::Destroy),
        _ => Err(ParseError::UnknownRequest),
    }
}

fn retrieve(domain: &DomainName, message: &RequestMessage) -> Result<Retrieve, ParseError> {
    Ok(Retrieve { name: message.read_name(domain)?, version: message.read_version()? })
}

fn list(domain: &DomainName, message: &RequestMessage) -> Result<List, ParseError> {
    let prefix = message.prefix.clone().unwrap_or_default();
    if prefix.len() > MAX_RESOURCE_NAME {
        return Err(ParseError::ResourceNameTooLong);
    }
    let after = message.page_after.as_deref().map(|name| ResourceName::parse_in(domain, name)).transpose()?;
    Ok(List { prefix, after, limit: message.read_page_size()? })
}

/// A plain blob is stored under the request's name; anything else is a whole entry, whose tag and version
/// win over the request's (as stock servers have it) and are the only ones looked at from here on.
fn validate_store(
    dialect: Dialect,
    domain: &DomainName,
    message: &mut RequestMessage,
) -> Result<Store, ParseError> {
    let data = Secret::new(message.data.take().unwrap_or_default());
    let options = match dialect {
        Dialect::Ours => message.read_options()?,
        Dialect::Stock => PutOptions::default(),
    };
    if message.value_type.as_deref() == Some(EntryType::BINARY_BLOB) {
        check_size(&data)?;
        return Ok(Store {
            name: message.read_name(domain)?,
            version: message.read_version()?,
            entry_type: EntryType::binary_blob(),
            exportable: true,
            blob: data,
            options,
        });
    }
    let entry = Entry::decode(data.expose())?;
    Ok(Store {
        name: ResourceName::parse_in(domain, &entry.tag)?,
        version: entry.version,
        entry_type: entry.entry_type,
        exportable: entry.exportable,
        blob: entry.blob,
        options,
    })
}
