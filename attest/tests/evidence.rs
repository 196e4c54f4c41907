//! Simulated-enclave evidence, good and bad: each bad one differs from the good one in exactly one thing.

mod fakes;

use claviger_attest::{AttestError, EvidenceKind, Expected, Measurement, ReferenceValues, verify};
use claviger_proto::evidence::{Clause, Entity, EvidenceUserData};
use claviger_proto::time_text::time_to_text;
use fakes::{BINDING, Fake, KEYS, NOW, SUBMITTED, check, entity, item, private_message, time, trusting};
use proptest::prelude::*;
use prost::Message as _;

/// Good evidence with one change is refused, with this error.
fn refused(what: &str, change: impl FnOnce(&mut Fake)) -> AttestError {
    let mut fake = Fake::good();
    change(&mut fake);
    fake.verify().map(|_| ()).expect_err(what)
}

fn statement(what: &str, change: impl FnOnce(&mut Fake)) {
    let error = refused(what, change);
    assert!(matches!(error, AttestError::Statement { .. }), "{what}: {error}");
}

fn malformed(what: &str, change: impl FnOnce(&mut Fake)) {
    let error = refused(what, change);
    assert!(matches!(error, AttestError::Malformed { .. }), "{what}: {error}");
}

#[test]
fn good_evidence_is_attested() {
    let attested = Fake::good().verify().expect("attested");
    assert_eq!(attested.kind(), EvidenceKind::SimulatedEnclave);
    assert_eq!(attested.measurement(), &fakes::measurement());
    assert_eq!(attested.spki(), KEYS.enclave.public().spki_der());
    assert!(attested.challenge_fresh());
    let again = Fake::good().verify().expect("attested");
    assert_ne!(attested.evidence_digest(), again.evidence_digest(), "other signatures, other evidence");
}

#[test]
fn an_unknown_measurement_is_refused() {
    let error = refused("measurement", |f| f.report.measurement = Some(vec![0x5b; 32]));
    let measurement = Measurement::from_bytes(&[0x5b; 32]).expect("32 bytes");
    assert_eq!(error, AttestError::UnknownMeasurement(measurement));
    let expected = Expected { binding: &BINDING, spki: KEYS.enclave.public().spki_der() };
    let nothing = ReferenceValues::default();
    let error = verify(SUBMITTED, &Fake::good().package(), &nothing, &expected, time(NOW)).map(|_| ());
    assert_eq!(error, Err(AttestError::UnknownMeasurement(fakes::measurement())));
    statement("no digest's length", |f| f.report.measurement = Some(vec![0x5a; 31]));
    malformed("none", |f| f.report.measurement = None);
}

#[test]
fn t39_a_ticket_in_user_data_is_claimed_and_signed_along() {
    let with = |ticket: Vec<u8>| EvidenceUserData { ticket: Some(ticket) }.encode_to_vec();
    let mut fake = Fake::good();
    fake.user_data.evidence_data = Some(with(vec![7; 32]));
    let attested = fake.verify().expect("attested");
    assert_eq!(attested.machine().ticket, Some(claviger_attest::sha256(&[7; 32])));
    assert_eq!(Fake::good().verify().expect("attested").machine().ticket, None);
    // Another's ticket can't be put into signed evidence.
    let error = refused("another ticket", |f| {
        f.user_data.evidence_data = Some(with(vec![7; 32]));
        f.tamper_report = |report| {
            let message = report.report.as_mut().expect("a report");
            let at = message.windows(32).position(|bytes| bytes == [7; 32]).expect("the ticket");
            message[at] = 8;
        };
    });
    assert_eq!(error, AttestError::Signature("report"));
    statement("a short ticket", |f| f.user_data.evidence_data = Some(with(vec![7; 31])));
    statement("too much", |f| f.user_data.evidence_data = Some(vec![0; 1025]));
    malformed("nonsense", |f| f.user_data.evidence_data = Some(vec![0xff; 3]));
}

#[test]
fn an_expired_reference_value_is_refused_as_such() {
    let value = trusting(&KEYS.platform).iter().next().expect("one").clone();
    let verified = |end| {
        let mut values = ReferenceValues::default();
        values.add(value.clone().expiring(Some(end)).expect("a time"));
        let expected = Expected { binding: &BINDING, spki: KEYS.enclave.public().spki_der() };
        verify(SUBMITTED, &Fake::good().package(), &values, &expected, time(NOW)).map(|_| ())
    };
    assert_eq!(verified(NOW + 1), Ok(()));
    let expired = AttestError::ExpiredMeasurement { measurement: fakes::measurement(), at: NOW };
    assert_eq!(verified(NOW), Err(expired));
}

