use claviger_attest::certifier::{Entity, ExportError, ExportTerms, StockPolicy, export};
use claviger_attest::{
    ChipId, EvidenceKind, GuestPolicyDemands, KeyAlgorithm, Measurement, MinimumTcb, PolicyFile,
    ReferenceValue, SigningKey, SnpProduct, SnpRequirements, Strength, TrustPolicy, Weakness,
};

use super::{NOW, certificate, policy_key, stock};

const TERMS: ExportTerms = ExportTerms { kind: None, wider: false, now: NOW, not_after: NOW + 86_400 };

fn exported(policy: &TrustPolicy, terms: &ExportTerms) -> claviger_attest::certifier::Export {
    export(policy, &policy_key(), &certificate(), terms).expect("it is exported")
}

fn refused(policy: &TrustPolicy, terms: &ExportTerms) -> ExportError {
    export(policy, &policy_key(), &certificate(), terms).expect_err("it is refused")
}

fn snp_policy(change: impl FnOnce(&mut SnpRequirements)) -> TrustPolicy {
    let mut policy = TrustPolicy::default();
    let measurement = Measurement::from_bytes(&[7; 48]).unwrap();
    policy.references.add(ReferenceValue::new(EvidenceKind::SevSnp, measurement, None, vec![]).unwrap());
    let mut requirements = SnpRequirements::default();
    change(&mut requirements);
    policy.references.set_snp(requirements);
    policy
}

#[test]
fn what_is_exported_is_imported_again() {
    let mut policy = stock().import().unwrap().policy;
    let mut snp = policy.references.snp().clone();
    snp.guest_policy.single_socket = Strength::Required;
    snp.guest_policy.minimum_abi = (1, 55);
    policy.references.set_snp(snp);
    let terms = ExportTerms { wider: true, not_after: NOW + 400 * 86_400, ..TERMS };
    // The end of a value is the first second in which it isn't trusted, that of a claim the last one in which it is.
    let export = exported(&policy, &terms);
    let again = StockPolicy::read(&export.bytes, &certificate(), NOW).unwrap();
    let says: Vec<_> = again.statements().iter().map(ToString::to_string).collect();
    assert_eq!(says, export.claims.iter().map(|(says, _)| says.clone()).collect::<Vec<_>>());
    let imported = again.import().unwrap().policy;
    assert_eq!(imported.references.snp().guest_policy, policy.references.snp().guest_policy);
    assert_eq!(imported.references.snp(), policy.references.snp());
    for (old, new) in policy.references.iter().zip(imported.references.iter()) {
        assert_eq!(
            (old.kind(), old.measurement(), old.roots()),
            (new.kind(), new.measurement(), new.roots())
        );
        assert_eq!(old.expires().map(|end| end - 1), new.expires());
    }
}

#[test]
fn a_policy_that_stock_verifiers_would_widen_isn_t_exported_unasked() {
    let both = stock().import().unwrap().policy;
    let ExportError::Wider(why) = refused(&both, &TERMS) else { panic!("another error") };
    assert!(why.iter().any(|why| why.contains("several kinds")), "{why:?}");
    let one = ExportTerms { kind: Some(EvidenceKind::SimulatedEnclave), ..TERMS };
    let export = exported(&both, &one);
    assert_eq!(export.claims.len(), 2);
    assert!(export.warnings.iter().any(|warning| warning.contains("left out")));
    for (name, change) in [
        (
            "minimum-tcb",
            (|snp| _ = snp.minimum_tcb.insert(SnpProduct::Turin, MinimumTcb::default()))
                as fn(&mut SnpRequirements),
        ),
        ("chips", |snp| snp.chips = Some(vec![ChipId::new([1; 64]).unwrap()])),
        ("denied-chips", |snp| snp.denied_chips = vec![ChipId::new([1; 64]).unwrap()]),
        ("minimum-firmware", |snp| snp.minimum_firmware = Some((1, 55, 1))),
        ("minimum-guest-svn", |snp| snp.minimum_guest_svn = 1),
        ("guest-policy", |snp| snp.guest_policy.rapl_disabled = Strength::Required),
        ("platform", |snp| snp.platform.smt = Weakness::Refused),
        ("host-data", |snp| snp.host_data = Some(claviger_attest::HexBytes([1; 32]))),
        ("family-id", |snp| snp.family_id = Some(claviger_attest::HexBytes([1; 16]))),
        ("image-id", |snp| snp.image_id = Some(claviger_attest::HexBytes([1; 16]))),
        ("id-key-digests", |snp| snp.id_key_digests = Some(vec![])),
        ("author-key-digests", |snp| snp.author_key_digests = Some(vec![])),
        ("launch-mitigations", |snp| snp.launch_mitigations = 1),
        ("current-mitigations", |snp| snp.current_mitigations = 1),
    ] {
        let ExportError::Wider(why) = refused(&snp_policy(change), &TERMS) else { panic!("another error") };
        assert!(matches!(why.as_slice(), [only] if only.contains(name)), "{name}: {why:?}");
    }
    let mut file: PolicyFile = toml::from_str("format = 1\n[instance]\ndemand = \"ticket\"").unwrap();
    let tickets = TrustPolicy::from_file(file.clone()).unwrap();
    assert!(matches!(refused(&tickets, &TERMS), ExportError::Wider(_)));
    file = toml::from_str("format = 1").unwrap();
    assert_eq!(refused(&TrustPolicy::from_file(file).unwrap(), &TERMS), ExportError::Nothing);
}

