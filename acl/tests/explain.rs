//! Which rule decided, and who is only supposed.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use std::time::Duration;

use claviger_acl::{Acl, AclError, Action, Decider, Denied, Explanation, Preset, Situation, Supposed};
use claviger_attest::Peer;
use claviger_proto::key_service::Needs;
use common::{MACHINES, agent, domain, labels, measurement, name, proven};
use proptest::prelude::*;
use proptest::sample::select;

const RULES: &str = "\
# the owner's own
p, member, dom0, disks/**, retrieve, deny, unless fresh-within 5m

  p, label:old, dom0, **, store, deny
p, member, dom0, people/**, retrieve, deny, unless principal ops
";

fn acl(preset: Preset) -> Acl {
    Acl::compile_with(&domain("dom0"), preset, RULES, &labels(&[(4, "old")])).unwrap()
}

fn explained(acl: &Acl, peer: &Peer, action: Action, resource: &str) -> Explanation {
    acl.explain(peer, &Situation::default(), action, &name(resource))
}

/// Whose rule it is, its line, and whether it allows.
fn rule(explained: &Explanation) -> (Option<Preset>, usize, bool) {
    let [Decider { preset, line, allows, .. }] = explained.rules[..] else { panic!("{explained:?}") };
    (preset, line, allows)
}

#[test]
fn the_rule_that_decided_is_named_as_its_owner_knows_it() {
    let members = acl(Preset::Members);
    let allowed = explained(&members, agent(2), Action::Store, "disks/a");
    assert_eq!((allowed.decision, rule(&allowed)), (Ok(()), (Some(Preset::Members), 1, true)));
    assert_eq!(allowed.to_string(), "preset members, line 1: p, member, dom0, **, store, allow");
    let denied = explained(&members, agent(4), Action::Store, "disks/a");
    assert_eq!((denied.decision, rule(&denied)), (Err(Denied::NotAllowed), (None, 4, false)));
    assert_eq!(denied.to_string(), "rules, line 4: p, label:old, dom0, **, store, deny");
}

#[test]
fn a_condition_that_does_not_hold_is_named_with_its_rule() {
    let members = acl(Preset::Members);
    for (resource, line, needs) in [
        ("disks/a", 2, Needs { freshness: true, principal: false }),
        ("people/a", 5, Needs { freshness: false, principal: true }),
    ] {
        let asked = explained(&members, agent(2), Action::Retrieve, resource);
        assert_eq!(asked.decision, Err(Denied::NeedsProof(needs)));
        assert_eq!((rule(&asked), asked.rules[0].lacks.needs), ((None, line, false), needs));
    }
    let standing = proven(true, &[]);
    let asked =
        members.explain(agent(2), &standing.after(Duration::ZERO).into(), Action::Retrieve, &name("disks/a"));
    assert_eq!(rule(&asked), (Some(Preset::Members), 2, true));
}

#[test]
fn where_nothing_allows_it_no_rule_is_named() {
    let closed = acl(Preset::Closed);
    for (peer, resource, denied) in [
        (agent(2), "disks/a", Denied::NotAllowed),
        (agent(2), "dom0-private-auth-key", Denied::ReservedName),
        (&MACHINES.foreign, "disks/a", Denied::ForeignDomain),
        (&MACHINES.broker, "disks/a", Denied::NotAnAgent),
    ] {
        let asked = explained(&closed, peer, Action::List, resource);
        assert_eq!((asked.decision, &asked.rules[..]), (Err(denied), &[][..]));
    }
    assert_eq!(explained(&closed, agent(2), Action::List, "a").to_string(), "no rule allows it");
}

#[test]
fn who_is_supposed_is_only_what_is_said() {
    let domain = domain("dom0");
    let rules =
        "p, instance:vm-1, dom0, **, store, allow\np, member, dom0, **, list, allow, if principal ops";
    let acl = Acl::compile_with(&domain, Preset::Instances, rules, &[]).unwrap();
    let may =
        |who: &Supposed, action, resource: &str| acl.suppose(who, action, &name(resource)).decision.is_ok();
    let mut who = Supposed::default();
    assert!(!may(&who, Action::Store, "a") && !may(&who, Action::List, "a"));
    who.set_instance("vm-1").unwrap();
    who.principals.push("ops".parse().unwrap());
    assert!(may(&who, Action::Store, "a") && may(&who, Action::List, "a"));
    let id = "ab".repeat(32);
    assert!(!may(&who, Action::Retrieve, &format!("instances/{id}/a")));
    who.set_instance(&id).unwrap();
    assert!(may(&who, Action::Retrieve, &format!("instances/{id}/a")));
    for bad in ["", "a b", "*", &"AB".repeat(32)] {
        assert_eq!(who.set_instance(bad), Err(AclError::Instance), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whoever is supposed to be what a machine is gets the machine's answer.
    #[test]
    fn a_machine_and_its_supposition_are_told_the_same(
        preset in select(&Preset::ALL[..]),
        action in select(&Action::ALL[..]),
        resource in select(&["disks/a", "people/a", "a", "dom0-private-auth-key"][..]),
        fresh in any::<bool>(),
        age in select(&[0_u64, 300, 301][..]),
    ) {
        let (acl, resource) = (acl(preset), name(resource));
        let standing = proven(fresh, &["ops"]);
        let standing = standing.after(Duration::from_secs(age));
        let peers = MACHINES.agents.iter().map(|(byte, peer)| (*byte, peer));
        for (byte, peer) in peers.chain([(2, &MACHINES.instance)]) {
            let who = Supposed {
                measurement: Some(measurement(byte)),
                fingerprint: Some(*peer.fingerprint()),
                instance: peer.instance().map(|id| id.try_into().unwrap()),
                instance_label: peer.instance_label().map(str::to_owned),
                age: standing.age(),
                principals: standing.principals().cloned().collect(),
                ..Supposed::default()
            };
            let explained = acl.explain(peer, &standing.clone().into(), action, &resource);
            prop_assert_eq!(acl.suppose(&who, action, &resource), explained);
        }
    }
}
