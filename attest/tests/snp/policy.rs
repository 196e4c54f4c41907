//! What the channel and the domain demand of a report.

use claviger_attest::{
    AliasCheck, AttestError, ChipId, HexBytes, MinimumTcb, SnpProduct, SnpRequirements, SnpRule, SnpTcb,
    Strength, Weakness,
};

use crate::support::{Fake, but, changed, measurement};

fn milan(version: u32) -> Fake {
    Fake::of(SnpProduct::Milan, version)
}

fn floor(change: impl FnOnce(&mut MinimumTcb)) -> impl FnOnce(&mut Fake) {
    |fake| {
        let mut minimum = MinimumTcb::default();
        change(&mut minimum);
        fake.demands.minimum_tcb.insert(fake.platform.product, minimum);
    }
}

fn tcb(change: impl Fn(&mut SnpTcb)) -> [u8; 8] {
    let mut tcb = claviger_attest::fakes::FakePlatform::TCB;
    change(&mut tcb);
    tcb.to_bytes(SnpProduct::Genoa)
}

const HIGH: SnpTcb = SnpTcb { fmc: 0, bootloader: 5, tee: 0, snp: 0, microcode: 0 };

breaks! {
    t40_zero_report_data: ReportData, Fake::good() => |fake| fake.report.report_data = [0; 64];
    t40_another_channel_s_report_data: ReportData, Fake::good() => |fake| fake.report.report_data[63] ^= 1;
    a_vmpl_that_is_not_the_named_one: Vmpl, Fake::good() => |fake| fake.report.vmpl = 1;
    a_vmpl_that_is_higher_than_the_named_one: Vmpl, Fake::good() => |fake| fake.vmpl = 1;
    a_vlek_where_no_csp_is_listed: Signer, Fake::vlek(SnpProduct::Genoa, 5) => |fake| fake.demands.csp_ids.clear();
    t29_a_debug_guest: Debug, Fake::good() => |fake| fake.report.policy |= 1 << 19;
    t29_a_migration_agent_allowed: MigrationAgent, Fake::good() => |fake| fake.report.policy |= 1 << 18;
    t29_a_migration_agent_attached: MigrationAgent, Fake::good() => |fake| fake.report.report_id_ma[0] = 0;
    smt_in_the_guest_s_policy: PolicySmt, Fake::good() => |fake| fake.demands.guest_policy.smt = Weakness::Refused;
    cxl: PolicyCxl, Fake::good() => |fake| fake.report.policy |= 1 << 21;
    several_sockets: PolicySingleSocket, Fake::good() => |fake| {
        fake.demands.guest_policy.single_socket = Strength::Required;
    };
    aes_128: PolicyAes256, Fake::good() => |fake| fake.demands.guest_policy.aes_256_xts = Strength::Required;
    rapl_in_the_guest_s_policy: PolicyRapl, Fake::good() => |fake| {
        fake.demands.guest_policy.rapl_disabled = Strength::Required;
    };
    ciphertext_in_the_guest_s_policy: PolicyCiphertext, Fake::good() => |fake| {
        fake.demands.guest_policy.ciphertext_hiding = Strength::Required;
    };
    page_swap: PolicyPageSwap, Fake::good() => |fake| {
        fake.demands.guest_policy.page_swap_disabled = Strength::Required;
    };
    an_abi_minimum_that_is_too_low: MinimumAbi, Fake::good() => |fake| {
        fake.demands.guest_policy.minimum_abi = (1, 52);
    };
    smt_on_the_platform: PlatformSmt, Fake::good() => |fake| fake.demands.platform.smt = Weakness::Refused;
    no_tsme: PlatformTsme, changed(Fake::good(), |fake| fake.demands.platform.tsme = Strength::Required) => |fake| {
        fake.report.platform_info &= !(1 << 1);
    };
    no_ecc: PlatformEcc, changed(Fake::good(), |fake| fake.demands.platform.ecc = Strength::Required) => |fake| {
        fake.report.platform_info &= !(1 << 2);
    };
    rapl_on_the_platform: PlatformRapl, Fake::good() => |fake| {
        fake.demands.platform.rapl_disabled = Strength::Required;
    };
    ciphertext_on_the_platform: PlatformCiphertext, Fake::good() => |fake| {
        fake.demands.platform.ciphertext_hiding = Strength::Required;
    };
    t24_no_alias_check: AliasCheck, Fake::good() => |fake| fake.report.platform_info &= !(1 << 5);
    t24_no_alias_check_in_version_2: AliasCheck, milan(2) => |fake| {
        fake.demands.platform.alias_check = AliasCheck::Required;
    };
    trusted_devices: PlatformTio, changed(Fake::good(), |fake| fake.demands.platform.tio = Weakness::Refused) => |fake| {
        fake.report.platform_info |= 1 << 7;
    };
    a_guest_svn_that_is_too_low: GuestSvn, Fake::good() => |fake| fake.demands.minimum_guest_svn = 4;
    another_family: FamilyId, Fake::good() => |fake| fake.demands.family_id = Some(HexBytes([0xfb; 16]));
    another_image: ImageId, Fake::good() => |fake| fake.demands.image_id = Some(HexBytes([0x1b; 16]));
    other_host_data: HostData, Fake::good() => |fake| fake.demands.host_data = Some(HexBytes([0xd1; 32]));
    an_id_key_that_is_not_listed: IdKey, Fake::good() => |fake| {
        fake.demands.id_key_digests = Some(vec![HexBytes([0x1e; 48])]);
    };
    no_id_key_where_zero_is_listed: IdKey, Fake::good() => |fake| {
        fake.report.id_key_digest = [0; 48];
        fake.demands.id_key_digests = Some(vec![HexBytes([0; 48])]);
    };
    an_author_key_that_is_not_listed: AuthorKeyListed, Fake::good() => |fake| {
        fake.demands.author_key_digests = Some(vec![HexBytes([0xa1; 48])]);
    };
    no_author_key_where_zero_is_listed: AuthorKeyListed, Fake::good() => |fake| {
        fake.report.key_info &= !1;
        fake.report.author_key_digest = [0; 48];
        fake.demands.author_key_digests = Some(vec![HexBytes([0; 48])]);
    };
    a_firmware_that_is_too_old: MinimumFirmware, Fake::good() => |fake| {
        fake.demands.minimum_firmware = Some((1, 55, 30));
    };
    t24_a_mitigation_missing_at_launch: LaunchMitigations, Fake::good() => |fake| {
        fake.demands.launch_mitigations = 0b100;
    };
    t24_a_mitigation_missing_now: CurrentMitigations, Fake::good() => |fake| {
        fake.demands.current_mitigations = 0b1000;
    };
    t24_mitigations_of_a_version_that_cannot_say: CurrentMitigations, milan(4) => |fake| {
        fake.demands.current_mitigations = 1;
    };
    t25_a_denied_chip: ChipDenied, Fake::good() => |fake| {
        fake.demands.denied_chips = vec![ChipId::new(fake.report.chip_id).unwrap()];
    };
    an_unknown_cpu: Product, Fake::good() => |fake| fake.report.cpuid = [0x1a, 0x50, 0];
    a_reserved_byte_of_a_tcb: TcbReserved, Fake::good() => |fake| fake.report.launch_tcb[3] = 1;
    a_chip_id_that_is_too_long: ChipIdForm, Fake::of(SnpProduct::Turin, 5) => |fake| fake.report.chip_id[8] = 1;
    t24_reported_above_committed: TcbOrder, Fake::good() => |fake| {
        fake.report.committed_tcb = tcb(|tcb| tcb.microcode -= 1);
    };
    t24_a_lower_part_is_not_made_up_for: TcbOrder, Fake::good() => |fake| {
        fake.report.committed_tcb = tcb(|tcb| { tcb.snp -= 1; tcb.microcode += 1; });
        fake.report.current_tcb = tcb(|tcb| tcb.microcode += 1);
    };
    t24_committed_above_current: TcbOrder, Fake::good() => |fake| {
        fake.report.committed_tcb = tcb(|tcb| tcb.bootloader += 1);
    };
    t25_a_product_that_is_not_accepted: ProductAllowed, Fake::good() => |fake| {
        fake.demands.products = vec![SnpProduct::Milan, SnpProduct::Turin];
    };
    t25_a_milan_without_a_list_or_a_waiver: ProductAllowed, milan(3) => |fake| {
        fake.demands.milan_without_chip_list = false;
    };
    t24_a_product_without_a_floor_where_others_have_one: ProductAllowed, Fake::good() => |fake| {
        fake.demands.minimum_tcb.insert(SnpProduct::Turin, MinimumTcb::default());
    };
    t24_a_low_reported_tcb: ReportedTcb, Fake::good() => floor(|minimum| minimum.reported = HIGH);
    t24_a_low_committed_tcb: CommittedTcb, Fake::good() => floor(|minimum| minimum.committed = HIGH);
    t24_a_low_launch_tcb: LaunchTcb, Fake::good() => floor(|minimum| minimum.launch = HIGH);
    t24_a_low_current_tcb: CurrentTcb, Fake::good() => floor(|minimum| minimum.current = HIGH);
    t24_turin_has_its_own_order: ReportedTcb, Fake::of(SnpProduct::Turin, 5) => floor(|minimum| {
        minimum.reported.fmc = 3;
    });
}

