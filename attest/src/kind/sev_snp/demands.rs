//! Rules about the report and what the channel and the domain demand; no certificate yet.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::case::{Case, Listed};
use super::form::Check;
use super::report::SnpSigner;
use super::requirements::{AliasCheck, SnpRequirements, Strength, Weakness};
use super::rules::{SnpOutcome, SnpRule};

pub(super) const DEMANDS: &[(SnpRule, Check)] = &[
    (SnpRule::Measurement, measurement),
    (SnpRule::Vmpl, vmpl),
    (SnpRule::ReportData, report_data),
    (SnpRule::Signer, signer),
    (SnpRule::Debug, |case| refused(case, |demands| demands.guest_policy.debug, case.policy_bit(19))),
    (SnpRule::MigrationAgent, migration_agent),
    (SnpRule::PolicySmt, |case| refused(case, |demands| demands.guest_policy.smt, case.policy_bit(16))),
    (SnpRule::PolicyCxl, |case| refused(case, |demands| demands.guest_policy.cxl, case.policy_bit(21))),
    (SnpRule::PolicySingleSocket, |case| {
        required(case, |demands| demands.guest_policy.single_socket, case.policy_bit(20))
    }),
    (SnpRule::PolicyAes256, |case| {
        required(case, |demands| demands.guest_policy.aes_256_xts, case.policy_bit(22))
    }),
    (SnpRule::PolicyRapl, |case| {
        required(case, |demands| demands.guest_policy.rapl_disabled, case.policy_bit(23))
    }),
    (SnpRule::PolicyCiphertext, |case| {
        required(case, |demands| demands.guest_policy.ciphertext_hiding, case.policy_bit(24))
    }),
    (SnpRule::PolicyPageSwap, |case| {
        required(case, |demands| demands.guest_policy.page_swap_disabled, case.policy_bit(25))
    }),
    (SnpRule::MinimumAbi, minimum_abi),
    (SnpRule::PlatformSmt, |case| refused(case, |demands| demands.platform.smt, case.platform_bit(0))),
    (SnpRule::PlatformTsme, |case| required(case, |demands| demands.platform.tsme, case.platform_bit(1))),
    (SnpRule::PlatformEcc, |case| required(case, |demands| demands.platform.ecc, case.platform_bit(2))),
    (SnpRule::PlatformRapl, |case| {
        required(case, |demands| demands.platform.rapl_disabled, case.platform_bit(3))
    }),
    (SnpRule::PlatformCiphertext, |case| {
        required(case, |demands| demands.platform.ciphertext_hiding, case.platform_bit(4))
    }),
    (SnpRule::AliasCheck, alias_check),
    (SnpRule::PlatformTio, |case| refused(case, |demands| demands.platform.tio, case.platform_bit(7))),
    (SnpRule::GuestSvn, guest_svn),
    (SnpRule::FamilyId, |case| {
        named(case, |demands| demands.family_id.map(|id| id.0), &case.report.family_id())
    }),
    (SnpRule::ImageId, |case| {
        named(case, |demands| demands.image_id.map(|id| id.0), &case.report.image_id())
    }),
    (SnpRule::HostData, |case| {
        named(case, |demands| demands.host_data.map(|data| data.0), &case.report.host_data())
    }),
    (SnpRule::IdKey, id_key),
    (SnpRule::AuthorKeyListed, author_key_listed),
    (SnpRule::MinimumFirmware, minimum_firmware),
    (SnpRule::LaunchMitigations, |case| {
        mitigations(case, |demands| demands.launch_mitigations, |(launch, _)| launch)
    }),
    (SnpRule::CurrentMitigations, |case| {
        mitigations(case, |demands| demands.current_mitigations, |(_, current)| current)
    }),
    (SnpRule::ChipDenied, chip_denied),
];

fn refused(case: &Case<'_>, demand: fn(&SnpRequirements) -> Weakness, there: bool) -> SnpOutcome {
    match case.demands.map(demand) {
        None | Some(Weakness::Allowed) => SnpOutcome::NotDemanded,
        Some(Weakness::Refused) => {
            SnpOutcome::of(!there, || "the domain refuses it, and the bit is set".to_owned())
        }
    }
}

fn required(case: &Case<'_>, demand: fn(&SnpRequirements) -> Strength, there: bool) -> SnpOutcome {
    match case.demands.map(demand) {
        None | Some(Strength::Optional) => SnpOutcome::NotDemanded,
        Some(Strength::Required) => {
            SnpOutcome::of(there, || "the domain requires it, and the bit isn't set".to_owned())
        }
    }
}

fn named<const N: usize>(
    case: &Case<'_>,
    demand: fn(&SnpRequirements) -> Option<[u8; N]>,
    found: &[u8; N],
) -> SnpOutcome {
    match case.demands.and_then(demand) {
        None => SnpOutcome::NotDemanded,
        Some(wanted) => SnpOutcome::of(wanted == *found, || format!("it is {}", hex::encode(found))),
    }
}

fn measurement(case: &Case<'_>) -> SnpOutcome {
    let measurement = case.report.measurement();
    match case.listed {
        None => SnpOutcome::NotDemanded,
        Some(Listed::Now) => SnpOutcome::Passed,
        Some(Listed::Until(at)) => {
            let at = crate::reference::time_text(at).unwrap_or_default();
            SnpOutcome::Failed(format!("{measurement} is listed, but expired at {at}"))
        }
        Some(Listed::Never) => SnpOutcome::Failed(format!("{measurement} isn't listed")),
    }
}

