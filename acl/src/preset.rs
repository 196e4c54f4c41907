//! Ready-made policies.

use std::fmt;
use std::str::FromStr;

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
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Members => "members",
            Self::Provisioned => "provisioned",
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
        [Self::Closed, Self::Members, Self::Provisioned]
            .into_iter()
            .find(|preset| preset.as_str() == text)
            .ok_or(AclError::UnknownPreset)
    }
}
