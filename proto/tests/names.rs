//! Names: what is refused at the one parse, and that everything after it sees one name.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

use claviger_proto::limits::{MAX_DOMAIN_NAME, MAX_RESOURCE_NAME};
use claviger_proto::{DomainName, ErrorCode, ParseError, ResourceName, Version};
use proptest::prelude::*;

fn domain(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn name(text: &str) -> ResourceName {
    text.parse().unwrap()
}

fn parse_in(domain_name: &str, text: &str) -> Result<String, ParseError> {
    ResourceName::parse_in(&domain(domain_name), text).map(String::from)
}

#[test]
fn t11_traversal_and_strange_bytes_are_refused() {
    let bad = [
        "",
        "/",
        "//",
        "a//b",
        "/a",
        "a/",
        ".",
        "..",
        "a/..",
        "../a",
        "a/../b",
        "a/./b",
        "./a",
        "a/.",
        "%2e%2e",
        "a%2fb",
        "a/%2e%2e/b",
        "..%2f",
        "a\\b",
        "a\\..\\b",
        "a b",
        " a",
        "a ",
        "a\n",
        "\ta",
        "a\0",
        "\0",
        "a\0b",
        "a\x07",
        "a\x1b[2J",
        "a\x7f",
        "a\u{202e}b",
        "a\u{200b}b",
        "\u{feff}a",
        "ä",
        "аdmin",
        "a\u{0301}",
        "a\u{2024}b",
        "a\u{2215}b",
        "\u{ff0e}\u{ff0e}",
        "a:b",
        "a*",
        "*",
        "a?",
        "a+b",
        "a~b",
        "a#b",
        "a@b",
        "a,b",
        "{a}",
        "[a]",
        "$a",
        "!a",
        "a|b",
        "a&b",
        "a;b",
        "a'b",
        "a\"b",
    ];
    for text in bad {
        assert_eq!(text.parse::<ResourceName>(), Err(ParseError::ResourceName), "{text:?}");
        for whole in [format!("dom0/{text}"), format!("{text}/dom0"), format!("x/{text}/y")] {
            assert!(parse_in("dom0", &whole).is_err(), "{whole:?}");
        }
    }
    assert_eq!(ErrorCode::from(ParseError::ResourceName), ErrorCode::InvalidName);
}

#[test]
fn t11_over_long_names_are_refused() {
    let longest = "a".repeat(MAX_RESOURCE_NAME);
    assert_eq!(parse_in("dom0", &longest).unwrap(), longest);
    let over = Err(ParseError::ResourceNameTooLong);
    assert_eq!(parse_in("dom0", &"a".repeat(MAX_RESOURCE_NAME + 1)), over);
    assert_eq!(parse_in("dom0", &"/".repeat(100_000)), over);
    // The prefix counts: it is no way to a longer name.
    assert_eq!(parse_in("dom0", &format!("dom0/{}", &longest[5..])).unwrap().len(), 250);
    assert_eq!(parse_in("dom0", &format!("dom0/{}", &longest[4..])), over);
}

#[test]
fn t14_case_is_kept_and_counts() {
    assert_eq!(name("Web/TLS/Key").as_str(), "Web/TLS/Key");
    assert_ne!(name("key"), name("KEY"));
    assert_eq!(parse_in("dom0", "DOM0/a").unwrap(), "DOM0/a", "not this domain's prefix");
    assert!("Dom0".parse::<DomainName>().is_err());
}

#[test]
fn good_names_are_kept_as_they_are() {
    for text in
        ["a", "storage-disk-key", "web/tls/key", "...", "a..b", ".a", "a.", "-", "_", "0/1/2", "A.b_C-9"]
    {
        assert_eq!(name(text).to_string(), text);
    }
}

#[test]
fn the_domain_is_stripped_once_and_no_other_domain_can_be_named() {
    for (sent, local) in [
        ("a", "a"),
        ("dom0/a", "a"),
        ("dom0/dom0/a", "dom0/a"),
        ("dom0/dom0/dom0/a", "dom0/dom0/a"),
        ("dom0", "dom0"),
        ("dom0/dom0", "dom0"),
        ("dom1/a", "dom1/a"),
        ("dom0x/a", "dom0x/a"),
        ("dom/dom0/a", "dom/dom0/a"),
        ("a/dom0/b", "a/dom0/b"),
    ] {
        assert_eq!(parse_in("dom0", sent).unwrap(), local, "{sent}");
    }
    for nothing_left in ["dom0/", "dom0//", "dom0/.", "dom0/..", "dom0/../dom1/a"] {
        assert!(parse_in("dom0", nothing_left).is_err(), "{nothing_left}");
    }
}

#[test]
fn names_that_are_a_machines_own_identity_are_reserved() {
    let (dom0, dashed) = (domain("dom0"), domain("my_dom-x"));
    for text in [
        "dom0-private-auth-key",
        "dom0-admission-certificate",
        "dom0_private_auth_key",
        "dom0_admission_certificate",
        "dom0-private_auth-key",
        "DOM0-Private-Auth-Key",
        "private-auth-key",
        "admission-certificate",
        "PRIVATE_AUTH_KEY",
        "a/dom0-private-auth-key",
        "dom0-admission-certificate/a",
        "a/Dom0_Admission_Certificate/b",
    ] {
        assert!(name(text).is_reserved_in(&dom0), "{text}");
    }
    for text in ["my_dom-x-private-auth-key", "my-dom_x_private_auth_key", "my_dom_x-admission-certificate"] {
        assert!(name(text).is_reserved_in(&dashed), "{text}");
        assert!(!name(text).is_reserved_in(&dom0), "{text}");
    }
    for text in [
        "dom1-private-auth-key",
        "dom0-private-auth-keys",
        "xdom0-private-auth-key",
        "dom0-private-auth-key2",
        "dom0",
        "private-auth-key/a",
        "a/private-auth-key",
    ] {
        assert!(!name(text).is_reserved_in(&dom0), "{text}");
    }
    // However it was spelled when it was sent.
    for sent in ["dom0/dom0-private-auth-key", "dom0/private-auth-key", "dom0/DOM0_admission_certificate"] {
        assert!(ResourceName::parse_in(&dom0, sent).unwrap().is_reserved_in(&dom0), "{sent}");
    }
}

#[test]
fn t12_domain_names_are_one_plain_label() {
    let longest = "a".repeat(MAX_DOMAIN_NAME);
    for text in ["a", "dom0", "a-b", "a_b", "a_", "x9", longest.as_str()] {
        assert_eq!(domain(text).as_str(), text);
    }
    let over = "a".repeat(MAX_DOMAIN_NAME + 1);
    for text in [
        "",
        "*",
        "a*",
        "a.b",
        "a/b",
        "..",
        "A",
        "aB",
        "0a",
        "-a",
        "_a",
        "a-",
        "a b",
        "a\0",
        "ä",
        "a+",
        "a\n",
        "a%",
        "a,b",
        "\u{202e}a",
        over.as_str(),
    ] {
        assert_eq!(text.parse::<DomainName>(), Err(ParseError::DomainName), "{text:?}");
    }
}

#[test]
fn versions_are_positive_and_0_means_none() {
    assert_eq!(Version::from_wire(0), Ok(None));
    assert_eq!(Version::from_wire(1), Ok(Some(Version::FIRST)));
    assert_eq!(Version::from_wire(i32::MAX).unwrap().unwrap().get(), Version::MAX);
    for negative in [-1, -7, i32::MIN] {
        assert_eq!(Version::from_wire(negative), Err(ParseError::NegativeVersion));
    }
    assert_eq!(Version::new(0), None);
    assert_eq!(Version::new(Version::MAX + 1), None);
    assert_eq!(Version::new(u32::MAX), None);
    assert_eq!(Version::FIRST.next(), Version::new(2));
    assert_eq!(Version::new(Version::MAX).unwrap().next(), None);
    assert_eq!(Version::to_wire(None), 0);
}

/// The grammar, said in another way than the parse says it.
fn is_name(text: &str) -> bool {
    let legal = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
    text.len() <= 255
        && text.chars().all(|c| legal.contains(c))
        && !format!("/{text}/").contains("//")
        && !format!("/{text}/").contains("/./")
        && !format!("/{text}/").contains("/../")
}

/// Text that is often nearly a name.
fn nearly() -> impl Strategy<Value = String> {
    prop_oneof![
        r"[a-cA-C0._/*%\\-]{0,12}",
        r"(dom0|\.|\.\.|a|B|-|)(/(dom0|\.|\.\.|a|B|%2e|)){0,5}",
        ".{0,24}",
        any::<String>(),
    ]
}

fn good() -> impl Strategy<Value = ResourceName> {
    r"(dom0|[A-Za-z0-9_-][A-Za-z0-9._-]{0,7})(/(dom0|[A-Za-z0-9_-][A-Za-z0-9._-]{0,7})){0,4}"
        .prop_map(|text| text.parse().unwrap())
}

proptest! {
    #[test]
    fn t11_the_parse_is_the_grammar(text in nearly()) {
        prop_assert_eq!(text.parse::<ResourceName>().is_ok(), is_name(&text));
        if let Ok(local) = ResourceName::parse_in(&domain("dom0"), &text) {
            prop_assert!(is_name(local.as_str()));
            prop_assert_eq!(local.segments().collect::<Vec<_>>().join("/"), local.as_str());
        }
    }

    #[test]
    fn t14_a_name_is_kept_byte_for_byte(text in nearly()) {
        if let Ok(parsed) = text.parse::<ResourceName>() {
            prop_assert_eq!(parsed.as_str(), text.as_str());
            prop_assert_eq!(parsed.to_string().parse::<ResourceName>(), Ok(parsed.clone()));
            let changed: String = text.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
            prop_assert_eq!(changed.parse::<ResourceName>().unwrap() == parsed, changed == text);
        }
    }

    #[test]
    fn what_is_sent_is_what_is_read(local in good()) {
        let dom0 = domain("dom0");
        prop_assert_eq!(ResourceName::parse_in(&dom0, &local.to_wire(&dom0)), Ok(local));
    }

    #[test]
    fn t14_reserving_ignores_case_and_the_kind_of_dash(local in good(), up in any::<bool>()) {
        let fold = |text: &str| if up { text.to_ascii_uppercase() } else { text.replace('-', "_") };
        let role = format!("{local}/dom0-private-auth-key");
        prop_assert!(name(&role).is_reserved_in(&domain("dom0")));
        prop_assert!(name(&fold(&role)).is_reserved_in(&domain("dom0")));
    }

    #[test]
    fn domain_names_that_parse_are_labels(text in prop_oneof!["[a-z0-9_-]{0,66}", ".{0,8}"]) {
        let bytes = text.as_bytes();
        let label = !bytes.is_empty()
            && bytes.len() < 64
            && bytes.iter().all(|b| b"abcdefghijklmnopqrstuvwxyz0123456789_-".contains(b))
            && !b"0123456789_-".contains(&bytes[0])
            && bytes[bytes.len() - 1] != b'-';
        prop_assert_eq!(text.parse::<DomainName>().is_ok(), label);
    }

    #[test]
    fn versions_go_to_the_wire_and_back(number in 0..=i32::MAX) {
        prop_assert_eq!(Version::to_wire(Version::from_wire(number).unwrap()), number);
    }
}
