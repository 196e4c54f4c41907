//! Reference values and measurements, as owners write them.

use claviger_attest::{
    EvidenceKind, KeyAlgorithm, Measurement, ReferenceError, ReferenceValue, ReferenceValues, SigningKey,
};
use claviger_proto::key::PublicKey;

const KIND: EvidenceKind = EvidenceKind::SimulatedEnclave;

fn root() -> PublicKey {
    SigningKey::generate(KeyAlgorithm::P256).expect("a key").public().clone()
}

fn measurement(byte: u8) -> Measurement {
    Measurement::from_bytes(&[byte; 32]).expect("32 bytes")
}

fn value(byte: u8, label: Option<&str>, roots: &[PublicKey]) -> Result<ReferenceValue, ReferenceError> {
    ReferenceValue::new(KIND, measurement(byte), label.map(str::to_owned), roots.to_vec())
}

#[test]
fn t14_a_measurement_has_one_spelling() {
    for text in ["ab".repeat(32), "0f".repeat(48)] {
        let measurement: Measurement = text.parse().expect("a measurement");
        assert_eq!(measurement.to_string(), text);
        assert_eq!(measurement.as_bytes().len() * 2, text.len());
    }
    let hex = "ab".repeat(32);
    for bad in
        [hex.to_uppercase(), hex[1..].to_owned(), hex[2..].to_owned(), format!(" {hex}"), String::new()]
    {
        assert_eq!(bad.parse::<Measurement>(), Err(ReferenceError::Measurement), "{bad:?}");
    }
    assert_eq!(Measurement::from_bytes(&[0; 33]), Err(ReferenceError::Measurement));
}

#[test]
fn t28_a_simulated_platform_is_trusted_by_its_root_or_not_at_all() {
    assert_eq!(value(1, None, &[]), Err(ReferenceError::NoRoot));
    assert!(value(1, None, &[root()]).is_ok());
}

#[test]
fn t12_labels_are_plain_words() {
    for good in ["deployment", "A.b_c-9", &"x".repeat(64)] {
        assert!(value(1, Some(good), &[root()]).is_ok(), "{good}");
    }
    for bad in ["", "*", "a*", "a b", "a/b", "a,b", "ä", "a\n", &"x".repeat(65)] {
        assert_eq!(value(1, Some(bad), &[root()]), Err(ReferenceError::Label), "{bad:?}");
    }
}

#[test]
fn a_measurement_under_several_labels_is_refused_and_one_that_was_kept_so_has_none() {
    let mut values = ReferenceValues::default();
    values.add(value(1, Some("deployment"), &[root()]).expect("fine"));
    values.add(value(2, Some("web"), &[root()]).expect("fine"));
    values.check_labels().expect("one each");
    for other in [Some("test"), None] {
        let mut values = values.clone();
        let other = value(1, other, &[root()]).expect("fine").expiring(Some(5)).expect("a time");
        values.add(other.with_vmpl(2));
        assert_eq!(values.check_labels(), Err(ReferenceError::Labels(measurement(1))));
        for now in [0, 9] {
            assert_eq!(values.labels(now).map(|(_, label)| label).collect::<Vec<_>>(), ["web"]);
        }
    }
}

#[test]
fn amd_s_own_roots_and_named_ones_are_never_joined() {
    let measurement = Measurement::from_bytes(&[4; 48]).expect("fine");
    let snp = |roots| ReferenceValue::new(EvidenceKind::SevSnp, measurement, None, roots).expect("fine");
    for (known, added) in [(vec![], vec![root()]), (vec![root()], vec![])] {
        let mut values = ReferenceValues::default();
        values.add(snp(known.clone()));
        let refused = Err(ReferenceError::MixedRoots(measurement, !known.is_empty()));
        assert_eq!(values.check_roots(&snp(added.clone())), refused);
        values.check_roots(&snp(known)).expect("of the same sort");
        values.check_roots(&snp(added).with_vmpl(1)).expect("an entry of its own");
    }
}

#[test]
fn values_are_added_joined_found_and_removed() {
    let (one, other) = (root(), root());
    let mut values = ReferenceValues::default();
    assert!(values.is_empty());
    assert!(values.add(value(1, Some("deployment"), std::slice::from_ref(&one)).expect("fine")));
    assert!(!values.add(value(1, Some("deployment"), std::slice::from_ref(&one)).expect("fine")), "the same");
    assert!(
        values.add(value(1, Some("deployment"), &[other.clone(), one.clone()]).expect("fine")),
        "a root more"
    );
    assert!(values.add(value(1, Some("web"), std::slice::from_ref(&one)).expect("fine")), "a label more");
    assert!(values.add(value(2, None, std::slice::from_ref(&other)).expect("fine")));
    assert_eq!(values.len(), 3);

    let first = measurement(1);
    assert_eq!(values.labels_of(&first).collect::<Vec<_>>(), ["deployment", "web"]);
    assert_eq!(values.labels_of(&measurement(2)).count(), 0);
    let roots: Vec<_> = values.find(KIND, &first).map(|v| v.roots().len()).collect();
    assert_eq!(roots, [2, 1]);
    assert!(values.find(KIND, &first).all(|v| v.has_root(&one)));
    assert_eq!(values.find(KIND, &measurement(3)).count(), 0);

    assert!(values.remove(KIND, &first));
    assert!(!values.remove(KIND, &first));
    assert_eq!(values.iter().map(|v| *v.measurement()).collect::<Vec<_>>(), [measurement(2)]);
}

#[test]
fn values_are_stored_and_read_back_and_checked_again() {
    let mut values = ReferenceValues::default();
    values.add(value(1, Some("deployment"), &[root()]).expect("fine"));
    values.add(value(2, None, &[root()]).expect("fine"));
    let json = serde_json::to_string(&values).expect("json");
    assert_eq!(serde_json::from_str::<ReferenceValues>(&json).expect("read"), values);
    let read = |text: &str| serde_json::from_str::<ReferenceValue>(text).map_err(|e| e.to_string());
    let hex = "01".repeat(32);
    let spki = hex::encode(root().spki_der());
    let with = |kind: &str, roots: &str| {
        read(&format!(r#"{{"kind":"{kind}","measurement":"{hex}","roots":[{roots}]}}"#))
    };
    assert!(with("simulated-enclave", &format!("{spki:?}")).is_ok());
    assert!(with("simulated-enclave", "").is_err_and(|e| e.contains("root")));
    assert!(with("simulated-enclave", "\"00\"").is_err_and(|e| e.contains("root")));
    assert!(with("sgx", &format!("{spki:?}")).is_err_and(|e| e.contains("simulated-enclave")));
}
