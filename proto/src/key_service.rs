//! The key service's messages (port 8120): requests, validated once, and responses.
//!
//! Both dialects use the same two messages. In `claviger/1` a response also carries our fields (100 and
//! up), which stock programs skip.

use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::entry::check_size;
use crate::error::{ErrorCode, ParseError};
use crate::fields::{Fields, Sink};
use crate::limits::MAX_RESOURCE_NAME;
use crate::{DomainName, Entry, EntryType, ResourceName, Secret, Version};

/// A request, validated: every name in it is one of the channel's own domain.
pub enum Request {
    /// Put a new version of a resource.
    Store(Store),
    /// Get a version of a resource.
    Retrieve(Retrieve),
}

/// Put a new version of a resource.
pub struct Store {
    /// Which resource.
    pub name: ResourceName,
    /// The version asked for; `None` is the next.
    pub version: Option<Version>,
    /// What the blob is.
    pub entry_type: EntryType,
    /// Whether a retrieve may return it.
    pub exportable: bool,
    /// The secret.
    pub blob: Secret,
}

/// Get a version of a resource.
#[derive(Debug)]
pub struct Retrieve {
    /// Which resource.
    pub name: ResourceName,
    /// Which version; `None` is the latest.
    pub version: Option<Version>,
}

impl Request {
    /// The only name that decisions and stores use.
    pub fn name(&self) -> &ResourceName {
        match self {
            Self::Store(store) => &store.name,
            Self::Retrieve(retrieve) => &retrieve.name,
        }
    }

    /// The request type, as on the wire and in logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Store(_) => STORE,
            Self::Retrieve(_) => RETRIEVE,
        }
    }

    /// Serializes, as our own client sends it on a channel of `domain`: a store always carries a whole entry,
    /// so that type, version and exportable reach stock servers and ours alike.
    pub fn encode(self, domain: &DomainName) -> Zeroizing<Vec<u8>> {
        let mut message = RequestMessage::default();
        message.request_type = Some(self.kind().to_owned());
        message.resource_name = Some(self.name().to_wire(domain));
        match self {
            Self::Retrieve(Retrieve { version, .. }) => message.version = Some(Version::to_wire(version)),
            Self::Store(Store { name, version, entry_type, exportable, blob }) => {
                let tag = name.to_wire(domain);
                let entry = Entry { tag, entry_type, version, entered: 0, exportable, blob };
                message.value_type = Some(ENTRY_VALUE.to_owned());
                message.version = Some(Version::to_wire(version));
                message.data = Some(std::mem::take(&mut entry.encode()));
            }
        }
        Zeroizing::new(message.encode_to_vec())
    }
}

const STORE: &str = "store";
const RETRIEVE: &str = "retrieve";
/// What we write as `value_type` when the data is a `cryptstore_entry`; to the stock server it is any
/// value that isn't `binary-blob`.
const ENTRY_VALUE: &str = "cryptstore-entry";

/// The stock `key_service_message_request`. Private: it carries a secret.
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
}

impl Drop for RequestMessage {
    fn drop(&mut self) {
        self.data.zeroize();
    }
}

/// What of a request an answer repeats, even when the rest of it is refused.
#[derive(Debug, Default, Clone)]
pub struct Echo {
    resource_name: Option<String>,
}

/// A request's body, read: what an answer repeats, and the request or why it isn't one.
pub struct Decoded {
    /// For the answer.
    pub echo: Echo,
    /// The request.
    pub request: Result<Request, ParseError>,
}

/// Reads a request that came on a channel of `domain`.
pub fn decode_request(domain: &DomainName, body: &[u8]) -> Decoded {
    match RequestMessage::decode(body) {
        Err(_) => Decoded {
            echo: Echo::default(),
            request: Err(ParseError::Message("key_service_message_request")),
        },
        Ok(message) => {
            let resource_name = message.resource_name.clone().filter(|name| name.len() <= MAX_RESOURCE_NAME);
            Decoded { echo: Echo { resource_name }, request: validate(domain, message) }
        }
    }
}

fn validate(domain: &DomainName, message: RequestMessage) -> Result<Request, ParseError> {
    let name = message.resource_name.as_deref().unwrap_or_default();
    let version = || Version::from_wire(message.version.unwrap_or(0));
    match message.request_type.as_deref().unwrap_or_default() {
        RETRIEVE => Ok(Request::Retrieve(Retrieve {
            name: ResourceName::parse_in(domain, name)?,
            version: version()?,
        })),
        STORE => validate_store(domain, message).map(Request::Store),
        _ => Err(ParseError::UnknownRequest),
    }
}

