//! What must be accepted, and what it says.

use claviger_attest::fakes::FakePlatform;
use claviger_attest::{
    AttestError, Endorsements, EvidenceKind, Expected, SnpExamination, SnpOutcome, SnpProduct, SnpQuestion,
    SnpRule, SnpSigner, examine_snp, screen, snp_package, verify,
};

use crate::support::{BINDING, Fake, SUBMITTED, but, changed, measurement, now};

#[test]
fn every_product_in_every_version_under_either_key() {
    for product in SnpProduct::ALL {
        for version in 2..=5 {
            Fake::of(*product, version).accepted();
            Fake::vlek(*product, version).accepted();
        }
    }
}

#[test]
fn a_report_says_what_the_machine_is() {
    for product in SnpProduct::ALL {
        let attested = Fake::of(*product, 5).verify().unwrap();
        assert_eq!(attested.kind(), EvidenceKind::SevSnp);
        assert_eq!(attested.measurement(), &measurement());
        assert!(attested.challenge_fresh());
        let machine = attested.machine();
        let tcb = u64::from_le_bytes(FakePlatform::TCB.to_bytes(*product));
        assert_eq!(machine.reported_tcb, Some(tcb));
        assert_eq!(machine.chip_id, Some(FakePlatform::chip_id(*product)));
        assert_eq!(machine.host_data, Some([0xd0; 32]));
        let block = machine.id_block.as_ref().unwrap();
        assert_eq!((block.id_key_digest, block.author_key_digest), ([0x1d; 48], Some([0xa0; 48])));
        assert_eq!((block.family_id, block.image_id), ([0xfa; 16], [0x1a; 16]));
    }
}

#[test]
fn a_hidden_chip_is_named_by_its_vcek_and_by_no_vlek() {
    let hidden = but(|fake| fake.report.chip_id = [0; 64]).verify().unwrap();
    assert_eq!(hidden.machine().chip_id, Some(FakePlatform::chip_id(SnpProduct::Genoa)));
    let vlek = Fake::vlek(SnpProduct::Genoa, 5).verify().unwrap();
    assert_eq!(vlek.machine().chip_id, None);
}

#[test]
fn a_machine_without_an_id_block_has_none() {
    let plain = but(|fake| {
        fake.report.key_info = 0;
        (fake.report.id_key_digest, fake.report.author_key_digest) = ([0; 48], [0; 48]);
    });
    assert_eq!(plain.verify().unwrap().machine().id_block, None);
}

#[test]
fn certificates_come_with_the_evidence_too() {
    for signer in [SnpSigner::Vcek, SnpSigner::Vlek] {
        let fake = if signer == SnpSigner::Vcek { Fake::good() } else { Fake::vlek(SnpProduct::Turin, 2) };
        let table = fake.platform.certificate_table(signer);
        let package = snp_package(&fake.signed_report(), Some(&table), None);
        let expected = Expected { binding: &BINDING, spki: b"a key" };
        let policy = fake.policy();
        let screened = screen(SUBMITTED, &package, &policy, &expected, now()).unwrap();
        assert_eq!(screened.needs(), None);
        assert!(verify(SUBMITTED, &package, &policy, &expected, now()).is_ok());
    }
}

#[test]
fn evidence_without_a_certificate_says_which_one_it_needs() {
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    for (version, product) in [(5, Some(SnpProduct::Turin)), (2, None)] {
        let fake = Fake::of(SnpProduct::Turin, version);
        let screened = screen(SUBMITTED, &fake.package(), &fake.policy(), &expected, now()).unwrap();
        let needed = screened.needs().unwrap();
        assert_eq!((needed.signer, needed.product), (Some(SnpSigner::Vcek), product));
        assert_eq!(needed.chip_id.unwrap().as_bytes(), &FakePlatform::chip_id(SnpProduct::Turin));
        assert_eq!(needed.reported_tcb, fake.report.reported_tcb);
    }
}

#[test]
fn a_stale_certificate_does_not_shadow_the_one_that_fits() {
    let fake = Fake::good();
    let mut stale = fake.vek.clone();
    stale.amd_extension(&[3, 8]).value = vec![2, 1, 1];
    let mut certificates = vec![stale.sign(&fake.platform.ask)];
    certificates.extend(fake.certificates());
    let expected = Expected { binding: &BINDING, spki: b"a key" };
    let screened = screen(SUBMITTED, &fake.package(), &fake.policy(), &expected, now()).unwrap();
    let endorsements = Endorsements { certificates: &certificates, ..Endorsements::default() };
    assert!(screened.verify(&endorsements, now()).is_ok());
}

#[test]
fn t45_what_costs_no_signature_comes_first() {
    // All signatures are wrong as well; what is said is what was cheap.
    let wrong = |fake: &mut Fake| {
        fake.forged = true;
        fake.report.policy |= 1 << 19;
    };
    but(wrong).refused_by(SnpRule::Debug);
    changed(Fake::good(), |fake| {
        fake.forged = true;
        fake.vek.signature = claviger_attest::fakes::FakeSignature::Zero;
        fake.report.chip_id[0] ^= 1;
    })
    .refused_by(SnpRule::ChipIdMatch);
}

#[test]
fn a_peer_is_told_no_rule() {
    for fake in [but(|fake| fake.forged = true), but(|fake| fake.report.policy |= 1 << 19)] {
        let error = fake.verify().err().unwrap();
        let AttestError::Snp { rule, .. } = &error else { panic!("{error}") };
        assert!(error.to_string().contains(rule.code()));
        assert!(!error.for_peer().contains(rule.code()));
        assert_eq!(error.code().as_str(), "attestation-refused");
    }
}

