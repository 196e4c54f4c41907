//! What the domain trusts, and what the evidence is bound to.

use claviger_attest::{AttestError, EvidenceKind, Expected, Measurement, ReferenceValues, verify};
use claviger_proto::evidence::EvidenceUserData;
use prost::Message as _;

use crate::fakes::{
    self, BINDING, Fake, KEYS, NOW, SUBMITTED, check, entity, private_message, time, trusting,
};
use crate::{malformed, refused, statement};

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
    assert_eq!(
        attested.machine().ticket,
        Some(claviger_attest::ticket_id(&claviger_attest::ticket_host_data(&[7; 32])))
    );
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
