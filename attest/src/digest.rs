//! Digests of certificates and keys, as bindings, fingerprints and records take them.

use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, digest};

/// SHA-256: fingerprints of certificates and keys.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    of(&SHA256, bytes)
}

/// SHA-384: what bindings take of certificates and keys.
pub fn sha384(bytes: &[u8]) -> [u8; 48] {
    of(&SHA384, bytes)
}

/// `N` is the algorithm's length.
fn of<const N: usize>(algorithm: &'static Algorithm, bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(digest(algorithm, bytes).as_ref());
    out
}