#[test]
fn t26_t28_a_platform_under_another_root_is_refused() {
    // The domain names another root.
    let expected = Expected { binding: &BINDING, spki: KEYS.enclave.public().spki_der() };
    let package = Fake::good().package();
    let result = verify(SUBMITTED, &package, &trusting(&KEYS.other), &expected, time(NOW));
    assert_eq!(result.map(|_| ()), Err(AttestError::UntrustedRoot(fakes::measurement())));
    // A platform made by anybody, whole in itself.
    let error = refused("self-made", |f| {
        f.clause.subject = Some(entity(&KEYS.other));
        f.claim_signer = &KEYS.other;
    });
    assert_eq!(error, AttestError::UntrustedRoot(fakes::measurement()));
}

#[test]
fn a_root_trusted_for_one_measurement_is_not_trusted_for_another() {
    let mut values = trusting(&KEYS.other);
    let elsewhere = Measurement::from_bytes(&[0x77; 32]).expect("32 bytes");
    let root = KEYS.platform.public().clone();
    let value =
        claviger_attest::ReferenceValue::new(EvidenceKind::SimulatedEnclave, elsewhere, None, vec![root]);
    values.add(value.expect("a value"));
    let expected = Expected { binding: &BINDING, spki: KEYS.enclave.public().spki_der() };
    let result = verify(SUBMITTED, &Fake::good().package(), &values, &expected, time(NOW));
    assert_eq!(result.map(|_| ()), Err(AttestError::UntrustedRoot(fakes::measurement())));
}

#[test]
fn t08_evidence_that_names_another_key_is_refused() {
    let error = refused("key", |f| f.user_data.enclave_key = Some(fakes::public_message(&KEYS.other)));
    assert_eq!(error, AttestError::OtherKey);
    let result = check(&Fake::good().package(), &BINDING, &KEYS.other);
    assert_eq!(result.map(|_| ()), Err(AttestError::OtherKey));
    malformed("none", |f| f.user_data.enclave_key = None);
    statement("a private key", |f| f.user_data.enclave_key = Some(private_message(&KEYS.enclave)));
    let expected = Expected { binding: &BINDING, spki: &[] };
    let result = verify(SUBMITTED, &Fake::good().package(), &trusting(&KEYS.platform), &expected, time(NOW));
    assert_eq!(result.map(|_| ()), Err(AttestError::OtherKey), "an expected key that isn't one");
}

#[test]
fn t40_a_missing_zero_or_wrong_binding_is_refused() {
    assert_eq!(refused("missing", |f| f.user_data.binding = None), AttestError::Unbound);
    for wrong in [vec![], vec![0; 64], vec![0xb1; 63], vec![0xb1; 65], vec![0xb1; 32]] {
        assert_eq!(refused("wrong", |f| f.user_data.binding = Some(wrong)), AttestError::OtherBinding);
    }
    for bit in 0..512 {
        let mut binding = BINDING;
        binding[bit / 8] ^= 1 << (bit % 8);
        let error = refused("one bit", |f| f.user_data.binding = Some(binding.to_vec()));
        assert_eq!(error, AttestError::OtherBinding);
    }
}

#[test]
fn t01_evidence_of_one_session_is_refused_on_another() {
    use claviger_attest::{Binding, Purpose, Role};
    let session = |nonce: [u8; 32], exporter: [u8; 48]| {
        Binding {
            role: Role::Agent,
            purpose: Purpose::Enroll,
            policy_digest: &[1; 48],
            nonce: &nonce,
            client_leaf: &[3; 48],
            server_leaf: &[4; 48],
            new_spki: None,
            exporter: &exporter,
        }
        .digest()
    };
    let (a, b) = (session([1; 32], [1; 48]), session([2; 32], [2; 48]));
    let relayed = session([1; 32], [2; 48]); // A's challenge passed on, over another channel
    let mut fake = Fake::good();
    fake.user_data.binding = Some(a.to_vec());
    let package = fake.package();
    assert!(check(&package, &a, &KEYS.enclave).is_ok());
    for other in [b, relayed] {
        let result = check(&package, &other, &KEYS.enclave);
        assert_eq!(result.map(|_| ()), Err(AttestError::OtherBinding));
    }
}

