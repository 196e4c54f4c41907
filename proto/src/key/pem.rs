//! Key and certificate files: PEM, and serialized `key_message`s.

use super::{PrivateKey, PublicKey};
use crate::ParseError;

/// Reads a private key file: PEM (`PRIVATE KEY`, `RSA PRIVATE KEY`, `EC PRIVATE KEY`), perhaps with a
/// `CERTIFICATE` beside it, or a `key_message`. Returns the key and the certificate's DER.
pub fn read_private(bytes: &[u8]) -> Result<(PrivateKey, Option<Vec<u8>>), ParseError> {
    todo!("{}", bytes.len())
}

/// Reads a public key: PEM `PUBLIC KEY`, or the public half of what [`read_private`] reads, or a `key_message`
/// with either. A certificate isn't a public key and is refused.
pub fn read_public(bytes: &[u8]) -> Result<PublicKey, ParseError> {
    todo!("{}", bytes.len())
}

/// Reads a certificate, PEM, DER, or the one in a `key_message` (field 7); returns its DER, unparsed.
pub fn read_certificate(bytes: &[u8]) -> Result<Vec<u8>, ParseError> {
    todo!("{}", bytes.len())
}
