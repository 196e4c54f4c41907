//! Answers: written by the broker, read by clients.

use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::challenge::{Challenge, Needs};
use super::info::{NameInfo, NameInfoWire, VersionInfo, VersionInfoWire};
use super::request::kind;
use super::request_wire::Echo;
use crate::error::{ErrorCode, ParseError};
use crate::fields::{Fields, Sink};
use crate::{Entry, Version};

/// The answer to a request.
pub enum Outcome {
    /// It was stored, as this version.
    Stored(Version),
    /// The entry asked for.
    Retrieved(Entry),
    /// A page of names.
    Listed(Listed),
    /// A page of versions, from the newest; what there is to ask for the next page with, if there is more.
    Versions(Vec<VersionInfo>, Option<Version>),
    /// One version.
    Described(VersionInfo),
    /// The state of these versions has changed; those that were in that state already are not among them.
    Changed(Vec<Version>),
    /// The channel's challenge was answered, and the proof holds from now on.
    Proven,
    /// It was refused. Never carries an entry.
    Refused(Refusal),
}

/// A page of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The names, in the order of their bytes.
    pub names: Vec<NameInfo>,
    /// What to ask for the next page with, if there is more. It may be no name that the peer may see.
    pub next: Option<String>,
}

/// Why a request was refused, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The stable code.
    pub code: ErrorCode,
    /// For people: what happened and what to do next. Says nothing about what exists.
    pub message: String,
    /// What the peer can answer, and then ask again. Not for stock peers, to whom the connection gives one request.
    pub challenge: Option<Box<Challenge>>,
    /// After how many milliseconds asking again may help, where that is known.
    pub retry_after_ms: Option<u32>,
}

impl Refusal {
    /// A refusal with its text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), challenge: None, retry_after_ms: None }
    }

    /// A refusal that a proof on this channel may turn.
    pub fn challenge(challenge: Challenge, message: impl Into<String>) -> Self {
        let challenge = Some(Box::new(challenge));
        Self { code: ErrorCode::ProofNeeded, message: message.into(), challenge, retry_after_ms: None }
    }

    /// The same, with how many milliseconds to wait.
    #[must_use]
    pub fn after(self, milliseconds: u32) -> Self {
        Self { retry_after_ms: Some(milliseconds), ..self }
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Self::new(error.into(), error.to_string())
    }
}

const FINAL: &str = "final";
const CHALLENGE: &str = "request-further-authentication";
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
        // To stock peers a challenge is a refusal like any other.
        let challenge = refusal.and_then(|refusal| refusal.challenge.as_ref());
        let challenge = challenge.filter(|_| self.request_id.is_some());
        out.text(2, if challenge.is_some() { CHALLENGE } else { FINAL });
        out.text(3, if refusal.is_some() { FAILED } else { SUCCEEDED });
        if let Outcome::Retrieved(entry) = self.outcome {
            out.nested(4, entry);
        }
        if let Some(challenge) = challenge {
            out.bytes(4, &challenge.nonce);
        }
        let Some(request_id) = self.request_id else { return };
        out.text(100, request_id);
        if let Some(refusal) = refusal {
            out.text(101, refusal.code.as_str());
            out.text(102, &refusal.message);
        }
        self.write_ours(out);
    }
}

impl Answer<'_> {
    fn write_ours(&self, out: &mut impl Sink) {
        match self.outcome {
            Outcome::Retrieved(_) => {}
            Outcome::Refused(refusal) => {
                for word in refusal.challenge.iter().flat_map(|challenge| challenge.needs.words()) {
                    out.text(109, word);
                }
                if let Some(wait) = refusal.retry_after_ms {
                    out.int32(110, i32::try_from(wait).unwrap_or(i32::MAX));
                }
            }
            Outcome::Proven => out.text(104, PROVEN),
            Outcome::Stored(version) => out.int32(103, Version::to_wire(Some(*version))),
            Outcome::Listed(Listed { names, next }) => {
                out.text(104, kind::LIST);
                for name in names {
                    out.nested(105, name);
                }
                out.maybe_text(106, next.as_deref());
            }
            Outcome::Versions(versions, next) => {
                out.text(104, kind::VERSIONS);
                out.maybe_text(106, next.map(|version| version.to_string()).as_deref());
                for version in versions {
                    out.nested(107, version);
                }
            }
            Outcome::Described(version) => {
                out.text(104, kind::DESCRIBE);
                out.nested(107, version);
            }
            Outcome::Changed(versions) => {
                out.text(104, CHANGED);
                for version in versions {
                    out.int32(108, Version::to_wire(Some(*version)));
                }
            }
        }
    }
}

