//! AMD's own reports and certificates, where the folder with them is; elsewhere a line says that it isn't.

use std::fs;
use std::path::{Path, PathBuf};

use claviger_attest::{
    Endorsements, EvidenceKind, Measurement, ReferenceValue, ReferenceValues, SnpExamination, SnpOutcome,
    SnpProduct, SnpQuestion, SnpRequirements, SnpRule, amd_certificates, examine_snp, sha256,
};

use crate::support::time;

/// 2025-03-01: the VLEK is valid from 2024-12-10 to 2025-12-10, the VCEK from 2023 to 2030.
const NOW: u64 = 1_740_787_200;

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let root = std::env::var_os("CLAVIGER_VECTORS").map_or(beside, PathBuf::from);
    let folder = root.join("genuine-snp");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no genuine reports at {} (CLAVIGER_VECTORS names the folder)", folder.display());
    None
}

struct Genuine {
    report: Vec<u8>,
    certificates: Vec<Vec<u8>>,
    requirements: SnpRequirements,
    vmpl: u8,
    now: u64,
}

impl Genuine {
    fn vcek(folder: &Path) -> Self {
        Self {
            report: fs::read(folder.join("test-report.bin")).unwrap(),
            certificates: vec![fs::read(folder.join("test-vcek.der")).unwrap()],
            requirements: SnpRequirements { milan_without_chip_list: true, ..SnpRequirements::default() },
            vmpl: 0,
            now: NOW,
        }
    }

    fn vlek(folder: &Path) -> Self {
        let csp_ids = vec!["CN=cc-us-east-2.amazonaws.com".to_owned()];
        let certificates = ["test-vlek.der", "milan-asvk.pem"];
        Self {
            report: fs::read(folder.join("test-vlek-report.bin")).unwrap(),
            certificates: certificates.map(|name| fs::read(folder.join(name)).unwrap()).to_vec(),
            requirements: SnpRequirements {
                milan_without_chip_list: true,
                csp_ids,
                ..SnpRequirements::default()
            },
            vmpl: 1,
            now: NOW,
        }
    }

    fn examine(&self) -> SnpExamination {
        let measurement = Measurement::from_bytes(&self.report[0x90..0xc0]).unwrap();
        let value = ReferenceValue::new(EvidenceKind::SevSnp, measurement, None, vec![]).unwrap();
        let mut policy = ReferenceValues::default();
        policy.add(value.with_vmpl(self.vmpl));
        policy.set_snp(self.requirements.clone());
        self.examine_under(Some(&policy))
    }

    fn examine_under(&self, policy: Option<&ReferenceValues>) -> SnpExamination {
        let endorsements = Endorsements { certificates: &self.certificates, ..Endorsements::default() };
        let now = time(self.now);
        let question = SnpQuestion { policy, product: None, report_data: None, roots: None, now };
        examine_snp(&self.report, &endorsements, &question)
    }
}

#[track_caller]
fn accepted(found: &SnpExamination) {
    let bad: Vec<_> = found
        .verdicts
        .iter()
        .filter(|one| !matches!(one.outcome, SnpOutcome::Passed | SnpOutcome::NotDemanded))
        .collect();
    assert!(found.accepted(), "{bad:#?}");
}

#[track_caller]
fn refused(found: &SnpExamination, rule: SnpRule) {
    assert_eq!(found.first_failure().map(|(rule, _)| rule), Some(rule), "{found:#?}");
}

#[test]
fn genuine_reports_verify() {
    let Some(folder) = folder() else { return };
    for genuine in [Genuine::vcek(&folder), Genuine::vlek(&folder)] {
        let found = genuine.examine();
        accepted(&found);
        assert_eq!(found.product, Some(SnpProduct::Milan));
        accepted(&genuine.examine_under(None));
    }
}

#[test]
fn t25_a_genuine_milan_is_refused_without_a_list_or_a_waiver() {
    let Some(folder) = folder() else { return };
    let mut genuine = Genuine::vcek(&folder);
    genuine.requirements = SnpRequirements::default();
    refused(&genuine.examine(), SnpRule::ProductAllowed);
}

#[test]
fn a_genuine_report_under_another_certificate_is_refused() {
    let Some(folder) = folder() else { return };
    for name in ["test-vcek-invalid-legacy.der", "test-vcek-invalid-new.der", "certifier-milan/vcek.pem"] {
        let mut genuine = Genuine::vcek(&folder);
        genuine.certificates = vec![fs::read(folder.join(name)).unwrap()];
        refused(&genuine.examine(), SnpRule::ChipIdMatch);
    }
    let mut swapped = Genuine::vlek(&folder);
    swapped.certificates = Genuine::vcek(&folder).certificates;
    refused(&swapped.examine(), SnpRule::VekPresent);
    let mut no_asvk = Genuine::vlek(&folder);
    no_asvk.certificates.pop();
    refused(&no_asvk.examine(), SnpRule::IntermediateForm);
}

#[test]
fn genuine_certificates_count_within_their_dates_only() {
    let Some(folder) = folder() else { return };
    let mut genuine = Genuine::vlek(&folder);
    // 2024-12-10T22:14:21Z to 2025-12-10T22:14:21Z, both included.
    for (now, good) in
        [(1_733_868_860, false), (1_733_868_861, true), (1_765_404_861, true), (1_765_404_862, false)]
    {
        genuine.now = now;
        if good { accepted(&genuine.examine()) } else { refused(&genuine.examine(), SnpRule::ChainValidity) }
    }
}

#[test]
fn t29_every_bit_flipped_in_a_genuine_report_is_refused() {
    let Some(folder) = folder() else { return };
    for genuine in [Genuine::vcek(&folder), Genuine::vlek(&folder)] {
        for bit in (0..genuine.report.len() * 8).step_by(7) {
            let mut flipped = Genuine { certificates: genuine.certificates.clone(), ..genuine.copy() };
            flipped.report[bit / 8] ^= 1 << (bit % 8);
            assert!(!flipped.examine_under(None).accepted(), "bit {bit}");
        }
    }
}

impl Genuine {
    fn copy(&self) -> Self {
        Self {
            report: self.report.clone(),
            certificates: self.certificates.clone(),
            requirements: self.requirements.clone(),
            vmpl: self.vmpl,
            now: self.now,
        }
    }
}

#[test]
fn t26_the_pinned_roots_are_amd_s() {
    let pinned = [
        (SnpProduct::Milan, "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd"),
        (SnpProduct::Genoa, "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1"),
        (SnpProduct::Turin, "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a"),
    ];
    for (product, fingerprint) in pinned {
        assert_eq!(hex::encode(sha256(amd_certificates(product).0)), fingerprint, "{product}");
    }
}
