//! What a writer refuses to put, though the wire lets it through.

use crate::Quota;
use claviger_proto::limits::{MAX_DATA, MAX_RESOURCE_NAME};

/// Limits of what is put from now on. What is stored already stays, and can be read, changed and deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutLimits {
    /// Most versions of one name, destroyed ones too: each is kept, for no version is ever used again.
    pub versions: u32,
    /// Most names of a domain.
    pub names: u64,
    /// Most bytes of a domain, counted as in [`crate::Usage::bytes`].
    pub bytes: u64,
    /// Longest name that a first version is put under, in bytes.
    pub name: usize,
    /// Largest secret, in bytes.
    pub secret: usize,
}

impl Default for PutLimits {
    /// Those of the wire, and no limit of what a domain takes up.
    fn default() -> Self {
        let (names, bytes) = (u64::MAX, u64::MAX);
        Self { versions: u32::MAX, names, bytes, name: MAX_RESOURCE_NAME, secret: MAX_DATA }
    }
}

impl PutLimits {
    /// These, with what a domain's own quota says otherwise.
    pub(super) fn of(self, quota: Quota) -> Self {
        Self {
            versions: quota.versions.unwrap_or(self.versions),
            names: quota.names.unwrap_or(self.names),
            bytes: quota.bytes.unwrap_or(self.bytes),
            ..self
        }
    }
}
