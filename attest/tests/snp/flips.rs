//! Every bit of a good report, flipped: as it comes, and signed anew.

use std::ops::Range;

use claviger_attest::fakes::{FakePlatform, sign_report};
use claviger_attest::{
    Endorsements, Expected, ReferenceValues, SNP_REPORT_LEN, SnpChainCache, SnpProduct, SnpTcb, screen,
    snp_package,
};

use crate::support::{BINDING, Fake, SUBMITTED, now};

/// Bits that may be anything to a domain that demands nothing of them: who holds the VEK may say so, and what
/// it says is what it says. Where the platform (and nobody else) signs, each is true.
const FREE: &[(Range<usize>, &str)] = &[
    (0x00..0x01, "VERSION: 4 and 5 differ by the mitigation vectors, which are no less zero in a 4"),
    (0x04..0x08, "GUEST_SVN: a domain names a minimum"),
    (0x08..0x09, "POLICY, ABI_MINOR: below the firmware's"),
    (0x09..0x0a, "POLICY, ABI_MAJOR: below the firmware's"),
    (0x0a..0x0c, "POLICY: bits that demand more of the platform; each that demands less is refused"),
    (0x10..0x20, "FAMILY_ID: a domain names one"),
    (0x20..0x30, "IMAGE_ID: a domain names one"),
    (0x38..0x40, "CURRENT_TCB: any that isn't below the committed one"),
    (0x40..0x41, "PLATFORM_INFO: known bits, except the alias check"),
    (0xc0..0xe0, "HOST_DATA: a domain names it, or takes it as a ticket"),
    (0xe0..0x110, "ID_KEY_DIGEST: a domain lists keys"),
    (0x110..0x140, "AUTHOR_KEY_DIGEST: a domain lists keys"),
    (0x140..0x160, "REPORT_ID: random, for the guest's life; nobody compares it"),
    (0x189..0x18b, "CPUID: other models and steppings of the same product"),
    (0x1e0..0x1e8, "COMMITTED_TCB: any between the reported and the current one"),
    (0x1e8..0x1eb, "CURRENT version: any that isn't below the committed one or the policy's"),
    (0x1ec..0x1ef, "COMMITTED version: any that isn't above the current one"),
    (0x1f0..0x1f8, "LAUNCH_TCB: a domain names a floor"),
    (0x1f8..0x208, "mitigation vectors: a domain names bits"),
];

struct Flipper {
    fake: Fake,
    policy: ReferenceValues,
    certificates: Vec<Vec<u8>>,
    cache: SnpChainCache,
    good: [u8; SNP_REPORT_LEN],
}

impl Flipper {
    fn new(product: SnpProduct, version: u32) -> Self {
        let mut fake = Fake::of(product, version);
        let current = SnpTcb { microcode: 255, ..FakePlatform::TCB };
        fake.report.current_tcb = current.to_bytes(product);
        let good = fake.signed_report().try_into().unwrap();
        let (policy, certificates) = (fake.policy(), fake.certificates());
        Self { fake, policy, certificates, cache: SnpChainCache::new(), good }
    }

    fn flipped(&self, bit: usize) -> [u8; SNP_REPORT_LEN] {
        let mut report = self.good;
        report[bit / 8] ^= 1 << (bit % 8);
        report
    }

    fn accepts(&self, report: &[u8]) -> bool {
        let expected = Expected { binding: &BINDING, spki: b"a key" };
        let package = snp_package(report, None, None);
        let endorsements = Endorsements {
            certificates: &self.certificates,
            cache: Some(&self.cache),
            ..Endorsements::default()
        };
        screen(SUBMITTED, &package, &self.policy, &expected, now())
            .and_then(|screened| screened.verify(&endorsements, now()))
            .is_ok()
    }
}

#[test]
fn t29_every_flipped_bit_of_every_product_and_version_is_refused() {
    for (product, version) in [(SnpProduct::Milan, 2), (SnpProduct::Genoa, 3), (SnpProduct::Turin, 5)] {
        let flipper = Flipper::new(product, version);
        assert!(flipper.accepts(&flipper.good));
        for bit in 0..SNP_REPORT_LEN * 8 {
            assert!(!flipper.accepts(&flipper.flipped(bit)), "{product}, version {version}, bit {bit}");
        }
    }
}

#[test]
fn t29_a_flipped_bit_that_is_signed_anew_is_refused_or_free_for_a_reason() {
    let mut free = vec![false; FREE.len()];
    for (product, version) in [(SnpProduct::Genoa, 4), (SnpProduct::Turin, 5)] {
        let flipper = Flipper::new(product, version);
        for bit in 0..0x2a0 * 8 {
            let report = sign_report(flipper.flipped(bit), &flipper.fake.platform.vcek);
            if flipper.accepts(&report) {
                let field = FREE.iter().position(|(range, _)| range.contains(&(bit / 8)));
                let field = field.unwrap_or_else(|| panic!("byte {:#x}, bit {}", bit / 8, bit % 8));
                free[field] = true;
            }
        }
    }
    let unused: Vec<_> = FREE.iter().zip(free).filter(|(_, used)| !used).map(|(field, _)| field).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn t29_bits_that_weaken_a_guest_are_refused_though_signed() {
    let flipper = Flipper::new(SnpProduct::Genoa, 5);
    let policy = 0x08 * 8;
    let weak = [
        (policy + 17, "the reserved one"),
        (policy + 18, "MIGRATE_MA"),
        (policy + 19, "DEBUG"),
        (policy + 21, "CXL_ALLOW"),
        (0x40 * 8 + 5, "ALIAS_CHECK_COMPLETE"),
        (0x48 * 8 + 1, "MASK_CHIP_KEY"),
        (0x160 * 8, "REPORT_ID_MA"),
    ];
    for (bit, name) in weak {
        let report = sign_report(flipper.flipped(bit), &FakePlatform::of(SnpProduct::Genoa).vcek);
        assert!(!flipper.accepts(&report), "{name}");
    }
}
