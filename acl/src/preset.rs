//! Ready-made policies.

use std::fmt;
use std::str::FromStr;

use claviger_proto::DomainName;
use serde::{Deserialize, Serialize};

use crate::AclError;

/// A ready-made policy of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Nobody may do anything.
    #[default]
    Closed,
    /// Every member stores and retrieves everything.
    Members,
    /// Members with the label `deployment` store, every member retrieves.
    Provisioned,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Members, Self::Provisioned];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Members => "members",
            Self::Provisioned => "provisioned",
        }
    }

    /// The policy, as the text that a domain's owner could have written. A domain's name has no character
    /// that means anything in it.
    pub fn policy(self, domain: &DomainName) -> String {
        match self {
            Self::Closed => String::new(),
            Self::Members => format!(
                "p, member, {domain}, **, store, allow\n\
                 p, member, {domain}, **, retrieve, allow\n"
            ),
            Self::Provisioned => format!(
                "p, label:deployment, {domain}, **, store, allow\n\
                 p, member, {domain}, **, retrieve, allow\n"
            ),
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Preset {
    type Err = AclError;

    fn from_str(text: &str) -> Result<Self, AclError> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == text).ok_or(AclError::UnknownPreset)
    }
}