/// A plain blob is stored under the request's name; anything else is a whole entry, whose tag and version
/// win over the request's (as stock servers have it) and are the only ones looked at from here on.
fn validate_store(domain: &DomainName, mut message: RequestMessage) -> Result<Store, ParseError> {
    let data = Secret::new(message.data.take().unwrap_or_default());
    if message.value_type.as_deref() == Some(EntryType::BINARY_BLOB) {
        let name = message.resource_name.as_deref().unwrap_or_default();
        check_size(&data)?;
        return Ok(Store {
            name: ResourceName::parse_in(domain, name)?,
            version: Version::from_wire(message.version.unwrap_or(0))?,
            entry_type: EntryType::binary_blob(),
            exportable: true,
            blob: data,
        });
    }
    let entry = Entry::decode(data.expose())?;
    Ok(Store {
        name: ResourceName::parse_in(domain, &entry.tag)?,
        version: entry.version,
        entry_type: entry.entry_type,
        exportable: entry.exportable,
        blob: entry.blob,
    })
}

/// The answer to a request.
pub enum Outcome {
    /// It was stored, as this version.
    Stored(Version),
    /// The entry asked for.
    Retrieved(Entry),
    /// It was refused. Never carries data.
    Refused(Refusal),
}

/// Why a request was refused, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The stable code.
    pub code: ErrorCode,
    /// For people: what happened and what to do next. Says nothing about what exists.
    pub message: String,
}

impl Refusal {
    /// A refusal with its text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Self::new(error.into(), error.to_string())
    }
}

/// The stock `key_service_message_response`, and our fields, to be read. Private: it carries a secret.
#[derive(prost::Message)]
#[prost(skip_debug)]
struct ResponseMessage {
    #[prost(string, optional, tag = "1")]
    resource_name: Option<String>,
    #[prost(string, optional, tag = "2")]
    response_type: Option<String>,
    #[prost(string, optional, tag = "3")]
    status: Option<String>,
    #[prost(bytes = "vec", optional, tag = "4")]
    data: Option<Vec<u8>>,
    #[prost(string, optional, tag = "100")]
    request_id: Option<String>,
    #[prost(string, optional, tag = "101")]
    error_code: Option<String>,
    #[prost(string, optional, tag = "102")]
    error_message: Option<String>,
    #[prost(int32, optional, tag = "103")]
    stored_version: Option<i32>,
}

impl Drop for ResponseMessage {
    fn drop(&mut self) {
        self.data.zeroize();
    }
}

const FINAL: &str = "final";
const SUCCEEDED: &str = "succeeded";
const FAILED: &str = "failed";

/// An answer, to be written. `request_id` is `None` towards stock peers, who get none of our fields.
struct Answer<'a> {
    echo: &'a Echo,
    request_id: Option<&'a str>,
    outcome: &'a Outcome,
}

impl Fields for Answer<'_> {
    fn write(&self, out: &mut impl Sink) {
        let refusal = match self.outcome {
            Outcome::Refused(refusal) => Some(refusal),
            _ => None,
        };
        out.maybe_text(1, self.echo.resource_name.as_deref());
        out.text(2, FINAL);
        out.text(3, if refusal.is_some() { FAILED } else { SUCCEEDED });
        if let Outcome::Retrieved(entry) = self.outcome {
            out.nested(4, entry);
        }
        let Some(request_id) = self.request_id else { return };
        out.text(100, request_id);
        if let Some(refusal) = refusal {
            out.text(101, refusal.code.as_str());
            out.text(102, &refusal.message);
        }
        if let Outcome::Stored(version) = self.outcome {
            out.int32(103, Version::to_wire(Some(*version)));
        }
    }
}

/// Serializes an answer. `request_id` is `None` towards stock peers, who get none of our fields.
pub fn encode_response(echo: &Echo, request_id: Option<&str>, outcome: &Outcome) -> Zeroizing<Vec<u8>> {
    Answer { echo, request_id, outcome }.encode()
}

/// An answer, as a client reads it.
pub struct Response {
    /// The broker's id of the request, if it is ours.
    pub request_id: Option<String>,
    /// What became of it. [`Outcome::Stored`]'s version is 1 where a stock server doesn't say.
    pub outcome: Outcome,
}

/// Reads an answer. A failure without a code (a stock server's) is "not found or not allowed".
pub fn decode_response(body: &[u8], stored: Option<Version>) -> Result<Response, ParseError> {
    let mut message =
        ResponseMessage::decode(body).map_err(|_| ParseError::Message("key_service_message_response"))?;
    let request_id = message.request_id.take();
    if message.status.as_deref() != Some(SUCCEEDED) {
        let code =
            message.error_code.as_deref().and_then(ErrorCode::from_text).unwrap_or(ErrorCode::NotFound);
        let text = message.error_message.take().unwrap_or_else(|| "the server answered: failed".to_owned());
        return Ok(Response { request_id, outcome: Outcome::Refused(Refusal::new(code, text)) });
    }
    let outcome = match message.data.take() {
        Some(data) if !data.is_empty() => Outcome::Retrieved(Entry::decode(Zeroizing::new(data).as_slice())?),
        _ => {
            let version = Version::from_wire(message.stored_version.unwrap_or(0))?;
            Outcome::Stored(version.or(stored).unwrap_or(Version::FIRST))
        }
    };
    Ok(Response { request_id, outcome })
}
