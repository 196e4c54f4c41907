use claviger_attest::certifier::{ClaimFault, PropertyName, StockPolicy, StockPolicyError};
use claviger_attest::{KeyAlgorithm, SigningKey, self_signed_policy};
use claviger_proto::ParseError;
use claviger_proto::certifier_policy::{Platform, Property, write_sequence};
use claviger_proto::key::{KeyMessage, MessageKey};
use prost::Message as _;
use rustls_pki_types::UnixTime;

use super::{Draft, NOW, POLICY, TEXT, blocks, certificate, policy_key, public_message, stock, with};

const ROOT: usize = 0;
const MEASUREMENT: usize = 1;
const PLATFORM: usize = 4;

fn refused(bytes: &[u8]) -> StockPolicyError {
    StockPolicy::read(bytes, &certificate(), NOW).expect_err("it is refused")
}

#[track_caller]
fn fault(bytes: &[u8], at: usize) -> ClaimFault {
    match refused(bytes) {
        StockPolicyError::Claim { number, fault } if number == at + 1 => fault,
        other => panic!("another fault: {other}"),
    }
}

/// The platform of the captured claim, changed.
fn platform(change: impl FnOnce(&mut Platform)) -> Vec<u8> {
    with(PLATFORM, |draft| {
        let about = draft.about();
        let mut platform = Platform::decode(about.platform.as_deref().unwrap()).unwrap();
        change(&mut platform);
        about.platform = Some(platform.encode_to_vec());
    })
}

fn property(change: impl FnOnce(&mut Vec<Property>)) -> Vec<u8> {
    platform(|platform| change(&mut platform.properties.as_mut().unwrap().list))
}

#[test]
fn what_stock_tools_wrote_is_read_as_they_print_it() {
    // They put spaces, and "no key", where they like.
    let plain = |text: &str| text.replace(" no key,", "").split_whitespace().collect::<String>();
    let printed: Vec<_> = TEXT.lines().filter(|line| !line.trim().is_empty()).collect();
    let read: Vec<_> = stock().statements().iter().map(ToString::to_string).collect();
    assert_eq!(read.len(), printed.len());
    for (at, (read, printed)) in read.iter().zip(printed).enumerate() {
        assert_eq!(plain(&format!("{}: {read}", at + 1)), plain(printed));
    }
}

#[test]
fn a_draft_that_isn_t_changed_is_still_good() {
    for at in 0..blocks().len() {
        assert!(StockPolicy::read(&with(at, |_| {}), &certificate(), NOW).is_ok(), "claim {at}");
    }
}

#[test]
fn a_sequence_is_whole() {
    let longer = |tail: &[u8]| [POLICY, tail].concat();
    for bad in [longer(b"\0"), longer(&[0x10, 1]), POLICY[..POLICY.len() - 1].to_vec(), b"garbage".to_vec()] {
        assert!(matches!(refused(&bad), StockPolicyError::Sequence(_)));
    }
    assert_eq!(refused(&[]), StockPolicyError::Count(0));
    assert_eq!(refused(&write_sequence(vec![Vec::new(); 1025])), StockPolicyError::Count(1025));
}

#[test]
fn a_claim_is_signed_by_the_policy_key() {
    let other = SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    for at in 0..blocks().len() {
        let mut bad = blocks();
        *bad[at].last_mut().unwrap() ^= 1;
        assert_eq!(fault(&write_sequence(bad), at), ClaimFault::Signature);
    }
    let signer = with(ROOT, |draft| draft.outer.signing_key = Some(public_message("policyKey", &other)));
    assert_eq!(fault(&signer, ROOT), ClaimFault::OtherKey("who signed it"));
    let speaker = with(ROOT, |draft| {
        draft.clause.subject.as_mut().unwrap().key = Some(public_message("policyKey", &other));
    });
    assert_eq!(fault(&speaker, ROOT), ClaimFault::OtherKey("who says it"));
    let algorithm =
        with(ROOT, |draft| draft.outer.signing_algorithm = Some("rsa-2048-sha1-pkcs-sign".to_owned()));
    assert_eq!(fault(&algorithm, ROOT), ClaimFault::Algorithm);
    let unsigned = Draft::of(ROOT).outer;
    let unsigned = claviger_proto::evidence::SignedClaim { signature: None, ..unsigned };
    let bad = fault(&write_sequence(vec![unsigned.encode_to_vec()]), ROOT);
    assert_eq!(bad, ClaimFault::Malformed(ParseError::Missing("signature")));
}

