//! The simulated SEV-SNP platform: genuine but for its root, and trusted by nobody who doesn't name that.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use claviger_attest::{
    AttestError, Endorsements, EvidenceKind, Expected, KeyAlgorithm, Measurement, ReferenceValue,
    ReferenceValues, SigningKey, SimulatedSnp, SimulatedSnpGuest, SnpProduct, SnpRequirements, SnpRule,
    screen, snp_package,
};
use claviger_proto::key::PublicKey;
use rustls_pki_types::UnixTime;

const BINDING: [u8; 64] = [0xb1; 64];

fn guest(product: SnpProduct, platform: &SimulatedSnp) -> SimulatedSnpGuest {
    SimulatedSnpGuest {
        product,
        chip_id: platform.chip_id(),
        measurement: [0x5a; 48],
        host_data: [0; 32],
        guest_svn: 0,
        vmpl: 0,
        debug: false,
    }
}

/// As a broker judges it whose domain trusts the measurement under these roots.
fn judge(
    platform: &SimulatedSnp,
    guest: &SimulatedSnpGuest,
    roots: Vec<PublicKey>,
) -> Result<(), AttestError> {
    let mut values = ReferenceValues::default();
    let measurement = Measurement::from_bytes(&guest.measurement).unwrap();
    values.add(ReferenceValue::new(EvidenceKind::SevSnp, measurement, None, roots).unwrap());
    values.set_snp(SnpRequirements { chips: Some(vec![guest.chip_id]), ..SnpRequirements::default() });
    let now = UnixTime::now();
    let package = snp_package(&guest.report(BINDING, platform.vcek()).unwrap(), None, None);
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    let certificates = platform.certificates(now).unwrap();
    let endorsements = Endorsements { certificates: &certificates, ..Endorsements::default() };
    screen("sev-snp-package", &package, &values, &expected, now)?.verify(&endorsements, now).map(drop)
}

fn rule(result: Result<(), AttestError>) -> SnpRule {
    match result {
        Err(AttestError::Snp { rule, .. }) => rule,
        other => panic!("expected a rule, got {other:?}"),
    }
}

#[test]
fn t26_it_verifies_under_its_own_root_and_under_no_other() {
    let stranger = SigningKey::generate(KeyAlgorithm::P384).unwrap();
    for product in SnpProduct::ALL {
        let platform = SimulatedSnp::generate(*product, None).unwrap();
        let guest = guest(*product, &platform);
        let root = platform.root().public().clone();
        assert_eq!(judge(&platform, &guest, vec![root.clone()]), Ok(()), "{product}");
        // AMD's, which count where none is named; and somebody's.
        assert_eq!(rule(judge(&platform, &guest, Vec::new())), SnpRule::RootPinned);
        assert_eq!(rule(judge(&platform, &guest, vec![stranger.public().clone()])), SnpRule::RootPinned);
        let debugged = SimulatedSnpGuest { debug: true, ..guest };
        assert_eq!(rule(judge(&platform, &debugged, vec![root])), SnpRule::Debug);
    }
}

#[test]
fn platforms_may_share_a_root_and_never_a_chip() {
    let one = SimulatedSnp::generate(SnpProduct::Genoa, None).unwrap();
    let shared = SigningKey::from_private(&one.root().to_private().unwrap()).unwrap();
    let two = SimulatedSnp::generate(SnpProduct::Genoa, Some(shared)).unwrap();
    assert_ne!(one.chip_id(), two.chip_id());
    let root = vec![one.root().public().clone()];
    assert_eq!(judge(&two, &guest(SnpProduct::Genoa, &two), root.clone()), Ok(()));
    // What one chip's key signs isn't the other's.
    assert_eq!(rule(judge(&two, &guest(SnpProduct::Genoa, &one), root)), SnpRule::ChipIdMatch);
    let small = SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    assert!(SimulatedSnp::generate(SnpProduct::Genoa, Some(small)).is_err());
}

/// The wall: what verifies doesn't know what signs.
#[test]
fn nothing_that_verifies_uses_it() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let allowed = |path: &PathBuf| {
        path.components().any(|part| part.as_os_str() == "simulated_snp" || part.as_os_str() == "fakes")
            || path.ends_with("src/lib.rs")
    };
    assert!(files.iter().filter(|path| allowed(path)).count() > 5, "the platform is where this test thinks");
    for path in files.iter().filter(|path| !allowed(path)) {
        let text = fs::read_to_string(path).unwrap();
        for word in ["simulated_snp", "SimulatedSnp"] {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            into.push(path);
        }
    }
}
