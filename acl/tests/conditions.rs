//! Rules that ask for freshness or a principal: what they decide, and what is said to be missing.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use std::time::Duration;

use claviger_acl::{Acl, AclError, Action, Denied, LineError, Preset, Situation};
use claviger_attest::{Peer, Standing};
use claviger_proto::ErrorCode;
use claviger_proto::key_service::Needs;
use common::{MACHINES, agent, domain, name, proven};

const FRESHNESS: Needs = Needs { freshness: true, principal: false };
const PRINCIPAL: Needs = Needs { freshness: false, principal: true };
const BOTH: Needs = Needs { freshness: true, principal: true };

fn acl(preset: Preset, rules: &str) -> Acl {
    Acl::compile_with(&domain("dom0"), preset, rules, &[]).unwrap()
}

fn decide(acl: &Acl, standing: &Standing<'_>, resource: &str) -> Result<(), Denied> {
    acl.decide_on(agent(2), &standing.clone().into(), Action::Retrieve, &name(resource)).map(drop)
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

/// From there, then.
fn situation(source: Option<&str>, time: Option<u64>) -> Situation<'static> {
    Situation { source: source.map(|text| text.parse().unwrap()), time, ..Situation::default() }
}

/// A grant with this condition, and a denial that gives way to it, decide alike, and neither is ever a challenge.
fn holds(condition: &str, peer: &Peer, situation: &Situation<'_>) -> bool {
    let grant = format!("p, member, dom0, a, retrieve, allow, if {condition}");
    let demand = format!("p, member, dom0, a, retrieve, deny, unless {condition}");
    let decided = [(Preset::Closed, grant), (Preset::Members, demand)].map(|(preset, rules)| {
        acl(preset, &rules).decide_on(peer, situation, Action::Retrieve, &name("a")).map(drop)
    });
    assert_eq!(decided[0], decided[1], "{condition}");
    assert!(matches!(decided[0], Ok(()) | Err(Denied::NotAllowed)), "{condition}: {decided:?}");
    decided[0].is_ok()
}

#[test]
fn a_source_is_in_its_network_however_its_address_is_written() {
    let from = |condition: &str, source| holds(condition, agent(2), &situation(source, None));
    for (condition, source, there) in [
        ("source 10.9.0.0/16", Some("10.9.255.255"), true),
        ("source 10.9.0.0/16", Some("10.10.0.0"), false),
        ("source 10.9.0.0/16", Some("::ffff:10.9.0.1"), true),
        ("source 10.9.0.0/16", Some("::10.9.0.1"), false),
        ("source 10.9.0.0/16", None, false),
        ("source 0.0.0.0/0", Some("::1"), false),
        ("source ::/0", Some("::1"), true),
        ("source ::/0", Some("::ffff:10.9.0.1"), false),
        ("source 2001:db8::/32", Some("2001:db8:1::1"), true),
        ("source 2001:db8::/32", Some("2001:db9::1"), false),
        ("source 10.9.0.0/16 ::1/128", Some("::1"), true),
    ] {
        assert_eq!(from(condition, source), there, "{condition} from {source:?}");
    }
}

#[test]
fn hours_are_utc_and_those_past_midnight_are_of_the_day_they_began_on() {
    // 1970 began on a Thursday.
    let at = |day: u64, hour: u64, minute: u64| Some(day * 86_400 + hour * 3_600 + minute * 60);
    for (condition, time, open) in [
        ("between 08:00-18:00", at(0, 8, 0), true),
        ("between 08:00-18:00", at(0, 7, 59), false),
        ("between 08:00-18:00", at(0, 18, 0), false),
        ("between 08:00-18:00", None, false),
        ("between 22:00-06:00", at(0, 23, 0), true),
        ("between 22:00-06:00", at(0, 5, 59), true),
        ("between 22:00-06:00", at(0, 6, 0), false),
        ("between thu 22:00-06:00", at(0, 23, 0), true),
        ("between thu 22:00-06:00", at(1, 5, 0), true),
        ("between thu 22:00-06:00", at(0, 5, 0), false),
        ("between mon-fri 00:00-24:00", at(1, 23, 59), true),
        ("between mon-fri 00:00-24:00", at(2, 0, 0), false),
        ("between sat-mon 09:00-10:00", at(4, 9, 30), true),
        ("between sat-mon 09:00-10:00", at(5, 9, 30), false),
        ("between sun 20:00-04:00", at(4, 3, 59), true),
    ] {
        assert_eq!(holds(condition, agent(2), &situation(None, time)), open, "{condition} at {time:?}");
    }
}

#[test]
fn a_tcb_is_compared_part_by_part_and_one_that_is_not_known_is_too_low() {
    let nothing = Situation::default();
    for (floor, high) in [
        ("bootloader=4", true),
        ("bootloader=4 tee=1 snp=24 microcode=219", true),
        ("bootloader=5", false),
        ("snp=25 microcode=1", false),
        ("microcode=220", false),
        ("fmc=1", false),
    ] {
        assert_eq!(holds(&format!("tcb-at-least {floor}"), &MACHINES.snp, &nothing), high, "{floor}");
    }
    assert!(!holds("tcb-at-least bootloader=1", agent(2), &nothing), "its certificate says none");
}