#[test]
fn a_larger_rsa_key_signs_as_stock_tools_do() {
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW.unsigned_abs()));
    let key = SigningKey::generate(KeyAlgorithm::Rsa3072).unwrap();
    let certificate = self_signed_policy(&key, &"dom0".parse().unwrap(), now, 10).unwrap();
    let signed = |algorithm: &str| {
        let mut draft = Draft::of(MEASUREMENT);
        let message = public_message("policyKey", &key);
        draft.clause.subject.as_mut().unwrap().key = Some(message.clone());
        draft.claim.clause = Some(draft.clause.encode_to_vec());
        let claim = draft.claim.encode_to_vec();
        draft.outer.signing_key = Some(message);
        draft.outer.signing_algorithm = Some(algorithm.to_owned());
        draft.outer.signature = Some(key.sign(&claim).unwrap());
        draft.outer.claim = Some(claim);
        StockPolicy::read(&write_sequence(vec![draft.outer.encode_to_vec()]), &certificate, NOW)
    };
    assert!(signed("rsa-2048-sha256-pkcs-sign").is_ok());
    // Which is another hash.
    let claim = |fault| StockPolicyError::Claim { number: 1, fault };
    assert_eq!(signed("rsa-3072-sha384-pkcs-sign").unwrap_err(), claim(ClaimFault::Signature));
    assert_eq!(signed("rsa-4096-sha384-pkcs-sign").unwrap_err(), claim(ClaimFault::Algorithm));
}

#[test]
fn the_policy_certificate_has_dates_too_and_is_the_domain_s() {
    let (before, after) = (1_700_000_000, 2_000_000_000);
    for now in [before, after] {
        let refused = StockPolicy::read(POLICY, &certificate(), now).unwrap_err();
        assert!(matches!(refused, StockPolicyError::Certificate(_)), "{refused}");
    }
    let key = SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW.unsigned_abs()));
    let other = self_signed_policy(&key, &"dom0".parse().unwrap(), now, 10).unwrap();
    let refused = StockPolicy::read(POLICY, &other, NOW).unwrap_err();
    let fault = ClaimFault::OtherKey("who signed it");
    assert_eq!(refused, StockPolicyError::Claim { number: 1, fault });
}

#[test]
fn claims_have_whole_dates() {
    let from = |text: &str| with(MEASUREMENT, |draft| draft.claim.not_before = Some(text.to_owned()));
    let until = |text: &str| with(MEASUREMENT, |draft| draft.claim.not_after = Some(text.to_owned()));
    // The month, the day and the second count, not only the year.
    assert_eq!(fault(&until("2026-11-30T00:00:00.00000Z"), MEASUREMENT), ClaimFault::Date("not_after"));
    assert_eq!(fault(&until("2026-12-11T14:39:59.00000Z"), MEASUREMENT), ClaimFault::Expired(NOW - 1));
    assert_eq!(fault(&from("2026-12-11T14:40: 1.00000Z"), MEASUREMENT), ClaimFault::NotYetValid(NOW + 1));
    assert!(StockPolicy::read(&until("2026-12-11T14:40: 0.00000Z"), &certificate(), NOW).is_ok());
    for bad in [
        "",
        "2027",
        "2027:12:03T05:57:45.00000Z",
        "2027-13-03T05:57:45.00000Z",
        "2027-12-03T05:57:45Z",
        "2027-12-03T05:57:45.00000",
        "2027-12-03T05:57:45.00000Z ",
        "+2027-12-03T05:57:45.00000Z",
        "2027-12-3T05:57:45.00000Z",
        "2027-12-03T05:57:45.x0000Z",
    ] {
        assert_eq!(fault(&until(bad), MEASUREMENT), ClaimFault::Date("not_after"), "{bad}");
        assert_eq!(fault(&from(bad), MEASUREMENT), ClaimFault::Date("not_before"), "{bad}");
    }
}

