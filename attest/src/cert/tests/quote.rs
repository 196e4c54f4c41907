//! Certificates of quote keys: what each says, with one thing changed.

use super::super::QuoteCertificate;
use super::super::quote::{ATTESTATION_KEY, STOCK_SUBJECT};
use super::super::template::{
    self, CLIENT_AUTH, COMMON_NAME, DIGITAL_SIGNATURE, KEY_CERT_SIGN, ORGANIZATION, SERVER_AUTH,
};
use super::*;
use crate::error::AttestError;

/// As ours are.
fn ours() -> Fake {
    let mut fake = Fake::plain().subject(&[(COMMON_NAME, "any name")]);
    fake.extensions = vec![
        template::basic_constraints(false),
        template::key_usage(DIGITAL_SIGNATURE),
        template::extended_key_usage(&[ATTESTATION_KEY]),
    ];
    fake
}

/// As stock ones are.
fn stock() -> Fake {
    Fake::plain()
        .subject(&STOCK_SUBJECT)
        .with(template::key_usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN))
        .with_usage(&[CLIENT_AUTH, SERVER_AUTH])
        .with(template::basic_constraints(false))
}

fn read(fake: &Fake) -> Result<(), AttestError> {
    let certificate = QuoteCertificate::parse(&fake.sign(), true)?;
    assert!(certificate.is_signed_by(WORLD.policy_key.public()));
    assert!(!certificate.is_signed_by(WORLD.machine.public()));
    assert_eq!(certificate.key(), WORLD.machine.public());
    Ok(())
}

fn refused(fake: &Fake, says: &str) {
    let error = read(fake).expect_err(says);
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn ours_and_stock_ones_are_read() {
    read(&ours()).expect("ours");
    read(&stock()).expect("a stock one");
    // A name has no order here.
    let [organization, name] = STOCK_SUBJECT;
    read(&stock().subject(&[name, organization])).expect("a stock one");
}

/// Who certified by the stock tools saw neither the key's attributes nor that it is the one of the activation.
#[test]
fn a_stock_subject_alone_counts_in_stock_evidence_only() {
    let error = QuoteCertificate::parse(&stock().sign(), false).expect_err("it would be fresh");
    assert!(error.to_string().contains("TCG's key purpose"), "{error}");
    QuoteCertificate::parse(&ours().sign(), false).expect("ours");
}

#[test]
fn another_purpose_or_another_subject_is_a_machine_s() {
    const MACHINE: &str = "not a machine's own";
    let purposes = |purposes: &[&[u8]]| {
        let mut fake = ours();
        fake.extensions[2] = template::extended_key_usage(purposes);
        fake
    };
    refused(&purposes(&[CLIENT_AUTH]), MACHINE);
    refused(&purposes(&[ATTESTATION_KEY, CLIENT_AUTH]), MACHINE);
    refused(&purposes(&[ATTESTATION_KEY, &[0x67, 0x81, 0x05, 0x08, 0x01]]), MACHINE);
    let mut none = ours();
    none.extensions.pop();
    refused(&none, MACHINE);
    let users = (COMMON_NAME, "CertifierUsers");
    for subject in [
        &[(ORGANIZATION, MEASURED), users][..],
        &[(ORGANIZATION, "TPM"), users],
        &[(COMMON_NAME, "quote-key")],
        &[(ORGANIZATION, "TPM"), (COMMON_NAME, "quote-key"), (COMMON_NAME, "quote-key")],
        &[(ORGANIZATION, "quote-key"), (COMMON_NAME, "TPM")],
    ] {
        refused(&stock().subject(subject), MACHINE);
    }
    // A machine's by our extension, whatever else it says.
    refused(&ours().with_role(Role::Agent), MACHINE);
}

#[test]
fn what_the_key_is_for_is_what_it_does() {
    let with = |at: usize, extension: Vec<u8>| {
        let mut fake = ours();
        fake.extensions[at] = extension;
        fake
    };
    refused(&with(0, template::basic_constraints(true)), "no authority's");
    refused(&with(1, template::key_usage(KEY_CERT_SIGN)), "for signatures");
    let unknown = |critical| {
        let extension = template::extension(&[0x2a, 3, 4], critical, &[5, 0]);
        ours().with(extension)
    };
    read(&unknown(false)).expect("what isn't critical may be unknown");
    refused(&unknown(true), "nothing critical");
    refused(&ours().with_usage(&[ATTESTATION_KEY]), "can't be read");
    refused(&with(2, template::extension(template::EXTENDED_KEY_USAGE, false, &[5, 0])), "can't be read");
    refused(&with(0, template::extension(template::BASIC_CONSTRAINTS, true, &[5, 0])), "can't be read");
}

#[test]
fn only_the_key_and_the_algorithm_that_belong_together_verify() {
    for algorithm in KeyAlgorithm::ALL {
        let key = SigningKey::generate(algorithm).expect("a key");
        let certificate = QuoteCertificate::parse(&ours().sign_by(&key), false).expect("one");
        // An Ed25519 key can be no root.
        assert_eq!(certificate.is_signed_by(key.public()), algorithm != KeyAlgorithm::Ed25519, "{algorithm}");
    }
}
