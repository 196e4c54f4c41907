//! Every conversion of the table, for every kind of key.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use claviger_proto::format::{self, Content, Format, FormatError, Shape, Source, TABLE};
use claviger_proto::key::{
    Certificate, KeyKind, KeyMessage, MessageKey, PrivateKey, SymmetricKey, SymmetricKind, read_certificate,
    read_private,
};
use claviger_proto::{Entry, EntryType, ErrorCode, ParseError, Secret, Version};
use common::data;
use der::asn1::AnyRef;
use der::{Decode as _, Encode as _, Reader as _};

const PRIVATE: [&str; 7] = [
    "keys/rsa-1024-private.key_message.pb",
    "keys/rsa-2048-private.key_message.pb",
    "keys/rsa-3072-private.key_message.pb",
    "keys/rsa-4096-private.key_message.pb",
    "keys/ecc-256-private.key_message.pb",
    "keys/ecc-384-private.key_message.pb",
    "files/ed25519.pkcs8.pem",
];

fn private(file: &str) -> PrivateKey {
    read_private(&data(file)).unwrap().0
}

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

fn message(key: MessageKey) -> Entry {
    entry(EntryType::KEY_MESSAGE, &KeyMessage::new("web", key).encode())
}

/// What it is, down to its bytes.
fn essence(content: &Content) -> (Shape, Vec<u8>) {
    let bytes = match content {
        Content::Bytes(bytes) => bytes.expose().to_vec(),
        Content::Symmetric(key) => [key.kind().as_str().as_bytes(), key.bits()].concat(),
        Content::Private(key) => key.pkcs8_der().to_vec(),
        Content::Public(key) => key.spki_der().to_vec(),
        Content::Certificate(certificate) => certificate.der().to_vec(),
    };
    (content.shape(), bytes)
}

fn essence_of(entry: &Entry) -> (Shape, Vec<u8>) {
    essence(&Content::of_blob(&entry.entry_type, &entry.blob).unwrap())
}

/// One entry of everything that there is, with what it is called when a test fails.
fn samples() -> Vec<(String, Entry)> {
    let mut samples = vec![("blob".to_owned(), entry(EntryType::BINARY_BLOB, &[7; 64]))];
    for file in PRIVATE {
        samples.push((format!("{file} as message"), message(MessageKey::Private(private(file)))));
        samples.push((format!("{file} as PKCS#8"), entry("pkcs8", private(file).pkcs8_der())));
        let public = private(file).public().unwrap();
        samples.push((format!("public of {file} as SPKI"), entry("spki", public.spki_der())));
        samples.push((format!("public of {file} as message"), message(MessageKey::Public(public))));
    }
    for kind in SymmetricKind::ALL {
        let bits: Vec<u8> = (0..80).take(kind.size()).collect();
        let key = MessageKey::Other { key_type: kind.to_string(), secret: Secret::new(bits) };
        samples.push((kind.to_string(), message(key)));
    }
    for file in ["files/p384.certificate.pem", "keys/policy_cert.der", "keys/client_sev.cert.der"] {
        let der = read_certificate(&data(file)).unwrap();
        samples.push((file.to_owned(), entry(EntryType::X509, &der)));
        samples.push((format!("{file} of own type"), entry("own-type", &der)));
    }
    samples
}

fn read(bytes: &[u8], format: Format, entry_type: Option<&str>) -> Result<Entry, FormatError> {
    let entry_type = entry_type.map(|text| text.parse().unwrap());
    let source = Source { bytes: Secret::copy_from(bytes), format, entry_type, name: "web/key" };
    format::read(source).map(|read| read.into_entry("web/key"))
}

fn row(shape: Shape) -> &'static format::Row {
    TABLE.iter().find(|row| row.shape == shape).unwrap()
}

/// What a written file holds: a public format holds the public half.
fn expected(entry: &Entry, format: Format) -> (Shape, Vec<u8>) {
    let content = Content::of_blob(&entry.entry_type, &entry.blob).unwrap();
    let public = match (&content, format) {
        (Content::Private(key), Format::SpkiPem | Format::SpkiDer) => key.public(),
        (Content::Certificate(certificate), Format::SpkiPem | Format::SpkiDer) => certificate.public_key(),
        _ => return essence(&content),
    };
    (Shape::Public, public.unwrap().spki_der().to_vec())
}