#[test]
fn only_the_three_sentences_are_known() {
    let verb = |at, verb: &str| with(at, |draft| draft.said().verb = Some(verb.to_owned()));
    for (at, word) in [
        (ROOT, "is-trusted"),
        (ROOT, "is-trusted-for-authentication"),
        (ROOT, "is-trusted-for-key-provision"),
        (ROOT, "speaks-for"),
        (MEASUREMENT, "is-trusted-for-attestation"),
        (PLATFORM, "is-trusted"),
        (MEASUREMENT, "is-loved"),
    ] {
        assert!(matches!(fault(&verb(at, word), at), ClaimFault::Verb(found, _) if found == word));
    }
    let says = with(ROOT, |draft| draft.clause.verb = Some("speaks-for".to_owned()));
    assert!(matches!(fault(&says, ROOT), ClaimFault::Verb(..)));
    let object = with(ROOT, |draft| draft.clause.object = draft.clause.subject.clone());
    assert_eq!(fault(&object, ROOT), ClaimFault::Sentence);
    let unary = with(ROOT, |draft| draft.clause.clause = None);
    assert_eq!(fault(&unary, ROOT), ClaimFault::Sentence);
    let format = with(ROOT, |draft| draft.claim.format = Some("vse-attestation".to_owned()));
    assert_eq!(fault(&format, ROOT), ClaimFault::Format);
    let deeper = with(ROOT, |draft| {
        let inner = draft.clause.clause.clone();
        draft.said().clause = inner;
    });
    assert_eq!(fault(&deeper, ROOT), ClaimFault::Sentence);
}

#[test]
fn an_entity_is_the_one_thing_that_it_names() {
    let about =
        |at, change: fn(&mut claviger_proto::evidence::Entity)| with(at, |draft| change(draft.about()));
    assert_eq!(
        fault(&about(MEASUREMENT, |e| e.entity_type = Some("key".into())), MEASUREMENT),
        ClaimFault::Entity
    );
    assert_eq!(fault(&about(ROOT, |e| e.measurement = Some(vec![1; 32])), ROOT), ClaimFault::Entity);
    assert_eq!(fault(&about(ROOT, |e| e.key = None), ROOT), ClaimFault::Entity);
    let short = about(MEASUREMENT, |e| e.measurement = Some(vec![1; 31]));
    assert_eq!(fault(&short, MEASUREMENT), ClaimFault::Measurement(31));
    // An environment is nothing that a stock policy is proven with.
    let environment = about(MEASUREMENT, |e| {
        *e = claviger_proto::evidence::Entity {
            entity_type: Some("environment".into()),
            environment: Some(vec![]),
            ..Default::default()
        };
    });
    assert_eq!(fault(&environment, MEASUREMENT), ClaimFault::Entity);
}

#[test]
fn what_isn_t_understood_isn_t_passed_over() {
    // Registers of a TPM (field 6 of the entity), which stock verifiers compare.
    let mut draft = Draft::of(MEASUREMENT);
    let registers = [draft.about().encode_to_vec(), vec![0x32, 1, 7]].concat();
    let said = draft.said().encode_to_vec();
    let entity = draft.about().encode_to_vec();
    let at = said.windows(entity.len()).position(|part| part == entity).unwrap();
    let rest = &said[at + entity.len()..];
    let said = [&[0x0a, u8::try_from(registers.len()).unwrap()], registers.as_slice(), rest].concat();
    let speaker = draft.clause.subject.clone().unwrap();
    let outer = claviger_proto::evidence::Clause {
        subject: Some(speaker),
        verb: Some("says".into()),
        ..Default::default()
    };
    let clause = [outer.encode_to_vec(), vec![0x22, u8::try_from(said.len()).unwrap()], said].concat();
    draft.claim.clause = Some(clause);
    let message = draft.claim.encode_to_vec();
    draft.outer.signature = Some(policy_key().sign(&message).unwrap());
    draft.outer.claim = Some(message);
    let bad = write_sequence(vec![draft.outer.encode_to_vec()]);
    assert_eq!(fault(&bad, 0), ClaimFault::Malformed(ParseError::NotExact("vse_clause")));
    // Something after a signed claim.
    let mut tail = blocks();
    tail[ROOT].extend_from_slice(&[0x28, 1]);
    let malformed = ClaimFault::Malformed(ParseError::NotExact("signed_claim_message"));
    assert_eq!(fault(&write_sequence(tail), ROOT), malformed);
}

