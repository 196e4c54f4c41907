//! Key and certificate files.

use claviger_proto::Secret;
use claviger_proto::format::{self, Content, Format, Source};
use claviger_proto::key::{
    Certificate, Jwk, KeyMessage, MessageKey, PrivateKey, PublicKey, read_certificate, read_openssh,
    read_private, read_public, write_openssh,
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

/// A JSON Web Key.
pub fn jwk(data: &[u8]) {
    let Ok(jwk) = Jwk::from_json(data) else { return };
    let json = jwk.to_json().expect("what was read is written");
    match (&jwk, Jwk::from_json(json.as_bytes()).expect("its own JSON")) {
        (Jwk::Private(one), Jwk::Private(other)) => {
            private_key(one);
            assert!(one.pkcs8_der() == other.pkcs8_der(), "the private key changed");
        }
        (Jwk::Public(one), Jwk::Public(other)) => {
            public_key(one);
            assert_eq!(*one, other);
        }
        (Jwk::Symmetric(one), Jwk::Symmetric(other)) => {
            assert!(one.kind() == other.kind() && one.bits() == other.bits(), "the key changed");
        }
        _ => panic!("the key became one of another kind"),
    }
}

/// An OpenSSH private key, with or without the PEM around it.
pub fn openssh(data: &[u8]) {
    let pem = pem_rfc7468::encode_string("OPENSSH PRIVATE KEY", pem_rfc7468::LineEnding::LF, data);
    for file in [data, pem.unwrap_or_default().as_bytes()] {
        let Ok(key) = read_openssh(file) else { continue };
        private_key(&key);
        let again = read_openssh(write_openssh(&key, "").as_bytes()).expect("its own file");
        assert!(again.pkcs8_der() == key.pkcs8_der(), "the key changed");
    }
}

/// A certificate in DER.
pub fn x509(data: &[u8]) {
    let Ok(certificate) = Certificate::from_der(data) else { return };
    assert_eq!(certificate.der(), data);
    assert_eq!(read_certificate(certificate.to_pem().as_bytes()).as_deref(), Ok(data));
    let _ = (certificate.subject(), certificate.issuer(), certificate.dates());
    let _ = certificate.public_key();
}

/// A file in the format that its first byte says, and everything that its entry can be written as.
pub fn formats(data: &[u8]) {
    let Some((first, file)) = data.split_first() else { return };
    let format = Format::ALL[usize::from(*first) % Format::ALL.len()];
    let source = |bytes: &[u8], format| {
        let bytes = Secret::copy_from(bytes);
        format::read(Source { bytes, format, entry_type: None, name: "fuzz" })
    };
    let Ok(read) = source(file, format) else { return };
    let entry = read.into_entry("fuzz");
    for format in Format::ALL {
        let Ok(written) = format::write(&entry, format) else { continue };
        let content = Content::of_blob(&entry.entry_type, &entry.blob);
        let readable = content.is_ok_and(|content| content.shape().read_from().any(|from| from == format));
        // Raw bytes don't say their type, and another RSA key than ours may have larger numbers than JOSE takes.
        if readable && format != Format::Raw {
            assert!(source(&written, format).is_ok(), "written as {format} and not read again");
        }
    }
}
