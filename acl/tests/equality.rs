//! The index says what casbin says, for policies, machines and names of any kind.

#![allow(clippy::unwrap_used, reason = "a failed test says enough")]

mod common;

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use claviger_acl::{Acl, Action, Denied, Explanation, Preset, Situation};
use claviger_attest::Peer;
use claviger_proto::key_service::Needs;
use common::{MACHINES, Proven, domain, hex, labels, measurement, name, proven};
use proptest::prelude::*;
use proptest::sample::select;

/// Few words, so that rules and questions meet.
fn subjects() -> impl Strategy<Value = String> {
    let mut subjects: Vec<String> =
        ["member", "label:deployment", "label:web", "label:none", "role:a", "role:b", "role:c"]
            .map(str::to_owned)
            .into();
    let ids = [&MACHINES.instance, &MACHINES.twin].map(|peer| hex(peer.instance().unwrap()));
    subjects.extend(ids.map(|id| format!("instance:{id}")));
    subjects.extend(["instance:vm-1", "instance:vm-2", "instance:none"].map(str::to_owned));
    subjects.extend([2, 3, 5].map(|byte| format!("measurement:{}", measurement(byte))));
    let peers = MACHINES.agents.iter().map(|(_, peer)| peer).chain([&MACHINES.foreign, &MACHINES.broker]);
    subjects.extend(peers.map(|peer| format!("fingerprint:{}", hex(peer.fingerprint()))));
    select(subjects)
}

fn patterns() -> impl Strategy<Value = String> {
    r"((a|b|A|\.\.\.|\*|\{instance\})/){0,3}(a|b|A|a-b|\*|\*\*|\{instance\})"
}

fn rules() -> impl Strategy<Value = String> {
    let effect = prop_oneof![3 => Just(("allow", "if")), 1 => Just(("deny", "unless"))];
    let condition = prop_oneof![2 => Just(None), 1 => select(&CONDITIONS[..]).prop_map(Some)];
    (subjects(), patterns(), select(&Action::ALL[..]), effect, condition).prop_map(
        |(subject, pattern, action, (effect, word), condition)| {
            let condition = condition.map(|condition| format!(", {word} {condition}")).unwrap_or_default();
            format!("p, {subject}, dom0, {pattern}, {action}, {effect}{condition}\n")
        },
    )
}

const CONDITIONS: [&str; 17] = [
    "fresh-within 5m",
    "fresh-within 1h",
    "principal ops",
    "principal dev",
    "principal ops and fresh-within 5m",
    "fresh-within 1h and principal dev",
    "source 10.9.0.0/16",
    "source 10.9.8.7/32 2001:db8::/33",
    "source ::/0 and principal ops",
    "source 0.0.0.0/0",
    "between 22:00-06:00",
    "between mon-fri 08:00-18:00",
    "between sat-mon 18:30-08:00 and fresh-within 5m",
    "between sun 00:00-24:00",
    "tcb-at-least bootloader=4 snp=24",
    "tcb-at-least snp=25",
    "tcb-at-least microcode=219 and source 10.0.0.0/8 and between 00:00-12:00 and principal dev",
];

fn sources() -> impl Strategy<Value = Option<IpAddr>> {
    let known = [
        "10.9.8.7",
        "10.9.8.8",
        "10.10.0.0",
        "11.0.0.1",
        "::ffff:10.9.8.7",
        "2001:db8:7fff::1",
        "2001:db8:8000::1",
        "::1",
    ];
    let known = select(known.to_vec()).prop_map(|text| Some(text.parse().unwrap()));
    prop_oneof![1 => Just(None), 6 => known, 1 => any::<IpAddr>().prop_map(Some)]
}

/// Any minute of some weeks, and the edges of the hours above.
fn times() -> impl Strategy<Value = Option<u64>> {
    let edges = (0_u64..14, select(&[0_u64, 360, 480, 720, 1080, 1110, 1320][..]), 0_u64..3)
        .prop_map(|(day, minute, off)| Some(86_400 * (day + 1) + minute * 60 + off - 1));
    prop_oneof![1 => Just(None), 6 => edges, 2 => (0_u64..2_419_200).prop_map(Some)]
}

/// Nothing proven, and some of what can be; the last of each proves all that the conditions ask for.
static PROVEN: LazyLock<[Proven; 5]> = LazyLock::new(|| {
    [
        proven(false, &[]),
        proven(true, &[]),
        proven(false, &["ops"]),
        proven(true, &["dev", "op"]),
        proven(true, &["ops", "dev"]),
    ]
});

/// Exactly at the limit of a rule, just past it, and at once.
fn ages() -> impl Strategy<Value = Duration> {
    select(&[0, 300_000_000_000, 300_000_000_001, 3_600_000_000_000, 3_600_000_000_001][..])
        .prop_map(Duration::from_nanos)
}

fn memberships() -> impl Strategy<Value = String> {
    (subjects(), select(&["a", "b", "c"][..]))
        .prop_map(|(subject, role)| format!("g, {subject}, role:{role}, dom0\n"))
}

