//! What the presets and hand-made policies decide.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use claviger_acl::{Acl, AclError, Action, Denied, Permit, Preset, Situation};
use claviger_attest::Peer;
use claviger_proto::ErrorCode;
use common::{MACHINES, agent, domain, hex, labels, measurement, name};

fn preset(preset: Preset) -> Acl {
    Acl::compile(&domain("dom0"), preset, &labels(&[(2, "deployment"), (3, "web")])).unwrap()
}

/// A hand-made policy of `dom0`; `{2}` is what runs on the machine of byte 2.
fn policy(text: &str) -> Acl {
    let text = text.replace("{2}", &measurement(2).to_string());
    Acl::compile_policy(&domain("dom0"), &text, &labels(&[(2, "deployment"), (3, "web")])).unwrap()
}

fn decide(acl: &Acl, peer: &Peer, action: Action, resource: &str) -> Result<(), Denied> {
    acl.decide(peer, action, &name(resource)).map(drop)
}

const NAMES: [&str; 5] = ["a", "web/tls/key", "storage-disk-key", "dom1/a", "..."];

#[test]
fn closed_is_the_default_and_lets_nobody_in() {
    assert_eq!(Preset::default(), Preset::Closed);
    let acl = preset(Preset::Closed);
    for (_, peer) in &MACHINES.agents {
        for action in Action::ALL {
            assert_eq!(decide(&acl, peer, action, "a"), Err(Denied::NotAllowed));
        }
    }
}

#[test]
fn members_store_and_retrieve() {
    let acl = preset(Preset::Members);
    for (_, peer) in &MACHINES.agents {
        for action in Action::ALL {
            for resource in NAMES {
                assert_eq!(decide(&acl, peer, action, resource), Ok(()));
            }
        }
    }
}

#[test]
fn provisioned_lets_only_the_deployment_machine_store() {
    let acl = preset(Preset::Provisioned);
    for (byte, peer) in &MACHINES.agents {
        for action in [Action::Retrieve, Action::List, Action::Versions] {
            assert_eq!(decide(&acl, peer, action, "a/b"), Ok(()));
        }
        let provides = if *byte == 2 { Ok(()) } else { Err(Denied::NotAllowed) };
        for action in [Action::Store, Action::Delete, Action::Destroy, Action::Rotate] {
            assert_eq!(decide(&acl, peer, action, "a/b"), provides, "machine {byte} {action}");
        }
    }
    let nobody = Acl::compile(&domain("dom0"), Preset::Provisioned, &[]).unwrap();
    assert_eq!(decide(&nobody, agent(2), Action::Store, "a"), Err(Denied::NotAllowed));
}

#[test]
fn a_permit_says_what_was_decided_and_no_more() {
    let permit: Permit = preset(Preset::Members).decide(agent(2), Action::Retrieve, &name("dom1/a")).unwrap();
    assert_eq!(permit.domain(), &domain("dom0"));
    assert_eq!(permit.name(), &name("dom1/a"));
    assert_eq!(permit.action(), Action::Retrieve);
}

#[test]
fn reserved_names_are_refused_whatever_the_policy_says() {
    let mut acls: Vec<Acl> = Preset::ALL.map(preset).into();
    for pattern in ["**", "*", "dom0-private-auth-key", "a/*", "a/**", "*/dom0_admission_certificate"] {
        acls.push(policy(&format!(
            "p, member, dom0, {pattern}, store, allow\np, measurement:{{2}}, dom0, {pattern}, retrieve, allow"
        )));
    }
    for acl in &acls {
        for action in Action::ALL {
            for resource in [
                "dom0-private-auth-key",
                "dom0_admission_certificate",
                "DOM0-Admission-Certificate",
                "private-auth-key",
                "a/dom0-private-auth-key",
                "dom0-private-auth-key/a",
                "x/dom0_admission_certificate",
            ] {
                assert_eq!(decide(acl, agent(2), action, resource), Err(Denied::ReservedName), "{resource}");
            }
        }
    }
    assert_eq!(Denied::ReservedName.code(), ErrorCode::ReservedName);
}

#[test]
fn the_operator_may_write_whatever_the_policy_says_and_nothing_else() {
    let deny = "p, member, dom0, **, store, deny\np, member, dom0, **, retrieve, deny";
    for acl in Preset::ALL.map(preset).into_iter().chain([policy(deny)]) {
        let permit = acl.permit_import(&name("dom1/a")).unwrap();
        assert_eq!((permit.domain(), permit.name()), (&domain("dom0"), &name("dom1/a")));
        assert_eq!(permit.action(), Action::Store);
        for reserved in ["dom0-private-auth-key", "a/DOM0_admission-certificate", "private-auth-key"] {
            assert_eq!(acl.permit_import(&name(reserved)).unwrap_err(), Denied::ReservedName);
        }
    }
}