fn vmpl(case: &Case<'_>) -> SnpOutcome {
    let Some(wanted) = case.vmpls else { return SnpOutcome::NotDemanded };
    let vmpl = case.report.vmpl();
    let named = wanted.iter().any(|wanted| u32::from(*wanted) == vmpl);
    SnpOutcome::of(named, || format!("it was asked for at VMPL {vmpl}, the domain names {wanted:?}"))
}

fn report_data(case: &Case<'_>) -> SnpOutcome {
    let Some(wanted) = case.report_data else { return SnpOutcome::NotDemanded };
    let found = case.report.report_data();
    if found == [0; 64] {
        return SnpOutcome::Failed("it is all zero".to_owned());
    }
    let same = verify_slices_are_equal(&found, wanted).is_ok();
    SnpOutcome::of(same, || "it is another channel's, or another challenge's".to_owned())
}

fn signer(case: &Case<'_>) -> SnpOutcome {
    let Some(demands) = case.demands else { return SnpOutcome::NotDemanded };
    let vlek = case.report.signer() != Some(SnpSigner::Vcek);
    SnpOutcome::of(!vlek || !demands.csp_ids.is_empty(), || {
        "a VLEK signs, and the domain lists no CSP id".to_owned()
    })
}

// One that is attached shows in the report, also where the policy's bit were to lie.
fn migration_agent(case: &Case<'_>) -> SnpOutcome {
    let attached = case.report.report_id_ma() != [0xff; 32];
    refused(case, |demands| demands.guest_policy.migration_agent, case.policy_bit(18) || attached)
}

fn minimum_abi(case: &Case<'_>) -> SnpOutcome {
    let Some(minimum) = case.demands.map(|demands| demands.guest_policy.minimum_abi) else {
        return SnpOutcome::NotDemanded;
    };
    let (major, minor) = case.policy_abi();
    SnpOutcome::of((major, minor) >= minimum, || format!("the guest asks for {major}.{minor}"))
}

fn alias_check(case: &Case<'_>) -> SnpOutcome {
    let checked = case.platform_bit(5);
    match case.demands.map(|demands| demands.platform.alias_check) {
        None | Some(AliasCheck::Optional) => SnpOutcome::NotDemanded,
        Some(AliasCheck::WhereReported) if case.report.version() < 3 => SnpOutcome::NotDemanded,
        Some(AliasCheck::WhereReported | AliasCheck::Required) => {
            SnpOutcome::of(checked, || "the platform doesn't say that it has".to_owned())
        }
    }
}

fn guest_svn(case: &Case<'_>) -> SnpOutcome {
    let Some(minimum) = case.demands.map(|demands| demands.minimum_guest_svn) else {
        return SnpOutcome::NotDemanded;
    };
    let svn = case.report.guest_svn();
    SnpOutcome::of(svn >= minimum, || format!("it is {svn}, the domain asks for {minimum}"))
}

fn id_key(case: &Case<'_>) -> SnpOutcome {
    let Some(list) = case.demands.and_then(|demands| demands.id_key_digests.as_ref()) else {
        return SnpOutcome::NotDemanded;
    };
    let digest = case.report.id_key_digest();
    let listed = digest != [0; 48] && list.iter().any(|known| known.0 == digest);
    SnpOutcome::of(listed, || format!("its digest is {}", hex::encode(digest)))
}

fn author_key_listed(case: &Case<'_>) -> SnpOutcome {
    let Some(list) = case.demands.and_then(|demands| demands.author_key_digests.as_ref()) else {
        return SnpOutcome::NotDemanded;
    };
    let digest = case.report.author_key_digest();
    let listed = case.report.has_author_key() && list.iter().any(|known| known.0 == digest);
    SnpOutcome::of(listed, || format!("its digest is {}", hex::encode(digest)))
}

fn minimum_firmware(case: &Case<'_>) -> SnpOutcome {
    let Some(minimum) = case.demands.and_then(|demands| demands.minimum_firmware) else {
        return SnpOutcome::NotDemanded;
    };
    let committed = case.report.committed_firmware();
    SnpOutcome::of(committed >= minimum, || format!("it is {committed:?}"))
}

fn mitigations(
    case: &Case<'_>,
    demand: fn(&SnpRequirements) -> u64,
    which: fn((u64, u64)) -> u64,
) -> SnpOutcome {
    let wanted = case.demands.map_or(0, demand);
    if wanted == 0 {
        return SnpOutcome::NotDemanded;
    }
    let Some(vectors) = case.report.mitigations() else {
        return SnpOutcome::Failed("only reports of version 5 say it".to_owned());
    };
    let vector = which(vectors);
    SnpOutcome::of(vector & wanted == wanted, || {
        format!("the vector is {vector:#x}, the domain asks for {wanted:#x}")
    })
}

// What the report says of itself; a chip that it hides is looked at again in its certificate.
fn chip_denied(case: &Case<'_>) -> SnpOutcome {
    let Some(demands) = case.demands else { return SnpOutcome::NotDemanded };
    let denied = case.report.chip_id().is_some_and(|chip| demands.denied_chips.contains(&chip));
    SnpOutcome::of(!denied, || "it does".to_owned())
}
