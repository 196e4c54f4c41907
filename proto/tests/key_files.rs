//! Key and certificate files as people hand them over.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use claviger_proto::key::{
    KeyKind, PrivateKey, PublicKey, read_certificate, read_private, read_public, read_root,
};
use claviger_proto::{ParseError, Secret};
use common::data;
use der::asn1::OctetStringRef;
use der::{Decode as _, Encode as _};
use pkcs8::PrivateKeyInfoRef;
use proptest::prelude::*;
use sec1::{EcParameters, EcPrivateKey};

fn text(path: &str) -> String {
    String::from_utf8(data(path)).unwrap()
}

/// The error, where the value has no `Debug` because it is secret.
fn refused<T>(result: Result<T, ParseError>) -> ParseError {
    result.err().expect("a refusal")
}

#[test]
fn openssls_older_forms_are_the_same_keys() {
    for (modern, old, kind) in [
        ("files/rsa.pkcs8.pem", "files/rsa.pkcs1.pem", KeyKind::Rsa2048),
        ("files/p384.pkcs8.pem", "files/p384.sec1.pem", KeyKind::P384),
    ] {
        let (a, _) = read_private(&data(modern)).unwrap();
        let (b, _) = read_private(&data(old)).unwrap();
        assert_eq!(a.pkcs8_der(), b.pkcs8_der(), "{old}");
        assert_eq!(a.kind(), kind);
        assert!(a.to_pem().as_str() == text(modern), "{modern}: not the PEM that openssl wrote");
    }
    let public = read_public(&data("files/p384.public.pem")).unwrap();
    assert_eq!(public, read_public(&data("files/p384.sec1.pem")).unwrap());
    assert_eq!(public.to_pem(), text("files/p384.public.pem"));
}

#[test]
fn a_certificate_beside_the_key_comes_with_it() {
    let certificate = data("files/p384.certificate.pem");
    let both = [data("files/p384.pkcs8.pem"), certificate.clone()].concat();
    let other_way_round =
        [certificate.clone(), b"\n# a remark\r\n".to_vec(), data("files/p384.sec1.pem")].concat();
    let der = read_certificate(&certificate).unwrap();
    for file in [both, other_way_round] {
        assert_eq!(read_private(&file).unwrap().1.as_ref(), Some(&der));
        assert_eq!(read_certificate(&file).unwrap(), der);
    }
    assert_eq!(read_certificate(&der).unwrap(), der);
}

#[test]
fn a_root_is_a_key_or_the_key_of_a_certificate() {
    let certificate = data("files/p384.certificate.pem");
    let key = read_public(&data("files/p384.public.pem")).unwrap();
    let forms = [
        data("files/p384.public.pem"),
        data("files/p384.pkcs8.pem"),
        read_certificate(&certificate).unwrap(),
        certificate,
    ];
    for file in forms {
        assert_eq!(read_root(&file).unwrap(), key);
    }
    assert!(read_root(b"neither").is_err() && read_root(&[]).is_err());
    let half = &data("files/p384.certificate.pem")[..200];
    assert!(read_root(half).is_err());
}

#[test]
fn line_ends_and_widths_of_other_programs_are_read() {
    let pem = text("files/p384.pkcs8.pem");
    let (key, _) = read_private(pem.as_bytes()).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let wide = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    for form in [pem.replace('\n', "\r\n"), format!("\n\n{pem}\n"), wide] {
        assert_eq!(read_private(form.as_bytes()).unwrap().0.pkcs8_der(), key.pkcs8_der());
    }
}

#[test]
fn what_is_meant_is_never_guessed() {
    let (rsa, p384) = (data("files/rsa.pkcs8.pem"), data("files/p384.pkcs8.pem"));
    let certificate = data("files/p384.certificate.pem");
    let public = data("files/p384.public.pem");
    refused(read_private(&[rsa.clone(), p384.clone()].concat()));
    refused(read_private(&[p384.clone(), certificate.clone(), certificate.clone()].concat()));
    refused(read_certificate(&[certificate.clone(), certificate.clone()].concat()));
    refused(read_public(&[public.clone(), public.clone()].concat()));
    refused(read_public(&[public.clone(), rsa].concat()));
    refused(read_public(&certificate));
    refused(read_private(&certificate));
    refused(read_private(&public));
    refused(read_certificate(&p384));
    assert!(read_public(&[public, p384].concat()).is_ok());
}