/// What an answer to a deletion, a restoration or a destruction says it is.
const CHANGED: &str = "changed";

/// What an answer to a proof says it is.
const PROVEN: &str = "proven";

/// Serializes an answer. `request_id` is `None` towards stock peers, who get none of our fields.
pub fn encode_response(echo: &Echo, request_id: Option<&str>, outcome: &Outcome) -> Zeroizing<Vec<u8>> {
    Answer { echo, request_id, outcome }.encode()
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
    /// What the answer is, where it isn't one to a store or a retrieve.
    #[prost(string, optional, tag = "104")]
    answer: Option<String>,
    #[prost(message, repeated, tag = "105")]
    names: Vec<NameInfoWire>,
    #[prost(string, optional, tag = "106")]
    next: Option<String>,
    #[prost(message, repeated, tag = "107")]
    versions: Vec<VersionInfoWire>,
    #[prost(int32, repeated, packed = "false", tag = "108")]
    changed: Vec<i32>,
    /// What a challenge asks for.
    #[prost(string, repeated, tag = "109")]
    needs: Vec<String>,
    /// Milliseconds.
    #[prost(int32, optional, tag = "110")]
    retry_after: Option<i32>,
}

impl Drop for ResponseMessage {
    fn drop(&mut self) {
        self.data.zeroize();
    }
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
        let mut refusal = Refusal::new(code, text);
        refusal.retry_after_ms = message.retry_after.and_then(|wait| u32::try_from(wait).ok());
        refusal.challenge = read_challenge(&message)?.map(Box::new);
        return Ok(Response { request_id, outcome: Outcome::Refused(refusal) });
    }
    let outcome = match message.answer.take() {
        Some(answer) => read_ours(&answer, &mut message)?,
        None => read_stock(&mut message, stored)?,
    };
    Ok(Response { request_id, outcome })
}

/// The challenge that a refusal brings, if it does.
fn read_challenge(message: &ResponseMessage) -> Result<Option<Challenge>, ParseError> {
    if message.response_type.as_deref() != Some(CHALLENGE) {
        return Ok(None);
    }
    let nonce = message.data.as_deref().and_then(|data| data.try_into().ok());
    let nonce = nonce.ok_or(ParseError::Missing("challenge of 32 bytes"))?;
    let needs = Needs::read(message.needs.iter().map(String::as_str));
    Ok(Some(Challenge { nonce, needs }))
}

fn read_stock(message: &mut ResponseMessage, stored: Option<Version>) -> Result<Outcome, ParseError> {
    match message.data.take() {
        Some(data) if !data.is_empty() => {
            Ok(Outcome::Retrieved(Entry::decode(Zeroizing::new(data).as_slice())?))
        }
        _ => {
            let version = Version::from_wire(message.stored_version.unwrap_or(0))?;
            Ok(Outcome::Stored(version.or(stored).unwrap_or(Version::FIRST)))
        }
    }
}

fn read_ours(answer: &str, message: &mut ResponseMessage) -> Result<Outcome, ParseError> {
    let names = std::mem::take(&mut message.names);
    let versions = std::mem::take(&mut message.versions).into_iter().map(VersionInfoWire::read);
    match answer {
        kind::LIST => {
            let names = names.into_iter().map(NameInfoWire::read).collect::<Result<_, _>>()?;
            Ok(Outcome::Listed(Listed { names, next: message.next.take() }))
        }
        kind::VERSIONS => {
            let next = message.next.take().map(|text| text.parse().ok().and_then(Version::new));
            let next =
                next.map(|next| next.ok_or(ParseError::Missing("version to go on from"))).transpose()?;
            Ok(Outcome::Versions(versions.collect::<Result<_, _>>()?, next))
        }
        kind::DESCRIBE => {
            let mut versions = versions;
            versions.next().unwrap_or(Err(ParseError::Missing("version"))).map(Outcome::Described)
        }
        PROVEN => Ok(Outcome::Proven),
        CHANGED => {
            let version = |number| Version::from_wire(number)?.ok_or(ParseError::Missing("version"));
            Ok(Outcome::Changed(message.changed.iter().copied().map(version).collect::<Result<_, _>>()?))
        }
        _ => Err(ParseError::Message("key_service_message_response")),
    }
}
