//! The one type that holds secret bytes.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroize;

/// Secret bytes: zeroized when dropped, never printed, never cloned, compared in constant time.
///
/// There is no `Debug`, `Display`, `Clone` or `Serialize`; [`Secret::expose`] is the only way to the bytes,
/// so every use can be found by its name.
#[derive(Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over. The vector must not have been grown before, or older copies stay in freed memory.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// A copy of borrowed bytes, allocated once at its final size.
    pub fn copy_from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes. What is done with them is the caller's responsibility.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes; not secret.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands the bytes over to an owner that zeroizes by itself.
    pub fn into_zeroizing(mut self) -> zeroize::Zeroizing<Vec<u8>> {
        zeroize::Zeroizing::new(std::mem::take(&mut self.0))
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}
