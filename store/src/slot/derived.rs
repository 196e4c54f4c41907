//! The slot `derived:`: a key that the platform derives for this machine is the factor. The store never talks to a
//! platform: whoever has one brings the key.

use claviger_proto::Secret;
use serde::{Deserialize, Serialize};

use crate::slot::SlotError;

/// Fewest bytes of a derived key.
const SHORTEST: usize = 32;

/// What a derived key was asked for with, and has to be asked for with again. Authenticated with its slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DerivedFrom {
    /// Which platform, as on a command line: `sev-snp:device`, `simulated-enclave:DIR`.
    pub platform: String,
    /// The privilege level mixed in (SEV-SNP ABI, `MSG_KEY_REQ`).
    pub vmpl: u32,
    /// The guest SVN mixed in.
    pub guest_svn: u32,
    /// The TCB version mixed in.
    pub tcb: u64,
}

/// A platform's derived key. No `Debug`, no `Clone`.
pub struct DerivedKey {
    /// What it was asked for with.
    pub from: DerivedFrom,
    /// The key, at least 32 bytes.
    pub key: Secret,
}

impl DerivedKey {
    pub(super) fn check(&self) -> Result<(), SlotError> {
        if self.key.len() < SHORTEST { Err(SlotError::DerivedKeyShort) } else { Ok(()) }
    }
}

impl DerivedFrom {
    /// As the slot's seal is bound to it.
    pub(super) fn bound_to(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + self.platform.len());
        bytes.extend(self.vmpl.to_be_bytes());
        bytes.extend(self.guest_svn.to_be_bytes());
        bytes.extend(self.tcb.to_be_bytes());
        bytes.extend(self.platform.as_bytes());
        bytes
    }
}