#[test]
fn t15_a_peer_of_another_domain_is_refused_everything_in_one_voice() {
    let digest = hex(MACHINES.foreign.fingerprint());
    let mut acls: Vec<Acl> = Preset::ALL.map(preset).into();
    acls.push(policy(&format!("p, fingerprint:{digest}, dom0, **, retrieve, allow")));
    acls.push(policy("p, measurement:{2}, dom0, **, retrieve, allow"));
    for acl in &acls {
        for action in Action::ALL {
            for resource in ["a", "dom0/a", "dom1/a", "nothing-there", "dom0-private-auth-key"] {
                let denied = decide(acl, &MACHINES.foreign, action, resource).unwrap_err();
                assert_eq!(denied, Denied::ForeignDomain, "{resource}");
                assert_eq!(denied.code(), ErrorCode::NotFound);
                assert_eq!(denied.to_string(), Denied::NotAllowed.to_string());
            }
        }
    }
}

#[test]
fn a_broker_is_no_agent() {
    let digest = hex(MACHINES.broker.fingerprint());
    let by_name = policy(&format!("p, fingerprint:{digest}, dom0, **, retrieve, allow"));
    for acl in [preset(Preset::Members), preset(Preset::Provisioned), by_name] {
        for action in Action::ALL {
            assert_eq!(decide(&acl, &MACHINES.broker, action, "a"), Err(Denied::NotAnAgent));
        }
    }
}

#[test]
fn t12_glob_characters_in_labels_widen_nothing() {
    for label in [
        "*",
        "**",
        "deployment*",
        "d?ployment",
        "deploy.*",
        "+",
        "/",
        "a/b",
        "",
        "a b",
        "a,b",
        "#",
        "\"a\"",
        "label:deployment",
        "deployment\np, member, dom0, **, store, allow",
        "ä",
        &"a".repeat(65),
    ] {
        let result = Acl::compile(&domain("dom0"), Preset::Provisioned, &labels(&[(3, label)]));
        assert_eq!(result.err(), Some(AclError::Label), "{label:?}");
    }
    // Legal ones that a pattern, or a lax comparison, would take for `deployment`.
    for label in
        [".", "..", "deployment.", "deploymen.", "d.p.....nt", "Deployment", "DEPLOYMENT", "deployments"]
    {
        let acl = Acl::compile(&domain("dom0"), Preset::Provisioned, &labels(&[(3, label)])).unwrap();
        assert_eq!(decide(&acl, agent(3), Action::Store, "a"), Err(Denied::NotAllowed), "{label}");
        assert!(
            !acl.oracle()
                .unwrap()
                .allows(agent(3), &Situation::default(), Action::Store, &name("a"))
                .unwrap(),
            "{label}"
        );
    }
}

#[test]
fn t12_dots_and_dashes_in_a_resource_are_only_themselves() {
    let acl = policy("p, member, dom0, a.b/c-d, retrieve, allow\np, member, dom0, .../x, retrieve, allow");
    for (resource, allowed) in
        [("a.b/c-d", true), (".../x", true), ("axb/c-d", false), ("a.b/c-e", false), ("abc/x", false)]
    {
        assert_eq!(decide(&acl, agent(2), Action::Retrieve, resource).is_ok(), allowed, "{resource}");
    }
}

#[test]
fn t13_deny_wins_in_any_order_and_at_any_level() {
    let allow =
        "p, member, dom0, **, {action}, allow\np, measurement:{2}, dom0, web/tls/key, {action}, allow\n";
    for deny in [
        "p, member, dom0, **, {action}, deny\n",
        "p, member, dom0, web/**, {action}, deny\n",
        "p, member, dom0, web/tls/*, {action}, deny\n",
        "p, member, dom0, */tls/*, {action}, deny\n",
        "p, label:deployment, dom0, web/tls/key, {action}, deny\n",
        "p, role:kept-out, dom0, web/tls/key, {action}, deny\ng, label:deployment, role:kept-out, dom0\n",
    ] {
        for text in [format!("{allow}{deny}"), format!("{deny}{allow}")] {
            for action in Action::ALL {
                let acl = policy(&text.replace("{action}", action.as_str()));
                let denied = decide(&acl, agent(2), action, "web/tls/key");
                assert_eq!(denied, Err(Denied::NotAllowed), "{text}");
                assert!(
                    !acl.oracle()
                        .unwrap()
                        .allows(agent(2), &Situation::default(), action, &name("web/tls/key"))
                        .unwrap()
                );
                // And only where it applies.
                let other = if action == Action::Store { Action::Retrieve } else { Action::Store };
                assert!(decide(&acl, agent(2), other, "web/tls/key").is_err(), "nothing allows it");
            }
        }
    }
    let acl = policy(
        &format!("{allow}p, label:deployment, dom0, web/tls/key, store, deny").replace("{action}", "store"),
    );
    assert_eq!(decide(&acl, agent(3), Action::Store, "web/tls/key"), Ok(()));
    assert_eq!(decide(&acl, agent(2), Action::Store, "web/tls/other"), Ok(()));
}

