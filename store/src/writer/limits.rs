//! What a writer refuses to put, though the wire lets it through.

use claviger_proto::limits::{MAX_DATA, MAX_RESOURCE_NAME};

/// Limits of what is put from now on. What is stored already stays, and can be read, changed and deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutLimits {
    /// Most versions of one name, destroyed ones too: each is kept, for no version is ever used again.
    pub versions: u32,
    /// Longest name that a first version is put under, in bytes.
    pub name: usize,
    /// Largest secret, in bytes.
    pub secret: usize,
}

impl Default for PutLimits {
    /// Those of the wire, and no limit of versions.
    fn default() -> Self {
        Self { versions: u32::MAX, name: MAX_RESOURCE_NAME, secret: MAX_DATA }
    }
}
