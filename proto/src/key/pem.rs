//! PEM (RFC 7468): files of one or more blocks.

use std::ops::Range;

use pem_rfc7468::{Decoder, LineEnding};
use zeroize::Zeroizing;

use crate::ParseError;

pub(crate) const PRIVATE_KEY: &str = "PRIVATE KEY";
pub(crate) const RSA_PRIVATE_KEY: &str = "RSA PRIVATE KEY";
pub(crate) const EC_PRIVATE_KEY: &str = "EC PRIVATE KEY";
pub(crate) const EC_PARAMETERS: &str = "EC PARAMETERS";
pub(crate) const ENCRYPTED_PRIVATE_KEY: &str = "ENCRYPTED PRIVATE KEY";
pub(crate) const OPENSSH_PRIVATE_KEY: &str = "OPENSSH PRIVATE KEY";
pub(crate) const PUBLIC_KEY: &str = "PUBLIC KEY";
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One block of a file.
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    /// What it holds; any block may hold a secret.
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// The file as text, if it is a PEM file. A `key_message` isn't one even if one lies inside it: it always
/// has bytes that no text has.
pub(crate) fn as_text(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?;
    let printable = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    (printable && text.contains(BEGIN)).then_some(text)
}

/// The blocks of a file, in order; text between them is skipped.
pub(crate) fn blocks(text: &str) -> Result<Vec<Block<'_>>, ParseError> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        rest = &rest[start..];
        let range = extent(rest).ok_or(ParseError::Pem)?;
        blocks.push(block(&rest[range.clone()])?);
        rest = &rest[range.end..];
    }
    Ok(blocks)
}

/// From a block's first dash to its last.
fn extent(text: &str) -> Option<Range<usize>> {
    let end = text.find(END)? + END.len();
    Some(0..end + text[end..].find(DASHES)? + DASHES.len())
}

fn block(text: &str) -> Result<Block<'_>, ParseError> {
    // The header of OpenSSL's older encrypted keys; base64 has no colon.
    if text.contains("Proc-Type:") {
        return Err(ParseError::EncryptedKey);
    }
    let mut decoder = Decoder::new_detect_wrap(text.as_bytes()).map_err(|_| ParseError::Pem)?;
    // The decoder would grow a vector of its own; this one is allocated once.
    let mut der = Zeroizing::new(vec![0; decoder.remaining_len()]);
    decoder.decode(&mut der).map_err(|_| ParseError::Pem)?;
    Ok(Block { label: decoder.type_label(), der })
}

/// One block, as text that zeroizes itself.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    const FITS: &str = "a key is far below the lengths that PEM can't count";
    let length = pem_rfc7468::encoded_len(label, LineEnding::LF, der).expect(FITS);
    let mut buffer = Zeroizing::new(vec![0; length]);
    let text = pem_rfc7468::encode(label, LineEnding::LF, der, &mut buffer).expect(FITS);
    Zeroizing::new(text.to_owned())
}

/// A file of certificates only, in its order; each is DER, and nothing else of it is checked. At least one.
pub fn read_certificates(file: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    let text = as_text(file).ok_or(ParseError::Pem)?;
    let certificates = blocks(text)?.into_iter().map(|mut block| match block.label {
        CERTIFICATE if !block.der.is_empty() => Ok(std::mem::take(&mut *block.der)),
        // A key in here would go over the wire.
        _ => Err(ParseError::Certificate("a chain has certificates and nothing else in it")),
    });
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() { Err(ParseError::Missing("certificate")) } else { Ok(certificates) }
}

/// Such a file.
pub fn write_certificates(chain: &[Vec<u8>]) -> String {
    chain.iter().map(|der| std::mem::take(&mut *encode(CERTIFICATE, der))).collect()
}
