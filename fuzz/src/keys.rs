//! Key and certificate files.

use claviger_proto::Secret;
use claviger_proto::key::{
    KeyMessage, MessageKey, PrivateKey, PublicKey, read_certificate, read_private, read_public,
};

/// A private key file.
pub fn private(data: &[u8]) {
    if let Ok((key, _)) = read_private(data) {
        private_key(&key);
    }
}

fn private_key(key: &PrivateKey) {
    let again = PrivateKey::from_pkcs8_der(Secret::copy_from(key.pkcs8_der())).expect("its own DER");
    assert!(again.pkcs8_der() == key.pkcs8_der(), "the DER changed");
    let (again, certificate) = read_private(key.to_pem().as_bytes()).expect("its own PEM");
    assert!(again.pkcs8_der() == key.pkcs8_der(), "the PEM is another key");
    assert_eq!((again.kind(), certificate), (key.kind(), None));
    let public = key.public().expect("a private key carries its public half");
    assert_eq!(public.kind(), key.kind());
    assert_eq!(read_public(key.to_pem().as_bytes()), Ok(public));
}

/// A public key file.
pub fn public(data: &[u8]) {
    if let Ok(key) = read_public(data) {
        public_key(&key);
    }
}

fn public_key(key: &PublicKey) {
    assert_eq!(PublicKey::from_spki_der(key.spki_der()).as_ref(), Ok(key));
    assert_eq!(read_public(key.to_pem().as_bytes()).as_ref(), Ok(key));
}

/// A certificate file.
pub fn certificate(data: &[u8]) {
    if let Ok(der) = read_certificate(data) {
        assert!(!der.is_empty());
    }
}

/// A stock `key_message`.
pub fn key_message(data: &[u8]) {
    let Ok(message) = KeyMessage::decode(data) else { return };
    let again = KeyMessage::decode(&message.encode()).expect("its own encoding");
    assert_eq!(message.name, again.name);
    assert_eq!(message.certificate, again.certificate);
    assert_eq!((&message.not_before, &message.not_after), (&again.not_before, &again.not_after));
    match (&message.key, &again.key) {
        (MessageKey::Private(one), MessageKey::Private(other)) => {
            private_key(one);
            assert!(one.pkcs8_der() == other.pkcs8_der(), "the private key changed");
        }
        (MessageKey::Public(one), MessageKey::Public(other)) => {
            public_key(one);
            assert_eq!(one, other);
        }
        (
            MessageKey::Other { key_type: one, secret: bits },
            MessageKey::Other { key_type: other, secret: more },
        ) => {
            assert_eq!(one, other);
            assert!(bits == more, "the bits changed");
        }
        _ => panic!("the key became one of another kind"),
    }
}
