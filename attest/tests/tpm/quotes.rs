//! Our own evidence of a TPM.

use claviger_attest::{
    AttestError, Attested, EvidenceKind, Expected, Issuer, KeyAlgorithm, Measurement, ReferenceError,
    ReferenceValue, ReferenceValues, Role, SigningKey, TpmPublic, sha256, tpm_package, tpm_qualifying_data,
    verify, verify_agent,
};
use claviger_proto::Secret;
use claviger_proto::evidence::EvidenceUserData;
use claviger_proto::trust::EvidencePackage;
use proptest::prelude::*;

use crate::made::{
    BINDING, Captured, P256, P384, PCRS, RSA, certificate, digest, issuer, now, public_area, root, sign,
    trusting,
};

const SUBMITTED: &str = "tpm-quote-package";

fn judge(
    package: &EvidencePackage,
    values: &ReferenceValues,
    binding: &[u8; 64],
) -> Result<Attested, AttestError> {
    verify(SUBMITTED, package, values, &Expected { binding, spki: b"a key" }, now())
}

/// A quote key of our own, which signs what a TPM's wouldn't, and its domain.
struct Forger {
    key: SigningKey,
    issuer: Issuer,
    certificate: Vec<u8>,
    values: ReferenceValues,
}

impl Forger {
    fn new() -> Self {
        let (key, issuer) = (SigningKey::generate(KeyAlgorithm::P256).unwrap(), issuer(KeyAlgorithm::P256));
        let certificate = certificate(&issuer, &public_area(&key));
        let values = trusting(digest(P256.quote), PCRS, root(&issuer));
        Self { key, issuer, certificate, values }
    }

    fn judge(&self, quote: &[u8]) -> Result<Attested, AttestError> {
        let package = tpm_package(quote, &sign(&self.key, quote), &self.certificate, None);
        judge(&package, &self.values, &BINDING)
    }

    fn refused(&self, quote: &[u8]) -> AttestError {
        self.judge(quote).map(|_| ()).unwrap_err()
    }
}

#[test]
fn a_tpm_s_quote_by_each_kind_of_key_is_taken_and_is_fresh() {
    for (captured, policy) in
        [(RSA, KeyAlgorithm::Rsa2048), (P256, KeyAlgorithm::P256), (P384, KeyAlgorithm::P384)]
    {
        let Captured { public, quote, signature } = captured;
        let issuer = issuer(policy);
        let certificate = certificate(&issuer, public);
        let values = trusting(digest(quote), PCRS, root(&issuer));
        let package = tpm_package(quote, signature, &certificate, None);
        let attested = judge(&package, &values, &BINDING).unwrap();
        assert_eq!((attested.kind(), attested.challenge_fresh()), (EvidenceKind::Tpm, true));
        assert_eq!(attested.measurement().as_bytes(), digest(quote));
        assert_eq!(attested.spki(), b"a key");
    }
}

#[test]
fn t01_a_quote_for_one_channel_is_none_for_another() {
    let forger = Forger::new();
    let package = tpm_package(P256.quote, &sign(&forger.key, P256.quote), &forger.certificate, None);
    judge(&package, &forger.values, &BINDING).unwrap();
    let elsewhere = judge(&package, &forger.values, &[8; 64]).map(|_| ()).unwrap_err();
    assert_eq!(elsewhere, AttestError::OtherBinding);
    // Qualifying data that only begins alike, or is none.
    let extra_data = 44..76;
    assert_eq!(P256.quote[extra_data.clone()], tpm_qualifying_data(&BINDING, None));
    let shorter = |length: u8| {
        let mut quote = P256.quote.to_vec();
        quote[43] = length;
        quote.drain(usize::from(length) + 44..extra_data.end);
        quote
    };
    assert_eq!(forger.refused(&shorter(31)), AttestError::OtherBinding);
    assert_eq!(forger.refused(&shorter(0)), AttestError::OtherBinding);
}

/// The quote of the tests over other registers: bank and bits as they are marshalled.
fn over(registers: &[u8]) -> Vec<u8> {
    let selection = P256.quote.len() - 34 - 10..P256.quote.len() - 34;
    assert_eq!(P256.quote[selection.clone()], [0, 0, 0, 1, 0, 0x0b, 3, 0x80, 0, 0]);
    let mut quote = P256.quote.to_vec();
    quote.splice(selection, registers.iter().copied());
    quote
}

