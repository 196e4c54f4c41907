//! The root key: what everything else in a store hangs on.

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use claviger_proto::Secret;
use zeroize::Zeroizing;

use crate::seal::{SealKey, expand};

/// Bytes of a root key.
const ROOT_KEY: usize = 32;

/// A store's root key: lies sealed in [`crate::slot`]s, and seals domain keys (or an agent's cryptstore).
/// It is used only through keys derived from it, one per purpose. No `Debug`, no `Clone`; zeroized.
///
/// It lies on the heap: an array would leave a copy on the stack wherever it is handed on.
pub struct RootKey(Secret);

impl RootKey {
    /// A fresh one, or `None` when the system gives no randomness.
    pub fn generate() -> Option<Self> {
        let mut bytes = Zeroizing::new(vec![0; ROOT_KEY]);
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Self(Secret::new(std::mem::take(&mut *bytes))))
    }

    /// From its bytes.
    #[allow(clippy::needless_pass_by_value, reason = "taken over: the caller's own ends here")]
    pub fn from_bytes(bytes: Zeroizing<[u8; ROOT_KEY]>) -> Self {
        Self(Secret::copy_from(bytes.as_slice()))
    }

    /// From a secret of the right length.
    pub(crate) fn from_secret(secret: Secret) -> Option<Self> {
        (secret.len() == ROOT_KEY).then_some(Self(secret))
    }

    /// The sealing key for one purpose; other purposes, other keys.
    pub fn seal_key(&self, purpose: &str) -> SealKey {
        let prk = Prk::new_less_safe(HKDF_SHA256, self.0.expose());
        SealKey::new(&expand(&prk, &[b"claviger root v1 ", purpose.as_bytes()]))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}
