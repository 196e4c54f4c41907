//! Stock key files: what they say, and that ours are the same bytes.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;
#[path = "common/key_wire.rs"]
mod key_wire;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::{rsa, signature};
use claviger_proto::key::{
    KeyKind, KeyMessage, MessageKey, PrivateKey, PublicKey, read_certificate, read_private, read_public,
};
use claviger_proto::{Entry, ParseError, Secret};
use common::data;
use key_wire::Wire;
use prost::Message as _;

const PAIRS: [(&str, KeyKind); 6] = [
    ("rsa-1024", KeyKind::Rsa1024),
    ("rsa-2048", KeyKind::Rsa2048),
    ("rsa-3072", KeyKind::Rsa3072),
    ("rsa-4096", KeyKind::Rsa4096),
    ("ecc-256", KeyKind::P256),
    ("ecc-384", KeyKind::P384),
];
const WITH_PEM: [&str; 5] = [
    "policy_key",
    "client_sev.key",
    "server_simulated.key",
    "simulated_rsa3072.key",
    "simulated_rsa4096.key",
];

fn private(bytes: &[u8]) -> PrivateKey {
    match KeyMessage::decode(bytes).unwrap().key {
        MessageKey::Private(key) => key,
        _ => panic!("expected a private key"),
    }
}

fn public(bytes: &[u8]) -> PublicKey {
    match KeyMessage::decode(bytes).unwrap().key {
        MessageKey::Public(key) => key,
        _ => panic!("expected a public key"),
    }
}

/// The error, where the value has no `Debug` because it is secret.
fn refused<T>(result: Result<T, ParseError>) -> ParseError {
    result.err().expect("a refusal")
}

#[test]
fn stock_pairs_belong_together_and_reencode_to_the_same_bytes() {
    for (stem, kind) in PAIRS {
        let private_file = data(&format!("keys/{stem}-private.key_message.pb"));
        let public_file = data(&format!("keys/{stem}-public.key_message.pb"));
        let (private_key, public_key) = (private(&private_file), public(&public_file));
        assert_eq!((private_key.kind(), public_key.kind()), (kind, kind), "{stem}");
        assert!(private_key.public().unwrap().same_numbers(&public_key), "{stem}");
        let again = |file: &[u8]| KeyMessage::decode(file).unwrap().encode();
        assert!(*again(&private_file) == private_file, "{stem}: not the bytes that the stock program wrote");
        // In public files stock programs leave empty fields behind, which ours leave out.
        let (ours, stock) = (again(&public_file), Wire::decode(public_file.as_slice()).unwrap());
        assert_eq!(Wire::decode(ours.as_slice()).unwrap(), stock, "{stem}");
    }
}

#[test]
fn every_form_of_a_key_leads_back_to_it() {
    for (stem, _) in PAIRS {
        let key = private(&data(&format!("keys/{stem}-private.key_message.pb")));
        let from_der = PrivateKey::from_pkcs8_der(Secret::copy_from(key.pkcs8_der())).unwrap();
        assert_eq!(from_der.pkcs8_der(), key.pkcs8_der(), "{stem}");
        let (from_pem, certificate) = read_private(key.to_pem().as_bytes()).unwrap();
        assert_eq!(from_pem.pkcs8_der(), key.pkcs8_der(), "{stem}");
        assert_eq!(certificate, None);

        let public = key.public().unwrap();
        assert_eq!(PublicKey::from_spki_der(public.spki_der()).unwrap(), public);
        assert_eq!(read_public(public.to_pem().as_bytes()).unwrap(), public);
        assert_eq!(read_public(key.to_pem().as_bytes()).unwrap(), public);
        assert_eq!(read_public(&data(&format!("keys/{stem}-private.key_message.pb"))).unwrap(), public);
    }
}

