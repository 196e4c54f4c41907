//! On the stores that stock programs wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use claviger_attest::Measurement;
use claviger_proto::key::{KeyMessage, MessageKey, SymmetricKind};
use claviger_proto::stock_store::ProtectedBlob;

use super::*;

fn data(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stock").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn simulated() -> Seal {
    Seal::simulated(Measurement::from_bytes(&data("cf_utility.measurement")).unwrap())
}

fn sev() -> Seal {
    let key = hex::decode(data("sev_dummy_seal_key.hex").trim_ascii()).unwrap();
    Seal::key(&key.try_into().unwrap())
}

/// Every captured store: its name, what it opened to, and under which seal.
fn captured() -> [(&'static str, &'static str, Seal); 5] {
    [
        ("server_cryptstore_cbc_simulated", "cryptstore", simulated()),
        ("init_cryptstore_gcm_simulated", "cryptstore", simulated()),
        ("client_cryptstore_gcm_sev", "cryptstore", sev()),
        ("policy_store_gcm_simulated", "policy_store_message", simulated()),
        ("server_cryptstore_after_errors", "cryptstore", simulated()),
    ]
}

fn refused(file: &[u8], seal: &Seal) -> CertifierError {
    let error = Contents::open(file, seal).err().expect("a refusal");
    assert!(!error.next().is_empty() && !error.to_string().is_empty());
    error
}

fn code(file: &[u8], seal: &Seal) -> (&'static str, u8) {
    let error = refused(file, seal);
    (error.code(), error.exit_status())
}

/// A store with this content, as a stock program would have it.
fn store(seal: &Seal, key: &KeyMessage, content: &[u8]) -> Vec<u8> {
    let MessageKey::Other { secret, .. } = &key.key else { panic!("a symmetric key") };
    let kind = SymmetricKind::Aes256Gcm;
    let bits = claviger_proto::Secret::copy_from(&secret.expose()[..kind.size()]);
    let gcm = claviger_proto::key::SymmetricKey::new(kind, bits).unwrap();
    let data = cipher::seal(&gcm, content).unwrap();
    ProtectedBlob { sealed_key: seal.seal(&key.encode()).unwrap(), data }.encode()
}

fn key(key_type: &str, bits: usize) -> KeyMessage {
    let secret = claviger_proto::Secret::new(vec![5; bits]);
    KeyMessage::new("cryptstore-sealing-key", MessageKey::Other { key_type: key_type.to_owned(), secret })
}

#[test]
fn captured_stores_open_to_what_they_hold() {
    for (name, message, seal) in captured() {
        let blob = ProtectedBlob::decode(&data(&format!("{name}.bin"))).unwrap();
        let key = seal.unseal(&blob.sealed_key).unwrap();
        let file = format!("{name}.sealing_key.key_message.pb");
        if name != "server_cryptstore_after_errors" {
            let MessageKey::Other { key_type, secret } = KeyMessage::decode(&data(&file)).unwrap().key else {
                panic!("{name}")
            };
            assert_eq!(key.kind().as_str(), key_type, "{name}");
            assert!(key.bits() == secret.expose(), "{name}");
        }
        let plain = cipher::open(&key, &blob.data).unwrap();
        assert!(plain.expose() == data(&format!("{name}.plain.{message}.pb")), "{name}");
    }
}

#[test]
fn one_bit_anywhere_in_a_file_and_it_is_refused() {
    for (name, _, seal) in captured() {
        let file = data(&format!("{name}.bin"));
        for at in 0..file.len() {
            let mut broken = file.clone();
            broken[at] ^= 1;
            refused(&broken, &seal);
        }
        // Nothing in front, nothing missing, nothing behind.
        refused(&[&[0], file.as_slice()].concat(), &seal);
        refused(&[file.as_slice(), &[0]].concat(), &seal);
        assert_eq!(code(&[file.as_slice(), &file].concat(), &seal), ("malformed", 3));
        for cut in [0, 1, 3, 100, file.len() / 2, file.len() - 1] {
            refused(&file[..cut], &seal);
        }
    }
}