#[test]
fn t14_case_counts() {
    let acl = policy("p, member, dom0, Web/Key, retrieve, allow");
    for (resource, allowed) in [("Web/Key", true), ("web/key", false), ("WEB/KEY", false)] {
        assert_eq!(decide(&acl, agent(2), Action::Retrieve, resource).is_ok(), allowed, "{resource}");
    }
}

#[test]
fn every_kind_of_subject_is_itself_and_nobody_else() {
    let digest = hex(agent(3).fingerprint());
    for (subject, allowed) in [
        ("member".to_owned(), vec![2, 3, 4]),
        ("measurement:{2}".to_owned(), vec![2]),
        (format!("fingerprint:{digest}"), vec![3]),
        ("label:web".to_owned(), vec![3]),
        ("label:nobody".to_owned(), vec![]),
        ("role:readers".to_owned(), vec![3]),
        ("role:nobody".to_owned(), vec![]),
    ] {
        let acl = policy(&format!(
            "p, {subject}, dom0, a, retrieve, allow\n\
             g, label:web, role:web, dom0\n\
             g, role:web, role:readers, dom0"
        ));
        for byte in [2, 3, 4] {
            let is = decide(&acl, agent(byte), Action::Retrieve, "a").is_ok();
            assert_eq!(is, allowed.contains(&byte), "{subject}, machine {byte}");
        }
    }
    // Two machines of one measurement have two fingerprints.
    let twins: Vec<&Peer> =
        MACHINES.agents.iter().filter(|(byte, _)| *byte == 2).map(|(_, peer)| peer).collect();
    let acl = policy(&format!("p, fingerprint:{}, dom0, a, retrieve, allow", hex(twins[0].fingerprint())));
    assert!(decide(&acl, twins[0], Action::Retrieve, "a").is_ok());
    assert!(decide(&acl, twins[1], Action::Retrieve, "a").is_err());
}

#[test]
fn an_acl_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&preset(Preset::Members));
}

#[test]
fn t39_an_instance_has_its_own_names_and_its_twin_has_others() {
    let (instance, twin) = (&MACHINES.instance, &MACHINES.twin);
    assert_eq!(instance.measurement(), twin.measurement());
    let own = |peer: &Peer| format!("instances/{}/disk-key", hex(peer.instance().unwrap()));
    let acl = Acl::compile(&domain("dom0"), Preset::Instances, &[]).unwrap();
    for action in Action::ALL {
        assert!(decide(&acl, instance, action, &own(instance)).is_ok());
        for (peer, name) in [
            (instance, own(twin)),
            (twin, own(instance)),
            // Without an instance there is no name of one's own, not even an empty one.
            (agent(3), own(instance)),
            (agent(3), "instances/x/disk-key".to_owned()),
            (instance, own(instance).to_uppercase()),
            (instance, own(instance).replacen("/disk-key", "0/disk-key", 1)),
            (instance, own(instance).replacen("/disk-key", "", 1).replacen('/', "/disk-key/", 1)),
            (instance, format!("instances/{}/disk-key", &hex(instance.instance().unwrap())[..62])),
            (instance, own(instance).replace("instances/", "other/")),
            (instance, format!("instances/{}", hex(instance.instance().unwrap()))),
            (instance, "shared".to_owned()),
        ] {
            assert_eq!(decide(&acl, peer, action, &name), Err(Denied::NotAllowed), "{action} {name}");
        }
    }
    // The measurement of byte 2 is the deployment machine's: it brings secrets, and gets none of another's.
    let provided = labels(&[(2, "deployment")]);
    let acl = Acl::compile(&domain("dom0"), Preset::Instances, &provided).unwrap();
    assert!(decide(&acl, agent(2), Action::Store, &own(instance)).is_ok());
    assert_eq!(decide(&acl, agent(2), Action::Retrieve, &own(instance)), Err(Denied::NotAllowed));
}

#[test]
fn t39_a_rule_names_an_instance_by_its_id_or_its_label() {
    let (instance, twin) = (&MACHINES.instance, &MACHINES.twin);
    for subject in [format!("instance:{}", hex(instance.instance().unwrap())), "instance:vm-1".to_owned()] {
        let acl = policy(&format!("p, {subject}, dom0, a, retrieve, allow"));
        assert!(decide(&acl, instance, Action::Retrieve, "a").is_ok());
        assert!(decide(&acl, twin, Action::Retrieve, "a").is_err());
        assert!(decide(&acl, agent(2), Action::Retrieve, "a").is_err());
        let role = policy(&format!("p, role:r, dom0, a, retrieve, allow\ng, {subject}, role:r, dom0"));
        assert!(decide(&role, instance, Action::Retrieve, "a").is_ok());
        assert!(decide(&role, twin, Action::Retrieve, "a").is_err());
    }
}
