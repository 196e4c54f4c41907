//! From the root to the key that signs.

use claviger_attest::fakes::{FakeCrl, FakeExtension, FakePlatform, FakeSignature};
use claviger_attest::{
    AttestError, ChipId, Endorsements, EvidenceKind, Expected, ReferenceValue, ReferenceValues,
    SnpChainCache, SnpProduct, SnpRule, SnpSigner, screen,
};

use crate::support::{BINDING, Fake, SUBMITTED, but, changed, lenient, measurement, now, time};

fn milan(version: u32) -> Fake {
    Fake::of(SnpProduct::Milan, version)
}

fn vlek() -> Fake {
    Fake::vlek(SnpProduct::Genoa, 5)
}

fn listed(mut fake: Fake, id: [u8; 64]) -> Fake {
    fake.demands.chips = Some(vec![ChipId::new(id).unwrap()]);
    fake
}

fn crl(change: impl FnOnce(&mut FakeCrl)) -> impl FnOnce(&mut Fake) {
    |fake| {
        let mut list = FakeCrl {
            issuer: fake.ark.subject.clone(),
            validity: (FakePlatform::NOW - 10, Some(FakePlatform::NOW + 10)),
            revoked: vec![vec![9]],
            extensions: vec![FakeExtension {
                oid: vec![0x55, 0x1d, 0x14],
                critical: false,
                value: vec![2, 1, 1],
            }],
            signature: FakeSignature::Pss,
        };
        change(&mut list);
        fake.crls.push(list.sign(&fake.platform.ark));
    }
}

breaks! {
    no_vek: VekPresent, Fake::good() => |fake| fake.with_vek = false;
    a_vlek_report_with_a_vcek: VekPresent, vlek() => |fake| {
        fake.vek = fake.platform.vek_certificate(SnpSigner::Vcek);
    };
    a_vek_signed_in_another_way: VekPresent, Fake::good() => |fake| fake.vek.signature = FakeSignature::Pkcs1;
    a_vek_of_version_1: VekPresent, Fake::good() => |fake| fake.vek.version = 0;
    a_vek_with_an_rsa_key: VekForm, Fake::good() => |fake| {
        fake.vek.spki = fake.platform.ask.public().spki_der().to_vec();
    };
    a_vcek_under_an_asvk: VekForm, Fake::good() => |fake| fake.vek.issuer = "SEV-VLEK-Genoa".to_owned();
    no_intermediate: IntermediateForm, vlek() => |fake| fake.with_intermediate = false;
    an_intermediate_that_is_no_ca: IntermediateForm, Fake::good() => |fake| {
        fake.intermediate.extensions[0].value = vec![0x30, 0x00];
    };
    an_intermediate_that_may_not_sign: IntermediateForm, Fake::good() => |fake| {
        fake.intermediate.extensions[1].value = vec![0x03, 0x02, 0x07, 0x80];
    };
    an_intermediate_without_constraints: IntermediateForm, Fake::good() => |fake| {
        fake.intermediate.extensions.remove(0);
    };
    an_intermediate_with_something_critical: IntermediateForm, Fake::good() => |fake| {
        let unknown = FakeExtension { oid: vec![0x55, 0x1d, 0x1e], critical: true, value: vec![0x30, 0x00] };
        fake.intermediate.extensions.push(unknown);
    };
    an_intermediate_with_an_ec_key: IntermediateForm, Fake::good() => |fake| {
        fake.intermediate.spki = fake.platform.other.public().spki_der().to_vec();
    };
    an_intermediate_under_another_product_s_ark: IntermediateForm, Fake::good() => |fake| {
        fake.intermediate.issuer = "ARK-Milan".to_owned();
    };
    t26_an_ark_with_another_key: RootPinned, Fake::good() => |fake| {
        fake.ark.spki = fake.platform.asvk.public().spki_der().to_vec();
    };
    a_report_of_another_product_than_its_chain: ChainProduct, Fake::good() => |fake| {
        fake.report.cpuid = [0x19, 0x01, 0x01];
    };
    a_vek_that_has_expired: ChainValidity, Fake::good() => |fake| fake.vek.validity.1 = FakePlatform::NOW - 1;
    a_vek_that_is_not_valid_yet: ChainValidity, Fake::good() => |fake| fake.vek.validity.0 = FakePlatform::NOW + 1;
    an_intermediate_that_has_expired: ChainValidity, Fake::good() => |fake| {
        fake.intermediate.validity.1 = FakePlatform::NOW - 1;
    };
    an_ark_that_has_expired: ChainValidity, Fake::good() => |fake| fake.ark.validity.1 = FakePlatform::NOW - 1;
    t35_everything_when_its_time_is_over: ChainValidity, Fake::good() => |fake| fake.now = time(FakePlatform::NOW * 2);
    t24_another_chip_s_vek: ChipIdMatch, Fake::good() => |fake| fake.report.chip_id[63] ^= 1;
    another_turin_s_vek: ChipIdMatch, Fake::of(SnpProduct::Turin, 5) => |fake| fake.report.chip_id[7] ^= 1;
    t24_the_vek_of_a_higher_tcb: VekTcb, Fake::good() => |fake| fake.report.reported_tcb[7] -= 1;
    a_vlek_of_another_tcb: VekTcb, vlek() => |fake| fake.report.reported_tcb[0] -= 1;
    another_provider_s_vlek: CspId, vlek() => |fake| fake.demands.csp_ids = vec!["CN=other.invalid".to_owned()];
    t25_a_chip_that_is_not_listed: Chip, listed(milan(3), FakePlatform::chip_id(SnpProduct::Milan)) => |fake| {
        fake.demands.chips = Some(vec![ChipId::new([7; 64]).unwrap()]);
    };
    t25_a_denied_chip_that_hides: Chip, changed(Fake::good(), |fake| fake.report.chip_id = [0; 64]) => |fake| {
        fake.demands.denied_chips = vec![ChipId::new(FakePlatform::chip_id(SnpProduct::Genoa)).unwrap()];
    };
    t25_a_vlek_says_of_no_chip_that_it_is_not_denied: Chip, vlek() => |fake| {
        fake.demands.denied_chips = vec![ChipId::new([7; 64]).unwrap()];
    };
    t25_a_milan_s_vlek_proves_no_chip: Chip, Fake::vlek(SnpProduct::Milan, 3) => |fake| {
        fake.report.chip_id = FakePlatform::chip_id(SnpProduct::Milan);
        fake.demands.chips = Some(vec![ChipId::new(fake.report.chip_id).unwrap()]);
    };
    a_revoked_intermediate: Revocation, Fake::good() => crl(|list| list.revoked.push(vec![1, 0, 1]));
    a_revocation_list_of_yesterday: Revocation, Fake::good() => crl(|list| {
        list.validity.1 = Some(FakePlatform::NOW - 1);
    });
    a_revocation_list_of_tomorrow: Revocation, Fake::good() => crl(|list| list.validity.0 = FakePlatform::NOW + 1);
    a_revocation_list_without_an_end: Revocation, Fake::good() => crl(|list| list.validity.1 = None);
    a_revocation_list_that_the_ark_did_not_sign: Revocation, Fake::good() => crl(|list| {
        list.signature = FakeSignature::Zero;
    });
    a_revocation_list_of_changes: Revocation, Fake::good() => crl(|list| {
        let delta = FakeExtension { oid: vec![0x55, 0x1d, 0x1b], critical: true, value: vec![2, 1, 1] };
        list.extensions.push(delta);
    });
    a_revocation_list_that_is_none: Revocation, Fake::good() => |fake| fake.crls.push(vec![0x30, 0x00]);
    an_intermediate_that_the_ark_did_not_sign: IntermediateSignature, Fake::good() => |fake| {
        fake.intermediate.signature = FakeSignature::Zero;
    };
    a_vek_that_the_intermediate_did_not_sign: VekSignature, Fake::good() => |fake| {
        fake.vek.signature = FakeSignature::Zero;
    };
    a_report_that_another_key_signed: ReportSignature, Fake::good() => |fake| fake.forged = true;
}

