//! Sealing and unsealing.

use serde::{Deserialize, Serialize};

use super::SecretHex;
use super::State;

/// What to unseal a broker with. Travels only over the local admin socket.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unseal {
    /// A passphrase.
    Passphrase(SecretHex),
    /// The bytes of a key file.
    Key(SecretHex),
    /// A share's line. It is kept until there are enough of them, or the broker ends.
    Share(SecretHex),
}

/// Whether the broker is sealed, and how far it is from being so no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealState {
    /// Where it is in its life.
    pub state: State,
    /// The shares that have come so far, if any have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<ShareCount>,
}

/// Shares that have come, of those that are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareCount {
    /// How many have come.
    pub have: u8,
    /// How many are needed.
    pub needed: u8,
}
