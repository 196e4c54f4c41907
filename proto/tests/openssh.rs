//! OpenSSH private keys, made by ssh-keygen (each with its PKCS#8 form, by ssh-keygen too).

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use base64ct::{Base64, Encoding as _};
use claviger_proto::ParseError;
use claviger_proto::key::{KeyKind, MAX_OPENSSH, read_openssh, read_private, write_openssh};
use common::data;
use proptest::prelude::*;

const KEYS: [(&str, KeyKind); 4] = [
    ("p256", KeyKind::P256),
    // Its private number has 31 bytes: one of 256 keys has such a one.
    ("p256-short-number", KeyKind::P256),
    ("p384", KeyKind::P384),
    ("ed25519", KeyKind::Ed25519),
];

fn refused(file: &[u8]) -> ParseError {
    read_openssh(file).err().expect("a refusal")
}

/// What is in the PEM, without the two check numbers, which ssh-keygen draws.
fn unchecked(file: &[u8]) -> Vec<u8> {
    let mut bytes = inside(file);
    let check = bytes[15..].windows(8).position(|w| w[..4] == w[4..] && w[..4] != [0; 4] || *w == [0; 8]);
    let at = 15 + check.unwrap();
    bytes[at..at + 8].fill(0);
    bytes
}

#[test]
fn ssh_keygens_keys_are_the_ones_that_it_writes_as_pkcs8() {
    for (name, kind) in KEYS {
        let file = data(&format!("openssh/{name}"));
        let key = read_openssh(&file).unwrap();
        assert_eq!(key.kind(), kind);
        // ssh-keygen has no PKCS#8 of Ed25519.
        if kind != KeyKind::Ed25519 {
            let (pkcs8, _) = read_private(&data(&format!("openssh/{name}.pkcs8.pem"))).unwrap();
            assert!(key.pkcs8_der() == pkcs8.pkcs8_der(), "{name}");
        }
        assert!(read_private(&file).unwrap().0.pkcs8_der() == key.pkcs8_der(), "{name}");
        let written = write_openssh(&key, "made for tests");
        assert!(read_openssh(written.as_bytes()).unwrap().pkcs8_der() == key.pkcs8_der(), "{name}");
        assert_eq!(unchecked(written.as_bytes()), unchecked(&file), "{name}: not what ssh-keygen wrote");
    }
}

#[test]
fn rsa_is_written_and_not_read() {
    let (key, _) = read_private(&data("openssh/rsa.pkcs8.pem")).unwrap();
    let written = write_openssh(&key, "made for tests");
    assert_eq!(unchecked(written.as_bytes()), unchecked(&data("openssh/rsa")));
    for file in [written.as_bytes(), &data("openssh/rsa")] {
        let error = refused(file);
        assert!(error.to_string().contains("ssh-keygen -p -m PKCS8"), "{error}");
    }
}

#[test]
fn other_kinds_and_encrypted_keys_are_refused() {
    assert_eq!(refused(&data("openssh/encrypted")), ParseError::EncryptedKey);
    assert!(refused(&data("openssh/p521")).to_string().contains("neither an RSA"));
    assert!(matches!(refused(&data("files/p384.pkcs8.pem")), ParseError::Key(_)));
    let two = [data("openssh/p256"), data("openssh/p384")].concat();
    assert!(matches!(refused(&two), ParseError::Key(_)));
}

fn inside(file: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(file.to_vec()).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    Base64::decode_vec(&body).unwrap()
}

fn around(bytes: &[u8]) -> Vec<u8> {
    let body = Base64::encode_string(bytes);
    format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n").into_bytes()
}

/// One byte changed, each time: all of them mean something, but for the comment's.
#[test]
fn every_byte_is_looked_at() {
    for (name, _) in KEYS {
        let bytes = inside(&data(&format!("openssh/{name}")));
        let comment = bytes.windows(14).position(|window| window == b"made for tests").unwrap();
        // An EC key's private number is checked by the library that loads it; its length is before it.
        let number = read_openssh(&around(&bytes)).unwrap().ec_number();
        let length = number.map_or(0, |number| number.expose().iter().skip_while(|byte| **byte == 0).count());
        let number = comment - 4 - length;
        // A comment that is one byte longer may end where one byte of padding was.
        for at in (0..bytes.len()).filter(|at| !(comment - 1..comment + 14).contains(at)) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = read_openssh(&around(&changed));
            assert!(read.is_err() || (number..comment - 4).contains(&at), "{name}, byte {at}");
        }
        assert!(read_openssh(&around(&[bytes.as_slice(), &[0]].concat())).is_err(), "{name}");
    }
}

#[test]
fn padding_is_what_is_needed_and_no_more() {
    let bytes = inside(&data("openssh/ed25519"));
    let padding = bytes.iter().rev().take_while(|byte| **byte < 8).count();
    // Eight bytes more of it, and the private part's length says so.
    let mut longer = bytes.clone();
    let from = u8::try_from(padding).unwrap() + 1;
    longer.extend(from..from + 8);
    // After the magic, two names, no options, one key and its public half.
    let private = 15 + 8 + 8 + 4 + 4 + 4 + 51;
    let length = u32::from_be_bytes(bytes[private..private + 4].try_into().unwrap());
    assert_eq!(private + 4 + length as usize, bytes.len(), "the private part is the last");
    longer[private..private + 4].copy_from_slice(&(length + 8).to_be_bytes());
    assert!(read_openssh(&around(&longer)).is_err());
    assert!(read_openssh(&around(&bytes)).is_ok());
}

#[test]
fn t20_a_file_has_a_size() {
    let file = data("openssh/p256");
    let padded = |size: usize| [file.clone(), vec![b'\n'; size - file.len()]].concat();
    assert!(read_openssh(&padded(MAX_OPENSSH)).is_ok());
    assert!(read_openssh(&padded(MAX_OPENSSH + 1)).is_err());
}

#[test]
fn a_comment_is_visible_ascii() {
    let key = read_openssh(&data("openssh/p256")).unwrap();
    let plain = write_openssh(&key, "a b");
    assert!(*write_openssh(&key, "a\n \u{e9}\0b") == *plain);
    assert!(*write_openssh(&key, &"x".repeat(1 << 20)) == *write_openssh(&key, &"x".repeat(255)));
}

#[test]
fn t20_damaged_files_never_panic() {
    for (name, _) in KEYS {
        let file = data(&format!("openssh/{name}"));
        for at in 0..file.len() {
            let _ = read_openssh(&file[..at]);
            let mut changed = file.clone();
            changed[at] ^= 3;
            let _ = read_openssh(&changed);
        }
    }
}

proptest! {
    #[test]
    fn t20_any_body_never_panics(body in "[A-Za-z0-9+/]{0,200}") {
        let magic = "b3BlbnNzaC1rZXktdjEA";
        let file = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{magic}{body}\n-----END OPENSSH PRIVATE KEY-----\n");
        let _ = read_openssh(file.as_bytes());
    }
}