#[test]
fn bad_signatures_are_refused() {
    let error = refused("claim", |f| f.tamper_claim = |c| c.signature = Some(vec![0; 70]));
    assert_eq!(error, AttestError::Signature("endorsement"));
    let error = refused("report", |f| f.tamper_report = |r| r.signature = Some(vec![0; 70]));
    assert_eq!(error, AttestError::Signature("report"));
    // A good signature by another key, though the right one is named.
    let error = refused("claim by another", |f| {
        f.claim_signer = &KEYS.other;
        f.tamper_claim = |c| c.signing_key = Some(fakes::public_message(&KEYS.platform));
    });
    assert_eq!(error, AttestError::Signature("endorsement"));
    let error = refused("report by another", |f| {
        f.report_signer = &KEYS.other;
        f.tamper_report = |r| r.signing_key = Some(fakes::public_message(&KEYS.attest));
    });
    assert_eq!(error, AttestError::Signature("report"));
    malformed("no claim signature", |f| f.tamper_claim = |c| c.signature = None);
    malformed("no report signature", |f| f.tamper_report = |r| r.signature = None);
}

#[test]
fn a_message_changed_after_signing_is_refused() {
    let error = refused("claim", |f| {
        f.tamper_claim = |c| {
            let message = c.claim.as_mut().expect("there");
            message.extend_from_slice(&[0x12, 0x01, b'x']); // another descriptor
        };
    });
    assert_eq!(error, AttestError::Signature("endorsement"));
    let error = refused("report", |f| {
        f.tamper_report = |r| {
            let message = r.report.as_mut().expect("there");
            message.extend_from_slice(&[0x98, 0x06, 0x01]); // an unknown field
        };
    });
    assert_eq!(error, AttestError::Signature("report"));
}

#[test]
fn the_signers_must_be_the_keys_that_are_spoken_of() {
    // An endorsed key exists, and another signs and names itself.
    statement("report by a key that isn't endorsed", |f| f.report_signer = &KEYS.other);
    statement("claim by a key that isn't its subject", |f| f.claim_signer = &KEYS.other);
    malformed("claim without a signing key", |f| f.tamper_claim = |c| c.signing_key = None);
    malformed("report without a signing key", |f| f.tamper_report = |r| r.signing_key = None);
    statement("a private signing key", |f| {
        f.tamper_claim = |c| c.signing_key = Some(private_message(&KEYS.platform));
    });
}

#[test]
fn algorithms_are_those_of_their_keys() {
    for name in ["ecc-384-sha384-pkcs-sign", "rsa-2048-sha256-pkcs-sign", "none", ""] {
        let mut package = Fake::good().package();
        rename_algorithm(&mut package, 0, name);
        let result = check(&package, &BINDING, &KEYS.enclave).map(|_| ());
        assert!(matches!(result, Err(AttestError::Statement { part: "endorsement", .. })), "{name}");
        let mut package = Fake::good().package();
        rename_algorithm(&mut package, 1, name);
        let result = check(&package, &BINDING, &KEYS.enclave).map(|_| ());
        assert!(matches!(result, Err(AttestError::Statement { part: "report", .. })), "{name}");
    }
}

fn rename_algorithm(package: &mut claviger_proto::trust::EvidencePackage, index: usize, name: &str) {
    use claviger_proto::evidence::{SignedClaim, SignedReport};
    let bytes = &mut package.items[index].serialized;
    *bytes = if index == 0 {
        let mut claim = SignedClaim::decode(bytes.as_slice()).expect("a claim");
        claim.signing_algorithm = Some(name.to_owned());
        claim.encode_to_vec()
    } else {
        let mut report = SignedReport::decode(bytes.as_slice()).expect("a report");
        report.signing_algorithm = Some(name.to_owned());
        report.encode_to_vec()
    };
}