#[test]
fn the_library_loads_what_we_write_and_agrees_on_the_public_half() {
    for (stem, kind) in PAIRS {
        let key = private(&data(&format!("keys/{stem}-private.key_message.pb")));
        let spki = key.public().unwrap().spki_der().to_vec();
        let loaded = match kind {
            KeyKind::P256 => ec_spki(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &key),
            KeyKind::P384 => ec_spki(&signature::ECDSA_P384_SHA384_ASN1_SIGNING, &key),
            KeyKind::Rsa1024 => continue, // too small for the library, rightly
            _ => {
                let pair = rsa::KeyPair::from_pkcs8(key.pkcs8_der()).unwrap();
                signature::KeyPair::public_key(&pair).as_der().unwrap().as_ref().to_vec()
            }
        };
        assert_eq!(loaded, spki, "{stem}");
    }
}

fn ec_spki(algorithm: &'static signature::EcdsaSigningAlgorithm, key: &PrivateKey) -> Vec<u8> {
    let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, key.pkcs8_der()).unwrap();
    signature::KeyPair::public_key(&pair).as_der().unwrap().as_ref().to_vec()
}

#[test]
fn the_librarys_own_keys_are_read() {
    for algorithm in [&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &signature::ECDSA_P384_SHA384_ASN1_SIGNING]
    {
        let pair = signature::EcdsaKeyPair::generate(algorithm).unwrap();
        let spki = signature::KeyPair::public_key(&pair).as_der().unwrap().as_ref().to_vec();
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        let key = PrivateKey::from_pkcs8_der(Secret::copy_from(pkcs8.as_ref())).unwrap();
        assert_eq!(key.public().unwrap().spki_der(), spki);
        let key_message = KeyMessage::new("k", MessageKey::Private(key));
        assert_eq!(private(&key_message.encode()).public().unwrap().spki_der(), spki);
    }
}

#[test]
fn captured_pkcs8_files_hold_the_same_keys_as_their_key_messages() {
    for stem in WITH_PEM {
        let file = data(&format!("keys/{stem}.key_message.pb"));
        let pem = data(&format!("keys/{stem}.pkcs8.pem"));
        let key = private(&file);
        let (from_pem, _) = read_private(&pem).unwrap();
        assert_eq!(key.pkcs8_der(), from_pem.pkcs8_der(), "{stem}");
        assert!(key.to_pem().as_bytes() == pem, "{stem}: not the PEM that another program wrote");
        assert!(KeyMessage::decode(&file).unwrap().encode().as_slice() == file, "{stem}");
    }
}

#[test]
fn the_policy_key_brings_its_certificate() {
    let file = data("keys/policy_key.key_message.pb");
    let certificate = data("keys/policy_cert.der");
    let message = KeyMessage::decode(&file).unwrap();
    assert_eq!(message.name, "policyKey");
    assert_eq!(message.certificate.as_ref(), Some(&certificate));
    assert_eq!(read_private(&file).unwrap().1.as_ref(), Some(&certificate));
    assert_eq!(read_certificate(&file).unwrap(), certificate);
    assert_eq!(read_certificate(&certificate).unwrap(), certificate);
}

#[test]
fn other_key_types_are_kept_as_they_are() {
    for (entry, name) in
        [("entry-aesg", "aesg"), ("entry-primary-store-encryption-key", "primary-store-encryption-key")]
    {
        let entry = Entry::decode(&data(&format!("keys/{entry}.cryptstore_entry.pb"))).unwrap();
        let message = KeyMessage::decode(entry.blob.expose()).unwrap();
        assert_eq!(message.name, name);
        assert!(message.not_before.as_deref().unwrap().starts_with("2026-11-24T"));
        assert!(message.not_after.as_deref().unwrap().starts_with("2027-11-24T"));
        let MessageKey::Other { key_type, secret } = &message.key else { panic!("{name}") };
        assert_eq!((key_type.as_str(), secret.len()), ("aes-256-gcm", 32));
        assert!(message.encode().as_slice() == entry.blob.expose(), "{name}");
        assert_eq!(refused(read_private(entry.blob.expose())), refused(read_public(entry.blob.expose())));
    }
}

#[test]
fn a_type_without_a_half_is_what_its_numbers_are() {
    let entry = Entry::decode(&data("keys/entry-pub1.cryptstore_entry.pb")).unwrap();
    let message = KeyMessage::decode(entry.blob.expose()).unwrap();
    let MessageKey::Private(key) = message.key else { panic!("it carries private numbers") };
    assert_eq!(key.kind(), KeyKind::Rsa2048);
}