#[test]
fn a_root_is_a_public_key_that_is_strong_enough() {
    let weak = include_bytes!("../data/stock/rsa-1024-public.key_message.pb");
    let key = |message: Vec<u8>| with(ROOT, |draft| draft.about().key = Some(message));
    assert!(matches!(fault(&key(weak.to_vec()), ROOT), ClaimFault::Key(_)));
    let private = MessageKey::Private(policy_key().to_private().unwrap());
    let private = KeyMessage::new("platformKey", private).encode().to_vec();
    assert!(matches!(fault(&key(private), ROOT), ClaimFault::Key(_)));
    assert!(matches!(fault(&key(b"no key".to_vec()), ROOT), ClaimFault::Malformed(_)));
}

#[test]
fn nothing_is_said_twice() {
    let mut twice = blocks();
    twice.push(twice[MEASUREMENT].clone());
    assert_eq!(fault(&write_sequence(twice), 5), ClaimFault::Duplicate(MEASUREMENT + 1));
    let mut root = blocks();
    root.push(root[ROOT].clone());
    assert_eq!(fault(&write_sequence(root), 5), ClaimFault::Duplicate(ROOT + 1));
    // Stock verifiers take the first claim about platforms, whatever a second one says.
    let mut draft = Draft::of(PLATFORM);
    let mut wide = Platform::decode(draft.about().platform.as_deref().unwrap()).unwrap();
    wide.properties.as_mut().unwrap().list.truncate(1);
    draft.about().platform = Some(wide.encode_to_vec());
    let mut second = blocks();
    second.push(draft.sign());
    assert_eq!(fault(&write_sequence(second), 5), ClaimFault::SecondPlatform(PLATFORM + 1));
    assert_eq!(
        fault(&property(|list| list.push(list[0].clone())), PLATFORM),
        ClaimFault::PropertyTwice(PropertyName::Debug)
    );
}

#[test]
fn a_platform_has_properties_that_are_known() {
    let bad = property(|list| list[0].name = Some("key-share".to_owned()));
    assert_eq!(fault(&bad, PLATFORM), ClaimFault::Property("key-share".to_owned()));
    for word in ["<=", ">", "", "!="] {
        let bad = property(|list| list[2].comparator = Some(word.to_owned()));
        assert_eq!(fault(&bad, PLATFORM), ClaimFault::Comparator(PropertyName::ApiMajor));
    }
    let bad = property(|list| list[0].comparator = Some(">=".to_owned()));
    assert_eq!(fault(&bad, PLATFORM), ClaimFault::Comparator(PropertyName::Debug));
    let bad = property(|list| list[0].word = Some("maybe".to_owned()));
    assert_eq!(fault(&bad, PLATFORM), ClaimFault::Value(PropertyName::Debug));
    let bad = property(|list| list[2].value_type = Some("string".to_owned()));
    assert_eq!(fault(&bad, PLATFORM), ClaimFault::Value(PropertyName::ApiMajor));
    let bad = property(|list| list[2].number = None);
    assert_eq!(fault(&bad, PLATFORM), ClaimFault::Value(PropertyName::ApiMajor));
    assert_eq!(fault(&property(Vec::clear), PLATFORM), ClaimFault::NoProperties);
    let bad = platform(|platform| platform.platform_type = Some("intel-tdx".to_owned()));
    assert_eq!(fault(&bad, PLATFORM), ClaimFault::Platform);
    let bad = platform(|platform| platform.has_key = Some(true));
    assert_eq!(fault(&bad, PLATFORM), ClaimFault::Platform);
}

/// What an admission gives whoever it admits (purpose attestation) would make that program's key a root.
#[test]
fn a_platform_rule_is_no_claim_of_a_policy() {
    let rule = with(ROOT, |draft| draft.claim.descriptor = Some("platform-rule".to_owned()));
    assert_eq!(fault(&rule, ROOT), ClaimFault::PlatformRule);
}
