//! Rules about the report alone, as AMD's ABI has them: no policy, no certificate.

use super::case::Case;
use super::rules::{SnpOutcome, SnpRule};

pub(super) type Check = fn(&Case<'_>) -> SnpOutcome;

pub(super) const FORM: &[(SnpRule, Check)] = &[
    (SnpRule::ReportReserved, reserved),
    (SnpRule::SignatureAlgorithm, signature_algorithm),
    (SnpRule::KeyInfo, key_info),
    (SnpRule::SigningKey, signing_key),
    (SnpRule::ChipKeyMasked, chip_key_masked),
    (SnpRule::AuthorKey, author_key),
    (SnpRule::PolicyReserved, policy_reserved),
    (SnpRule::PlatformReserved, platform_reserved),
    (SnpRule::VmplRange, vmpl_range),
    (SnpRule::PolicyAbi, policy_abi),
    (SnpRule::PolicyEnforced, policy_enforced),
    (SnpRule::FirmwareOrder, firmware_order),
];

/// The only `SIGNATURE_ALGO` there is.
const ECDSA_P384_SHA384: u32 = 1;
/// The bits of POLICY that mean something, and the one that must be one.
const POLICY_KNOWN: u64 = (1 << 26) - 1;
const POLICY_ONE: u64 = 1 << 17;
/// The bits of `PLATFORM_INFO` that mean something; bit 6 is reserved.
const PLATFORM_KNOWN: u64 = 0b1011_1111;

fn reserved(case: &Case<'_>) -> SnpOutcome {
    match case.report.reserved_not_zero() {
        None => SnpOutcome::Passed,
        Some(at) => SnpOutcome::Failed(format!("the reserved byte at {at:#x} isn't zero")),
    }
}

fn signature_algorithm(case: &Case<'_>) -> SnpOutcome {
    let algorithm = case.report.signature_algorithm();
    SnpOutcome::of(algorithm == ECDSA_P384_SHA384, || format!("the algorithm is {algorithm}"))
}

fn key_info(case: &Case<'_>) -> SnpOutcome {
    let info = case.report.key_info();
    SnpOutcome::of(info >> 5 == 0, || format!("the key information is {info:#x}"))
}

fn signing_key(case: &Case<'_>) -> SnpOutcome {
    let number = (case.report.key_info() >> 2) & 7;
    SnpOutcome::of(case.report.signer().is_some(), || match number {
        7 => "the report is not signed".to_owned(),
        _ => format!("the signing key {number} is reserved"),
    })
}

fn chip_key_masked(case: &Case<'_>) -> SnpOutcome {
    SnpOutcome::of(!case.report.chip_key_masked(), || "the report is not signed".to_owned())
}

fn author_key(case: &Case<'_>) -> SnpOutcome {
    let there = case.report.author_key_digest() != [0; 48];
    SnpOutcome::of(there == case.report.has_author_key(), || {
        format!(
            "AUTHOR_KEY_EN is {}, and a digest is {}there",
            u8::from(!there),
            if there { "" } else { "not " }
        )
    })
}

fn policy_reserved(case: &Case<'_>) -> SnpOutcome {
    let policy = case.report.policy();
    SnpOutcome::of(policy & !POLICY_KNOWN == 0 && policy & POLICY_ONE != 0, || {
        format!("the policy is {policy:#x}")
    })
}

fn platform_reserved(case: &Case<'_>) -> SnpOutcome {
    let info = case.report.platform_info();
    SnpOutcome::of(info & !PLATFORM_KNOWN == 0, || format!("the platform's information is {info:#x}"))
}

// A host may ask for a report too; the firmware then writes all ones.
fn vmpl_range(case: &Case<'_>) -> SnpOutcome {
    let vmpl = case.report.vmpl();
    SnpOutcome::of(vmpl <= 3, || format!("the VMPL is {vmpl:#x}"))
}

fn policy_abi(case: &Case<'_>) -> SnpOutcome {
    let ((major, minor, _), asked) = (case.report.current_firmware(), case.policy_abi());
    SnpOutcome::of(asked <= (major, minor), || {
        format!("the guest asks for {}.{}, the firmware is {major}.{minor}", asked.0, asked.1)
    })
}

// The firmware launches no guest whose policy the platform doesn't satisfy.
fn policy_enforced(case: &Case<'_>) -> SnpOutcome {
    let contradictions = [
        ("SMT", !case.policy_bit(16) && case.platform_bit(0)),
        ("RAPL", case.policy_bit(23) && !case.platform_bit(3)),
        ("ciphertext hiding", case.policy_bit(24) && !case.platform_bit(4)),
    ];
    match contradictions.into_iter().find(|(_, contradicts)| *contradicts) {
        None => SnpOutcome::Passed,
        Some((what, _)) => SnpOutcome::Failed(format!("the platform isn't what the guest asks for: {what}")),
    }
}

fn firmware_order(case: &Case<'_>) -> SnpOutcome {
    let (committed, current) = (case.report.committed_firmware(), case.report.current_firmware());
    SnpOutcome::of(committed <= current, || format!("committed {committed:?}, current {current:?}"))
}
