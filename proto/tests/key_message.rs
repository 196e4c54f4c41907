//! Stock key files: what they say, and that ours are the same bytes.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::{rsa, signature};
use claviger_proto::key::{
    KeyKind, KeyMessage, MessageKey, PrivateKey, PublicKey, read_certificate, read_private, read_public,
};
use claviger_proto::{Entry, ParseError, Secret};
use common::data;
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
        let key_message = KeyMessage {
            name: "k".to_owned(),
            key: MessageKey::Private(key),
            certificate: None,
            not_before: None,
            not_after: None,
        };
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

    let mut wire = rsa("public");
    wire.key_type = "rsa-2048".to_owned();
    assert!(matches!(decode(&wire), Ok(KeyMessage { key: MessageKey::Public(_), .. })));
}

// What follows breaks one thing of a good message at a time, with the test's own copy of the stock schema.

#[derive(Clone, PartialEq, prost::Message)]
struct Wire {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    key_type: String,
    #[prost(string, tag = "3")]
    format: String,
    #[prost(message, optional, tag = "4")]
    rsa: Option<Rsa>,
    #[prost(message, optional, tag = "5")]
    ecc: Option<Ecc>,
    #[prost(bytes = "vec", tag = "6")]
    bits: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    certificate: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Rsa {
    #[prost(bytes = "vec", tag = "1")]
    n: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    e: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    d: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    p: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    q: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    dp: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    dq: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    iqmp: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Ecc {
    #[prost(string, tag = "1")]
    curve: String,
    #[prost(bytes = "vec", tag = "2")]
    p: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    a: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    b: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    base: Option<Point>,
    #[prost(message, optional, tag = "6")]
    public: Option<Point>,
    #[prost(bytes = "vec", tag = "7")]
    order: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    d: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Point {
    #[prost(bytes = "vec", tag = "1")]
    x: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    y: Vec<u8>,
}

fn rsa(half: &str) -> Wire {
    Wire::decode(data(&format!("keys/rsa-2048-{half}.key_message.pb")).as_slice()).unwrap()
}

fn ecc(half: &str) -> Wire {
    Wire::decode(data(&format!("keys/ecc-256-{half}.key_message.pb")).as_slice()).unwrap()
}

fn decode(wire: &Wire) -> Result<KeyMessage, ParseError> {
    KeyMessage::decode(&wire.encode_to_vec())
}

fn pad(number: &mut Vec<u8>) {
    number.splice(0..0, [0, 0, 0]);
}

#[test]
fn padded_numbers_are_the_same_numbers() {
    let mut padded = rsa("private");
    let numbers = padded.rsa.as_mut().unwrap();
    for number in [
        &mut numbers.n,
        &mut numbers.e,
        &mut numbers.d,
        &mut numbers.p,
        &mut numbers.q,
        &mut numbers.dp,
        &mut numbers.dq,
        &mut numbers.iqmp,
    ] {
        pad(number);
    }
    let stock = data("keys/rsa-2048-private.key_message.pb");
    assert!(decode(&padded).unwrap().encode().as_slice() == stock);

    let mut padded = ecc("private");
    let numbers = padded.ecc.as_mut().unwrap();
    let (base, public) = (numbers.base.as_mut().unwrap(), numbers.public.as_mut().unwrap());
    for number in [
        &mut numbers.p,
        &mut numbers.a,
        &mut numbers.b,
        &mut base.x,
        &mut base.y,
        &mut public.x,
        &mut public.y,
        &mut numbers.order,
        &mut numbers.d,
    ] {
        pad(number);
    }
    let stock = data("keys/ecc-256-private.key_message.pb");
    assert!(decode(&padded).unwrap().encode().as_slice() == stock);
}

#[test]
fn stripped_numbers_come_back_padded_where_the_form_needs_it() {
    let mut wire = ecc("private");
    let numbers = wire.ecc.as_mut().unwrap();
    // As a C++ program writes 0x0001: one byte.
    numbers.d = vec![1];
    numbers.public.as_mut().unwrap().x = vec![2];
    let message = decode(&wire).unwrap();
    let MessageKey::Private(key) = &message.key else { panic!("private") };
    assert_eq!(key.public().unwrap().spki_der().len(), 91);
    assert_eq!(key.pkcs8_der().len(), 138);
    assert_eq!(Wire::decode(message.encode().as_slice()).unwrap(), wire);
}

#[test]
fn an_rsa_private_key_without_one_of_its_numbers_is_an_error() {
    type Pick = fn(&mut Rsa) -> &mut Vec<u8>;
    let numbers: [Pick; 6] = [
        |rsa| &mut rsa.d,
        |rsa| &mut rsa.p,
        |rsa| &mut rsa.q,
        |rsa| &mut rsa.dp,
        |rsa| &mut rsa.dq,
        |rsa| &mut rsa.iqmp,
    ];
    for (i, number) in numbers.iter().enumerate() {
        for bad in [vec![], vec![0], vec![1; 257]] {
            let mut wire = rsa("private");
            *number(wire.rsa.as_mut().unwrap()) = bad;
            refused(decode(&wire));
        }
        let mut wire = rsa("private");
        number(wire.rsa.as_mut().unwrap()).clear();
        wire.key_type = "rsa-2048-public".to_owned();
        assert!(decode(&wire).is_ok(), "number {i} is of no concern to a public key");
    }
}

#[test]
fn a_message_that_contradicts_itself_is_refused() {
    let broken: [(&str, fn() -> Wire); 16] = [
        ("size", || Wire { key_type: "rsa-3072-private".to_owned(), ..rsa("private") }),
        ("algorithm", || Wire { key_type: "ecc-256-private".to_owned(), ..rsa("private") }),
        ("no numbers", || Wire { rsa: None, ..rsa("private") }),
        ("no EC numbers", || Wire { ecc: None, ..ecc("public") }),
        ("format", || Wire { format: "x509-cert".to_owned(), ..rsa("private") }),
        ("no bits", || Wire { key_type: "aes-256-gcm".to_owned(), ..rsa("private") }),
        ("curve name", || with_ecc(|ecc| ecc.curve = "P-384".to_owned())),
        ("p", || with_ecc(|ecc| ecc.p[5] ^= 1)),
        ("a", || with_ecc(|ecc| ecc.a[5] ^= 1)),
        ("b", || with_ecc(|ecc| ecc.b[5] ^= 1)),
        ("base point", || with_ecc(|ecc| ecc.base.as_mut().unwrap().x[5] ^= 1)),
        ("order", || with_ecc(|ecc| ecc.order[5] ^= 1)),
        ("no point", || with_ecc(|ecc| ecc.public = None)),
        ("coordinate above the field", || with_ecc(|ecc| ecc.public.as_mut().unwrap().y = vec![0xff; 32])),
        ("private number of 0", || with_ecc(|ecc| ecc.d = vec![0; 32])),
        ("private number above the order", || with_ecc(|ecc| ecc.d = vec![0xff; 32])),
    ];
    for (what, wire) in broken {
        assert!(decode(&wire()).is_err(), "{what}");
    }
}

fn with_ecc(change: fn(&mut Ecc)) -> Wire {
    let mut wire = ecc("private");
    change(wire.ecc.as_mut().unwrap());
    wire
}

#[test]
fn curve_parameters_may_be_left_out() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Bare {
        #[prost(string, tag = "2")]
        key_type: String,
        #[prost(message, optional, tag = "5")]
        ecc: Option<BareEcc>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct BareEcc {
        #[prost(message, optional, tag = "6")]
        public: Option<Point>,
    }
    let ecc = BareEcc { public: ecc("public").ecc.unwrap().public };
    let bare = Bare { key_type: "ecc-256-public".to_owned(), ecc: Some(ecc) };
    assert_eq!(public(&bare.encode_to_vec()), public(&data("keys/ecc-256-public.key_message.pb")));
}

#[test]
fn impossible_rsa_numbers_are_refused() {
    let broken: [fn(&mut Rsa); 5] = [
        |rsa| rsa.n[255] ^= 1,       // even
        |rsa| rsa.n[0] = 0x7f,       // 2047 bits
        |rsa| rsa.e = vec![1],       // no exponent
        |rsa| rsa.e = vec![1, 0, 0], // even
        |rsa| rsa.e = vec![0xff; 8], // 64 bits
    ];
    for change in broken {
        let mut wire = rsa("public");
        change(wire.rsa.as_mut().unwrap());
        refused(decode(&wire));
    }
}
