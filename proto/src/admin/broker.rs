//! The broker as it is now.

use serde::{Deserialize, Serialize};

use crate::DomainName;

/// Where the broker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has no root key and serves nothing.
    Sealed,
    /// It serves.
    Ready,
    /// It finishes what it began and takes nothing new.
    Draining,
}

/// The broker, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Where it is in its life.
    pub state: State,
    /// Its id, made at `init`.
    pub broker_id: String,
    /// How many domains it serves; `None` while it is sealed: which there are is sealed, too.
    pub domains: Option<usize>,
    /// How many shards serve them.
    pub shards: usize,
    /// Open connections of the key service and of admission together.
    pub connections: usize,
    /// Where its domains come from, if from another broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
}

/// The home broker that a broker gets its domains from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// The address of its admission.
    pub address: String,
    /// Each domain that is pulled.
    pub domains: Vec<PulledDomain>,
}

/// How it goes with a domain that is pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulledDomain {
    /// Which.
    pub domain: DomainName,
    /// `waiting` before the first pull has ended, `ok`, `unreachable` (it is served as it was last), `refused` by home, or
    /// `not-taken`, for what came can't be.
    pub state: String,
    /// What is wrong, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When home was last heard, in this run of the broker, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ok: Option<i64>,
}
