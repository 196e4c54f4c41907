//! What a peer can ask to do.

use std::fmt;
use std::str::FromStr;

use crate::LineError;

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Put a new version.
    Store,
    /// Get a version.
    Retrieve,
}

impl Action {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Store, Self::Retrieve];

    /// The action's name in policies, logs and the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Retrieve => "retrieve",
        }
    }

    /// Its place in [`Action::ALL`].
    pub(crate) fn number(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or(LineError::Action)
    }
}