fn policies() -> impl Strategy<Value = String> {
    let hand_made = (prop::collection::vec(rules(), 0..12), prop::collection::vec(memberships(), 0..6))
        .prop_map(|(rules, memberships)| [rules.concat(), memberships.concat()].concat());
    let preset = select(&Preset::ALL[..]).prop_map(|preset| preset.policy(&domain("dom0")));
    let both = (select(&Preset::ALL[..]), prop::collection::vec(rules(), 0..4))
        .prop_map(|(preset, rules)| [preset.policy(&domain("dom0")), rules.concat()].concat());
    prop_oneof![4 => hand_made, 1 => preset, 2 => both]
}

fn names() -> impl Strategy<Value = String> {
    let id = |peer: &Peer| hex(peer.instance().unwrap());
    // `I` and `J` stand for two instances' ids.
    r"(a|b|A|\.\.\.|c|I|J)(/(a|b|A|a-b|c|I|J)){0,3}"
        .prop_map(move |name| name.replace('I', &id(&MACHINES.instance)).replace('J', &id(&MACHINES.twin)))
        .prop_filter("a name is at most 255 bytes long", |name| name.len() <= 255)
}

fn given_labels() -> impl Strategy<Value = Vec<(u8, &'static str)>> {
    prop::collection::vec(
        (select(&[2_u8, 3, 4, 5][..]), select(&["deployment", "web", "Web", "."][..])),
        0..4,
    )
}

/// Whether the rules that an explanation names are of the kind that such a decision comes from.
fn agrees(explained: &Explanation) -> bool {
    let rules = &explained.rules;
    let holding =
        |allows: bool| matches!(&rules[..], [rule] if rule.allows == allows && rule.lacks.is_empty());
    match explained.decision {
        Ok(()) => holding(true),
        Err(Denied::NeedsProof(needs)) => {
            let lacking = rules.iter().fold(Needs::default(), |all, rule| all.and(rule.lacks.needs));
            !rules.is_empty()
                && lacking == needs
                && rules.iter().all(|rule| !rule.lacks.is_empty() && !rule.lacks.is_final())
        }
        Err(Denied::NotAllowed) => {
            let denies = matches!(&rules[..], [rule] if !rule.allows && rule.lacks.is_final());
            holding(false) || denies || rules.iter().all(|rule| rule.allows && rule.lacks.is_final())
        }
        Err(_) => rules.is_empty(),
    }
}

fn peers() -> impl Iterator<Item = &'static Peer> {
    let others = [&MACHINES.foreign, &MACHINES.instance, &MACHINES.twin, &MACHINES.snp];
    MACHINES.agents.iter().map(|(_, peer)| peer).chain(others)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_index_is_equal_to_casbin(
        text in policies(),
        labels_given in given_labels(),
        asked in prop::collection::vec(names(), 1..6),
        (proven, age) in (0..PROVEN.len(), ages()),
        (source, time) in (sources(), times()),
    ) {
        let standing = Situation { standing: PROVEN[proven].after(age), source, time };
        // What can be proven is proven; the rest is as it is.
        let all = Situation { standing: PROVEN.last().unwrap().after(Duration::ZERO), source, time };
        let acl = Acl::compile_policy(&domain("dom0"), &text, &labels(&labels_given)).unwrap();
        let oracle = acl.oracle().unwrap();
        for (peer, action) in peers().flat_map(|peer| Action::ALL.map(|action| (peer, action))) {
            for resource in &asked {
                let resource = name(resource);
                let decided = acl.decide_on(peer, &standing, action, &resource);
                let casbin = |standing| oracle.allows(peer, standing, action, &resource).unwrap();
                let index = decided.is_ok();
                let explained = acl.explain(peer, &standing, action, &resource);
                prop_assert_eq!(explained.decision, decided.as_ref().map(drop).map_err(|denied| *denied));
                // The rules named are enough: nothing decides that isn't among them, or nothing allows it.
                prop_assert!(agrees(&explained), "{:?} under\n{}", explained, text);
                prop_assert_eq!(index, casbin(&standing), "{} {} by {:?} under\n{}", action, resource, peer, text);
                // A challenge is given where, and only where, proving everything would let the peer in.
                let challenged = matches!(decided, Err(Denied::NeedsProof(needs)) if !needs.is_empty());
                let own = peer.domain() == &domain("dom0");
                prop_assert_eq!(index || challenged, own && casbin(&all), "{} {} under\n{}", action, resource, text);
            }
        }
    }

    /// The order of lines means nothing, and a rule more that denies never lets anybody in.
    #[test]
    fn t13_a_denying_rule_more_never_widens(
        text in policies(),
        more in rules(),
        asked in prop::collection::vec(names(), 1..6),
    ) {
        let given = labels(&[(2, "deployment"), (3, "web")]);
        let compile = |text: &str| Acl::compile_policy(&domain("dom0"), text, &given).unwrap();
        let before = compile(&text);
        let after = compile(&format!("{}{text}", more.replace("allow", "deny").replace(", if ", ", unless ")));
        let reversed = compile(&text.lines().rev().collect::<Vec<_>>().join("\n"));
        for (peer, action) in peers().flat_map(|peer| Action::ALL.map(|action| (peer, action))) {
            for resource in asked.iter().map(|text| name(text)) {
                let allowed = before.decide(peer, action, &resource).is_ok();
                prop_assert_eq!(reversed.decide(peer, action, &resource).is_ok(), allowed);
                prop_assert!(allowed || after.decide(peer, action, &resource).is_err());
            }
        }
    }
}
