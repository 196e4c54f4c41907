//! Key and certificate files, in any of the forms that people and stock programs keep them.

use der::{Decode as _, Header, Reader as _, SliceReader, Tag};

use super::ec::EcPrivate;
use super::pem::{self, Block};
use super::rsa::RsaPrivate;
use super::{Certificate, KeyMessage, MessageKey, PrivateKey, PrivateNumbers, PublicKey, openssh};
use crate::certifier_policy::read_anchors;
use crate::{ParseError, Secret};

/// Reads a private key file: PEM (`PRIVATE KEY`, `RSA PRIVATE KEY`, `EC PRIVATE KEY`, `OPENSSH PRIVATE KEY`),
/// perhaps with a `CERTIFICATE` beside it, or a `key_message`. Returns the key and the certificate's DER, which isn't
/// parsed or matched with the key here.
///
/// More than one key, or more than one certificate, is an error: which one is meant isn't ours to guess.
pub fn read_private(bytes: &[u8]) -> Result<(PrivateKey, Option<Vec<u8>>), ParseError> {
    let Some(text) = pem::as_text(bytes) else {
        let message = KeyMessage::decode(bytes)?;
        return match message.key {
            MessageKey::Private(key) => Ok((key, message.certificate)),
            MessageKey::Public(_) => Err(ParseError::Key("it is a public key; the private one is needed")),
            MessageKey::Other { .. } => Err(super::UNSUPPORTED),
        };
    };
    let blocks = pem::blocks(text)?;
    let key = private_key(&blocks)?.ok_or(ParseError::Key("the file holds no private key"))?;
    Ok((key, certificate(&blocks)?))
}

/// Reads a public key: PEM `PUBLIC KEY`, the public half of any key that [`read_private`] reads, or a
/// `key_message` with either half. A certificate isn't a public key, and a file with nothing else is refused.
pub fn read_public(bytes: &[u8]) -> Result<PublicKey, ParseError> {
    let Some(text) = pem::as_text(bytes) else {
        return match KeyMessage::decode(bytes)?.key {
            MessageKey::Private(key) => key.public(),
            MessageKey::Public(key) => Ok(key),
            MessageKey::Other { .. } => Err(super::UNSUPPORTED),
        };
    };
    let blocks = pem::blocks(text)?;
    let several = ParseError::Key("the file holds more than one public key");
    let public = only(&blocks, pem::PUBLIC_KEY, several)?;
    let public = public.map(|block| PublicKey::from_spki_der(&block.der)).transpose()?;
    let private = private_key(&blocks)?.map(|key| key.public()).transpose()?;
    match (public, private) {
        (Some(public), Some(private)) if public != private => {
            Err(ParseError::Key("the file holds two keys that don't belong together"))
        }
        (Some(key), _) | (None, Some(key)) => Ok(key),
        (None, None) => Err(ParseError::Key("the file holds no public key (a certificate isn't one)")),
    }
}

/// Reads the key of a root: as [`read_public`] does or, where the file has no key, the one of its certificate (PEM or
/// DER). Only the key of that certificate counts; what else it says is nobody's word.
pub fn read_root(bytes: &[u8]) -> Result<PublicKey, ParseError> {
    read_public(bytes).or_else(|error| {
        let certificate = read_certificate(bytes).and_then(|der| Certificate::from_der(&der));
        certificate.map_err(|_| error)?.public_key()
    })
}

/// Reads a certificate: PEM, DER, the one in a `key_message` (field 7), or the only one of a stock trust-anchors file.
/// Returns its DER, unparsed.
pub fn read_certificate(bytes: &[u8]) -> Result<Vec<u8>, ParseError> {
    let mut all = read_anchor_certificates(bytes)?;
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(SEVERAL),
    }
}

/// The same, of which a trust-anchors file may hold several; at least one. A PEM file still holds one: what such files
/// have beside it is a chain, and not for the reader to choose from.
pub fn read_anchor_certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    const NONE: ParseError = ParseError::Certificate("the file holds none");
    if let Some(text) = pem::as_text(bytes) {
        return Ok(vec![certificate(&pem::blocks(text)?)?.ok_or(NONE)?]);
    }
    if is_der_sequence(bytes) {
        return Ok(vec![bytes.to_vec()]);
    }
    // Neither reads as the other: a key's name is text, and DER isn't.
    if let Ok(anchors) = read_anchors(bytes) {
        return Ok(anchors);
    }
    Ok(vec![KeyMessage::decode(bytes)?.certificate.ok_or(NONE)?])
}

/// The one private key among the blocks.
fn private_key(blocks: &[Block<'_>]) -> Result<Option<PrivateKey>, ParseError> {
    let mut found = None;
    for block in blocks {
        let Some(key) = private_block(block)? else { continue };
        if found.replace(key).is_some() {
            return Err(ParseError::Key("the file holds more than one private key"));
        }
    }
    Ok(found)
}

/// The private key that a block holds, if it is one that holds any.
pub(crate) fn private_block(block: &Block<'_>) -> Result<Option<PrivateKey>, ParseError> {
    let key = match block.label {
        pem::PRIVATE_KEY => PrivateKey::from_pkcs8_der(Secret::copy_from(&block.der))?,
        pem::RSA_PRIVATE_KEY => PrivateNumbers::Rsa(RsaPrivate::from_pkcs1(&block.der)?).to_key()?,
        pem::EC_PRIVATE_KEY => PrivateNumbers::Ec(EcPrivate::from_sec1(&block.der, None)?).to_key()?,
        pem::OPENSSH_PRIVATE_KEY => openssh::from_bytes(&block.der)?,
        pem::ENCRYPTED_PRIVATE_KEY => return Err(ParseError::EncryptedKey),
        _ => return Ok(None),
    };
    Ok(Some(key))
}

const SEVERAL: ParseError =
    ParseError::Certificate("the file holds more than one; keep only the one that is meant");

/// The one certificate among the blocks.
fn certificate(blocks: &[Block<'_>]) -> Result<Option<Vec<u8>>, ParseError> {
    Ok(only(blocks, pem::CERTIFICATE, SEVERAL)?.map(|block| block.der.to_vec()))
}

/// The one block of this label, if there is one.
fn only<'a, 'b>(
    blocks: &'a [Block<'b>],
    label: &str,
    several: ParseError,
) -> Result<Option<&'a Block<'b>>, ParseError> {
    let mut found = blocks.iter().filter(|block| block.label == label);
    let first = found.next();
    if found.next().is_some() { Err(several) } else { Ok(first) }
}

/// Whether the bytes are one whole DER SEQUENCE; a `key_message` never starts like one.
pub(crate) fn is_der_sequence(bytes: &[u8]) -> bool {
    let whole = || -> der::Result<bool> {
        let mut reader = SliceReader::new(bytes)?;
        let header = Header::decode(&mut reader)?;
        Ok(header.tag() == Tag::Sequence && reader.remaining_len() == header.length())
    };
    whole().unwrap_or(false)
}
