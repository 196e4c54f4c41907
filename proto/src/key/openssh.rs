//! OpenSSH private keys (`openssh-key-v1`, OpenSSH's PROTOCOL.key), without a passphrase.
//!
//! ```text
//! magic, cipher, kdf, kdf's options, 1, public key, private part
//! private part: check, check, type, numbers, comment, 1 2 3 … up to a multiple of 8 bytes
//! ```
//! Strings and numbers (RFC 4251) have a 4-byte length before them.

use zeroize::Zeroizing;

use super::curve::Curve;
use super::ec::{EcPrivate, EcPublic};
use super::ed25519::EdPrivate;
use super::number::pad;
use super::{KeyKind, PrivateKey, PrivateNumbers, pem};
use crate::ParseError;
use crate::limits::MAX_RESOURCE_NAME;

/// Largest OpenSSH key file that is read, in bytes; one of RSA-4096 has 3 400.
pub const MAX_OPENSSH: usize = 16 << 10;

/// Longest comment, in bytes: as long as a name.
const MAX_COMMENT: usize = MAX_RESOURCE_NAME;

const MAGIC: &[u8] = b"openssh-key-v1\0";
const NONE: &[u8] = b"none";
const RSA: &[u8] = b"ssh-rsa";
const ED25519: &[u8] = b"ssh-ed25519";
/// What every cipher's block size divides, `none`'s being 8.
const BLOCK: usize = 8;

/// Type of the key, name of its curve.
const CURVES: [(&[u8], &[u8], KeyKind); 2] = [
    (b"ecdsa-sha2-nistp256", b"nistp256", KeyKind::P256),
    (b"ecdsa-sha2-nistp384", b"nistp384", KeyKind::P384),
];

const MALFORMED: ParseError = ParseError::Key("it isn't an OpenSSH private key (openssh-key-v1)");
const OTHER_PUBLIC: ParseError = ParseError::Key("its public key isn't its private key's");

/// Reads an OpenSSH private key file of at most [`MAX_OPENSSH`] bytes, with nothing else in it: EC or Ed25519. An
/// RSA key there lacks two of the numbers that a private key has here.
pub fn read_openssh(text: &[u8]) -> Result<PrivateKey, ParseError> {
    if text.len() > MAX_OPENSSH {
        return Err(ParseError::Key("an OpenSSH private key has at most 16 KiB"));
    }
    let blocks = pem::blocks(pem::as_text(text).ok_or(MALFORMED)?)?;
    match blocks.as_slice() {
        [block] if block.label == pem::OPENSSH_PRIVATE_KEY => from_bytes(&block.der),
        _ => Err(MALFORMED),
    }
}

/// Reads what is inside the PEM.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<PrivateKey, ParseError> {
    let mut outer = Reader(bytes);
    outer.literal(MAGIC)?;
    let (cipher, kdf, options) = (outer.string()?, outer.string()?, outer.string()?);
    if cipher != NONE {
        return Err(ParseError::EncryptedKey);
    }
    if kdf != NONE || !options.is_empty() || outer.number()? != 1 {
        return Err(MALFORMED);
    }
    let (public, private) = (outer.string()?, outer.string()?);
    outer.end()?;
    read_private_part(public, private)
}

fn read_private_part(public: &[u8], private: &[u8]) -> Result<PrivateKey, ParseError> {
    let mut inner = Reader(private);
    if inner.number()? != inner.number()? || !private.len().is_multiple_of(BLOCK) {
        return Err(MALFORMED);
    }
    let key_type = inner.string()?;
    let key = if key_type == ED25519 {
        read_ed25519(&mut inner)?
    } else if let Some((_, name, kind)) = CURVES.iter().find(|(known, ..)| *known == key_type) {
        read_ec(&mut inner, name, *kind)?
    } else if key_type == RSA {
        return Err(ParseError::Key(
            "OpenSSH keeps an RSA key without its dp and dq; convert it first (ssh-keygen -p -m PKCS8 -f COPY)",
        ));
    } else {
        return Err(super::UNSUPPORTED);
    };
    inner.string()?; // the comment
    let padding = inner.0;
    if padding.len() >= BLOCK || padding.iter().zip(1..).any(|(byte, expected)| *byte != expected) {
        return Err(MALFORMED);
    }
    if public_blob(&key.numbers()).as_slice() == public { Ok(key) } else { Err(OTHER_PUBLIC) }
}

fn read_ed25519(inner: &mut Reader<'_>) -> Result<PrivateKey, ParseError> {
    let (public, pair) = (inner.string()?, inner.string()?);
    // The seed, and the public key once more.
    let (seed, again) = pair.split_at_checked(32).ok_or(MALFORMED)?;
    if public != again {
        return Err(OTHER_PUBLIC);
    }
    PrivateNumbers::Ed(EdPrivate::with_public(seed, public)?).to_key()
}