#[test]
fn a_measurement_that_is_not_listed_is_refused_before_all_else() {
    let broken = but(|fake| {
        fake.trusted = false;
        fake.report.policy |= 1 << 19;
    });
    assert_eq!(broken.verify().map(|_| ()), Err(AttestError::UnknownMeasurement(measurement())));
}

#[test]
fn each_demand_that_is_met_is_no_obstacle() {
    let all = |fake: &mut Fake| {
        fake.report.policy = 0x0002_0133 | 0b11_1101 << 20;
        fake.report.policy &= !(1 << 21);
        fake.report.platform_info = 0b0011_1110;
        let policy = &mut fake.demands.guest_policy;
        policy.smt = Weakness::Refused;
        for strength in [
            &mut policy.single_socket,
            &mut policy.aes_256_xts,
            &mut policy.rapl_disabled,
            &mut policy.ciphertext_hiding,
            &mut policy.page_swap_disabled,
        ] {
            *strength = Strength::Required;
        }
        policy.minimum_abi = (1, 51);
        let platform = &mut fake.demands.platform;
        (platform.smt, platform.tio) = (Weakness::Refused, Weakness::Refused);
        (platform.tsme, platform.ecc) = (Strength::Required, Strength::Required);
        (platform.rapl_disabled, platform.ciphertext_hiding) = (Strength::Required, Strength::Required);
        platform.alias_check = AliasCheck::Required;
        let demands = &mut fake.demands;
        demands.minimum_guest_svn = 3;
        demands.family_id = Some(HexBytes([0xfa; 16]));
        demands.image_id = Some(HexBytes([0x1a; 16]));
        demands.host_data = Some(HexBytes([0xd0; 32]));
        demands.id_key_digests = Some(vec![HexBytes([0x1d; 48])]);
        demands.author_key_digests = Some(vec![HexBytes([0xa0; 48])]);
        demands.minimum_firmware = Some((1, 55, 29));
        (demands.launch_mitigations, demands.current_mitigations) = (0b11, 0b111);
        demands.products = vec![SnpProduct::Genoa];
        demands.chips = Some(vec![ChipId::new(fake.report.chip_id).unwrap()]);
        let tcb = SnpTcb { fmc: 0, ..claviger_attest::fakes::FakePlatform::TCB };
        let minimum = MinimumTcb { reported: tcb, committed: tcb, launch: tcb, current: tcb };
        demands.minimum_tcb.insert(SnpProduct::Genoa, minimum);
        assert_eq!(demands.validate(), Ok(()));
    };
    but(all).accepted();
}

