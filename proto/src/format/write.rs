//! From an entry to a file.

use zeroize::Zeroizing;

use super::{Content, Format, FormatError};
use crate::key::{Jwk, KeyMessage, pem, write_openssh};
use crate::{Entry, EntryType};

/// An entry as a file of this format, as the table has it.
pub fn write(entry: &Entry, format: Format) -> Result<Zeroizing<Vec<u8>>, FormatError> {
    match format {
        Format::Raw => return Ok(Zeroizing::new(entry.blob.expose().to_vec())),
        Format::Entry => return Ok(entry.encode()),
        // What else its message says stays with it: the name, the dates, a certificate. A type of key that isn't
        // known here stays too.
        Format::KeyMessage if entry.entry_type.as_str() == EntryType::KEY_MESSAGE => {
            KeyMessage::decode(entry.blob.expose())?;
            return Ok(Zeroizing::new(entry.blob.expose().to_vec()));
        }
        _ => {}
    }
    let content = Content::of_blob(&entry.entry_type, &entry.blob)?;
    let shape = content.shape();
    let refused = || FormatError::NotWritten { shape, format };
    if shape.written().all(|possible| possible != format) {
        return Err(refused());
    }
    encode(content, format, &entry.tag)?.ok_or_else(refused)
}

/// `None` for what the table doesn't have.
fn encode(content: Content, format: Format, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FormatError> {
    Ok(Some(match (format, content) {
        (Format::Pem | Format::Pkcs8Pem, Content::Private(key)) => text(&key.to_pem()),
        (Format::Pkcs8Der, Content::Private(key)) => bytes(key.pkcs8_der()),
        (Format::Pem | Format::SpkiPem, Content::Public(key)) => text(&key.to_pem()),
        (Format::SpkiDer, Content::Public(key)) => bytes(key.spki_der()),
        (Format::SpkiPem, Content::Private(key)) => text(&key.public()?.to_pem()),
        (Format::SpkiDer, Content::Private(key)) => bytes(key.public()?.spki_der()),
        (Format::Pem | Format::X509Pem, Content::Certificate(certificate)) => text(&certificate.to_pem()),
        (Format::X509Der, Content::Certificate(certificate)) => bytes(certificate.der()),
        (Format::SpkiPem, Content::Certificate(certificate)) => {
            text(&pem::encode(pem::PUBLIC_KEY, &certificate.spki_der()?))
        }
        (Format::SpkiDer, Content::Certificate(certificate)) => bytes(&certificate.spki_der()?),
        (Format::Jwk, Content::Private(key)) => text(&Jwk::Private(key).to_json()?),
        (Format::Jwk, Content::Public(key)) => text(&Jwk::Public(key).to_json()?),
        (Format::Jwk, Content::Symmetric(key)) => text(&Jwk::Symmetric(key).to_json()?),
        (Format::OpenSsh, Content::Private(key)) => text(&write_openssh(&key, name)),
        (Format::Bits, Content::Symmetric(key)) => bytes(key.bits()),
        (Format::KeyMessage, content) => match content.into_message_key() {
            Some(key) => KeyMessage::new(name, key).encode(),
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

fn text(text: &str) -> Zeroizing<Vec<u8>> {
    bytes(text.as_bytes())
}

fn bytes(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.to_vec())
}