#[test]
fn every_shape_has_one_row_and_every_sample_a_shape() {
    let shapes: Vec<_> = TABLE.iter().map(|row| row.shape).collect();
    let found: std::collections::HashSet<_> =
        samples().iter().map(|(_, entry)| essence_of(entry).0).collect();
    assert_eq!(found.len(), TABLE.len(), "a sample for each row");
    for shape in shapes {
        assert_eq!(TABLE.iter().filter(|row| row.shape == shape).count(), 1, "{shape}");
    }
}

#[test]
fn the_book_has_the_same_table() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/formats.md")).unwrap();
    let names =
        |formats: &[Format]| formats.iter().map(|format| format.as_str()).collect::<Vec<_>>().join(", ");
    let cell = |text: String| if text.is_empty() { " |".to_owned() } else { format!(" {text} |") };
    let lines = TABLE
        .iter()
        .map(|row| format!("| {} |{}{}", row.shape, cell(names(row.written)), cell(names(row.read))));
    let expected = lines.collect::<Vec<_>>().join("\n");
    assert!(page.contains(&format!("{expected}\n\n")), "docs/formats.md has not these rows:\n{expected}");
    for format in Format::ALL {
        assert!(page.contains(&format!("`{format}`")), "docs/formats.md doesn't say what {format} is");
    }
}

#[test]
fn the_table_is_what_is_written_and_what_is_read_again() {
    for (name, entry) in samples() {
        let (shape, _) = essence_of(&entry);
        for format in Format::ALL {
            let written = format::write(&entry, format);
            let in_table =
                matches!(format, Format::Raw | Format::Entry) || row(shape).written.contains(&format);
            assert_eq!(written.is_ok(), in_table, "{name} written as {format}: {:?}", written.err());
            let Ok(file) = written else { continue };
            let expected = expected(&entry, format);
            let as_type = matches!(format, Format::Raw).then(|| entry.entry_type.as_str());
            let back = read(&file, format, as_type);
            let readable =
                matches!(format, Format::Raw | Format::Entry) || row(expected.0).read.contains(&format);
            assert_eq!(back.is_ok(), readable, "{name} read from {format}: {:?}", back.err());
            if let Ok(back) = back {
                assert!(essence_of(&back) == expected, "{name} by {format}: it became something else");
            }
        }
    }
}

#[test]
fn what_is_not_in_the_table_names_what_is() {
    for (name, entry) in samples() {
        let (shape, _) = essence_of(&entry);
        for format in Format::ALL {
            let Err(error) = format::write(&entry, format) else { continue };
            assert_eq!(error, FormatError::NotWritten { shape, format }, "{name}");
            assert_eq!(error.code(), ErrorCode::Refused);
            let text = error.to_string();
            for possible in shape.written() {
                assert!(text.contains(possible.as_str()), "{text}");
            }
        }
    }
}

#[test]
fn a_file_becomes_an_entry_of_the_type_that_is_asked_for() {
    let key = private("keys/ecc-256-private.key_message.pb");
    let pem = key.to_pem();
    let natural = read(pem.as_bytes(), Format::Pem, None).unwrap();
    assert_eq!(natural.entry_type.as_str(), EntryType::KEY_MESSAGE);
    assert_eq!(KeyMessage::decode(natural.blob.expose()).unwrap().name, "web/key");
    for own in [EntryType::BINARY_BLOB, "own-type"] {
        let blob = read(pem.as_bytes(), Format::Pem, Some(own)).unwrap();
        assert!(blob.blob.expose() == key.pkcs8_der(), "{own}");
    }
    let refused = read(pem.as_bytes(), Format::Pem, Some(EntryType::X509)).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "an entry of type X509-der-cert can't hold an EC private key; it holds a certificate"
    );
    let certificate = data("files/p384.certificate.pem");
    let natural = read(&certificate, Format::Pem, None).unwrap();
    assert_eq!(natural.entry_type.as_str(), EntryType::X509);
    assert!(matches!(
        read(&certificate, Format::Pem, Some(EntryType::KEY_MESSAGE)).err().unwrap(),
        FormatError::Type { holds: "a key", .. }
    ));
}

