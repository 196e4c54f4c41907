//! What a peer can ask to do.

use std::fmt;

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Put a new version.
    Store,
    /// Get a version.
    Retrieve,
}

impl Action {
    /// The action's name in policies, logs and the audit trail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Retrieve => "retrieve",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
