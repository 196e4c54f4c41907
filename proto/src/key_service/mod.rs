//! The key service's messages (port 8120): requests, validated once, and answers.
//!
//! Both dialects use the same two messages. `claviger/1` has more request types, and fields of ours (100 and
//! up) in both messages, which stock programs skip and which are not looked at in what they send.

mod answer;
mod challenge;
mod info;
mod request;
mod request_wire;

pub use answer::{Listed, Outcome, Refusal, Response, decode_response, encode_response};
pub use challenge::{Challenge, Credentials, FreshEvidence, Needs, Proof};
pub use info::{NameInfo, State, VersionInfo};
pub use request::{
    Generate, Latest, List, PageSize, PutOptions, Request, Retrieve, Rotate, Store, Target, Versions, Which,
};
pub use request_wire::{
    Asked, Decoded, Echo, decode_request, encode_challenge_request, encode_stock_retrieve, encode_stock_store,
};

/// Which dialect a channel speaks; its ALPN says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `claviger/1`.
    Ours,
    /// The stock programs'.
    Stock,
}