#[test]
fn a_type_with_a_meaning_is_held_to_it_however_it_comes() {
    for entry_type in [EntryType::X509, EntryType::KEY_MESSAGE] {
        for wrong in [b"noise".as_slice(), &data("files/p384.certificate.pem")] {
            assert!(read(wrong, Format::Raw, Some(entry_type)).is_err(), "{entry_type}");
            let whole = entry(entry_type, wrong).encode();
            assert!(read(&whole, Format::Entry, None).is_err(), "{entry_type}");
            for format in [Format::Pem, Format::SpkiPem, Format::KeyMessage, Format::X509Der] {
                assert!(format::write(&entry(entry_type, wrong), format).is_err(), "{entry_type} {format}");
            }
        }
    }
    assert!(read(b"noise", Format::Raw, Some("own-type")).is_ok());
}

#[test]
fn a_message_keeps_what_else_it_says() {
    let file = data("keys/policy_key.key_message.pb");
    let kept = read(&file, Format::KeyMessage, None).unwrap();
    assert!(kept.blob.expose() == file);
    assert!(*format::write(&kept, Format::KeyMessage).unwrap() == file);
    // A type of key that isn't known here is kept, and is nothing but a message.
    let unknown = MessageKey::Other { key_type: "own-256".to_owned(), secret: Secret::copy_from(&[7; 32]) };
    let unknown = message(unknown);
    assert!(*format::write(&unknown, Format::KeyMessage).unwrap() == unknown.blob.expose());
    assert!(read(unknown.blob.expose(), Format::Raw, Some(EntryType::KEY_MESSAGE)).is_ok());
    for format in [Format::Jwk, Format::Bits, Format::Pem] {
        assert!(matches!(format::write(&unknown, format), Err(FormatError::Parse(ParseError::Key(_)))));
    }
}

#[test]
fn a_whole_entry_brings_its_type_and_whether_it_may_leave() {
    let mut whole = entry("own-type", b"blob");
    whole.exportable = false;
    let whole = whole.encode();
    let back = read(&whole, Format::Entry, None).unwrap();
    assert_eq!((back.entry_type.as_str(), back.exportable), ("own-type", false));
    assert!(read(&whole, Format::Entry, Some("own-type")).is_ok());
    let error = read(&whole, Format::Entry, Some("other")).err().unwrap();
    assert_eq!(error.to_string(), "the file is an entry of type own-type, not other");
}

#[test]
fn a_pem_file_holds_one_thing_and_the_one_that_was_said() {
    let (key, certificate) = (data("files/p384.pkcs8.pem"), data("files/p384.certificate.pem"));
    let both = [key.clone(), certificate.clone()].concat();
    for format in [Format::Pem, Format::Pkcs8Pem, Format::X509Pem] {
        let error = read(&both, format, None).err().unwrap();
        assert_eq!((&error, error.code()), (&FormatError::Blocks { found: 2 }, ErrorCode::Malformed));
    }
    let label = |file: &[u8], format| read(file, format, None).err().unwrap();
    assert!(matches!(label(&key, Format::X509Pem), FormatError::Label { expected: "CERTIFICATE" }));
    assert!(matches!(label(&certificate, Format::Pkcs8Pem), FormatError::Label { .. }));
    // The older labels are for `pem` alone.
    let sec1 = data("files/p384.sec1.pem");
    assert!(matches!(label(&sec1, Format::Pkcs8Pem), FormatError::Label { .. }));
    assert!(read(&sec1, Format::Pem, None).is_ok());
    for format in [Format::Pem, Format::Pkcs8Pem] {
        let encrypted = label(&data("files/p384.encrypted.pem"), format);
        assert_eq!(encrypted, FormatError::Parse(ParseError::EncryptedKey));
    }
    assert!(matches!(label(b"no pem", Format::Pem), FormatError::Parse(ParseError::Pem)));
    assert!(matches!(label(b"", Format::Pem), FormatError::Parse(ParseError::Missing(_))));
}

#[test]
fn bits_do_not_say_what_they_are_for() {
    assert!(matches!(read(&[7; 32], Format::Bits, None), Err(FormatError::WriteOnly { .. })));
    let key = SymmetricKey::new(SymmetricKind::Aes256, Secret::copy_from(&[7; 31]));
    assert!(key.is_err(), "a key is as long as its kind");
    let short = MessageKey::Other { key_type: "aes-256".to_owned(), secret: Secret::copy_from(&[7; 31]) };
    assert!(format::write(&message(short), Format::Bits).is_err());
}

