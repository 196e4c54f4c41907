//! The policy file: what it says, what it may not say, and that it comes back as it went.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

use std::sync::LazyLock;

use claviger_attest::{
    BrokerValue, EvidenceKind, InstanceDemand, InstanceWay, KeyAlgorithm, Measurement, MilanRule,
    PolicyFault, PolicyFile, ReferenceError, ReferenceValue, SigningKey, TrustPolicy,
};
use claviger_proto::key::PublicKey;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const KIND: EvidenceKind = EvidenceKind::SimulatedEnclave;

static ROOTS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    let made = |algorithm| SigningKey::generate(algorithm).unwrap().public().clone();
    vec![made(KeyAlgorithm::P256), made(KeyAlgorithm::P384)]
});

fn measurement(byte: u8) -> Measurement {
    Measurement::from_bytes(&[byte; 32]).unwrap()
}

fn read(value: Value) -> Result<TrustPolicy, String> {
    let file = serde_json::from_value::<PolicyFile>(value).map_err(|error| error.to_string())?;
    TrustPolicy::from_file(file).map_err(|error| error.to_string())
}

fn fault(value: Value) -> (Option<usize>, PolicyFault) {
    let error = TrustPolicy::from_file(serde_json::from_value(value).unwrap()).unwrap_err();
    (error.entry.map(|(_, at)| at), error.fault)
}

fn entry(byte: u8) -> Value {
    json!({"kind": "simulated-enclave", "value": measurement(byte), "roots": [ROOTS[0].to_pem()]})
}

#[test]
fn a_whole_file_is_read() {
    let mut first = entry(2);
    first["label"] = "deployment".into();
    first["expires"] = "2027-03-31T00:00:00Z".into();
    let policy =
        read(json!({"format": 1, "instance": {"demand": "ticket"}, "measurement": [first, entry(3)]}))
            .unwrap();
    assert!(policy.instance.allows(InstanceWay::Ticket));
    let values: Vec<_> = policy.references.iter().collect();
    assert_eq!(values[0].label(), Some("deployment"));
    assert_eq!(values[0].expires(), Some(1_806_451_200));
    assert_eq!(values[1].expires(), None);
    assert!(values[1].has_root(&ROOTS[0]));
    assert_eq!(read(json!({"format": 1})).unwrap(), TrustPolicy::default());
}

