//! Digests of certificates and keys, as bindings, fingerprints and records take them.

use aws_lc_rs::digest::{SHA256, SHA384, digest};

/// SHA-256: fingerprints of certificates and keys.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// SHA-384: what bindings take of certificates and keys.
pub fn sha384(bytes: &[u8]) -> [u8; 48] {
    digest(&SHA384, bytes).as_ref().try_into().expect("SHA-384 has 48 bytes")
}
