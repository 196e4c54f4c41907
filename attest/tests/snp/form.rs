//! What AMD's specification demands of the report alone.

use claviger_attest::{AttestError, Expected, SnpProduct, SnpRule, screen, snp_package};

use crate::support::{BINDING, Fake, SUBMITTED, but, changed, now};

breaks! {
    a_reserved_byte_that_is_not_zero: ReportReserved, Fake::good() => |fake| fake.report.over.push((0x4c, vec![1]));
    another_signature_algorithm: SignatureAlgorithm, Fake::good() => |fake| fake.report.signature_algorithm = 2;
    a_reserved_bit_of_the_key_information: KeyInfo, Fake::good() => |fake| fake.report.key_info |= 1 << 5;
    an_unsigned_report: SigningKey, Fake::good() => |fake| fake.report.key_info = 1 | 7 << 2;
    a_reserved_signing_key: SigningKey, Fake::good() => |fake| fake.report.key_info = 1 | 2 << 2;
    a_masked_chip_key: ChipKeyMasked, Fake::good() => |fake| fake.report.key_info |= 2;
    an_author_key_that_is_not_announced: AuthorKey, Fake::good() => |fake| fake.report.key_info &= !1;
    an_author_key_that_is_announced_and_missing: AuthorKey, Fake::good() => |fake| {
        fake.report.author_key_digest = [0; 48];
    };
    t29_bit_17_of_the_policy_is_one: PolicyReserved, Fake::good() => |fake| fake.report.policy &= !(1 << 17);
    t29_bit_26_of_the_policy_is_zero: PolicyReserved, Fake::good() => |fake| fake.report.policy |= 1 << 26;
    a_reserved_bit_of_the_platform: PlatformReserved, Fake::good() => |fake| fake.report.platform_info |= 1 << 6;
    a_report_that_the_host_asked_for: VmplRange, Fake::good() => |fake| fake.report.vmpl = u32::MAX;
    a_firmware_older_than_the_policy_s: PolicyAbi, Fake::good() => |fake| fake.report.policy |= 0xff;
    smt_against_the_policy: PolicyEnforced, Fake::good() => |fake| fake.report.policy &= !(1 << 16);
    rapl_against_the_policy: PolicyEnforced, Fake::good() => |fake| fake.report.policy |= 1 << 23;
    ciphertext_against_the_policy: PolicyEnforced, Fake::good() => |fake| fake.report.policy |= 1 << 24;
    a_committed_firmware_newer_than_the_running_one: FirmwareOrder, Fake::good() => |fake| {
        fake.report.committed_firmware = (1, 55, 30);
    };
}

fn submitted(report: &[u8]) -> Result<(), AttestError> {
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    let package = snp_package(report, None, None);
    screen(SUBMITTED, &package, &Fake::good().policy(), &expected, now()).map(|_| ())
}

#[track_caller]
fn refused_by(rule: SnpRule, result: &Result<(), AttestError>) {
    assert!(matches!(result, Err(AttestError::Snp { rule: found, .. }) if *found == rule), "{result:?}");
}

#[test]
fn a_report_of_another_length_is_refused() {
    let good = Fake::good().signed_report();
    assert_eq!(submitted(&good), Ok(()));
    for length in [0, 1, 0x2a0, 1183] {
        refused_by(SnpRule::ReportLength, &submitted(&good[..length]));
    }
    refused_by(SnpRule::ReportLength, &submitted(&[good, vec![0]].concat()));
}

#[test]
fn an_unknown_version_is_refused() {
    for version in [0, 1, 6, 7, 256, u32::MAX] {
        let report = but(|fake| fake.report.version = version).signed_report();
        refused_by(SnpRule::ReportVersion, &submitted(&report));
    }
}

#[test]
fn every_reserved_byte_of_every_version_is_zero() {
    for version in 2..=5 {
        let mut reserved = vec![0x4c..0x50, 0x18b..0x1a0, 0x1eb..0x1ec, 0x1ef..0x1f0, 0x208..0x2a0];
        if version < 3 {
            reserved.push(0x188..0x18b);
        }
        if version < 5 {
            reserved.push(0x1f8..0x208);
        }
        for at in reserved.into_iter().flatten() {
            changed(Fake::of(SnpProduct::Milan, version), |fake| fake.report.over.push((at, vec![1])))
                .refused_by(SnpRule::ReportReserved);
        }
    }
}

#[test]
fn reserved_bytes_of_the_signature_are_zero() {
    let good = Fake::good().signed_report();
    for at in (0x2d0..0x2e8).chain(0x318..0x4a0) {
        let mut report = good.clone();
        report[at] = 1;
        refused_by(SnpRule::ReportReserved, &submitted(&report));
    }
}
