//! JSON Web Keys: the RFCs' own, and what isn't one.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

use claviger_proto::ParseError;
use claviger_proto::key::{Jwk, KeyKind, MAX_JWK, SymmetricKind};
use proptest::prelude::*;
use serde_json::{Value, json};

/// RFC 7517 appendix A.2.
const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","use":"enc","kid":"1"}"#;
/// RFC 8037 appendix A.1.
const OKP: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// RFC 7517 appendix A.1, the RSA key (public).
const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;

fn read(json: &Value) -> Result<Jwk, ParseError> {
    Jwk::from_json(json.to_string().as_bytes())
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_rfcs_keys_are_read_and_written_again() {
    for (text, kind, private) in
        [(EC, KeyKind::P256, true), (OKP, KeyKind::Ed25519, true), (RSA, KeyKind::Rsa2048, false)]
    {
        let jwk = Jwk::from_json(text.as_bytes()).unwrap();
        match &jwk {
            Jwk::Private(key) => assert_eq!((key.kind(), private), (kind, true)),
            Jwk::Public(key) => assert_eq!((key.kind(), private), (kind, false)),
            Jwk::Symmetric(_) => panic!("{kind}"),
        }
        let mut known = value(text);
        for other in ["use", "kid", "alg"] {
            known.as_object_mut().unwrap().remove(other);
        }
        assert_eq!(value(&jwk.to_json().unwrap()), known, "{kind}");
    }
}

#[test]
fn an_oct_key_is_what_its_length_or_its_alg_says() {
    let k = |length: usize| "A".repeat(length.div_ceil(3) * 4 - (3 - length % 3) % 3);
    for (json, kind) in [
        (json!({"kty": "oct", "k": k(16)}), SymmetricKind::Aes128),
        (json!({"kty": "oct", "k": k(32)}), SymmetricKind::Aes256),
        (json!({"kty": "oct", "k": k(32), "alg": "A256GCM"}), SymmetricKind::Aes256Gcm),
    ] {
        let jwk = read(&json).unwrap();
        let Jwk::Symmetric(key) = &jwk else { panic!("{json}") };
        assert_eq!(key.kind(), kind);
        assert_eq!(value(&jwk.to_json().unwrap()), json);
    }
    for json in [
        json!({"kty": "oct", "k": k(64)}),
        json!({"kty": "oct", "k": ""}),
        json!({"kty": "oct", "k": k(32), "alg": "HS256"}),
        json!({"kty": "oct", "k": k(16), "alg": "A256GCM"}),
        json!({"kty": "oct"}),
    ] {
        assert!(read(&json).is_err(), "{json}");
    }
}

/// One member changed, each time.
#[test]
fn what_a_member_must_be_it_is() {
    let broken = |text: &str, member: &str, to: Value| {
        let mut json = value(text);
        json[member] = to;
        assert!(read(&json).is_err(), "{member} in {json}");
    };
    for (text, members) in [(EC, ["kty", "crv", "x", "y"]), (OKP, ["kty", "crv", "x", "d"])] {
        for member in members {
            for to in [Value::Null, json!(""), json!("AA"), json!(1), json!(["AA"]), json!("A+A=")] {
                // Without its private number a key is a public one.
                if member != "d" || to != Value::Null {
                    broken(text, member, to);
                }
            }
        }
    }
    broken(RSA, "n", Value::Null);
    broken(RSA, "e", json!("AAEAAQ")); // a leading zero
    broken(RSA, "e", json!("AQAA")); // even
    broken(RSA, "oth", json!([]));
    broken(RSA, "d", json!("AQAB")); // a private key without its other numbers
    broken(EC, "crv", json!("P-384"));
    broken(EC, "crv", json!("P-521"));
    broken(OKP, "crv", json!("X25519"));
    broken(OKP, "x", json!("21qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")); // another key's
    let zero = "A".repeat(43);
    broken(EC, "d", json!(zero));
    broken(EC, "x", json!("_".repeat(42) + "8")); // above the field's prime
    // Trailing bits that no encoder sets: a second spelling of the same octets.
    broken(EC, "x", json!("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D5"));
}

#[test]
fn one_object_with_each_member_once_and_nothing_around_it() {
    let twice = EC.replacen("\"kty\":\"EC\"", "\"kty\":\"EC\",\"kty\":\"EC\"", 1);
    let escaped = EC.replace("P-256", "P\\u002d256");
    let set = format!("{{\"keys\":[{EC}]}}");
    let trailing = format!("{EC} {EC}");
    for text in [&twice, &escaped, &set, &trailing, "", "null", "[]", "{}", "\"EC\"", "\u{feff}{}"] {
        assert!(Jwk::from_json(text.as_bytes()).is_err(), "{text}");
    }
    assert!(Jwk::from_json(format!(" \n{EC}\n").as_bytes()).is_ok(), "white space around it is JSON's own");
}

#[test]
fn t20_a_jwk_has_a_size() {
    let padded = |size: usize| format!("{}{}", EC, " ".repeat(size - EC.len()));
    assert!(Jwk::from_json(padded(MAX_JWK).as_bytes()).is_ok());
    assert!(Jwk::from_json(padded(MAX_JWK + 1).as_bytes()).is_err());
    let deep = format!("{{\"kty\":\"EC\",\"x5c\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    assert!(Jwk::from_json(deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn t20_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = Jwk::from_json(&bytes);
    }

    #[test]
    fn t20_a_changed_jwk_never_panics(at in 0..EC.len(), byte in any::<u8>()) {
        let mut bytes = EC.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = Jwk::from_json(&bytes);
    }
}
