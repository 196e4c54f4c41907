//! Rules that ask for freshness or a principal: what they decide, and what is said to be missing.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use std::time::Duration;

use claviger_acl::{Acl, AclError, Action, Denied, LineError, Preset};
use claviger_attest::Standing;
use claviger_proto::ErrorCode;
use claviger_proto::key_service::Needs;
use common::{agent, domain, name, proven};

const FRESHNESS: Needs = Needs { freshness: true, principal: false };
const PRINCIPAL: Needs = Needs { freshness: false, principal: true };
const BOTH: Needs = Needs { freshness: true, principal: true };

fn acl(preset: Preset, rules: &str) -> Acl {
    Acl::compile_with(&domain("dom0"), preset, rules, &[]).unwrap()
}

fn decide(acl: &Acl, standing: &Standing<'_>, resource: &str) -> Result<(), Denied> {
    acl.decide_on(agent(2), standing, Action::Retrieve, &name(resource)).map(drop)
}

#[test]
fn t41_a_demand_beside_a_preset_is_met_by_fresh_evidence_and_by_nothing_older() {
    let acl = acl(Preset::Members, "p, member, dom0, disks/**, retrieve, deny, unless fresh-within 5m");
    let (nothing, fresh) = (Standing::default(), proven(true, &[]));
    assert_eq!(decide(&acl, &nothing, "disks/a"), Err(Denied::NeedsProof(FRESHNESS)));
    assert_eq!(decide(&acl, &nothing, "other"), Ok(()), "what no demand names stays as it was");
    assert_eq!(decide(&acl, &fresh.after(Duration::from_mins(5)), "disks/a"), Ok(()));
    let late = fresh.after(Duration::from_nanos(300_000_000_001));
    assert_eq!(decide(&acl, &late, "disks/a"), Err(Denied::NeedsProof(FRESHNESS)));
    assert_eq!(Denied::NeedsProof(FRESHNESS).code(), ErrorCode::ProofNeeded);
}

#[test]
fn a_grant_to_a_principal_is_nobody_else_s() {
    let acl =
        acl(Preset::Closed, "p, member, dom0, a, retrieve, allow, if principal ops and fresh-within 1h");
    let decided = |fresh, principals: &[&str]| {
        decide(&acl, &proven(fresh, principals).after(Duration::ZERO), "a").err()
    };
    assert_eq!(decided(false, &[]), Some(Denied::NeedsProof(BOTH)));
    assert_eq!(decided(true, &[]), Some(Denied::NeedsProof(PRINCIPAL)));
    assert_eq!(decided(true, &["dev", "op", "opss", "OPS"]), Some(Denied::NeedsProof(PRINCIPAL)));
    assert_eq!(decided(false, &["ops"]), Some(Denied::NeedsProof(FRESHNESS)));
    assert_eq!(decided(true, &["dev", "ops"]), None);
}

#[test]
fn what_no_proof_could_turn_is_no_challenge() {
    let rules = "p, member, dom0, a, retrieve, allow, if principal ops\n\
                 p, member, dom0, a, retrieve, deny\n\
                 p, member, dom0, b, retrieve, deny, unless fresh-within 5m\n\
                 p, label:x, dom0, c, retrieve, allow, if principal ops\n\
                 p, member, dom0, d, store, allow, if principal ops";
    let acl = acl(Preset::Closed, rules);
    for resource in ["a", "b", "c", "d", "e"] {
        assert_eq!(decide(&acl, &Standing::default(), resource), Err(Denied::NotAllowed), "{resource}");
    }
}

#[test]
fn every_demand_has_to_be_met_and_any_grant_will_do() {
    let rules = "p, member, dom0, **, retrieve, deny, unless fresh-within 5m\n\
                 p, member, dom0, a, retrieve, deny, unless principal ops";
    let all = acl(Preset::Members, rules);
    let decided = |fresh, principals: &[&str]| {
        decide(&all, &proven(fresh, principals).after(Duration::ZERO), "a").err()
    };
    assert_eq!(decided(true, &[]), Some(Denied::NeedsProof(PRINCIPAL)));
    assert_eq!(decided(false, &["ops"]), Some(Denied::NeedsProof(FRESHNESS)));
    assert_eq!(decided(true, &["ops"]), None);
    let rules = "p, member, dom0, a, retrieve, allow, if fresh-within 5m\n\
                 p, member, dom0, a, retrieve, allow, if principal ops";
    let any = acl(Preset::Closed, rules);
    let decided = |fresh, principals: &[&str]| {
        decide(&any, &proven(fresh, principals).after(Duration::ZERO), "a").err()
    };
    assert_eq!(decided(false, &[]), Some(Denied::NeedsProof(BOTH)));
    assert_eq!((decided(true, &[]), decided(false, &["ops"])), (None, None));
}

#[test]
fn an_owner_s_lines_are_counted_as_the_owner_counts_them() {
    let text = "p, member, dom0, a, retrieve, allow\np, member, dom0, a, retrieve, allow, if luck\n";
    let error = Acl::compile_with(&domain("dom0"), Preset::Members, text, &[]).err();
    assert_eq!(error, Some(AclError::Line { line: 2, error: LineError::Condition }));
    // Rules that the preset has already are no error.
    acl(Preset::Members, "p, member, dom0, **, retrieve, allow");
}