#[test]
fn each_part_that_breaks_is_told_from_the_others() {
    let (file, seal) = (data("init_cryptstore_gcm_simulated.bin"), simulated());
    let good = ProtectedBlob::decode(&file).unwrap();
    let broken = |sealed: usize, content: usize| {
        let mut blob = good.clone();
        blob.sealed_key[sealed] ^= u8::from(sealed > 0);
        blob.data[content] ^= u8::from(content > 0);
        blob.encode()
    };
    assert!(Contents::open(&broken(0, 0), &seal).is_ok());
    let (mac, tag) = (good.sealed_key.len() - 1, good.data.len() - 1);
    assert_eq!(code(&broken(mac, 0), &seal), ("other-seal", 3));
    assert_eq!(code(&broken(0, tag), &seal), ("damaged", 1));
    assert_eq!(code(b"hello", &seal), ("malformed", 3));
    assert_eq!(code(&file, &sev()), ("other-seal", 3));
    let other = Seal::simulated(Measurement::from_bytes(&[7; 32]).unwrap());
    let error = refused(&file, &other);
    assert_eq!((error.code(), error.exit_status()), ("other-measurement", 3));
    assert!(error.to_string().contains(&hex::encode(data("cf_utility.measurement"))));
    // Whoever has no measurement, or a longer one, isn't let in either.
    let long = Seal::simulated(Measurement::from_bytes(&[7; 48]).unwrap());
    assert_eq!(code(&file, &long), ("other-measurement", 3));
    let known: [u8; 64] = std::array::from_fn(|i| u8::try_from(5 * i % 16).unwrap());
    assert_eq!(code(&file, &Seal::key(&known)), ("malformed", 3));
}

#[test]
fn a_key_of_another_algorithm_or_size_opens_nothing() {
    let seal = simulated();
    assert!(Contents::open(&store(&seal, &key("aes-256-gcm", 32), &[]), &seal).is_ok());
    for name in ["aes-256", "aes-128", "chacha20-poly1305", "", "rsa-2048-private"] {
        let expected = if name.starts_with("rsa") { "malformed" } else { "unknown-algorithm" };
        assert_eq!(code(&store(&seal, &key(name, 32), &[]), &seal), (expected, 3), "{name}");
    }
    assert_eq!(code(&store(&seal, &key("aes-256-gcm", 33), &[]), &seal), ("malformed", 3));
    assert_eq!(code(&store(&seal, &key("aes-256-cbc-hmac-sha256", 32), &[]), &seal), ("malformed", 3));
    let said = refused(&store(&seal, &key(&"\u{1b}[2J".repeat(50), 32), &[]), &seal).to_string();
    assert!(said.len() < 120 && !said.contains('\u{1b}'), "{said}");
    // It opens, and isn't a store.
    assert_eq!(code(&store(&seal, &key("aes-256-gcm", 32), b"hello"), &seal), ("malformed", 3));
}

#[test]
fn an_entry_of_a_policy_store_that_is_called_like_an_identity_is_left_out() {
    let plain = data("policy_store_gcm_simulated.plain.policy_store_message.pb");
    let before = Contents::read(&plain).unwrap();
    let (own, other) = (b"1private-auth-key", b"app-symmetric-key");
    let at = plain.windows(other.len()).position(|window| window == other).unwrap();
    let named = [&plain[..at], own, &plain[at + own.len()..]].concat();
    let contents = Contents::read(&named).unwrap().sound().unwrap();
    assert!(contents.left_out.iter().any(|left| left.tag.as_bytes() == own));
    assert_eq!(contents.items.len() + 1, before.items.len());
    crate::cryptstore::Cryptstore::empty().import_certifier(None, contents.items, 0).unwrap();
}