#[test]
fn an_encrypted_key_is_called_so() {
    for file in ["files/p384.encrypted.pem", "files/rsa.encrypted-pkcs1.pem"] {
        assert_eq!(refused(read_private(&data(file))), ParseError::EncryptedKey, "{file}");
    }
}

#[test]
fn keys_of_other_kinds_are_refused() {
    for file in ["files/p521.pkcs8.pem", "files/p384.no-public.pem", "files/rsa.three-primes.pem"] {
        assert!(matches!(refused(read_private(&data(file))), ParseError::Key(_)), "{file}");
    }
    assert!(matches!(refused(read_public(&data("files/p384.compressed.pem"))), ParseError::Key(_)));
}

#[test]
fn one_key_has_one_public_form() {
    let public = read_public(&data("files/rsa.pkcs8.pem")).unwrap();
    let der = public.spki_der().to_vec();
    // Without the NULL of the algorithm's parameters, and all lengths adjusted: the same numbers, refused.
    let mut bare = der.clone();
    let null = bare.windows(2).position(|window| window == [5, 0]).unwrap();
    bare.drain(null..null + 2);
    bare[3] -= 2;
    bare[5] -= 2;
    assert!(matches!(PublicKey::from_spki_der(&bare), Err(ParseError::Key(_))));
    let mut trailing = der;
    trailing.push(0);
    assert!(PublicKey::from_spki_der(&trailing).is_err());
}

#[test]
fn a_point_says_that_it_is_uncompressed() {
    let der = read_public(&data("files/p384.public.pem")).unwrap().spki_der().to_vec();
    let at = der.len() - 97;
    assert_eq!(der[at], 4);
    // 6 and 7 are the hybrid forms: as long, and the same numbers.
    for prefix in [0, 2, 3, 5, 6, 7] {
        let mut other = der.clone();
        other[at] = prefix;
        assert!(PublicKey::from_spki_der(&other).is_err(), "{prefix}");
    }
}

#[test]
fn an_ec_key_is_on_one_curve() {
    let (key, _) = read_private(&data("files/p384.pkcs8.pem")).unwrap();
    let info = PrivateKeyInfoRef::from_der(key.pkcs8_der()).unwrap();
    for (curve, good) in [("1.3.132.0.34", true), ("1.2.840.10045.3.1.7", false), ("1.3.132.0.35", false)] {
        let mut inner = EcPrivateKey::from_der(info.private_key.as_bytes()).unwrap();
        inner.parameters = Some(EcParameters::NamedCurve(curve.parse().unwrap()));
        let inner = inner.to_der().unwrap();
        let outer = PrivateKeyInfoRef::new(info.algorithm, OctetStringRef::new(&inner).unwrap());
        let read = PrivateKey::from_pkcs8_der(Secret::new(outer.to_der().unwrap()));
        assert_eq!(read.is_ok(), good, "{curve}");
    }
}

#[test]
fn torn_files_are_errors() {
    let pem = text("files/p384.pkcs8.pem");
    for torn in [
        pem.replace("-----END PRIVATE KEY-----", ""),
        pem.replace("END PRIVATE", "END PUBLIC"),
        pem.replacen('M', "!", 1),
        pem[..100].to_owned(),
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n".to_owned(),
    ] {
        refused(read_private(torn.as_bytes()));
    }
    let der = read_certificate(&data("files/p384.certificate.pem")).unwrap();
    refused(read_certificate(&der[..der.len() - 1]));
    refused(read_certificate(&[der, vec![0]].concat()));
    refused(read_certificate(b""));
}

/// Every prefix, and every file with one byte changed, gives a value or an error.
#[test]
fn t20_damaged_files_never_panic() {
    let files = [
        data("files/p384.sec1.pem"),
        data("keys/ecc-384-private.key_message.pb"),
        data("keys/rsa-1024-private.key_message.pb"),
        data("keys/policy_cert.der"),
    ];
    for file in files {
        for i in 0..file.len() {
            read_all(&file[..i]);
            let mut changed = file.clone();
            changed[i] ^= 0x41;
            read_all(&changed);
        }
    }
}

fn read_all(bytes: &[u8]) {
    let _ = read_private(bytes);
    let _ = read_public(bytes);
    let _ = read_certificate(bytes);
    let _ = PublicKey::from_spki_der(bytes);
}

proptest! {
    #[test]
    fn t20_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        read_all(&bytes);
    }

    #[test]
    fn t20_any_text_between_dashes_never_panics(label in "[A-Z ]{0,12}", body in "[A-Za-z0-9+/=\n\r -]{0,200}") {
        read_all(format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----").as_bytes());
    }
}