#[test]
fn what_can_t_be_meant_is_refused() {
    let with = |key: &str, value: Value| {
        let mut broken = entry(2);
        broken[key] = value;
        json!({"format": 1, "measurement": [entry(4), broken]})
    };
    assert_eq!(fault(json!({"format": 2})), (None, PolicyFault::Format(2)));
    let at = |fault| (Some(1), fault);
    let reference = |error| (Some(1), PolicyFault::Reference(error));
    assert_eq!(fault(with("label", "a b".into())), reference(ReferenceError::Label));
    assert_eq!(fault(with("roots", json!([]))), reference(ReferenceError::NoRoot));
    assert_eq!(fault(with("vmpl", 1.into())), reference(ReferenceError::Vmpl));
    for (kind, digits, given) in [("simulated-enclave", 64, 96), ("sev-snp", 96, 64)] {
        let mut long = with("value", "ab".repeat(given / 2).into());
        long["measurement"][1]["kind"] = kind.into();
        assert_eq!(fault(long), reference(ReferenceError::Length { kind, digits, given }));
    }
    for time in ["2027-02-30T00:00:00Z", "2027-03-31", "2027-03-31T00:00:00.5Z", "soon", ""] {
        assert_eq!(fault(with("expires", time.into())), reference(ReferenceError::Expiry), "{time}");
    }
    let private =
        SigningKey::generate(KeyAlgorithm::P256).unwrap().to_private().unwrap().to_pem().to_string();
    for root in
        ["", "nonsense", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", private.as_str()]
    {
        assert_eq!(fault(with("roots", json!([ROOTS[0].to_pem(), root]))), at(PolicyFault::RootText(2)));
    }
    assert_eq!(fault(with("roots", json!(vec![ROOTS[0].to_pem(); 65]))), at(PolicyFault::ManyRoots));
    for (key, value) in
        [("other", json!(1)), ("kind", json!("none")), ("value", json!("AB")), ("vmpl", json!(-1))]
    {
        assert!(read(with(key, value)).is_err(), "{key}");
    }
    assert!(read(json!({"format": 1, "more": 1})).unwrap_err().contains("unknown field `more`"));
    assert!(read(json!({"measurement": []})).unwrap_err().contains("format"));
}

#[test]
fn the_same_twice_is_a_mistake_and_so_is_a_contradiction() {
    let file = |entries: &[Value]| json!({"format": 1, "measurement": entries});
    assert_eq!(fault(file(&[entry(2), entry(3), entry(2)])), (Some(2), PolicyFault::Duplicate(1)));
    let mut other = entry(3);
    other["expires"] = "2027-03-31T00:00:00Z".into();
    assert_eq!(fault(file(&[entry(2), entry(3), other.clone()])), (Some(2), PolicyFault::Contradiction(2)));
    other["kind"] = "sev-snp".into();
    other["value"] = "03".repeat(48).into();
    assert!(read(file(&[entry(2), entry(3), other])).is_ok(), "another measurement is another entry");
}

#[test]
fn a_measurement_has_one_label_whatever_its_vmpl_and_roots() {
    let snp = |vmpl: u8, label: Option<&str>, roots: &[String]| {
        let mut entry = json!({"kind": "sev-snp", "value": "02".repeat(48), "vmpl": vmpl, "roots": roots});
        if let Some(label) = label {
            entry["label"] = label.into();
        }
        entry
    };
    let file = |a: &Value, b: &Value| json!({"format": 1, "measurement": [entry(9), a, b]});
    let deployment = snp(0, Some("deployment"), &[]);
    let own = [ROOTS[0].to_pem()];
    for other in [
        snp(2, Some("untrusted-guest"), &[]),
        snp(0, Some("test"), &own),
        snp(2, None, &[]),
        snp(0, None, &own),
    ] {
        let refused = (Some(2), PolicyFault::Labels(2));
        assert_eq!(fault(file(&deployment, &other)), refused);
        assert_eq!(fault(file(&other, &deployment)), refused);
    }
    assert!(read(file(&deployment, &snp(2, Some("deployment"), &[]))).is_ok());
    assert!(read(file(&snp(0, None, &[]), &snp(2, None, &own))).is_ok());
}

#[test]
fn brokers_are_a_list_of_their_own() {
    let broker = |byte, may_issue: Option<bool>| {
        let mut broker = entry(byte);
        if let Some(may_issue) = may_issue {
            broker["may-issue"] = may_issue.into();
        }
        broker
    };
    let file = |brokers: &[Value]| json!({"format": 1, "measurement": [entry(2)], "broker": brokers});
    let policy = read(file(&[broker(2, None), broker(3, Some(true))])).unwrap();
    assert_eq!(policy.references.len(), 1);
    let may: Vec<_> = policy.brokers.iter().map(|b| (*b.value.measurement(), b.may_issue)).collect();
    assert_eq!(may, [(measurement(2), false), (measurement(3), true)]);
    let again = fault(file(&[broker(3, Some(true)), broker(3, Some(true))]));
    assert_eq!(again, (Some(1), PolicyFault::Duplicate(1)));
    let other = fault(file(&[broker(3, Some(true)), broker(3, None)]));
    assert_eq!(other, (Some(1), PolicyFault::Contradiction(1)));
    let agent = json!({"format": 1, "measurement": [broker(2, Some(false))]});
    assert_eq!(fault(agent), (Some(0), PolicyFault::NoBroker));
}

#[test]
fn a_demand_is_a_word_or_a_list() {
    let demand = |demand: Value| read(json!({"format": 1, "instance": {"demand": demand}}));
    assert!(demand("none".into()).unwrap().instance.is_none());
    assert_eq!(demand(json!(["ticket"])).unwrap(), demand("ticket".into()).unwrap());
    for bad in
        [json!([]), json!(["none"]), json!(["ticket", "ticket"]), json!("Ticket"), json!(1), json!("disk")]
    {
        assert!(demand(bad.clone()).is_err(), "{bad}");
    }
    // What nothing in the file makes possible isn't a demand but a closed door.
    for impossible in [json!("chip"), json!("id-block"), json!(["ticket", "chip"])] {
        assert!(demand(impossible).unwrap_err().contains("nobody could be admitted"));
    }
}

#[test]
fn an_expiry_ends_trust_at_its_second_and_labels_with_it() {
    let value = ReferenceValue::new(KIND, measurement(2), Some("web".to_owned()), vec![ROOTS[0].clone()]);
    let mut policy = TrustPolicy::default();
    policy.references.add(value.unwrap().expiring(Some(100)).unwrap());
    assert!(policy.references.trusted(KIND, &measurement(2), 99).is_ok());
    assert!(policy.references.trusted(KIND, &measurement(2), 100).is_err());
    assert_eq!(policy.references.labels(99).count(), 1);
    assert_eq!(policy.references.labels(100).count(), 0);
    assert_eq!((policy.references.next_expiry(99), policy.references.next_expiry(100)), (Some(100), None));
    assert_eq!((policy.warnings(99).len(), policy.warnings(100).len()), (0, 1));
}

#[test]
fn t25_a_milan_is_taken_by_listed_chips_or_an_explicit_waiver_only() {
    let milan = |snp: Value| read(json!({"format": 1, "sev-snp": snp})).unwrap();
    assert_eq!(milan(json!({})).milan(), MilanRule::Refused);
    let chips = json!({"chips": ["ab".repeat(64)]});
    assert_eq!(milan(chips.clone()).milan(), MilanRule::ListedChips);
    let waived = milan(json!({"milan-without-chip-list": true}));
    assert_eq!(waived.milan(), MilanRule::Waived);
    assert!(waived.warnings(0)[0].contains("milan-without-chip-list"));
    let without = milan(json!({"products": ["genoa"], "milan-without-chip-list": true}));
    assert_eq!((without.milan(), without.warnings(0).len()), (MilanRule::Refused, 0));
    let listed = json!({"format": 1, "sev-snp": chips, "instance": {"demand": ["chip", "ticket"]}});
    assert!(read(listed).is_ok());
    assert!(
        read(json!({"format": 1, "sev-snp": {"chips": []}})).unwrap_err().contains("chips is an empty list")
    );
}

#[test]
fn a_tpm_s_digest_is_named_with_its_registers() {
    let of = |byte: u8, pcrs: Option<&str>| {
        let mut entry = entry(byte);
        entry["kind"] = "tpm".into();
        if let Some(pcrs) = pcrs {
            entry["pcrs"] = pcrs.into();
        }
        entry
    };
    let whole = |entries: Vec<Value>| json!({"format": 1, "measurement": entries});
    let policy = read(whole(vec![of(2, Some("sha256:7,0")), of(2, Some("sha256:0,4,7"))])).unwrap();
    let pcrs: Vec<_> = policy.references.iter().map(|value| value.pcrs().unwrap().to_string()).collect();
    assert_eq!(pcrs, ["sha256:0,7", "sha256:0,4,7"], "two values, of one digest");
    assert_eq!(TrustPolicy::from_file(policy.to_file()).unwrap(), policy);
    let (_, none) = fault(whole(vec![of(2, None)]));
    assert_eq!(none, PolicyFault::Reference(ReferenceError::NoPcrs));
    let mut enclave = entry(2);
    enclave["pcrs"] = "sha256:7".into();
    assert_eq!(fault(whole(vec![enclave])).1, PolicyFault::Reference(ReferenceError::ForeignPcrs));
    read(whole(vec![of(2, Some("sha1:7"))])).unwrap_err();
    read(whole(vec![of(2, Some("sha256:16"))])).unwrap_err();
    let again = fault(whole(vec![of(2, Some("sha256:7,0")), of(2, Some("sha256:0,7"))]));
    assert_eq!(again, (Some(1), PolicyFault::Duplicate(1)));
    let mut labelled = of(2, Some("sha256:7"));
    labelled["label"] = "web".into();
    assert_eq!(fault(whole(vec![of(2, Some("sha256:0")), labelled])).1, PolicyFault::Labels(1));
    // Registers into which nothing was measured.
    let mut nothing = of(2, Some("sha256:0,7"));
    nothing["value"] = hex::encode(claviger_attest::sha256(&[0; 64])).into();
    let warnings = |entry: Value| read(whole(vec![entry])).unwrap().warnings(0);
    assert!(matches!(&warnings(nothing)[..], [one] if one.contains("sha256:0,7")));
    assert!(warnings(of(2, Some("sha256:0,7"))).is_empty());
}

fn policies() -> impl Strategy<Value = TrustPolicy> {
    let value = (
        0..6_u8,
        prop::option::of("[A-Za-z0-9._-]{1,64}"),
        prop::option::of(-1_000_000_000..250_000_000_000_i64),
        1..4_usize,
        prop::option::of(any::<bool>()),
    );
    let demand = select(vec![vec![], vec![InstanceWay::Ticket]]);
    (prop::collection::vec(value, 0..8), demand).prop_map(|(values, ways)| {
        let mut policy =
            TrustPolicy { instance: InstanceDemand::new(ways).unwrap(), ..TrustPolicy::default() };
        for (byte, label, expires, roots, broker) in values {
            let roots = (0..2).filter(|at| roots & (1 << at) != 0).map(|at| ROOTS[at].clone()).collect();
            let value = ReferenceValue::new(KIND, measurement(byte), label, roots).unwrap();
            let value = value.expiring(expires).unwrap();
            let same = |known: &BrokerValue| {
                known.value.measurement() == value.measurement() && known.value.label() == value.label()
            };
            let relabelled = |known: &ReferenceValue| {
                known.measurement() == value.measurement() && known.label() != value.label()
            };
            match broker {
                None if policy.references.iter().any(relabelled) => {}
                None => _ = policy.references.add(value),
                Some(_) if policy.brokers.iter().any(same) => {}
                Some(may_issue) => policy.brokers.push(BrokerValue { value, may_issue }),
            }
        }
        policy
    })
}

proptest! {
    #[test]
    fn what_is_shown_applied_again_is_no_change(policy in policies()) {
        let shown = serde_json::to_value(policy.to_file()).unwrap();
        prop_assert_eq!(read(shown).unwrap(), policy.clone());
        let stored = serde_json::to_vec(&policy).unwrap();
        prop_assert_eq!(serde_json::from_slice::<TrustPolicy>(&stored).unwrap(), policy);
    }
}