fn read_ec(inner: &mut Reader<'_>, name: &[u8], kind: KeyKind) -> Result<PrivateKey, ParseError> {
    let curve = Curve::of_kind(kind).ok_or(MALFORMED)?;
    if inner.string()? != name {
        return Err(MALFORMED);
    }
    let public = EcPublic::new(curve, inner.string()?)?;
    let d = pad(inner.positive()?, curve.size()).ok_or(MALFORMED)?;
    PrivateNumbers::Ec(EcPrivate::new(public, &d)?).to_key()
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn literal(&mut self, expected: &[u8]) -> Result<(), ParseError> {
        self.0 = self.0.strip_prefix(expected).ok_or(MALFORMED)?;
        Ok(())
    }

    fn number(&mut self) -> Result<u32, ParseError> {
        let (number, rest) = self.0.split_first_chunk().ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Result<&'a [u8], ParseError> {
        let length = usize::try_from(self.number()?).map_err(|_| MALFORMED)?;
        let (string, rest) = self.0.split_at_checked(length).ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(string)
    }

    /// A positive number in as few bytes as it needs (RFC 4251 `mpint`), without its sign.
    fn positive(&mut self) -> Result<&'a [u8], ParseError> {
        match self.string()? {
            [0, number @ ..] if number.first().is_some_and(|byte| *byte >= 0x80) => Ok(number),
            number if number.first().is_some_and(|byte| (1..0x80).contains(byte)) => Ok(number),
            _ => Err(MALFORMED),
        }
    }

    fn end(&self) -> Result<(), ParseError> {
        if self.0.is_empty() { Ok(()) } else { Err(MALFORMED) }
    }
}

/// Writes an OpenSSH private key file. `comment` is what `ssh-keygen -l` shows beside it; other characters than
/// visible ASCII and spaces are left out, and what is beyond 255 of them.
pub fn write_openssh(key: &PrivateKey, comment: &str) -> Zeroizing<String> {
    let visible = comment.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
    let comment: String = visible.take(MAX_COMMENT).collect();
    let numbers = key.numbers();
    let public = public_blob(&numbers);
    let mut inner = Writer::new();
    // The check tells a wrong passphrase from a right one; without one, any number twice does.
    inner.bytes(&[0; 8]);
    write_numbers(&mut inner, &numbers);
    inner.string(comment.as_bytes());
    (1..).take(inner.0.len().next_multiple_of(BLOCK) - inner.0.len()).for_each(|byte| inner.bytes(&[byte]));
    let mut outer = Writer::new();
    outer.bytes(MAGIC);
    for none in [NONE, NONE, b""] {
        outer.string(none);
    }
    outer.bytes(&1u32.to_be_bytes());
    outer.string(&public);
    outer.string(&inner.0);
    pem::encode(pem::OPENSSH_PRIVATE_KEY, &outer.0)
}

fn write_numbers(inner: &mut Writer, numbers: &PrivateNumbers<'_>) {
    match numbers {
        PrivateNumbers::Rsa(key) => {
            inner.string(RSA);
            let numbers = [key.public.n, key.public.e, key.d, key.iqmp, key.p, key.q];
            for number in numbers {
                inner.positive(number);
            }
        }
        PrivateNumbers::Ec(key) => {
            write_point(inner, &key.public);
            inner.positive(super::number::strip(key.d));
        }
        PrivateNumbers::Ed(key) => {
            inner.string(ED25519);
            inner.string(&key.public.bytes);
            inner.string(&Zeroizing::new([key.seed, &key.public.bytes].concat()));
        }
    }
}

fn write_point(writer: &mut Writer, key: &EcPublic<'_>) {
    let known = CURVES.iter().find(|(.., kind)| *kind == key.kind());
    let (key_type, name, _) = known.expect("every curve has a name here");
    writer.string(key_type);
    writer.string(name);
    writer.string(key.point());
}

/// The public key, as ssh sends it (RFC 4253, RFC 5656, RFC 8709).
fn public_blob(numbers: &PrivateNumbers<'_>) -> Zeroizing<Vec<u8>> {
    let mut blob = Writer::new();
    match numbers {
        PrivateNumbers::Rsa(key) => {
            blob.string(RSA);
            blob.positive(key.public.e);
            blob.positive(key.public.n);
        }
        PrivateNumbers::Ec(key) => write_point(&mut blob, &key.public),
        PrivateNumbers::Ed(key) => {
            blob.string(ED25519);
            blob.string(&key.public.bytes);
        }
    }
    blob.0
}

/// Bytes being written; they never grow beyond what was allocated first.
struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(MAX_OPENSSH)))
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn string(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("a key's parts are far below 4 GiB");
        self.bytes(&length.to_be_bytes());
        self.bytes(bytes);
    }

    /// A positive number without leading zeros; a first bit that is set would be its sign.
    fn positive(&mut self, number: &[u8]) {
        let sign: &[u8] = if number.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
        self.string(&Zeroizing::new([sign, number].concat()));
    }
}
