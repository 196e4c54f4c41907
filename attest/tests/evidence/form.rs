//! What the parts say, and how they are packed.

use claviger_attest::{AttestError, Expected, verify};
use claviger_proto::evidence::{Clause, Entity};
use proptest::prelude::*;
use prost::Message as _;

use crate::fakes::{self, BINDING, Fake, KEYS, NOW, SUBMITTED, check, entity, item, time, trusting};
use crate::{malformed, refused, statement};

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
