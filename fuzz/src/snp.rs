//! SEV-SNP reports, certificate tables and evidence, under one root of test keys (made by `examples/snp.rs`).

use std::sync::LazyLock;

use claviger_attest::{
    Endorsements, EvidenceKind, Expected, Measurement, ReferenceValue, ReferenceValues, SnpQuestion,
    SnpRequirements, examine_snp, read_certificate_table, verify, write_certificate_table,
};
use claviger_proto::key::PublicKey;
use claviger_proto::trust::EvidencePackage;
use prost::Message as _;
use rustls_pki_types::UnixTime;

use crate::attestation::ELSEWHERE;

/// The binding that good evidence carries.
pub const BINDING: [u8; 64] = [0xb1; 64];
/// What it measures.
pub const MEASUREMENT: [u8; 48] = [0x5a; 48];
/// The moment at which everything of the platform is valid, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;

const ROOT: &[u8] = include_bytes!("../data/snp_root.spki");
const REPORT: &[u8] = include_bytes!("../data/snp_report");
const CERTIFICATES: &[u8] = include_bytes!("../data/snp_certificates");

struct World {
    root: PublicKey,
    references: ReferenceValues,
    certificates: Vec<Vec<u8>>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let root = PublicKey::from_spki_der(ROOT).expect("a key");
    let measurement = Measurement::from_bytes(&MEASUREMENT).expect("48 bytes");
    let value = ReferenceValue::new(EvidenceKind::SevSnp, measurement, None, vec![root.clone()]);
    let mut references = ReferenceValues::default();
    references.add(value.expect("a reference value"));
    references.set_snp(SnpRequirements {
        milan_without_chip_list: true,
        csp_ids: vec!["CN=test.invalid".to_owned()],
        ..SnpRequirements::default()
    });
    let table = read_certificate_table(CERTIFICATES).expect("a table");
    World { root, references, certificates: table.into_iter().map(|(_, blob)| blob.to_vec()).collect() }
});

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW))
}

fn accepted(report: &[u8], certificates: &[Vec<u8>]) -> bool {
    let world = &*WORLD;
    let endorsements = Endorsements { certificates, ..Endorsements::default() };
    let roots = Some(std::slice::from_ref(&world.root));
    let question = |policy| SnpQuestion { policy, product: None, report_data: None, roots, now: now() };
    let bare = examine_snp(report, &endorsements, &question(None)).accepted();
    let demanding = examine_snp(report, &endorsements, &question(Some(&world.references))).accepted();
    assert!(bare || !demanding, "demands accept what AMD's own rules refuse");
    bare
}

/// A report, with a good chain. Accepted is only what the platform signed, every bit of it.
pub fn report(data: &[u8]) {
    if accepted(data, &WORLD.certificates) {
        let mut flipped = data.to_vec();
        flipped[0x50] ^= 1;
        assert!(!accepted(&flipped, &WORLD.certificates));
    }
    assert!(!accepted(data, &[]), "a report without a certificate");
}

/// A certificate table, with a good report.
pub fn certificates(data: &[u8]) {
    let Ok(entries) = read_certificate_table(data) else { return };
    let written = write_certificate_table(&entries);
    assert_eq!(read_certificate_table(&written).as_deref(), Ok(entries.as_slice()));
    let certificates: Vec<_> = entries.iter().map(|(_, blob)| blob.to_vec()).collect();
    let _ = accepted(REPORT, &certificates);
}

/// An evidence package.
pub fn evidence(data: &[u8]) {
    let Ok(package) = EvidencePackage::decode(data) else { return };
    let submitted = EvidenceKind::SevSnp.submitted_evidence_type();
    let attested_by = |binding| {
        let expected = Expected { binding, spki: b"a key" };
        verify(submitted, &package, &WORLD.references, &expected, now())
    };
    let here = attested_by(&BINDING);
    assert!(here.is_err() || attested_by(&ELSEWHERE).is_err(), "evidence for two channels");
    if let Ok(attested) = here {
        assert_eq!(attested.measurement().as_bytes(), MEASUREMENT);
    }
}
