use claviger_attest::certifier::{
    Comparator, Entity, ImportError, PlatformFacts, Property, PropertyName, PropertyValue, StockPolicy,
    beyond_import,
};
use claviger_attest::{
    EvidenceKind, InstanceDemand, PolicyFile, ReferenceValue, SnpProduct, SnpTcb, TrustPolicy, Weakness,
    amd_certificates,
};
use claviger_proto::certifier_policy::{Platform, Property as Wire, write_sequence};
use claviger_proto::key::{Certificate, KeyMessage, MessageKey};
use prost::Message as _;

use super::{Draft, NOW, blocks, certificate, stock, with};

fn read(bytes: &[u8]) -> StockPolicy {
    StockPolicy::read(bytes, &certificate(), NOW).expect("it is read")
}

fn refused(bytes: &[u8]) -> ImportError {
    read(bytes).import().expect_err("it is refused")
}

/// The captured policy with this property changed.
fn property(name: &str, change: impl FnOnce(&mut Wire)) -> Vec<u8> {
    with(4, |draft| {
        let about = draft.about();
        let mut platform = Platform::decode(about.platform.as_deref().unwrap()).unwrap();
        let list = &mut platform.properties.as_mut().unwrap().list;
        change(list.iter_mut().find(|property| property.name.as_deref() == Some(name)).unwrap());
        about.platform = Some(platform.encode_to_vec());
    })
}

fn without(at: &[usize]) -> Vec<u8> {
    let blocks = blocks().into_iter().enumerate().filter(|(place, _)| !at.contains(place));
    write_sequence(blocks.map(|(_, block)| block).collect())
}

/// The captured policy with AMD's ARK of these products in the place of the simulated one.
fn with_amd(products: &[SnpProduct]) -> Vec<u8> {
    let mut all = blocks();
    all.remove(2);
    for product in products {
        let mut draft = Draft::of(2);
        let ark = Certificate::from_der(amd_certificates(*product).0).unwrap().public_key().unwrap();
        // The key decides, not its name.
        draft.about().key = Some(KeyMessage::new("someKey", MessageKey::Public(ark)).encode().to_vec());
        all.push(draft.sign());
    }
    write_sequence(all)
}

#[test]
fn the_captured_policy_becomes_one_of_ours() {
    let imported = stock().import().unwrap();
    let policy = &imported.policy;
    let values: Vec<_> = policy.references.iter().collect();
    let [simulated, snp] = values.as_slice() else { panic!("two measurements: {values:?}") };
    let claims = stock();
    let key = |at: usize| match &claims.claims()[at].entity {
        Entity::Key(key) => key.key().clone(),
        other => panic!("{other}"),
    };
    assert_eq!((simulated.kind(), snp.kind()), (EvidenceKind::SimulatedEnclave, EvidenceKind::SimulatedSev));
    assert_eq!((simulated.roots(), snp.roots()), ([key(0)].as_slice(), [key(2)].as_slice()));
    assert_eq!(simulated.expires(), Some(claims.claims()[0].not_after));
    let guest = policy.references.snp().guest_policy;
    assert_eq!([guest.debug, guest.migration_agent, guest.smt], [Weakness::Refused; 3]);
    // 0x3000000000008115, byte by byte.
    let floor = |product| policy.references.snp().minimum_tcb[&product].reported;
    let parts = SnpTcb { bootloader: 0x15, tee: 0x81, microcode: 0x30, ..SnpTcb::default() };
    assert_eq!(floor(SnpProduct::Milan), parts);
    assert_eq!(
        floor(SnpProduct::Turin),
        SnpTcb { fmc: 0x15, bootloader: 0x81, microcode: 0x30, ..SnpTcb::default() }
    );
    assert!(imported.warnings.iter().any(|warning| warning.contains("tcb-version: = 3458764513820573973")));
    assert!(imported.warnings.iter().any(|warning| warning.contains("simulated-sev")));
    assert_eq!(imported.understood.len(), 5);
    assert!(imported.understood[2].becomes.contains("root of the simulated-sev"));
    assert_eq!(beyond_import(policy), Vec::<String>::new());
}

#[test]
fn an_import_survives_being_written_and_read() {
    let policy = stock().import().unwrap().policy;
    let text = toml::to_string_pretty(&policy.to_file()).unwrap();
    let file: PolicyFile = toml::from_str(&text).unwrap();
    assert_eq!(TrustPolicy::from_file(file).unwrap(), policy);
}

#[test]
fn a_measurement_ends_with_the_first_claim_behind_it() {
    for at in [0, 1] {
        let sooner = with(at, |draft| draft.claim.not_after = Some("2027-01-02T03:04: 5.00000Z".to_owned()));
        let imported = read(&sooner).import().unwrap();
        let ends: Vec<_> = imported.policy.references.iter().map(ReferenceValue::expires).collect();
        assert_eq!(ends, [Some(1_798_859_045), Some(stock().claims()[3].not_after)], "claim {at}");
    }
    // The claim about platforms is behind those of sev-snp only.
    let sooner = with(4, |draft| draft.claim.not_after = Some("2027-01-02T03:04: 5.00000Z".to_owned()));
    let imported = read(&sooner).import().unwrap();
    let ends: Vec<_> = imported.policy.references.iter().map(ReferenceValue::expires).collect();
    assert_eq!(ends, [Some(stock().claims()[0].not_after), Some(1_798_859_045)]);
}

