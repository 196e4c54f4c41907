//! Stock key messages with one thing changed at a time.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;
#[path = "common/key_wire.rs"]
mod key_wire;

use claviger_proto::ParseError;
use claviger_proto::key::{KeyMessage, MessageKey, read_public};
use common::data;
use key_wire::{Ecc, Point, Rsa, Wire};
use prost::Message as _;

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
            assert!(decode(&wire).is_err());
        }
        let mut wire = rsa("private");
        number(wire.rsa.as_mut().unwrap()).clear();
        wire.key_type = "rsa-2048-public".to_owned();
        assert!(decode(&wire).is_ok(), "number {i} is of no concern to a public key");
    }
}

#[test]
fn a_message_that_contradicts_itself_is_refused() {
    type Broken = fn() -> Wire;
    let broken: [(&str, Broken); 16] = [
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
    let stock = data("keys/ecc-256-public.key_message.pb");
    assert_eq!(read_public(&bare.encode_to_vec()), read_public(&stock));
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
        assert!(decode(&wire).is_err());
    }
}

#[test]
fn a_public_key_may_leave_its_half_unsaid() {
    let wire = Wire { key_type: "rsa-2048".to_owned(), ..rsa("public") };
    assert!(matches!(decode(&wire), Ok(KeyMessage { key: MessageKey::Public(_), .. })));
}