#[test]
fn t35_dates_are_kept_to_the_second() {
    let text = |at| Some(time_to_text(at));
    let ok = |change: fn(&mut Fake)| {
        let mut fake = Fake::good();
        change(&mut fake);
        fake.verify().is_ok()
    };
    assert!(ok(|f| f.claim.not_before = Some(time_to_text(NOW))));
    assert!(ok(|f| f.claim.not_after = Some(time_to_text(NOW))));
    assert!(ok(|f| f.report.not_before = Some(time_to_text(NOW))));
    assert!(ok(|f| f.report.not_after = Some(time_to_text(NOW))));
    let error = refused("claim, early", |f| f.claim.not_before = text(NOW + 1));
    assert_eq!(error, AttestError::NotYetValid("endorsement"));
    let error = refused("claim, late", |f| f.claim.not_after = text(NOW - 1));
    assert_eq!(error, AttestError::Expired("endorsement"));
    let error = refused("report, early", |f| f.report.not_before = text(NOW + 1));
    assert_eq!(error, AttestError::NotYetValid("report"));
    let error = refused("report, late", |f| f.report.not_after = text(NOW - 1));
    assert_eq!(error, AttestError::Expired("report"));
    malformed("claim without a beginning", |f| f.claim.not_before = None);
    malformed("claim without an end", |f| f.claim.not_after = None);
    malformed("report without a beginning", |f| f.report.not_before = None);
    malformed("report without an end", |f| f.report.not_after = None);
    // Where stock programs look at the year alone, the whole date counts here.
    malformed("not a date", |f| f.report.not_after = Some("2027:01:01T00:00:00.00000Z".to_owned()));
}

#[test]
fn the_endorsement_says_exactly_that_the_platform_trusts_the_key() {
    fn inner(fake: &mut Fake) -> &mut Clause {
        fake.clause.clause.as_deref_mut().expect("there")
    }
    let key = || Some(entity(&KEYS.attest));
    statement("another verb", |f| f.clause.verb = Some("is-trusted".to_owned()));
    statement("no verb", |f| f.clause.verb = None);
    statement("another predicate", |f| inner(f).verb = Some("is-trusted-for-authentication".to_owned()));
    statement("no predicate", |f| inner(f).verb = None);
    statement("no subject", |f| f.clause.subject = None);
    statement("nothing said", |f| f.clause.clause = None);
    statement("of nobody", |f| inner(f).subject = None);
    statement("an object outside", |f| f.clause.object = key());
    statement("an object inside", |f| inner(f).object = key());
    statement("more inside", |f| inner(f).clause = Some(Box::default()));
    statement("a claim of another format", |f| f.claim.format = Some("vse-attribute".to_owned()));
    statement("a claim of no format", |f| f.claim.format = None);
    let measurement = Entity {
        entity_type: Some("measurement".to_owned()),
        measurement: Some(vec![0x5a; 32]),
        ..Entity::default()
    };
    statement("of a measurement", |f| inner(f).subject = Some(measurement.clone()));
    statement("by a measurement", |f| f.clause.subject = Some(measurement.clone()));
    statement("of something typed otherwise", |f| {
        inner(f).subject.as_mut().expect("there").entity_type = Some("platform".to_owned());
    });
    statement("of two things", |f| inner(f).subject.as_mut().expect("there").measurement = Some(vec![1]));
    malformed("a claim of nothing", |f| f.claim.clause = Some(vec![0xff]));
    malformed("no claim", |f| f.tamper_claim = |c| c.claim = None);
    malformed("garbage for a claim", |f| f.tamper_package = |p| p.items[0].serialized = vec![0xff; 9]);
}

#[test]
fn the_report_says_what_it_is() {
    statement("another format", |f| f.tamper_report = |r| r.format = Some("vse-report".to_owned()));
    statement("no format", |f| f.tamper_report = |r| r.format = None);
    statement("another enclave outside", |f| f.report.enclave_type = Some("sev-enclave".to_owned()));
    statement("another enclave inside", |f| f.user_data.enclave_type = Some("sev-enclave".to_owned()));
    statement("no enclave outside", |f| f.report.enclave_type = None);
    statement("no enclave inside", |f| f.user_data.enclave_type = None);
    malformed("garbage said", |f| f.report.user_data = Some(vec![0xff]));
    malformed("no report", |f| f.tamper_report = |r| r.report = None);
    malformed("garbage for a report", |f| f.tamper_package = |p| p.items[1].serialized = vec![0xff; 9]);
}

