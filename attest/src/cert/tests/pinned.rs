//! Stock servers, known by fingerprint: each refusal for one thing that is wrong.

use std::collections::BTreeSet;

use super::*;
use crate::digest::sha256;
use crate::verify_pinned;

/// As stock admission makes them: for both ends of a channel, and allowed to sign certificates.
fn stock() -> Fake {
    Fake::plain()
        .with_usage(&[template::CLIENT_AUTH, template::SERVER_AUTH])
        .with(template::key_usage(template::DIGITAL_SIGNATURE | template::KEY_CERT_SIGN))
}

fn verify(leaf: &[u8], pinned: &[[u8; 32]], now: u64) -> Result<(), CertificateError> {
    verify_pinned(&WORLD.policy, &pinned.iter().copied().collect(), leaf, at(now))
}

/// Pinned, so that only something else can be wrong.
fn of_pinned(leaf: &[u8]) -> Result<(), CertificateError> {
    verify(leaf, &[sha256(leaf)], NOW)
}

#[test]
fn a_stock_certificate_serves_where_it_is_pinned_and_nowhere_else() {
    let (leaf, other) = (stock().sign(), Fake::plain().sign());
    let (this, that) = (sha256(&leaf), sha256(&other));
    assert_eq!(verify(&leaf, &[this], NOW), Ok(()));
    assert_eq!(verify(&leaf, &[that, this], NOW), Ok(()));
    assert_eq!(verify(&leaf, &[that], NOW), Err(CertificateError::NotPinned { found: this }));
    assert_eq!(verify(&leaf, &[], NOW), Err(CertificateError::NotPinned { found: this }));
    let told = CertificateError::NotPinned { found: this }.to_string();
    assert!(told.contains(&hex::encode(this)), "{told}");
}

#[test]
fn t37_a_pin_stands_in_for_the_role_and_for_nothing_else() {
    assert_eq!(of_pinned(&stock().sign_by(&new_key())), Err(CertificateError::Foreign));
    assert_eq!(of_pinned(WORLD.policy.der()), Err(CertificateError::Authority));
    let client = Fake::plain().with_usage(&[template::CLIENT_AUTH]).sign();
    assert_eq!(of_pinned(&client), Err(CertificateError::Usage));
    let signs_nothing = Fake::plain().with(template::key_usage(0x20)).sign();
    assert_eq!(of_pinned(&signs_nothing), Err(CertificateError::Usage));
    assert_eq!(of_pinned(b"no DER"), Err(CertificateError::Malformed));
}

#[test]
fn a_pinned_certificate_has_its_dates_and_so_has_the_policy_certificate() {
    let leaf = stock().sign();
    let pin = [sha256(&leaf)];
    assert_eq!(verify(&leaf, &pin, NOW - DAY - 1), Err(CertificateError::NotYetValid));
    assert_eq!(verify(&leaf, &pin, NOW + DAY + 1), Err(CertificateError::Expired));
    let mut long = stock();
    long.validity = (NOW - 100 * DAY, NOW + 100 * DAY);
    let leaf = long.sign();
    let pin = BTreeSet::from([sha256(&leaf)]);
    let policy = |now| verify_pinned(&WORLD.policy, &pin, &leaf, at(now));
    assert_eq!(policy(NOW - 11 * DAY), Err(CertificateError::PolicyNotYetValid));
    assert_eq!(policy(NOW + 11 * DAY), Err(CertificateError::PolicyExpired));
}
