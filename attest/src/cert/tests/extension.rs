use proptest::prelude::*;

use super::*;
use crate::kind::EvidenceKind;

fn full() -> AdmissionExtension {
    AdmissionExtension {
        evidence_kind: Some(EvidenceKind::SimulatedEnclave),
        reported_tcb: Some(0x0102_0304_0506_0708),
        chip_id: Some([7; 64]),
        instance: Some(b"vm-1".to_vec()),
        challenge_fresh: Some(true),
        evidence_digest: Some([9; 48]),
        instance_label: Some("vm-7".to_owned()),
        ..AdmissionExtension::new(Role::Agent)
    }
}

fn decode(der: &[u8]) -> Result<AdmissionExtension, CertificateError> {
    AdmissionExtension::decode(der)
}

#[test]
fn the_encoding_is_the_documented_one() {
    assert_eq!(hex::encode(AdmissionExtension::new(Role::Broker).encode()), "30060201010a0102");
    let agent = AdmissionExtension { challenge_fresh: Some(false), ..AdmissionExtension::new(Role::Agent) };
    assert_eq!(hex::encode(agent.encode()), "30090201010a0101840100");
    let whole = hex::encode(full().encode());
    let head = "3081a60201010a0101801173696d756c617465642d656e636c61766581080102030405060708824007";
    assert!(whole.starts_with(head), "{whole}");
}

#[test]
fn the_oid_is_the_documented_one() {
    let (_, certificate) = {
        use x509_parser::prelude::FromDer as _;
        let leaf: &'static [u8] = agent().sign().leak();
        x509_parser::certificate::X509Certificate::from_der(leaf).expect("parsed")
    };
    let ours = certificate.extensions().iter().find(|e| e.oid.as_bytes() == OID_BYTES).expect("there");
    assert!(!ours.critical);
    // The UUID's 128 bits, seven a byte.
    let arc = OID_BYTES[1..].iter().fold(0_u128, |arc, byte| arc << 7 | u128::from(byte & 0x7f));
    assert_eq!(super::super::ADMISSION_EXTENSION_OID, format!("2.25.{arc}"));
    assert_eq!(OID_BYTES[0], 2 * 40 + 25);
}

#[test]
fn what_it_says_arrives_with_the_peer() {
    let leaf = Fake::plain().with(admission(&full().encode())).sign();
    let peer = WORLD.agent(&leaf).expect("an agent");
    assert_eq!(peer.extension(), Some(&full()));
    assert_eq!(peer.challenge_fresh(), Some(true));
}

#[test]
fn what_is_unknown_or_garbled_is_refused() {
    let good = "30090201010a01018401ff";
    assert!(decode(&hex::decode(good).expect("hex")).is_ok());
    for (what, bad) in [
        ("empty", ""),
        ("no fields", "3000"),
        ("no role", "3003020101"),
        ("another version", "30090201020a01018401ff"),
        ("an unknown role", "30090201010a01038401ff"),
        ("role zero", "30090201010a01008401ff"),
        ("a role of two bytes", "300a0201010a0200018401ff"),
        ("role as an integer", "30090201010201018401ff"),
        ("an unknown field", "30090201010a01018601ff"),
        ("a field twice", "300c0201010a01018401ff8401ff"),
        ("fields out of order", "300d0201010a01018401ff83027878"),
        ("a boolean that isn't DER", "30090201010a0101840101"),
        ("a boolean of two bytes", "300a0201010a01018402ffff"),
        ("an unknown kind", "300a0201010a010180027878"),
        ("an empty kind", "30080201010a01018000"),
        ("a short TCB", "300f0201010a0101810701020304050607"),
        ("an empty instance", "30080201010a01018300"),
        ("a constructed field", "30090201010a0101a401ff"),
        ("a long form of a short length", "3081090201010a01018401ff"),
        ("something after it", "30090201010a01018401ff00"),
        ("a set", "31090201010a01018401ff"),
        ("cut off", "30090201010a01018401"),
    ] {
        let bad = hex::decode(bad).expect("hex");
        assert_eq!(decode(&bad), Err(CertificateError::Extension), "{what}");
        let leaf = Fake::plain().with(admission(&bad)).sign();
        assert_eq!(WORLD.agent(&leaf).map(|_| ()), Err(CertificateError::Extension), "{what}");
        let leaf = Fake::plain().with(admission(&bad)).with(template::dns_name("dom0")).sign();
        assert_eq!(WORLD.broker(&leaf).map(|_| ()), Err(CertificateError::Extension), "{what}");
    }
    let too_long = AdmissionExtension { instance: Some(vec![1; 65]), ..AdmissionExtension::new(Role::Agent) };
    assert_eq!(decode(&too_long.encode()), Err(CertificateError::Extension));
}

#[test]
fn it_may_be_there_once() {
    let twice = Fake::plain().with_role(Role::Agent).with_role(Role::Agent).sign();
    assert_eq!(WORLD.agent(&twice).map(|_| ()), Err(CertificateError::Extension));
    let both = broker().with_role(Role::Agent).sign();
    assert_eq!(WORLD.broker(&both).map(|_| ()), Err(CertificateError::Extension));
}

#[test]
fn a_critical_one_is_refused() {
    let value = AdmissionExtension::new(Role::Agent).encode();
    let leaf = Fake::plain().with(template::extension(OID_BYTES, true, &value)).sign();
    assert_eq!(WORLD.agent(&leaf).map(|_| ()), Err(CertificateError::Malformed));
}

#[test]
fn no_flipped_bit_makes_an_agent_a_broker_or_panics() {
    let value = full().encode();
    let whole = admission(&value);
    let mut roles = 0;
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let name = template::dns_name("dom0");
        let leaf = Fake::plain().with(flipped).with(name).sign();
        // A flip in the OID makes it somebody else's extension: then the certificate is a stock one's like.
        if let Ok(peer) = WORLD.agent(&leaf) {
            assert_eq!(peer.role(), Role::Agent, "bit {bit}");
            if let Some(extension) = peer.extension() {
                assert_ne!(extension, &full(), "bit {bit}");
            }
        }
        roles += usize::from(WORLD.broker(&leaf).is_ok());
    }
    // 1 and 2 differ in two bits.
    assert_eq!(roles, 0);
}

proptest! {
    #[test]
    fn any_bytes_are_read_as_the_one_encoding_of_something_or_not_at_all(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(read) = decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn any_change_to_an_encoding_is_refused_or_reads_as_just_that(
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = full().encode();
        let index = at.index(bytes.len());
        bytes[index] = value;
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(read) = decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn what_is_encoded_is_read_back(
        broker in any::<bool>(),
        kind in any::<bool>(),
        reported_tcb in any::<Option<u64>>(),
        chip in any::<Option<[u8; 32]>>(),
        instance in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..=64)),
        challenge_fresh in any::<Option<bool>>(),
        digest in any::<Option<[u8; 16]>>(),
        enrolment in any::<Option<[u8; 32]>>(),
        label in proptest::option::of("[A-Za-z0-9._-]{1,64}"),
    ) {
        let extension = AdmissionExtension {
            evidence_kind: kind.then_some(EvidenceKind::SimulatedEnclave),
            reported_tcb,
            chip_id: chip.map(|half| [half, half].concat().try_into().expect("64 bytes")),
            instance,
            challenge_fresh,
            instance_label: label,
            enrolment,
            evidence_digest: digest.map(|third| third.repeat(3).try_into().expect("48 bytes")),
            ..AdmissionExtension::new(if broker { Role::Broker } else { Role::Agent })
        };
        prop_assert_eq!(decode(&extension.encode()), Ok(extension));
    }
}