#[test]
fn weaknesses_that_a_domain_allows_are_no_obstacle() {
    but(|fake| {
        fake.report.policy |= 1 << 18 | 1 << 19 | 1 << 21;
        fake.report.platform_info &= !(1 << 5);
        let policy = &mut fake.demands.guest_policy;
        policy.debug = Weakness::Allowed;
        policy.migration_agent = Weakness::Allowed;
        policy.cxl = Weakness::Allowed;
        fake.demands.platform.alias_check = AliasCheck::Optional;
    })
    .accepted();
    but(|fake| (fake.vmpl, fake.report.vmpl) = (2, 2)).accepted();
}

#[test]
fn every_part_of_a_floor_counts() {
    for product in SnpProduct::ALL {
        let parts: [fn(&mut SnpTcb) -> &mut u8; 5] = [
            |tcb| &mut tcb.fmc,
            |tcb| &mut tcb.bootloader,
            |tcb| &mut tcb.tee,
            |tcb| &mut tcb.snp,
            |tcb| &mut tcb.microcode,
        ];
        for part in parts {
            let at = |more: u8| {
                let mut floor = SnpTcb::default();
                *part(&mut floor) = *part(&mut claviger_attest::fakes::FakePlatform::TCB.clone()) + more;
                changed(Fake::of(*product, 5), |fake| {
                    let minimum = MinimumTcb { reported: floor, ..MinimumTcb::default() };
                    fake.demands.minimum_tcb.insert(*product, minimum);
                })
            };
            at(1).refused_by(SnpRule::ReportedTcb);
        }
    }
}

#[test]
fn demands_that_nothing_could_meet_are_refused_when_loaded() {
    let bad = |change: fn(&mut SnpRequirements)| {
        let mut demands = SnpRequirements::default();
        assert_eq!(demands.validate(), Ok(()));
        change(&mut demands);
        assert!(demands.validate().is_err());
    };
    bad(|demands| demands.products.clear());
    bad(|demands| demands.chips = Some(vec![]));
    bad(|demands| demands.id_key_digests = Some(vec![]));
    bad(|demands| demands.author_key_digests = Some(vec![]));
    bad(|demands| demands.csp_ids = vec![String::new()]);
    bad(|demands| {
        let floor = MinimumTcb { launch: SnpTcb { fmc: 1, ..SnpTcb::default() }, ..MinimumTcb::default() };
        demands.minimum_tcb.insert(SnpProduct::Milan, floor);
    });
}
