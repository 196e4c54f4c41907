//! How much a domain may take of a broker.

use serde::{Deserialize, Serialize};

use crate::DomainName;

/// What the operator allows a domain, where that isn't what the broker allows every domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Most names that have had a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<u64>,
    /// Most bytes: of secrets that aren't destroyed, and 256 for each version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Most versions of one name, destroyed ones too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions_per_name: Option<u32>,
    /// Most requests begun in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// Most TLS handshakes begun in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshakes_per_second: Option<u32>,
    /// Most open connections of members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
}

impl Quotas {
    /// The largest of each, in the order of the fields; the smallest is 1.
    const MOST: [u64; 6] = [1 << 40, 1 << 50, 1 << 30, 10_000_000, 1_000_000, 1 << 20];

    /// Each with its name, in the order of the fields.
    pub fn named(&self) -> [(&'static str, Option<u64>); 6] {
        [
            ("names", self.names),
            ("bytes", self.bytes),
            ("versions-per-name", self.versions_per_name.map(u64::from)),
            ("requests-per-second", self.requests_per_second.map(u64::from)),
            ("handshakes-per-second", self.handshakes_per_second.map(u64::from)),
            ("connections", self.connections.map(u64::from)),
        ]
    }

    /// The name of one that can't be, and the most that it can be.
    pub fn out_of_bounds(&self) -> Option<(&'static str, u64)> {
        let named = self.named().into_iter().zip(Self::MOST);
        let out = |value: Option<u64>, most| value.is_some_and(|value| !(1..=most).contains(&value));
        named.into_iter().find(|((_, value), most)| out(*value, *most)).map(|((name, _), most)| (name, most))
    }

    /// Whether the operator says nothing of this domain.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a domain may, and what it takes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaUse {
    /// Names that have had a version.
    pub names: u64,
    /// Bytes, counted as the quota counts them.
    pub bytes: u64,
    /// Open connections of members.
    pub connections: u64,
}

/// A domain's quotas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainQuota {
    /// Whose.
    pub domain: DomainName,
    /// What the operator says of this domain.
    pub set: Quotas,
    /// What is in force: that, and the broker's own limits for the rest. None is missing.
    pub in_force: Quotas,
    /// What it takes up now.
    pub used: QuotaUse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quota_has_bounds_of_its_own() {
        assert_eq!(Quotas::default().out_of_bounds(), None);
        let zero = |text: &str| serde_json::from_str::<Quotas>(text).expect("quotas").out_of_bounds();
        for name in [
            "names",
            "bytes",
            "versions_per_name",
            "requests_per_second",
            "handshakes_per_second",
            "connections",
        ] {
            let found = zero(&format!("{{\"{name}\": 0}}")).map(|(name, _)| name.replace('-', "_"));
            assert_eq!(found.as_deref(), Some(name));
            assert_eq!(zero(&format!("{{\"{name}\": 1}}")), None);
        }
        assert_eq!(zero(r#"{"connections": 1048577}"#), Some(("connections", 1 << 20)));
    }

    #[test]
    fn what_is_not_said_is_not_written() {
        assert_eq!(serde_json::to_string(&Quotas::default()).expect("JSON"), "{}");
        assert!(serde_json::from_str::<Quotas>(r#"{"entries": 1}"#).is_err(), "no quota of ours");
    }
}
