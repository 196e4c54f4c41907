//! From a file to what an entry is made of.

use super::{Content, Format, FormatError};
use crate::entry::check_size;
use crate::key::file::private_block;
use crate::key::pem::{self, Block};
use crate::key::{Certificate, Jwk, KeyMessage, PrivateKey, PublicKey, read_openssh};
use crate::limits::MAX_DATA;
use crate::{Entry, EntryType, ParseError, Secret};

/// A file to be read.
pub struct Source<'a> {
    /// What is in it.
    pub bytes: Secret,
    /// As what to read it.
    pub format: Format,
    /// The type that the entry is to have; without it, the one that fits: `key-message-serialized-protobuf` for
    /// keys, `X509-der-cert` for certificates, `binary-blob` for `raw`, its own for `entry`.
    pub entry_type: Option<EntryType>,
    /// What a `key_message` is to call the key.
    pub name: &'a str,
}

/// What an entry is made of.
pub struct Read {
    /// What the blob is.
    pub entry_type: EntryType,
    /// The blob.
    pub blob: Secret,
    /// Whether the file lets it leave the store again; only a whole entry can say no.
    pub exportable: bool,
}

impl Read {
    /// As an entry under this name, without a version or a time.
    pub fn into_entry(self, name: &str) -> Entry {
        let Self { entry_type, blob, exportable } = self;
        Entry { tag: name.to_owned(), entry_type, version: None, entered: 0, exportable, blob }
    }
}

/// Reads a file. What becomes the blob of a type with a meaning (`X509-der-cert`, `key-message-serialized-protobuf`)
/// is one, in whatever format it came; the blob of any other type is taken as it is.
pub fn read(source: Source<'_>) -> Result<Read, FormatError> {
    let Source { bytes, format, entry_type, name } = source;
    if bytes.is_empty() {
        return Err(ParseError::Missing("data").into());
    }
    match format {
        Format::Raw => {
            check_size(&bytes)?;
            let entry_type = entry_type.unwrap_or_else(EntryType::binary_blob);
            checked(Read { entry_type, blob: bytes, exportable: true })
        }
        Format::Entry => {
            let entry = Entry::decode(bytes.expose())?;
            match entry_type {
                Some(asked) if asked != entry.entry_type => {
                    Err(FormatError::OtherType { asked, found: entry.entry_type })
                }
                _ => {
                    let Entry { entry_type, blob, exportable, .. } = entry;
                    checked(Read { entry_type, blob, exportable })
                }
            }
        }
        _ => converted(&bytes, format, entry_type, name),
    }
}

/// Refuses a blob that isn't what its type says.
fn checked(read: Read) -> Result<Read, FormatError> {
    match read.entry_type.as_str() {
        EntryType::X509 => Certificate::from_der(read.blob.expose()).map(drop)?,
        // The type of its key may be one that isn't known here.
        EntryType::KEY_MESSAGE => KeyMessage::decode(read.blob.expose()).map(drop)?,
        _ => {}
    }
    Ok(read)
}

fn converted(
    bytes: &Secret,
    format: Format,
    entry_type: Option<EntryType>,
    name: &str,
) -> Result<Read, FormatError> {
    if bytes.len() > MAX_DATA {
        return Err(ParseError::FrameTooLarge.into());
    }
    let content = parse(bytes, format)?;
    let shape = content.shape();
    if shape.read_from().all(|possible| possible != format) {
        return Err(FormatError::NotRead { shape, format });
    }
    let entry_type = match entry_type {
        Some(asked) => asked,
        None => content.natural_type().parse()?,
    };
    // A message that stays one keeps what else it says: name, dates, certificate.
    let blob = if format == Format::KeyMessage && entry_type.as_str() == EntryType::KEY_MESSAGE {
        Secret::copy_from(bytes.expose())
    } else {
        content.into_blob(&entry_type, name)?
    };
    Ok(Read { entry_type, blob, exportable: true })
}

fn parse(bytes: &Secret, format: Format) -> Result<Content, FormatError> {
    let file = bytes.expose();
    Ok(match format {
        Format::Pem => any_block(&only_block(file)?)?,
        Format::Pkcs8Pem => pkcs8(&labelled(file, pem::PRIVATE_KEY)?.der)?,
        Format::SpkiPem => Content::Public(PublicKey::from_spki_der(&labelled(file, pem::PUBLIC_KEY)?.der)?),
        Format::X509Pem => {
            Content::Certificate(Certificate::from_der(&labelled(file, pem::CERTIFICATE)?.der)?)
        }
        Format::Pkcs8Der => pkcs8(file)?,
        Format::SpkiDer => Content::Public(PublicKey::from_spki_der(file)?),
        Format::X509Der => Content::Certificate(Certificate::from_der(file)?),
        Format::KeyMessage => Content::of_message(KeyMessage::decode(file)?.key)?,
        Format::Jwk => match Jwk::from_json(file)? {
            Jwk::Private(key) => Content::Private(key),
            Jwk::Public(key) => Content::Public(key),
            Jwk::Symmetric(key) => Content::Symmetric(key),
        },
        Format::OpenSsh => Content::Private(read_openssh(file)?),
        Format::Raw | Format::Entry | Format::Bits => return Err(FormatError::WriteOnly { format }),
    })
}

fn pkcs8(der: &[u8]) -> Result<Content, ParseError> {
    PrivateKey::from_pkcs8_der(Secret::copy_from(der)).map(Content::Private)
}

fn any_block(block: &Block<'_>) -> Result<Content, ParseError> {
    if let Some(key) = private_block(block)? {
        return Ok(Content::Private(key));
    }
    match block.label {
        pem::PUBLIC_KEY => PublicKey::from_spki_der(&block.der).map(Content::Public),
        pem::CERTIFICATE => Certificate::from_der(&block.der).map(Content::Certificate),
        _ => Err(ParseError::Key("its PEM label is none of a key's or a certificate's")),
    }
}

/// The one block of a PEM file: which of several is meant isn't ours to guess.
fn only_block(file: &[u8]) -> Result<Block<'_>, FormatError> {
    let mut blocks = pem::blocks(pem::as_text(file).ok_or(ParseError::Pem)?)?;
    // `openssl ecparam -genkey` writes the curve's name before the key, which names it too.
    blocks.retain(|block| block.label != pem::EC_PARAMETERS);
    match (blocks.len(), blocks.pop()) {
        (1, Some(block)) => Ok(block),
        (found, _) => Err(FormatError::Blocks { found }),
    }
}

fn labelled<'a>(file: &'a [u8], expected: &'static str) -> Result<Block<'a>, FormatError> {
    let block = only_block(file)?;
    match block.label {
        pem::ENCRYPTED_PRIVATE_KEY => Err(ParseError::EncryptedKey.into()),
        label if label == expected => Ok(block),
        _ => Err(FormatError::Label { expected }),
    }
}