/// Nobody is asked for a proof that would change nothing.
#[test]
fn what_no_proof_could_turn_is_denied_whatever_else_is_asked() {
    let rules = "p, member, dom0, a, retrieve, allow, if source 10.0.0.0/8 and principal ops\n\
                 p, member, dom0, b, retrieve, allow\n\
                 p, member, dom0, b, retrieve, deny, unless fresh-within 5m and between 00:00-01:00";
    let acl = acl(Preset::Closed, rules);
    let asked = |resource: &str, source, time| {
        let situation = situation(source, time);
        let explained = acl.explain(agent(2), &situation, Action::Retrieve, &name(resource));
        let rules = explained.rules.iter().map(|rule| (rule.line, rule.lacks.words().collect()));
        (explained.decision.err().unwrap(), rules.collect::<Vec<(usize, Vec<&str>)>>())
    };
    let denied = Denied::NotAllowed;
    assert_eq!(asked("a", Some("11.0.0.1"), None), (denied, vec![(1, vec!["principal", "source"])]));
    assert_eq!(
        asked("a", Some("10.0.0.1"), None),
        (Denied::NeedsProof(PRINCIPAL), vec![(1, vec!["principal"])])
    );
    assert_eq!(asked("b", None, Some(3_600)), (denied, vec![(3, vec!["fresh-within", "between"])]));
    assert_eq!(asked("b", None, Some(0)), (Denied::NeedsProof(FRESHNESS), vec![(3, vec!["fresh-within"])]));
}

#[test]
fn a_denial_that_gives_way_is_not_what_denied() {
    let acl = acl(Preset::Closed, "p, member, dom0, a, retrieve, deny, unless source 10.0.0.0/8");
    let explained = acl.explain(agent(2), &situation(Some("10.0.0.1"), None), Action::Retrieve, &name("a"));
    assert_eq!((explained.decision, &explained.rules[..]), (Err(Denied::NotAllowed), &[][..]));
}

#[test]
fn t12_a_condition_that_means_nothing_is_refused_with_its_line() {
    for condition in [
        "source",
        "source 10.9.0.0",
        "source 10.9.0.1/16",
        "source 10.9.0.0/33",
        "source ::ffff:10.9.0.0/112",
        "source *",
        "source 10.0.0.0/8 and source 11.0.0.0/8",
        "source 1.0.0.0/8 2.0.0.0/8 3.0.0.0/8 4.0.0.0/8 5.0.0.0/8 6.0.0.0/8 7.0.0.0/8 8.0.0.0/8 9.0.0.0/8",
        "between",
        "between 08:00-08:00",
        "between 8:00-18:00",
        "between 08:00-24:01",
        "between 24:00-08:00",
        "between 08:60-18:00",
        "between Mon 08:00-18:00",
        "between mon-xyz 08:00-18:00",
        "between mon fri 08:00-18:00",
        "between +8:00-18:00",
        "tcb-at-least",
        "tcb-at-least snp=0",
        "tcb-at-least snp=256",
        "tcb-at-least snp=+1",
        "tcb-at-least snp=1 snp=1",
        "tcb-at-least SNP=1",
        "tcb-at-least hypervisor=1",
        "exportable",
    ] {
        let text = format!("\np, member, dom0, a, retrieve, allow, if {condition}\n");
        let error = Acl::compile_with(&domain("dom0"), Preset::Members, &text, &[]).err();
        assert_eq!(error, Some(AclError::Line { line: 2, error: LineError::Condition }), "{condition}");
    }
}

#[test]
fn a_principal_as_subject_is_whoever_proved_to_be_it_on_this_channel() {
    let acl = acl(Preset::Closed, "p, principal:ops, dom0, a, retrieve, allow, if fresh-within 5m");
    let decided = |fresh, who: &[&str]| decide(&acl, &proven(fresh, who).after(Duration::ZERO), "a").err();
    assert_eq!(decided(true, &["ops"]), None);
    assert_eq!(decided(true, &["dev"]), Some(Denied::NeedsProof(PRINCIPAL)));
    assert_eq!(decided(false, &["ops"]), Some(Denied::NeedsProof(FRESHNESS)));
    assert_eq!(acl.principals().map(ToString::to_string).collect::<Vec<_>>(), ["ops"]);
    let casbin = |who: &[&str]| {
        let proven = proven(true, who);
        let situation = Situation::from(proven.after(Duration::ZERO));
        acl.oracle().unwrap().allows(agent(2), &situation, Action::Retrieve, &name("a")).unwrap()
    };
    assert!(casbin(&["ops"]) && !casbin(&["dev"]));
}

#[test]
fn t13_a_principal_can_be_no_denied_subject_and_have_no_role() {
    for (line, error) in [
        ("p, principal:ops, dom0, a, retrieve, deny", LineError::PrincipalSubject),
        ("p, principal:ops, dom0, a, retrieve, allow, if principal dev", LineError::PrincipalSubject),
        ("g, principal:ops, role:a, dom0", LineError::PrincipalSubject),
        ("p, principal:, dom0, a, retrieve, allow", LineError::Subject),
        ("p, principal:*, dom0, a, retrieve, allow", LineError::Subject),
        ("p, member, dom0, a, administer, allow", LineError::Administer),
    ] {
        let refused = Acl::compile_with(&domain("dom0"), Preset::Members, line, &[]).err();
        assert_eq!(refused, Some(AclError::Line { line: 1, error }), "{line}");
    }
}