#[test]
fn an_ark_of_amd_s_is_amd_s_roots_of_that_product() {
    let imported = read(&with_amd(&[SnpProduct::Genoa])).import().unwrap();
    let snp = imported.policy.references.iter().find(|value| value.kind() == EvidenceKind::SevSnp).unwrap();
    assert!(snp.roots().is_empty());
    assert_eq!(imported.policy.references.snp().products, [SnpProduct::Genoa]);
    let floors: Vec<_> = imported.policy.references.snp().minimum_tcb.keys().copied().collect();
    assert_eq!(floors, [SnpProduct::Genoa]);
}

#[test]
fn amd_s_roots_and_others_aren_t_joined() {
    let mut mixed = blocks();
    mixed.push(
        claviger_proto::certifier_policy::BufferSequence::decode(with_amd(&[SnpProduct::Milan]).as_slice())
            .unwrap()
            .blocks
            .pop()
            .unwrap(),
    );
    assert!(matches!(refused(&write_sequence(mixed)), ImportError::MixedRoots(_)));
}

#[test]
fn nothing_is_left_without_its_other_half() {
    assert!(matches!(refused(&without(&[0])), ImportError::NoRoot(_)));
    assert!(matches!(refused(&without(&[2])), ImportError::NoRoot(_)));
    assert!(matches!(refused(&without(&[1])), ImportError::IdleRoot(_)));
    assert!(matches!(refused(&without(&[3])), ImportError::IdleRoot(_)));
    assert_eq!(refused(&without(&[4])), ImportError::NoPlatform);
    let simulated = read(&without(&[2, 3, 4])).import().unwrap();
    assert_eq!(simulated.policy.references.len(), 1);
}

#[test]
fn a_demand_that_ours_can_t_make_is_refused() {
    for (name, word) in [("debug", "yes"), ("migrate", "yes"), ("smt", "yes")] {
        let bad = property(name, |property| property.word = Some(word.to_owned()));
        assert!(matches!(refused(&bad), ImportError::Property(found, _) if found.starts_with(name)));
    }
    let bad = property("api-major", |property| property.comparator = Some("=".to_owned()));
    assert!(matches!(refused(&bad), ImportError::Property(..)));
    let bad = property("api-minor", |property| property.number = Some(256));
    assert!(matches!(refused(&bad), ImportError::Property(..)));
    // A reserved byte of every product's TCB.
    let bad = property("tcb-version", |property| property.number = Some(1 << 40));
    assert!(matches!(refused(&bad), ImportError::Property(..)));
    let bad = property("smt", |property| {
        (property.name, property.word) = (Some("single-socket".to_owned()), Some("no".to_owned()));
    });
    assert!(matches!(refused(&bad), ImportError::Property(..)));
}

#[test]
fn a_tcb_that_a_product_can_t_report_excludes_the_product() {
    // Its fourth byte is SNP's on a Turin, and reserved elsewhere.
    let turin = property("tcb-version", |property| {
        (property.comparator, property.number) = (Some(">=".to_owned()), Some(0x0300_0000));
    });
    let imported = read(&turin).import().unwrap();
    let snp = imported.policy.references.snp();
    assert_eq!(snp.products, [SnpProduct::Turin]);
    assert_eq!(snp.minimum_tcb[&SnpProduct::Turin].reported, SnpTcb { snp: 3, ..SnpTcb::default() });
    let any = property("tcb-version", |property| {
        (property.comparator, property.number) = (Some(">=".to_owned()), Some(0));
    });
    assert!(read(&any).import().unwrap().policy.references.snp().minimum_tcb.is_empty());
}

#[test]
fn an_abi_is_a_floor() {
    let minor = property("api-minor", |property| property.number = Some(55));
    let imported = read(&minor).import().unwrap();
    assert_eq!(imported.policy.references.snp().guest_policy.minimum_abi, (0, 55));
    assert!(imported.warnings.iter().any(|warning| warning.contains("one version")));
}

#[test]
fn what_an_import_would_take_away_is_named() {
    let mut policy = stock().import().unwrap().policy;
    policy.instance = InstanceDemand::default();
    let mut snp = policy.references.snp().clone();
    snp.host_data = Some(claviger_attest::HexBytes([1; 32]));
    policy.references.set_snp(snp);
    assert_eq!(beyond_import(&policy), ["sev-snp.host-data"]);
}

#[test]
fn properties_are_amd_s_bits_and_a_tcb_is_compared_part_by_part() {
    let facts = |policy| PlatformFacts { policy, tcb: [3, 0, 0, 0, 0, 0, 22, 200] };
    let word = |name, is| Property { name, value: PropertyValue::Word(is) };
    for (name, bit) in [
        (PropertyName::Smt, 16),
        (PropertyName::Migrate, 18),
        (PropertyName::Debug, 19),
        (PropertyName::SingleSocket, 20),
    ] {
        // The bit that stock programs look at is one below.
        for (set, has) in [(bit, true), (bit - 1, false), (bit + 1, false)] {
            assert_eq!(word(name, true).is_satisfied(&facts(1 << set)), has, "{name:?} {set}");
            assert_eq!(word(name, false).is_satisfied(&facts(1 << set)), !has);
        }
    }
    let tcb = |parts: [u8; 8]| Property {
        name: PropertyName::TcbVersion,
        value: PropertyValue::Number(Comparator::AtLeast, u64::from_le_bytes(parts)),
    };
    assert!(tcb([3, 0, 0, 0, 0, 0, 22, 200]).is_satisfied(&facts(0)));
    assert!(tcb([0; 8]).is_satisfied(&facts(0)));
    // As one number, microcode 200 would make up for all of these.
    assert!(!tcb([4, 0, 0, 0, 0, 0, 22, 100]).is_satisfied(&facts(0)));
    assert!(!tcb([3, 0, 0, 0, 0, 0, 23, 199]).is_satisfied(&facts(0)));
}
