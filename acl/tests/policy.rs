//! What a policy's text must be, and what is said about one that isn't.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use claviger_acl::{Acl, AclError, Action, LineError, Preset, Situation};
use common::{agent, domain, labels, measurement, name};
use proptest::prelude::*;

fn compile(text: &str) -> Result<Acl, AclError> {
    Acl::compile_policy(&domain("dom0"), text, &[])
}

fn error(text: &str) -> AclError {
    compile(text).err().unwrap_or_else(|| panic!("accepted: {text}"))
}

#[test]
fn a_bad_line_is_named_by_its_number() {
    let text = "# first\n\np, member, dom0, a, store, allow\n  p, member, dom0, b, stor, allow\n";
    assert_eq!(error(text), AclError::Line { line: 4, error: LineError::Action });
    assert_eq!(
        error(text).to_string(),
        "line 4: an action is store, retrieve, list, versions, delete, destroy or rotate"
    );
}

#[test]
fn each_field_is_checked() {
    let sha256 = "ab".repeat(32);
    let upper = "AB".repeat(32);
    let long = "a".repeat(65);
    for (line, expected) in [
        ("p", LineError::Shape),
        ("p, member, dom0, a, store", LineError::Shape),
        ("p, member, dom0, a, store, allow, if fresh-within 5m, more", LineError::Shape),
        ("p, member, dom0, a, store, allow, more", LineError::Condition),
        ("p, member, dom0, a, store, allow, -", LineError::Condition),
        ("p, member, dom0, a, store, allow,", LineError::Condition),
        ("p, member, dom0, a, store, allow, if", LineError::Condition),
        ("p, member, dom0, a, store, allow, iffresh-within 5m", LineError::Condition),
        ("p, member, dom0, a, store, allow, fresh-within 5m", LineError::Condition),
        ("p, member, dom0, a, store, allow, unless fresh-within 5m", LineError::Condition),
        ("p, member, dom0, a, store, deny, if fresh-within 5m", LineError::Condition),
        ("p, member, dom0, a, store, allow, if fresh-within", LineError::Condition),
        ("p, member, dom0, a, store, allow, if fresh-within 5", LineError::Condition),
        ("p, member, dom0, a, store, allow, if fresh-within 0s", LineError::Condition),
        ("p, member, dom0, a, store, allow, if fresh-within 31d", LineError::Condition),
        ("p, member, dom0, a, store, allow, if fresh-within -5m", LineError::Condition),
        ("p, member, dom0, a, store, allow, if fresh-within +5m", LineError::Condition),
        ("p, member, dom0, a, store, allow, if fresh-within 5m fresh-within 5m", LineError::Condition),
        ("p, member, dom0, a, store, allow, if fresh-within 5m and fresh-within 6m", LineError::Condition),
        ("p, member, dom0, a, store, allow, if fresh-within 5m or principal ops", LineError::Condition),
        ("p, member, dom0, a, store, allow, if principal", LineError::Condition),
        ("p, member, dom0, a, store, allow, if principal *", LineError::Condition),
        ("p, member, dom0, a, store, allow, if principal a/b", LineError::Condition),
        ("p, member, dom0, a, store, allow, if principal ops and", LineError::Condition),
        ("p, member, dom0, a, store, allow, if not principal ops", LineError::Condition),
        ("p2, member, dom0, a, store, allow", LineError::Shape),
        ("P, member, dom0, a, store, allow", LineError::Shape),
        ("g, member, role:a", LineError::Shape),
        ("g2, member, role:a, dom0", LineError::Shape),
        ("x, member, dom0, a, store, allow", LineError::Shape),
        ("member, dom0, a, store, allow", LineError::Shape),
        ("p, , dom0, a, store, allow", LineError::Subject),
        ("p, *, dom0, a, store, allow", LineError::Subject),
        ("p, \"member\", dom0, a, store, allow", LineError::Subject),
        ("p, Member, dom0, a, store, allow", LineError::Subject),
        ("p, members, dom0, a, store, allow", LineError::Subject),
        ("p, member:x, dom0, a, store, allow", LineError::Subject),
        ("p, label:, dom0, a, store, allow", LineError::Subject),
        ("p, label:*, dom0, a, store, allow", LineError::Subject),
        ("p, label:a b, dom0, a, store, allow", LineError::Subject),
        (&format!("p, label:{long}, dom0, a, store, allow"), LineError::Subject),
        ("p, role:a/b, dom0, a, store, allow", LineError::Subject),
        ("p, measurement:*, dom0, a, store, allow", LineError::Subject),
        ("p, measurement:abcd, dom0, a, store, allow", LineError::Subject),
        (&format!("p, measurement:{upper}, dom0, a, store, allow"), LineError::Subject),
        (&format!("p, fingerprint:{upper}, dom0, a, store, allow"), LineError::Subject),
        (&format!("p, fingerprint:{sha256}00, dom0, a, store, allow"), LineError::Subject),
        ("p, instance:, dom0, a, store, allow", LineError::Subject),
        ("p, instance:*, dom0, a, store, allow", LineError::Subject),
        ("p, instance:{instance}, dom0, a, store, allow", LineError::Subject),
        (&format!("p, instance:{upper}, dom0, a, store, allow"), LineError::Subject),
        ("p, member, dom0, {instance}x, store, allow", LineError::Resource),
        ("p, member, dom0, {Instance}, store, allow", LineError::Resource),
        ("p, owner, dom0, a, store, allow", LineError::Subject),
        ("p, member, dom1, a, store, allow", LineError::Domain),
        ("p, member, *, a, store, allow", LineError::Domain),
        ("p, member, , a, store, allow", LineError::Domain),
        ("p, member, DOM0, a, store, allow", LineError::Domain),
        ("g, member, role:a, dom1", LineError::Domain),
        ("p, member, dom0, , store, allow", LineError::Resource),
        ("p, member, dom0, /, store, allow", LineError::Resource),
        ("p, member, dom0, /a, store, allow", LineError::Resource),
        ("p, member, dom0, a/, store, allow", LineError::Resource),
        ("p, member, dom0, a//b, store, allow", LineError::Resource),
        ("p, member, dom0, a/../b, store, allow", LineError::Resource),
        ("p, member, dom0, a*, store, allow", LineError::Resource),
        ("p, member, dom0, *a, store, allow", LineError::Resource),
        ("p, member, dom0, ***, store, allow", LineError::Resource),
        ("p, member, dom0, **/a, store, allow", LineError::Resource),
        ("p, member, dom0, a/**/b, store, allow", LineError::Resource),
        ("p, member, dom0, a:b, store, allow", LineError::Resource),
        ("p, member, dom0, {a}, store, allow", LineError::Resource),
        ("p, member, dom0, .*, store, allow", LineError::Resource),
        (&format!("p, member, dom0, {}, store, allow", "a/".repeat(127) + "aa"), LineError::Resource),
        ("p, member, dom0, a, *, allow", LineError::Action),
        ("p, member, dom0, a, Store, allow", LineError::Action),
        ("p, member, dom0, a, administer, allow", LineError::Administer),
        ("p, member, dom0, a, store, *", LineError::Effect),
        ("p, member, dom0, a, store, Allow", LineError::Effect),
        ("p, member, dom0, a, store, # allow", LineError::Effect),
        ("g, member, member, dom0", LineError::NotARole),
        ("g, member, label:deployment, dom0", LineError::NotARole),
        ("g, member, administrator, dom0", LineError::Subject),
    ] {
        assert_eq!(error(line), AclError::Line { line: 1, error: expected }, "{line}");
    }
    for line in [
        "p,member,dom0,a,store,allow",
        "\tp ,  member , dom0 , a/*/b , store , deny \r",
        &format!("p, fingerprint:{sha256}, dom0, {}, store, allow", "a/".repeat(127) + "a"),
        &format!("p, instance:{sha256}, dom0, a/{{instance}}/**, store, allow"),
        "p, member, dom0, **, store, allow\np, member, dom0, **, store, allow",
        "g, role:a, role:a, dom0",
        "",
        "\n\n# nothing\n",
    ] {
        assert!(compile(line).is_ok(), "{line}");
    }
}