#[test]
fn a_list_that_revokes_others_is_no_obstacle() {
    but(crl(|_| ())).accepted();
    but(crl(|list| {
        list.issuer = "ARK-Milan".to_owned();
        list.revoked.push(vec![1, 0, 1]);
    }))
    .accepted();
}

#[test]
fn t26_a_self_made_chain_is_refused_where_amd_s_roots_count() {
    let amd = || {
        let mut values = ReferenceValues::default();
        values.add(ReferenceValue::new(EvidenceKind::SevSnp, measurement(), None, vec![]).unwrap());
        values.set_snp(lenient());
        values
    };
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    for fake in [Fake::good(), but(|fake| fake.with_ark = false)] {
        fake.accepted();
        let screened = screen(SUBMITTED, &fake.package(), &amd(), &expected, now()).unwrap();
        let certificates = fake.certificates();
        let endorsements = Endorsements { certificates: &certificates, ..Endorsements::default() };
        let rule = if fake.with_ark { SnpRule::RootPinned } else { SnpRule::VekSignature };
        let result = screened.verify(&endorsements, now()).map(|_| ());
        assert!(matches!(result, Err(AttestError::Snp { rule: found, .. }) if found == rule), "{result:?}");
    }
}

#[test]
fn a_named_root_counts_at_its_own_vmpl_only() {
    // AMD's roots at VMPL 0, the test platform's at VMPL 1.
    let mut values = ReferenceValues::default();
    let value = |roots| ReferenceValue::new(EvidenceKind::SevSnp, measurement(), None, roots).unwrap();
    values.add(value(vec![]));
    values.add(value(vec![FakePlatform::of(SnpProduct::Genoa).root().clone()]).with_vmpl(1));
    values.set_snp(lenient());
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    for (vmpl, good) in [(0, false), (1, true)] {
        let fake = but(|fake| fake.report.vmpl = vmpl);
        let screened = screen(SUBMITTED, &fake.package(), &values, &expected, now()).unwrap();
        let certificates = fake.certificates();
        let endorsements = Endorsements { certificates: &certificates, ..Endorsements::default() };
        assert_eq!(screened.verify(&endorsements, now()).is_ok(), good, "VMPL {vmpl}");
    }
}