#[test]
fn the_same_digest_of_other_registers_is_refused() {
    let forger = Forger::new();
    forger.judge(&over(&[0, 0, 0, 1, 0, 0x0b, 3, 0x80, 0, 0])).unwrap();
    for other in [
        // Register 16, which anybody sets: nobody could trust it alone.
        &[0, 0, 0, 1, 0, 0x0b, 3, 0, 0, 1][..],
        &[0, 0, 0, 1, 0, 0x0b, 3, 0x81, 0, 0],
        &[0, 0, 0, 1, 0, 0x0c, 3, 0x80, 0, 0],
        &[0, 0, 0, 2, 0, 0x0b, 3, 0x80, 0, 0, 0, 0x0c, 3, 1, 0, 0],
    ] {
        let refused = forger.refused(&over(other));
        assert!(matches!(refused, AttestError::OtherRegisters { .. }), "{refused}");
    }
    for none in [&[0, 0, 0, 0][..], &[0, 0, 0, 1, 0, 0x0b, 3, 0, 0, 0]] {
        assert!(matches!(forger.refused(&over(none)), AttestError::Statement { .. }));
    }
}

/// From swtpm itself: what it signs with the same key over registers that hold the same.
#[test]
fn a_tpm_s_own_quote_of_a_register_that_anybody_sets_is_refused() {
    let quote = include_bytes!("../data/tpm/rsa/register-16.quote.bin");
    let signature = include_bytes!("../data/tpm/rsa/register-16.signature.bin");
    assert_eq!(digest(quote), digest(RSA.quote));
    let issuer = issuer(KeyAlgorithm::P256);
    let values = trusting(digest(quote), PCRS, root(&issuer));
    let package = tpm_package(quote, signature, &certificate(&issuer, RSA.public), None);
    let refused = judge(&package, &values, &BINDING).map(|_| ()).unwrap_err();
    assert!(matches!(refused, AttestError::OtherRegisters { .. }), "{refused}");
}

#[test]
fn another_attestation_of_the_tpm_is_no_quote() {
    let quote = include_bytes!("../data/tpm/rsa/time.bin");
    let signature = include_bytes!("../data/tpm/rsa/time.signature.bin");
    let issuer = issuer(KeyAlgorithm::P256);
    let values = trusting(digest(RSA.quote), PCRS, root(&issuer));
    let package = tpm_package(quote, signature, &certificate(&issuer, RSA.public), None);
    let refused = judge(&package, &values, &BINDING).map(|_| ()).unwrap_err();
    assert!(matches!(refused, AttestError::Statement { part: "TPM quote", .. }), "{refused}");
}

#[test]
fn each_part_of_a_quote_is_held_to_its_form() {
    let forger = Forger::new();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut quote = P256.quote.to_vec();
        change(&mut quote);
        forger.refused(&quote)
    };
    let form = |error: AttestError, says: &str| {
        assert!(
            matches!(error, AttestError::Statement { part: "TPM quote", .. })
                && error.to_string().contains(says),
            "{error}"
        );
    };
    form(changed(&|quote| quote[0] = 0), "TPM_GENERATED");
    form(changed(&|quote| quote[5] = 0x17), "ATTEST_QUOTE");
    form(changed(&|quote| quote[7] = 67), "longer than it can be");
    form(changed(&|quote| quote[92] = 2), "clock is safe");
    form(changed(&|quote| quote.push(0)), "after its end");
    form(changed(&|quote| quote.truncate(quote.len() - 1)), "it is whole");
    form(
        changed(&|quote| {
            let at = quote.len() - 33;
            quote[at] = 20;
            quote.truncate(at + 21);
        }),
        "SHA-256",
    );
    for length in 0..P256.quote.len() {
        forger.refused(&P256.quote[..length]);
    }
    let unknown = changed(&|quote| *quote.last_mut().unwrap() ^= 1);
    assert!(matches!(unknown, AttestError::UnknownMeasurement(_)));
    // Clock, counters and firmware are told and judged by nobody.
    let mut quote = P256.quote.to_vec();
    quote[76..92].fill(0xff);
    quote[93..101].fill(0xff);
    forger.judge(&quote).unwrap();
}

