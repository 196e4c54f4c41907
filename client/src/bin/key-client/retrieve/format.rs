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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use claviger_attest::{KeyAlgorithm, SigningKey};
    use claviger_proto::Version;
    use claviger_proto::key::{read_certificate, read_private, read_public};

    use super::*;

    fn entry(entry_type: &str, blob: &[u8]) -> Entry {
        Entry {
            tag: "web/key".to_owned(),
            entry_type: entry_type.parse().unwrap(),
            version: Some(Version::FIRST),
            entered: 0,
            exportable: true,
            blob: Secret::copy_from(blob),
        }
    }

    fn message(key: MessageKey) -> Vec<u8> {
        let (name, certificate) = ("web".to_owned(), None);
        KeyMessage { name, key, certificate, not_before: None, not_after: None }.encode().to_vec()
    }

    fn refused(entry: Entry, format: Format) {
        let failure = convert(entry, format).err().unwrap();
        assert_eq!((failure.code(), failure.exit_status()), ("refused", 3));
        assert!(failure.message().contains("can't be written as"), "{}", failure.message());
    }

    #[test]
    fn raw_and_entry_fit_everything() {
        for entry_type in [EntryType::BINARY_BLOB, EntryType::X509, EntryType::KEY_MESSAGE, "own-type"] {
            assert_eq!(**convert(entry(entry_type, b"any"), Format::Raw).unwrap(), *b"any");
            let whole = convert(entry(entry_type, b"any"), Format::Entry).unwrap();
            let back = Entry::decode(&whole).unwrap();
            assert_eq!((back.entry_type.as_str(), back.blob.expose()), (entry_type, b"any".as_slice()));
        }
    }

    #[test]
    fn keys_become_pem_and_key_messages_and_stay_the_same_key() {
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        let (private, public) = (key.to_private().unwrap(), key.public().clone());
        let pkcs8 = key.pkcs8_der();
        let as_message = message(MessageKey::Private(private));
        for source in [
            entry(EntryType::BINARY_BLOB, pkcs8),
            entry("pkcs8", pkcs8),
            entry(EntryType::KEY_MESSAGE, &as_message),
        ] {
            let source = source.encode();
            for format in [Format::Pem, Format::KeyMessage] {
                let file = convert(Entry::decode(&source).unwrap(), format).unwrap();
                assert!(read_private(&file).unwrap().0.pkcs8_der() == pkcs8);
            }
        }
        let as_public = message(MessageKey::Public(public.clone()));
        let pem = convert(entry(EntryType::KEY_MESSAGE, &as_public), Format::Pem).unwrap();
        assert_eq!(read_public(&pem).unwrap(), public);
    }

    #[test]
    fn a_certificate_becomes_pem() {
        let der = [0x30, 3, 1, 2, 3];
        let pem = convert(entry(EntryType::X509, &der), Format::Pem).unwrap();
        assert!(pem.starts_with(b"-----BEGIN CERTIFICATE-----"));
        assert_eq!(read_certificate(&pem).unwrap(), der);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let aes = MessageKey::Other { key_type: "aes-256".to_owned(), secret: Secret::copy_from(&[7; 32]) };
        refused(entry(EntryType::KEY_MESSAGE, &message(aes)), Format::Pem);
        for format in [Format::Pem, Format::KeyMessage] {
            refused(entry(EntryType::BINARY_BLOB, &[7; 64]), format);
            refused(entry(EntryType::KEY_MESSAGE, b"\xff"), format);
        }
        refused(entry(EntryType::X509, &[0x30, 0]), Format::KeyMessage);
    }
}