#[test]
fn roots_that_only_some_measurements_have_would_be_joined() {
    let mut policy = TrustPolicy::default();
    for byte in [1, 2] {
        let root = SigningKey::generate(KeyAlgorithm::P256).unwrap().public().clone();
        let measurement = Measurement::from_bytes(&[byte; 32]).unwrap();
        let value =
            ReferenceValue::new(EvidenceKind::SimulatedEnclave, measurement, None, vec![root]).unwrap();
        policy.references.add(value);
    }
    let ExportError::Wider(why) = refused(&policy, &TERMS) else { panic!("another error") };
    assert!(why[0].contains("different roots"), "{why:?}");
}

#[test]
fn amd_s_roots_are_those_of_the_products_that_are_admitted() {
    let roots = |policy: &TrustPolicy| {
        let export = exported(policy, &TERMS);
        let policy = StockPolicy::read(&export.bytes, &certificate(), NOW).unwrap();
        let names = policy.claims().iter().filter_map(|claim| match &claim.entity {
            Entity::Key(key) => Some(key.name().to_owned()),
            _ => None,
        });
        (names.collect::<Vec<_>>(), export.warnings)
    };
    // A milan is refused without its chips.
    let (names, warnings) = roots(&snp_policy(|_| {}));
    assert_eq!(names, ["ARK-Genoa", "ARK-Turin"]);
    assert!(warnings.iter().any(|warning| warning.contains("milan is left out")));
    let (names, _) = roots(&snp_policy(|snp| snp.products = vec![SnpProduct::Turin]));
    assert_eq!(names, ["ARK-Turin"]);
    let (names, _) = roots(&snp_policy(|snp| snp.milan_without_chip_list = true));
    assert_eq!(names, ["ARK-Milan", "ARK-Genoa", "ARK-Turin"]);
}

#[test]
fn a_platform_claim_always_has_properties() {
    let nothing = GuestPolicyDemands {
        debug: Weakness::Allowed,
        migration_agent: Weakness::Allowed,
        ..GuestPolicyDemands::default()
    };
    let export = exported(&snp_policy(|snp| snp.guest_policy = nothing), &TERMS);
    let platform = &export.claims.last().unwrap().0;
    assert!(
        platform.ends_with(
            "platform[amd-sev-snp, api-major: >= 0, api-minor: >= 0] has-trusted-platform-property"
        )
    );
}

#[test]
fn only_a_key_that_stock_verifiers_take_signs() {
    let policy = snp_policy(|_| {});
    let other = SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let refused = |key: &SigningKey, now| {
        export(&policy, key, &certificate(), &ExportTerms { now, ..TERMS }).expect_err("it is refused")
    };
    assert_eq!(refused(&other, NOW), ExportError::OtherKey);
    assert_eq!(refused(&SigningKey::generate(KeyAlgorithm::P384).unwrap(), NOW), ExportError::Key);
    assert!(matches!(refused(&policy_key(), 2_000_000_000), ExportError::Certificate(_)));
}