#[test]
fn the_package_consists_of_exactly_the_two_in_order() {
    let items = |change: fn(&mut Fake)| matches!(refused("items", change), AttestError::Items { .. });
    assert!(items(|f| f.tamper_package = |p| p.items.clear()));
    assert!(items(|f| f.tamper_package = |p| p.items.truncate(1)));
    assert!(items(|f| f.tamper_package = |p| drop(p.items.remove(0))));
    assert!(items(|f| f.tamper_package = |p| p.items.push(item("signed-claim", Vec::new()))));
    assert!(items(|f| f.tamper_package = |p| p.items.push(p.items[1].clone())));
    assert!(items(|f| f.tamper_package = |p| p.items.swap(0, 1)));
    assert!(items(|f| f.tamper_package = |p| p.items[0].evidence_type = "cert".to_owned()));
    assert!(items(|f| f.tamper_package = |p| p.items[1].evidence_type = String::new()));
}

#[test]
fn only_known_kinds_submitted_as_themselves_are_looked_at() {
    for kind in ["sev-enclave", "tpm-enclave", "Simulated-Enclave", "simulated-enclave ", ""] {
        let mut package = Fake::good().package();
        kind.clone_into(&mut package.enclave_type);
        let result = check(&package, &BINDING, &KEYS.enclave).map(|_| ());
        assert_eq!(result, Err(AttestError::UnknownKind), "{kind:?}");
    }
    let expected = Expected { binding: &BINDING, spki: KEYS.enclave.public().spki_der() };
    for submitted in ["sev-platform-package", "", "vse-attestation-package "] {
        let package = Fake::good().package();
        let result = verify(submitted, &package, &trusting(&KEYS.platform), &expected, time(NOW)).map(|_| ());
        assert_eq!(result, Err(AttestError::SubmittedType { expected: SUBMITTED }), "{submitted:?}");
    }
}

#[test]
fn t45_cheap_checks_come_before_signatures() {
    let bad_signatures = |f: &mut Fake| {
        f.tamper_claim = |c| c.signature = Some(vec![0; 70]);
        f.tamper_report = |r| r.signature = Some(vec![0; 70]);
    };
    let error = refused("unlisted", |f| {
        bad_signatures(f);
        f.report.measurement = Some(vec![1; 32]);
    });
    assert!(matches!(error, AttestError::UnknownMeasurement(_)));
    let error = refused("unbound", |f| {
        bad_signatures(f);
        f.user_data.binding = None;
    });
    assert_eq!(error, AttestError::Unbound);
}

#[test]
fn t20_clauses_nested_without_end_are_refused() {
    malformed("deep", |f| {
        let mut bytes = Vec::new();
        for _ in 0..2_000 {
            let mut outer = vec![0x22]; // field 4, a clause
            prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
            outer.extend_from_slice(&bytes);
            bytes = outer;
        }
        f.claim.clause = Some(bytes);
    });
}

proptest! {
    #[test]
    fn t20_no_bytes_make_it_panic(
        claim in proptest::collection::vec(any::<u8>(), 0..300),
        report in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut package = Fake::good().package();
        package.items[0].serialized = claim;
        prop_assert!(check(&package, &BINDING, &KEYS.enclave).is_err());
        let mut package = Fake::good().package();
        package.items[1].serialized = report;
        prop_assert!(check(&package, &BINDING, &KEYS.enclave).is_err());
    }

    #[test]
    fn one_byte_changed_is_refused_unless_nobody_reads_it(
        which in 0_usize..2,
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let good = Fake::good().package();
        let mut package = good.clone();
        let bytes = &mut package.items[which].serialized;
        let index = at.index(bytes.len());
        bytes[index] ^= 1 << bit;
        if let Ok(attested) = check(&package, &BINDING, &KEYS.enclave) {
            // Names of keys, and fields that became unknown, lie outside the signatures; what is signed doesn't.
            prop_assert_eq!(attested.measurement(), &fakes::measurement());
            let (good, bad) = (signed(&good, which), signed(&package, which));
            prop_assert_eq!(good, bad);
        }
    }
}

/// The part that the signature covers.
fn signed(package: &claviger_proto::trust::EvidencePackage, index: usize) -> Vec<u8> {
    use claviger_proto::evidence::{SignedClaim, SignedReport};
    let bytes = package.items[index].serialized.as_slice();
    if index == 0 {
        SignedClaim::decode(bytes).expect("a claim").claim.expect("there")
    } else {
        SignedReport::decode(bytes).expect("a report").report.expect("there")
    }
}
