//! What a peer could do, and which rule says so.

use serde::{Deserialize, Serialize};

use crate::ErrorCode;

/// A question to a domain's access rules about somebody who need not be there. A certificate says by itself who its
/// machine is; without one it is whoever the rest says, a member of whom nothing else is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AclQuestion {
    /// Its admission certificate, DER in hex.
    #[serde(default)]
    pub certificate: Option<String>,
    /// What it runs, hex.
    #[serde(default)]
    pub measurement: Option<String>,
    /// What the domain calls what it runs, in the place of `measurement`.
    #[serde(default)]
    pub label: Option<String>,
    /// SHA-256 of its certificate, hex.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// The id of its instance, hex, or what the domain calls it.
    #[serde(default)]
    pub instance: Option<String>,
    /// The principals that proved themselves on its channel.
    #[serde(default)]
    pub principals: Vec<String>,
    /// How old the fresh evidence is that it gave on its channel, in seconds; absent where it gave none.
    #[serde(default)]
    pub fresh_age: Option<u32>,
    /// The address that it asks from, IPv4 or IPv6.
    #[serde(default)]
    pub source: Option<String>,
    /// When it asks, seconds since 1970; absent is now.
    #[serde(default)]
    pub at: Option<u64>,
    /// Its platform's reported TCB, as rules write one: `bootloader=4 snp=22`.
    #[serde(default)]
    pub tcb: Option<String>,
    /// What it asks to do: `store`, `retrieve`, `list`, `versions`, `delete`, `destroy`, `rotate`.
    pub action: String,
    /// To which resource, without the domain's name.
    pub resource: String,
}

/// What the rules in force say to that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclAnswer {
    /// Whether it may do it.
    pub allowed: bool,
    /// What it is told otherwise.
    pub code: Option<ErrorCode>,
    /// Why, in a sentence.
    pub why: String,
    /// The rules that this comes from.
    pub rules: Vec<AclRule>,
    /// What may be meant otherwise than it is asked, a sentence each.
    pub warnings: Vec<String>,
}

/// A rule that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclRule {
    /// The preset that it is of; absent for the owner's own.
    pub preset: Option<String>,
    /// Its line in the preset's text or in the owner's, from 1.
    pub line: usize,
    /// The line itself.
    pub text: String,
    /// `allow` or `deny`.
    pub effect: String,
    /// What of its condition doesn't hold: `fresh-within`, `principal`, `source`, `between`, `tcb-at-least`.
    pub lacks: Vec<String>,
}
