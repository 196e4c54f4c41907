//! The root key: what everything else in a store hangs on.

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use zeroize::Zeroizing;

use crate::seal::{SealKey, expand};

/// Bytes of a root key.
const ROOT_KEY: usize = 32;

/// A store's root key: lies sealed in [`crate::slot`]s, and seals domain keys (or an agent's cryptstore).
/// It is used only through keys derived from it, one per purpose. No `Debug`, no `Clone`; zeroized.
pub struct RootKey(Zeroizing<[u8; ROOT_KEY]>);

impl RootKey {
    /// A fresh one, or `None` when the system gives no randomness.
    pub fn generate() -> Option<Self> {
        let mut bytes = Zeroizing::new([0; ROOT_KEY]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).ok()?;
        Some(Self(bytes))
    }

    /// From its bytes.
    pub fn from_bytes(bytes: Zeroizing<[u8; ROOT_KEY]>) -> Self {
        Self(bytes)
    }

    /// The sealing key for one purpose; other purposes, other keys.
    pub fn seal_key(&self, purpose: &str) -> SealKey {
        let prk = Prk::new_less_safe(HKDF_SHA256, self.0.as_slice());
        SealKey::new(&expand(&prk, &[b"claviger root v1 ", purpose.as_bytes()]))
    }

    pub(crate) fn expose(&self) -> &[u8; ROOT_KEY] {
        &self.0
    }
}
