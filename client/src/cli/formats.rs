//! Formats on the command line: what a file is read as, what an entry is written as.

use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use claviger_attest::{KeyAlgorithm, SigningKey};
use claviger_proto::format::{self, Content, Format, FormatError, Read, Source};
use claviger_proto::limits::MAX_DATA;
use claviger_proto::{Entry, EntryType, ErrorCode};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::input;

/// Room around the data in a file that isn't raw: PEM needs a third more, an entry its names.
const MAX_FILE: usize = MAX_DATA / 2 * 3;

/// Reads the name of a format; `--help` lists them, each with what it is.
pub fn parser() -> impl TypedValueParser<Value = Format> {
    let possible = Format::ALL.map(|format| PossibleValue::new(format.as_str()).help(help(format)));
    PossibleValuesParser::new(possible).try_map(|name| name.parse::<Format>())
}

fn help(format: Format) -> &'static str {
    match format {
        Format::Raw => "the bytes as they are",
        Format::Entry => "a whole serialized cryptstore_entry",
        Format::Pem => "PEM of whatever it is: a private key, a public key or a certificate",
        Format::KeyMessage => "a serialized key_message",
        Format::Pkcs8Pem => "a private key, PKCS#8 in PEM",
        Format::Pkcs8Der => "a private key, PKCS#8 in DER",
        Format::SpkiPem => "a public key in PEM; written, the public half of a private key too",
        Format::SpkiDer => "the same in DER",
        Format::X509Pem => "a certificate in PEM",
        Format::X509Der => "a certificate in DER",
        Format::Jwk => "a JSON Web Key",
        Format::OpenSsh => "an OpenSSH private key",
        Format::Bits => "the bits of an AES key and nothing else; only written",
    }
}

/// Reads a file, or standard input for `-`, as what an entry is made of. A private key is loaded once, so that one
/// whose numbers don't belong together is found now and not by who needs it later.
pub fn read(path: &Path, format: Format, entry_type: Option<EntryType>, name: &str) -> Result<Read, Failure> {
    let bytes = input::read(path, if format == Format::Raw { MAX_DATA } else { MAX_FILE })?;
    if bytes.is_empty() {
        return Err(Failure::coded(
            ErrorCode::Malformed,
            "there is nothing to store: the input is empty",
            "check --in",
        ));
    }
    let source = Source { bytes, format, entry_type, name };
    let read = format::read(source)
        .map_err(|error| told(&error, format!("{}: {error}", input::shown(path)), next(&error)))?;
    if let Ok(Content::Private(key)) = Content::of_blob(&read.entry_type, &read.blob)
        && KeyAlgorithm::ALL.iter().any(|algorithm| algorithm.as_str() == key.kind().as_str())
        && SigningKey::from_private(&key).is_err()
    {
        let message =
            format!("{} holds a private key whose numbers don't belong together", input::shown(path));
        return Err(Failure::coded(
            ErrorCode::Malformed,
            message,
            "give the key as the program that made it wrote it",
        ));
    }
    Ok(read)
}

/// An entry as a file of this format.
pub fn write(entry: &Entry, format: Format) -> Result<Zeroizing<Vec<u8>>, Failure> {
    format::write(entry, format).map_err(|error| {
        let message = format!("{}: {error}; nothing was written", entry.tag);
        told(&error, message, "choose another --format; raw and entry fit everything")
    })
}

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Self {
        told(&error, error.to_string(), next(&error))
    }
}

fn told(error: &FormatError, message: String, next: &str) -> Failure {
    Failure::coded(error.code(), message, next)
}

fn next(error: &FormatError) -> &'static str {
    match error {
        FormatError::Unknown | FormatError::NotWritten { .. } | FormatError::NotRead { .. } => {
            "choose another --format"
        }
        FormatError::WriteOnly { .. } => "give it as --format raw",
        FormatError::Type { .. } | FormatError::OtherType { .. } => "choose another --type, or leave it out",
        FormatError::Blocks { .. } => "put what is meant into a file of its own",
        _ => "check the file, and that --format and --type say what it is",
    }
}
