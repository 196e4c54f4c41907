//! The package around a report.

use claviger_attest::{
    AttestError, Expected, ITEM_SNP_CERTIFICATES, ITEM_USER_DATA, SnpRule, screen, snp_package,
    snp_report_data,
};
use claviger_proto::evidence::EvidenceUserData;
use claviger_proto::trust::{EvidenceItem, EvidencePackage};
use prost::Message as _;

use crate::support::{BINDING, Fake, SUBMITTED, changed, now};

fn submit(package: &EvidencePackage) -> Result<(), AttestError> {
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    screen(SUBMITTED, package, &Fake::good().policy(), &expected, now()).map(|_| ())
}

fn item(kind: &str, bytes: &[u8]) -> EvidenceItem {
    EvidenceItem { evidence_type: kind.to_owned(), serialized: bytes.to_vec() }
}

fn ticket() -> Vec<u8> {
    EvidenceUserData { ticket: Some(vec![0x71; 32]) }.encode_to_vec()
}

#[test]
fn other_items_or_another_order_are_refused() {
    let good = Fake::good().package();
    assert_eq!(submit(&good), Ok(()));
    let with = |items: Vec<EvidenceItem>| {
        let package = EvidencePackage { items, ..good.clone() };
        assert!(matches!(submit(&package), Err(AttestError::Items { .. })), "{package:?}");
    };
    let report = good.items[0].clone();
    let table = item(ITEM_SNP_CERTIFICATES, &[0; 24]);
    let data = item(ITEM_USER_DATA, &[]);
    with(vec![]);
    with(vec![table.clone()]);
    with(vec![table.clone(), report.clone()]);
    with(vec![report.clone(), data.clone(), table.clone()]);
    with(vec![report.clone(), report.clone()]);
    with(vec![report.clone(), table.clone(), table.clone()]);
    with(vec![report.clone(), table, data.clone(), data]);
    with(vec![report, item("cert", &[])]);
}

#[test]
fn another_submitted_type_is_refused() {
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    for submitted in ["vse-attestation-package", "sev-platform-package", "sev-snp", ""] {
        let result = screen(submitted, &Fake::good().package(), &Fake::good().policy(), &expected, now());
        assert!(matches!(result, Err(AttestError::SubmittedType { .. })));
    }
}

#[test]
fn t40_user_data_is_signed_along() {
    let fake = changed(Fake::good(), |fake| fake.user_data = Some(ticket()));
    let attested = fake.verify().unwrap();
    assert_eq!(
        attested.machine().ticket,
        Some(claviger_attest::ticket_id(&claviger_attest::ticket_host_data(&[0x71; 32])))
    );
    // Without it, with another, or put beside a report that was made without any.
    let report = fake.signed_report();
    let data = |result: Result<(), AttestError>| {
        assert!(matches!(result, Err(AttestError::Snp { rule: SnpRule::ReportData, .. })), "{result:?}");
    };
    data(submit(&snp_package(&report, None, None)));
    let other = EvidenceUserData { ticket: Some(vec![0x72; 32]) }.encode_to_vec();
    data(submit(&snp_package(&report, None, Some(&other))));
    data(submit(&snp_package(&Fake::good().signed_report(), None, Some(&ticket()))));
    data(submit(&snp_package(&Fake::good().signed_report(), None, Some(&[]))));
}

#[test]
fn user_data_too_long_or_of_another_form_is_refused() {
    let report = Fake::good().signed_report();
    for data in [vec![0xff; 4], vec![0x0a; 1025], EvidenceUserData { ticket: Some(vec![1]) }.encode_to_vec()]
    {
        let result = submit(&snp_package(&report, None, Some(&data)));
        assert!(
            matches!(result, Err(AttestError::Malformed { .. } | AttestError::Statement { .. })),
            "{result:?}"
        );
    }
}

#[test]
fn report_data_is_the_documented_one() {
    assert_eq!(snp_report_data(&BINDING, None), BINDING);
    let with = snp_report_data(&BINDING, Some(b"x"));
    let again = snp_report_data(&[0xb2; 64], Some(b"x"));
    assert!(with != BINDING && with != again && with != snp_report_data(&BINDING, Some(b"")));
    let text = [
        &[0, 21][..],
        b"claviger user data v1",
        &[0, 64],
        &BINDING,
        &[0, 48],
        &claviger_attest::sha384(b"x"),
    ]
    .concat();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, &text);
    assert_eq!(digest.as_ref(), with);
}