#[test]
fn a_signature_is_by_the_certified_key_over_this_quote() {
    let forger = Forger::new();
    let with = |signature: &[u8]| {
        judge(&tpm_package(P256.quote, signature, &forger.certificate, None), &forger.values, &BINDING)
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(with(P256.signature), AttestError::Signature("TPM quote"));
    let good = sign(&forger.key, P256.quote);
    let flipped = |at: usize| {
        let mut signature = good.clone();
        signature[at] ^= 1;
        with(&signature)
    };
    assert_eq!(flipped(10), AttestError::Signature("TPM quote"));
    for at in [1, 3, 4, 5] {
        assert!(matches!(flipped(at), AttestError::Statement { part: "TPM signature", .. }), "{at}");
    }
    assert!(matches!(with(&[&good[..], &[0]].concat()), AttestError::Statement { .. }));
    assert!(matches!(with(&good[..good.len() - 1]), AttestError::Statement { .. }));
    assert!(matches!(with(RSA.signature), AttestError::Statement { .. }), "of another kind of key");
    // Zero is no signature's number.
    assert_eq!(with(&[0, 0x18, 0, 0x0b, 0, 0, 0, 0]), AttestError::Signature("TPM quote"));
    // Numbers in which the TPM had zeros in front are the same numbers.
    let r = usize::from(good[5]);
    let padded = [&good[..4], &[0, 48], &vec![0; 48 - r][..], &good[6..]].concat();
    judge(&tpm_package(P256.quote, &padded, &forger.certificate, None), &forger.values, &BINDING).unwrap();
}

#[test]
fn t26_only_a_root_of_the_trusted_value_certifies_quote_keys() {
    let forger = Forger::new();
    let stranger = issuer(KeyAlgorithm::P256);
    let by_a_stranger = certificate(&stranger, &public_area(&forger.key));
    let package = tpm_package(P256.quote, &sign(&forger.key, P256.quote), &by_a_stranger, None);
    let refused = judge(&package, &forger.values, &BINDING).map(|_| ()).unwrap_err();
    assert!(matches!(refused, AttestError::UntrustedRoot(_)), "{refused}");
    // The stranger's root, for the same digest of other registers, counts for those alone.
    let mut values = forger.values.clone();
    for value in trusting(digest(P256.quote), "sha256:4", root(&stranger)).iter() {
        values.add(value.clone());
    }
    let refused = judge(&package, &values, &BINDING).map(|_| ()).unwrap_err();
    assert!(matches!(refused, AttestError::UntrustedRoot(_)), "{refused}");
    let mut flipped = forger.certificate.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let package = tpm_package(P256.quote, &sign(&forger.key, P256.quote), &flipped, None);
    assert!(judge(&package, &forger.values, &BINDING).is_err());
}

/// Whose key the policy key admitted as a machine's could sign any quote with it.
#[test]
fn t26_a_machine_s_own_certificate_is_no_quote_key_s_and_the_other_way_round() {
    let forger = Forger::new();
    let measurement = Measurement::from_bytes(&[5; 32]).unwrap();
    let machine = |role| {
        let spki = forger.key.public().spki_der();
        forger.issuer.identity(role, spki, Some(&measurement), now(), 1).unwrap()
    };
    for role in [Role::Agent, Role::Broker] {
        let package = tpm_package(P256.quote, &sign(&forger.key, P256.quote), &machine(role), None);
        let refused = judge(&package, &forger.values, &BINDING).map(|_| ()).unwrap_err();
        let expected = matches!(refused, AttestError::Statement { part: "quote key's certificate", .. });
        assert!(expected, "{refused}");
    }
    let authority =
        tpm_package(P256.quote, &sign(&forger.key, P256.quote), forger.issuer.certificate().der(), None);
    judge(&authority, &forger.values, &BINDING).map(|_| ()).unwrap_err();
    let (policy, domain) = (forger.issuer.certificate(), forger.issuer.domain());
    verify_agent(policy, domain, &machine(Role::Agent), now()).unwrap();
    verify_agent(policy, domain, &forger.certificate, now()).map(|_| ()).unwrap_err();
}

#[test]
fn a_quote_key_s_certificate_counts_within_its_dates() {
    let forger = Forger::new();
    let at = |days: i64| {
        let package = tpm_package(P256.quote, &sign(&forger.key, P256.quote), &forger.certificate, None);
        let seconds = now().as_secs().checked_add_signed(days * 86_400).unwrap();
        let then = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let expected = Expected { binding: &BINDING, spki: b"a key" };
        verify(SUBMITTED, &package, &forger.values, &expected, then).map(|_| ())
    };
    assert_eq!(at(29), Ok(()));
    assert!(matches!(at(31), Err(AttestError::Expired(_))));
    assert!(matches!(at(-1), Err(AttestError::NotYetValid(_))));
}

#[test]
fn t39_a_ticket_in_user_data_is_signed_along() {
    let forger = Forger::new();
    let user_data = EvidenceUserData::with_ticket(&Secret::copy_from(&[3; 32]));
    let mut quote = P256.quote.to_vec();
    quote[44..76].copy_from_slice(&tpm_qualifying_data(&BINDING, Some(&user_data)));
    let with = |user_data: Option<&[u8]>| {
        let package = tpm_package(&quote, &sign(&forger.key, &quote), &forger.certificate, user_data);
        judge(&package, &forger.values, &BINDING)
    };
    let attested = with(Some(&user_data)).unwrap();
    assert_eq!(attested.machine().ticket, Some(sha256(&sha256(&[3; 32]))));
    let other = EvidenceUserData::with_ticket(&Secret::copy_from(&[4; 32]));
    for wrong in [None, Some(other.as_slice())] {
        assert_eq!(with(wrong).map(|_| ()).unwrap_err(), AttestError::OtherBinding);
    }
}

#[test]
fn a_package_has_its_items_and_no_other() {
    let forger = Forger::new();
    let package = tpm_package(P256.quote, &sign(&forger.key, P256.quote), &forger.certificate, None);
    let with = |change: &dyn Fn(&mut EvidencePackage)| {
        let mut package = package.clone();
        change(&mut package);
        judge(&package, &forger.values, &BINDING).map(|_| ()).unwrap_err()
    };
    for error in [
        with(&|package| package.items.swap(0, 1)),
        with(&|package| drop(package.items.pop())),
        with(&|package| package.items.push(package.items[0].clone())),
        with(&|package| package.items.clear()),
    ] {
        assert!(matches!(error, AttestError::Items { .. }), "{error}");
    }
    let garbage = with(&|package| package.items[2].serialized.truncate(20));
    assert!(matches!(garbage, AttestError::Malformed { .. }), "{garbage}");
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    let refused = verify("tpm-platform-package", &package, &forger.values, &expected, now());
    assert!(matches!(refused.map(|_| ()), Err(AttestError::SubmittedType { .. })));
}

#[test]
fn a_digest_is_trusted_with_its_registers_or_not_at_all() {
    let forger = Forger::new();
    let measurement = Measurement::from_bytes(&digest(P256.quote)).unwrap();
    let of = |kind, digest: &str| {
        ReferenceValue::new(kind, digest.parse().unwrap(), None, vec![root(&forger.issuer)]).unwrap()
    };
    let nameless = of(EvidenceKind::Tpm, &measurement.to_string());
    assert_eq!(nameless.clone().with_pcrs(None), Err(ReferenceError::NoPcrs));
    let enclave = of(EvidenceKind::SimulatedEnclave, &"ab".repeat(32));
    assert_eq!(enclave.with_pcrs(Some(PCRS.parse().unwrap())), Err(ReferenceError::ForeignPcrs));
    let mut values = ReferenceValues::default();
    values.add(nameless);
    // Also as it comes back from a store.
    for values in [values.clone(), serde_json::from_str(&serde_json::to_string(&values).unwrap()).unwrap()] {
        let package = tpm_package(P256.quote, &sign(&forger.key, P256.quote), &forger.certificate, None);
        let refused = judge(&package, &values, &BINDING).map(|_| ()).unwrap_err();
        assert!(matches!(refused, AttestError::OtherRegisters { .. }), "{refused}");
    }
    let kept: ReferenceValues =
        serde_json::from_str(&serde_json::to_string(&forger.values).unwrap()).unwrap();
    assert_eq!(kept, forger.values);
}

proptest! {
    /// Whatever comes, in place of something or cut short, is read or refused.
    #[test]
    fn t20_no_bytes_make_it_panic(at in 0..300_usize, bytes in prop::collection::vec(any::<u8>(), 0..40), cut in 0..300_usize) {
        let changed = |part: &[u8]| {
            let mut part = part.to_vec();
            let at = at.min(part.len());
            part.splice(at..(at + bytes.len()).min(part.len()), bytes.iter().copied());
            part.truncate(part.len().saturating_sub(cut % 60));
            part
        };
        for Captured { public, quote, signature } in [RSA, P256, P384] {
            let certificate = changed(&[quote, public].concat());
            let package = tpm_package(&changed(quote), &changed(signature), &certificate, Some(&bytes));
            prop_assert!(judge(&package, &ReferenceValues::default(), &BINDING).is_err());
            prop_assert!(judge(&tpm_package(quote, &changed(signature), public, None), &ReferenceValues::default(), &BINDING).is_err());
            if let Ok(public) = TpmPublic::parse(&changed(public)) {
                prop_assert_eq!(public.name().len(), 34);
            }
        }
    }
}
