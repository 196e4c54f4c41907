//! Signatures, their keys, and dates.

use claviger_attest::AttestError;
use claviger_proto::time_text::time_to_text;
use prost::Message as _;

use crate::fakes::{self, BINDING, Fake, KEYS, NOW, check, private_message};
use crate::{malformed, refused, statement};

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