#[test]
fn a_cached_chain_is_held_against_everything_else_again() {
    let cache = SnpChainCache::new();
    let certificates = Fake::good().certificates();
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    let verify = |fake: &Fake, at| {
        let screened = screen(SUBMITTED, &fake.package(), &fake.policy(), &expected, now())?;
        let endorsements =
            Endorsements { certificates: &certificates, cache: Some(&cache), ..Endorsements::default() };
        screened.verify(&endorsements, at).map(|_| ())
    };
    let rule = |result: Result<(), AttestError>| match result {
        Err(AttestError::Snp { rule, .. }) => Some(rule),
        _ => None,
    };
    let forged = but(|fake| fake.forged = true);
    assert_eq!(rule(verify(&forged, now())), Some(SnpRule::ReportSignature));
    assert_eq!(cache.len(), 1, "the chain itself holds");
    assert_eq!(verify(&Fake::good(), now()), Ok(()));
    assert_eq!(cache.len(), 1);
    assert_eq!(rule(verify(&forged, now())), Some(SnpRule::ReportSignature));
    let expired = verify(&Fake::good(), time(FakePlatform::NOW + 21 * 365 * 86_400));
    assert_eq!(rule(expired), Some(SnpRule::ChainValidity));
    let other_chip = but(|fake| fake.report.chip_id[0] ^= 1);
    assert_eq!(rule(verify(&other_chip, now())), Some(SnpRule::ChipIdMatch));
    let other_tcb = but(|fake| fake.report.reported_tcb[0] -= 1);
    assert_eq!(rule(verify(&other_tcb, now())), Some(SnpRule::VekTcb));
    let milan = but(|fake| fake.report.cpuid = [0x19, 0x01, 0x01]);
    assert_eq!(rule(verify(&milan, now())), Some(SnpRule::ChainProduct));
    // A domain with other roots shares nothing of it.
    let mut amd = ReferenceValues::default();
    amd.add(ReferenceValue::new(EvidenceKind::SevSnp, measurement(), None, vec![]).unwrap());
    let screened = screen(SUBMITTED, &Fake::good().package(), &amd, &expected, now()).unwrap();
    let endorsements =
        Endorsements { certificates: &certificates, cache: Some(&cache), ..Endorsements::default() };
    assert_eq!(rule(screened.verify(&endorsements, now()).map(|_| ())), Some(SnpRule::RootPinned));
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_chain_that_does_not_hold_is_not_kept() {
    let cache = SnpChainCache::new();
    let fake = but(|fake| fake.vek.signature = FakeSignature::Zero);
    let certificates = fake.certificates();
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    for _ in 0..2 {
        let screened = screen(SUBMITTED, &fake.package(), &fake.policy(), &expected, now()).unwrap();
        let endorsements =
            Endorsements { certificates: &certificates, cache: Some(&cache), ..Endorsements::default() };
        assert!(screened.verify(&endorsements, now()).is_err());
        assert!(cache.is_empty());
    }
}

#[test]
fn t26_every_byte_of_the_vek_s_and_the_intermediate_s_certificate_counts() {
    for fake in [Fake::good(), vlek()] {
        let good = fake.certificates();
        let expected = Expected { binding: &BINDING, spki: b"a key" };
        let (package, policy) = (fake.package(), fake.policy());
        for which in [0, 1] {
            for at in 0..good[which].len() {
                let mut certificates = good.clone();
                certificates[which][at] ^= 1 << (at % 8);
                let screened = screen(SUBMITTED, &package, &policy, &expected, now()).unwrap();
                let endorsements = Endorsements { certificates: &certificates, ..Endorsements::default() };
                assert!(screened.verify(&endorsements, now()).is_err(), "certificate {which}, byte {at}");
            }
        }
    }
}

#[test]
fn t20_more_certificates_than_there_can_be_are_refused() {
    let fake = Fake::good();
    let mut certificates = fake.certificates();
    certificates.resize(17, certificates[2].clone());
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    let screened = screen(SUBMITTED, &fake.package(), &fake.policy(), &expected, now()).unwrap();
    let endorsements = Endorsements { certificates: &certificates, ..Endorsements::default() };
    assert!(matches!(screened.verify(&endorsements, now()), Err(AttestError::Endorsement(_))));
}
