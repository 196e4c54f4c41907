//! What a peer can ask to do.

use std::fmt;
use std::str::FromStr;

use crate::LineError;

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Put a new version, or have the broker generate it.
    Store,
    /// Get a version.
    Retrieve,
    /// See the name among others, and its newest version without the secret.
    List,
    /// See which versions there are, without their secrets.
    Versions,
    /// Make versions unavailable, and undo that.
    Delete,
    /// Destroy versions for good.
    Destroy,
    /// Have the broker make the next version.
    Rotate,
}

impl Action {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Store, Self::Retrieve, Self::List, Self::Versions, Self::Delete, Self::Destroy, Self::Rotate];

    /// The action's name in policies, logs and the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Retrieve => "retrieve",
            Self::List => "list",
            Self::Versions => "versions",
            Self::Delete => "delete",
            Self::Destroy => "destroy",
            Self::Rotate => "rotate",
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
        let none = if text == "administer" { LineError::Administer } else { LineError::Action };
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or(none)
    }
}