#[test]
fn ed25519_is_one_key_in_both_of_its_pkcs8_forms() {
    let pem = data("files/ed25519.pkcs8.pem");
    let key = private("files/ed25519.pkcs8.pem");
    assert_eq!(key.kind(), KeyKind::Ed25519);
    assert!(key.to_pem().as_bytes() == pem, "not the PEM that openssl wrote");
    // Version 2 carries the public key, which must be its own.
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(key.pkcs8_der()).unwrap();
    let v2 = pair.to_pkcs8().unwrap();
    assert!(v2.as_ref().len() > key.pkcs8_der().len());
    let again = PrivateKey::from_pkcs8_der(Secret::copy_from(v2.as_ref())).unwrap();
    assert!(again.pkcs8_der() == key.pkcs8_der());
    let mut wrong = v2.as_ref().to_vec();
    *wrong.last_mut().unwrap() ^= 1;
    assert!(PrivateKey::from_pkcs8_der(Secret::new(wrong)).is_err());
    assert_eq!(
        key.public().unwrap().spki_der()[12..],
        *aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref()
    );
}

#[test]
fn an_ed25519_message_is_whole_or_refused() {
    let key = private("files/ed25519.pkcs8.pem");
    let public = key.public().unwrap();
    let bytes = KeyMessage::new("k", MessageKey::Private(key)).encode();
    let at = bytes.windows(32).position(|window| *window == public.spki_der()[12..]).unwrap();
    let mut other = bytes.to_vec();
    other[at] ^= 1;
    assert!(KeyMessage::decode(&other).is_err(), "the public key must be the private key's");
    let mut bare = bytes.to_vec();
    bare.truncate(at - 3);
    assert_eq!(KeyMessage::decode(&bare).err(), Some(ParseError::Missing("Ed25519 public key")));
}

#[test]
fn t20_a_certificate_is_one_and_nothing_else() {
    let der = read_certificate(&data("keys/policy_cert.der")).unwrap();
    let certificate = Certificate::from_der(&der).unwrap();
    assert!(certificate.subject().contains("CN=policyKey"), "{}", certificate.subject());
    let (not_before, not_after) = certificate.dates();
    assert!(not_before < not_after && not_before > 1_700_000_000);
    for at in 0..der.len() {
        assert!(Certificate::from_der(&der[..at]).is_err(), "{at} bytes");
    }
    assert!(Certificate::from_der(&[der.as_slice(), &[0]].concat()).is_err());
    assert!(Certificate::from_der(&[0x30, 3, 2, 1, 1]).is_err());
    let sized = |bytes: usize| Certificate::from_der(&with_extension(&der, &[6, 3, 0x2a, 3, 4], bytes));
    assert!(sized(60 << 10).is_ok() && sized(64 << 10).is_err());
    // 2.25.<128 bits>, as our admission certificates have; and what is no identifier.
    let arc = [&[6, 20, 0x69, 0x83], &[0xff; 17][..], &[0x7f]].concat();
    assert!(Certificate::from_der(&with_extension(&der, &arc, 8)).is_ok());
    assert!(Certificate::from_der(&with_extension(&der, &[4, 3, 0x2a, 3, 4], 8)).is_err());
}

/// The certificate with one extension of this identifier and size in the place of its own.
fn with_extension(certificate: &[u8], id: &[u8], size: usize) -> Vec<u8> {
    let wrap = |tag: u8, parts: &[Vec<u8>]| {
        let body = parts.concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let skip = usize::from(length[1] == 0);
        let head = if body.len() < 0x80 {
            vec![length[3]]
        } else if body.len() < 0x100 {
            vec![0x81, length[3]]
        } else {
            [&[0x83 - u8::try_from(skip).unwrap()], &length[1 + skip..]].concat()
        };
        [vec![tag], head, body].concat()
    };
    let parts = |der: &[u8]| {
        let mut reader = der::SliceReader::new(AnyRef::from_der(der).unwrap().value()).unwrap();
        let mut parts = Vec::new();
        while !reader.is_finished() {
            parts.push(AnyRef::decode(&mut reader).unwrap().to_der().unwrap());
        }
        parts
    };
    let whole = parts(certificate);
    let mut inner = parts(&whole[0]);
    inner.pop();
    let extension = wrap(0x30, &[id.to_vec(), wrap(4, &[vec![7; size]])]);
    inner.push(wrap(0xa3, &[wrap(0x30, &[extension])]));
    wrap(0x30, &[wrap(0x30, &inner), whole[1].clone(), whole[2].clone()])
}