#[test]
fn roles_of_roles_end_somewhere() {
    let chain = |length: usize| {
        let links: Vec<_> = (1..length).map(|i| format!("g, role:r{i}, role:r{}, dom0\n", i + 1)).collect();
        format!("p, role:r{length}, dom0, a, retrieve, allow\ng, member, role:r1, dom0\n{}", links.concat())
    };
    let acl = compile(&chain(8)).unwrap();
    assert!(acl.decide(agent(2), Action::Retrieve, &name("a")).is_ok());
    assert!(
        acl.oracle().unwrap().allows(agent(2), &Situation::default(), Action::Retrieve, &name("a")).unwrap()
    );
    assert_eq!(error(&chain(9)), AclError::TooDeep(8));
    // A circle is no depth.
    let circle = "g, member, role:a, dom0\ng, role:a, role:b, dom0\ng, role:b, role:a, dom0\n\
                  p, role:b, dom0, a, retrieve, allow";
    assert!(compile(circle).unwrap().decide(agent(2), Action::Retrieve, &name("a")).is_ok());
}

#[test]
fn presets_have_names() {
    for preset in Preset::ALL {
        assert_eq!(preset.to_string().parse(), Ok(preset));
        assert_eq!(serde_json::to_value(preset).unwrap(), preset.as_str());
        assert!(Acl::compile(&domain("dom0"), preset, &[]).is_ok());
    }
    assert_eq!("open".parse::<Preset>(), Err(AclError::UnknownPreset));
    assert_eq!("Members".parse::<Preset>(), Err(AclError::UnknownPreset));
}

#[test]
fn t12_the_longest_and_strangest_domain_names_are_only_names() {
    for domain_name in ["a", "p", "g", "member", "role", "a-b_c", &"z".repeat(63)] {
        let domain = domain(domain_name);
        for preset in Preset::ALL {
            let acl = Acl::compile(&domain, preset, &labels(&[(2, "deployment")])).unwrap();
            assert_eq!(acl.domain(), &domain);
            // The machine is of `dom0`, whatever its measurement.
            assert!(acl.decide(agent(2), Action::Retrieve, &name("a")).is_err());
            assert!(
                !acl.oracle()
                    .unwrap()
                    .allows(agent(2), &Situation::default(), Action::Retrieve, &name("a"))
                    .unwrap()
            );
        }
    }
}

proptest! {
    #[test]
    fn t20_any_text_is_a_policy_or_an_error(text in prop_oneof![
        any::<String>(),
        "((p|g|#|p2)(, ?(member|dom0|label:a|role:b|\\*|\\*\\*|a|store|allow|deny|\"|)){2,6}\n?){0,4}",
    ]) {
        let _ = compile(&text);
        let label = text.chars().take(70).collect();
        let _ = Acl::compile(&domain("dom0"), Preset::Members, &[(measurement(2), label)]);
    }
}
