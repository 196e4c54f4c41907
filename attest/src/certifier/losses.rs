//! What a policy of ours says, and a stock one can't.

use crate::instance::InstanceDemand;
use crate::kind::EvidenceKind;
use crate::kind::sev_snp::{GuestPolicyDemands, MinimumTcb, SnpProduct, SnpRequirements};
use crate::reference::{ReferenceValue, TrustPolicy};

/// The kinds whose machines stock policies know as ours do.
pub(super) const EXPORTED: [EvidenceKind; 3] =
    [EvidenceKind::SimulatedEnclave, EvidenceKind::SevSnp, EvidenceKind::SimulatedSev];

/// Something that would be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What, as a sentence without its full stop.
    pub what: String,
    /// Whether it was demanded, and without it more machines are admitted: no export without the owner's word for it.
    pub wider: bool,
}

impl Loss {
    fn wider(what: impl Into<String>) -> Self {
        Self { what: what.into(), wider: true }
    }

    fn narrower(what: impl Into<String>) -> Self {
        Self { what: what.into(), wider: false }
    }
}

/// All that a stock policy can't say of this one, of those of its values that are trusted at `now`.
pub fn losses(policy: &TrustPolicy, now: i64) -> Vec<Loss> {
    let values: Vec<_> = policy.references.iter().filter(|value| !value.is_expired(now)).collect();
    let mut losses = Vec::new();
    if policy.instance != InstanceDemand::default() {
        losses.push(Loss::wider(format!(
            "instance.demand is {}, and stock machines show no instance",
            policy.instance
        )));
    }
    if !policy.brokers.is_empty() {
        losses.push(Loss::narrower("brokers elsewhere are left out"));
    }
    if values.iter().any(|value| value.label().is_some()) {
        losses.push(Loss::narrower("labels are left out; they admit nobody"));
    }
    for value in policy.references.iter().filter(|value| value.is_expired(now)) {
        losses.push(Loss::narrower(format!(
            "{} {} has expired and is left out",
            value.kind(),
            value.measurement()
        )));
    }
    for value in values.iter().filter(|value| !EXPORTED.contains(&value.kind())) {
        losses.push(Loss::narrower(format!("{} {} is left out", value.kind(), value.measurement())));
    }
    losses.extend(of_roots(&values));
    if values.iter().any(|value| value.kind() == EvidenceKind::SevSnp) {
        losses.extend(of_snp(policy.references.snp(), &values));
    }
    losses
}

/// Stock verifiers take every measurement under every root.
fn of_roots(values: &[&ReferenceValue]) -> Vec<Loss> {
    let mut losses = Vec::new();
    for kind in EXPORTED {
        let mut of_kind = values.iter().filter(|value| value.kind() == kind);
        let Some(first) = of_kind.next() else { continue };
        let same = |other: &&&ReferenceValue| {
            let held = |a: &ReferenceValue, b: &ReferenceValue| a.roots().iter().all(|root| b.has_root(root));
            held(first, other) && held(other, first)
        };
        if !of_kind.all(|value| same(&value)) {
            losses.push(Loss::wider(format!(
                "its {kind} measurements have different roots, and stock verifiers take each under all of them"
            )));
        }
    }
    if EXPORTED.iter().filter(|kind| values.iter().any(|value| value.kind() == **kind)).count() > 1 {
        losses.push(Loss::wider(
            "it has measurements of several kinds, and stock verifiers let every root vouch for all of them, a simulated \
             platform's for those of sev-snp too (export one kind with --kind)",
        ));
    }
    losses
}

/// Demands that were written, and that no property names. What ours demands by itself isn't among them.
fn of_snp(snp: &SnpRequirements, values: &[&ReferenceValue]) -> Vec<Loss> {
    let of_kind = || values.iter().filter(|value| value.kind() == EvidenceKind::SevSnp);
    let named = of_kind().any(|value| !value.roots().is_empty());
    let mut wider = unsaid(snp);
    wider.extend([
        ("products under named roots", named && snp.products != SnpProduct::ALL),
        ("minimum-tcb (stock verifiers compare the TCB as one number)", !snp.minimum_tcb.is_empty()),
        ("a vmpl other than 0", of_kind().any(|value| value.vmpl() != 0)),
    ]);
    let wider = wider.into_iter().filter(|(_, demanded)| *demanded);
    let mut losses: Vec<Loss> = wider
        .map(|(name, _)| Loss::wider(format!("sev-snp: {name} can't be said in a stock policy")))
        .collect();
    if !snp.csp_ids.is_empty() {
        losses.push(Loss::narrower("sev-snp.csp-ids is left out: stock verifiers know no VLEK"));
    }
    losses.push(Loss::narrower(
        "of sev-snp reports, stock verifiers check no VMPL, no CXL and no alias check, read the guest policy's bits one off \
         (debug: no refuses guests with a migration agent, not those that can be debugged), and anchor no chain of \
         certificates: what they admit is more than this policy does",
    ));
    losses
}

/// Demands that no stock claim has words for, and whether they are made.
fn unsaid(snp: &SnpRequirements) -> Vec<(&'static str, bool)> {
    let default = SnpRequirements::default();
    let guest = GuestPolicyDemands {
        debug: snp.guest_policy.debug,
        migration_agent: snp.guest_policy.migration_agent,
        smt: snp.guest_policy.smt,
        single_socket: snp.guest_policy.single_socket,
        minimum_abi: snp.guest_policy.minimum_abi,
        ..default.guest_policy
    };
    vec![
        ("chips", snp.chips.is_some()),
        ("denied-chips", !snp.denied_chips.is_empty()),
        ("minimum-firmware", snp.minimum_firmware.is_some()),
        ("guest-policy", snp.guest_policy != guest),
        ("platform", snp.platform != default.platform),
        ("launch-mitigations", snp.launch_mitigations != 0),
        ("current-mitigations", snp.current_mitigations != 0),
        ("minimum-guest-svn", snp.minimum_guest_svn != 0),
        ("family-id", snp.family_id.is_some()),
        ("image-id", snp.image_id.is_some()),
        ("id-key-digests", snp.id_key_digests.is_some()),
        ("author-key-digests", snp.author_key_digests.is_some()),
        ("host-data", snp.host_data.is_some()),
    ]
}

/// What a policy of ours says that no import says, so that it would be gone with one put in force in its place.
pub fn beyond_import(policy: &TrustPolicy) -> Vec<String> {
    let snp = policy.references.snp();
    let floors = snp.minimum_tcb.values().any(|floor| {
        let reported = MinimumTcb { reported: floor.reported, ..MinimumTcb::default() };
        *floor != reported
    });
    let mut said = unsaid(snp);
    said.extend([
        ("minimum-tcb of committed, launch or current", floors),
        ("csp-ids", !snp.csp_ids.is_empty()),
        ("milan-without-chip-list", snp.milan_without_chip_list),
    ]);
    let said = said.into_iter().filter(|(_, demanded)| *demanded).map(|(name, _)| format!("sev-snp.{name}"));
    let whole = [
        ("instance.demand", policy.instance != InstanceDemand::default()),
        ("[[broker]]", !policy.brokers.is_empty()),
        ("labels", policy.references.iter().any(|value| value.label().is_some())),
        ("a vmpl other than 0", policy.references.iter().any(|value| value.vmpl() != 0)),
    ];
    let whole = whole.into_iter().filter(|(_, there)| *there).map(|(name, _)| name.to_owned());
    whole.chain(said).collect()
}
