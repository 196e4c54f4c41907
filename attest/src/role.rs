//! The roles that a machine's certificate can give it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::IssueError;

/// What a machine is in its domain. People's roles (owner, operator, auditor) are not among these: they are
/// never derived from a machine's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A machine that stores and retrieves.
    Agent,
    /// A machine that keeps.
    Broker,
}

impl Role {
    /// The name, in bindings and on command lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Broker => "broker",
        }
    }
}

impl FromStr for Role {
    type Err = IssueError;

    fn from_str(text: &str) -> Result<Self, IssueError> {
        [Self::Agent, Self::Broker].into_iter().find(|r| r.as_str() == text).ok_or(IssueError::Role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