fn look(fake: &Fake, product: Option<SnpProduct>, policy: bool) -> SnpExamination {
    let (certificates, references) = (fake.certificates(), fake.policy());
    let endorsements =
        Endorsements { certificates: &certificates, crls: &fake.crls, ..Endorsements::default() };
    let question = SnpQuestion {
        policy: policy.then_some(&references),
        product,
        report_data: Some(&BINDING),
        roots: Some(std::slice::from_ref(fake.platform.root())),
        now: fake.now,
    };
    examine_snp(&fake.signed_report(), &endorsements, &question)
}

#[test]
fn an_examination_gives_the_verdict_of_every_rule() {
    let good = look(&Fake::good(), None, true);
    assert!(good.accepted());
    assert_eq!(good.verdicts.iter().map(|verdict| verdict.rule).collect::<Vec<_>>(), SnpRule::ALL);
    assert!(good.verdicts.iter().all(|verdict| verdict.outcome != SnpOutcome::NotReached));
    // Two rules that have nothing to do with each other are both found out.
    let two = look(
        &but(|fake| {
            fake.report.policy |= 1 << 19;
            fake.forged = true;
        }),
        None,
        true,
    );
    let failed: Vec<_> = two
        .verdicts
        .iter()
        .filter(|verdict| matches!(verdict.outcome, SnpOutcome::Failed(_)))
        .map(|verdict| verdict.rule)
        .collect();
    assert_eq!(failed, [SnpRule::Debug, SnpRule::ReportSignature]);
}

#[test]
fn without_a_policy_only_amd_s_own_rules_count() {
    let debug = but(|fake| fake.report.policy |= 1 << 19);
    assert!(look(&debug, None, false).accepted());
    assert!(!look(&debug, None, true).accepted());
    let unlisted = but(|fake| fake.trusted = false);
    assert_eq!(look(&unlisted, None, true).first_failure().unwrap().0, SnpRule::Measurement);
    for change in [|fake: &mut Fake| fake.forged = true, |fake: &mut Fake| fake.with_vek = false] {
        assert!(!look(&but(change), None, false).accepted());
    }
}

#[test]
fn at_a_vmpl_that_is_not_listed_no_root_is_looked_at() {
    let fake = but(|fake| fake.report.vmpl = 1);
    let (certificates, references) = (fake.certificates(), fake.policy());
    let endorsements = Endorsements { certificates: &certificates, ..Endorsements::default() };
    let question =
        SnpQuestion { policy: Some(&references), product: None, report_data: None, roots: None, now: now() };
    let found = examine_snp(&fake.signed_report(), &endorsements, &question);
    let outcome = |rule| &found.verdicts.iter().find(|verdict| verdict.rule == rule).unwrap().outcome;
    assert!(matches!(outcome(SnpRule::Vmpl), SnpOutcome::Failed(_)));
    assert_eq!(*outcome(SnpRule::RootPinned), SnpOutcome::NotReached);
    assert!(!found.accepted());
}

#[test]
fn an_expired_measurement_is_told_as_one_to_operators_alone() {
    let mut fake = Fake::good();
    fake.expires = Some(i64::try_from(FakePlatform::NOW).unwrap());
    let found = look(&fake, None, true);
    let (rule, why) = found.first_failure().unwrap();
    assert_eq!(rule, SnpRule::Measurement);
    assert!(why.contains("expired at 2027-01-15T08:00:00Z"), "{why}");
    let error = fake.verify().err().unwrap();
    assert!(error.to_string().contains("expired at 2027-01-15T08:00:00Z"), "{error}");
    assert!(!error.for_peer().contains("2027"), "{}", error.for_peer());
    assert_eq!(error.code().as_str(), "attestation-refused");
}

#[test]
fn a_vlek_s_report_without_its_certificates_says_where_they_are() {
    let why = |fake: &Fake| look(fake, None, true).first_failure().map(|(_, why)| why.to_owned()).unwrap();
    let no_vek = changed(Fake::vlek(SnpProduct::Genoa, 5), |fake| fake.with_vek = false);
    assert!(why(&no_vek).contains("provider"), "{}", why(&no_vek));
    let no_asvk = changed(Fake::vlek(SnpProduct::Genoa, 5), |fake| fake.with_intermediate = false);
    assert!(why(&no_asvk).contains("ASVK"), "{}", why(&no_asvk));
    assert!(!why(&but(|fake| fake.with_vek = false)).contains("provider"));
}

#[test]
fn a_product_that_is_given_must_be_the_report_s_and_the_chain_s() {
    for version in [2, 5] {
        let fake = Fake::of(SnpProduct::Genoa, version);
        assert!(look(&fake, Some(SnpProduct::Genoa), true).accepted());
        assert!(!look(&fake, Some(SnpProduct::Milan), true).accepted());
        assert!(!look(&fake, Some(SnpProduct::Turin), false).accepted());
    }
}

#[test]
fn what_is_no_report_has_its_verdict() {
    let question = SnpQuestion { policy: None, product: None, report_data: None, roots: None, now: now() };
    let found = examine_snp(b"no report", &Endorsements::default(), &question);
    assert!(!found.accepted() && found.report.is_none());
    assert_eq!(found.first_failure().unwrap().0, SnpRule::ReportLength);
    let version = but(|fake| fake.report.version = 6).signed_report();
    let found = examine_snp(&version, &Endorsements::default(), &question);
    assert_eq!(found.first_failure().unwrap().0, SnpRule::ReportVersion);
}
