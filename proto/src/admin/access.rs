//! Who may do what: presets, rules, principals.

use serde::{Deserialize, Serialize};

/// The preset to put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPreset {
    /// `closed`, `members` or `provisioned`.
    pub preset: String,
}

/// The access rules of a domain's own, in force beside its preset's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AclRules {
    /// A rule or role to a line; nothing is none.
    pub rules: String,
}

/// The access rules of a domain's own that are in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AclRulesInForce {
    /// A rule or role to a line; nothing is none.
    pub rules: String,
    /// What may be meant otherwise than it is said, a sentence each.
    pub warnings: Vec<String>,
}

/// What a domain lets stock programs do, which prove less than ours. By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockPeers {
    /// Members that speak the stock dialect are served by the key service.
    pub key_service: bool,
    /// Stock evidence, which answers no challenge, is admitted; what is admitted so can be a stock server too.
    pub admission: bool,
}

impl StockPeers {
    /// Nothing is allowed.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A principal to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddPrincipal {
    /// Its name in the domain.
    pub name: String,
    /// Its certificate, or that of an authority over it; DER in hex.
    pub certificate: String,
}

/// A certificate by which a domain knows a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Its name in the domain.
    pub name: String,
    /// SHA-256 of the certificate, hex.
    pub fingerprint: String,
    /// Whether it is an authority's: whoever has a certificate under it with this name as its common name.
    pub authority: bool,
    /// When the certificate ends, seconds since 1970.
    pub not_after: i64,
}
