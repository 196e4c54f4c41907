//! What an entry becomes on its way into a file.

use claviger_client::cli::{Failure, certificates};
use claviger_proto::key::{KeyMessage, MessageKey, PrivateKey};
use claviger_proto::{Entry, EntryType, ErrorCode, Secret};
use zeroize::Zeroizing;

use crate::args::Format;

/// Converts, or says why the entry's type doesn't fit the format.
pub(crate) fn convert(entry: Entry, format: Format) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match format {
        Format::Raw => Ok(entry.blob.into_zeroizing()),
        Format::Entry => Ok(entry.encode()),
        Format::Pem => pem(&entry),
        Format::KeyMessage => key_message(entry),
    }
}

fn pem(entry: &Entry) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let misfit = |why: &str| misfit(&entry.entry_type, "pem", why);
    let text = match entry.entry_type.as_str() {
        EntryType::X509 => Zeroizing::new(certificates::to_pem(entry.blob.expose())),
        EntryType::KEY_MESSAGE => match read_message(entry, "pem")?.key {
            MessageKey::Private(key) => key.to_pem(),
            MessageKey::Public(key) => Zeroizing::new(key.to_pem()),
            MessageKey::Other { .. } => return Err(misfit("a symmetric key has no PEM")),
        },
        _ => PrivateKey::from_pkcs8_der(Secret::copy_from(entry.blob.expose()))
            .map_err(|_| misfit("its bytes are not a PKCS#8 private key"))?
            .to_pem(),
    };
    Ok(Zeroizing::new(text.as_bytes().to_vec()))
}

fn key_message(entry: Entry) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let misfit = |why: &str| misfit(&entry.entry_type, "key-message", why);
    match entry.entry_type.as_str() {
        EntryType::KEY_MESSAGE => {
            read_message(&entry, "key-message")?;
            Ok(entry.blob.into_zeroizing())
        }
        EntryType::X509 => Err(misfit("a certificate is not a key")),
        _ => {
            let key = PrivateKey::from_pkcs8_der(Secret::copy_from(entry.blob.expose()))
                .map_err(|_| misfit("its bytes are not a PKCS#8 private key"))?;
            let (key, name) = (MessageKey::Private(key), entry.tag);
            Ok(KeyMessage { name, key, certificate: None, not_before: None, not_after: None }.encode())
        }
    }
}

fn read_message(entry: &Entry, format: &str) -> Result<KeyMessage, Failure> {
    KeyMessage::decode(entry.blob.expose())
        .map_err(|error| misfit(&entry.entry_type, format, &error.to_string()))
}

fn misfit(entry_type: &EntryType, format: &str, why: &str) -> Failure {
    Failure::coded(
        ErrorCode::Refused,
        format!("an entry of type {entry_type} can't be written as {format}: {why}; nothing was written"),
        "use --format raw or --format entry, which fit every type",
    )
}
