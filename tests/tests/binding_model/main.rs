//! The binding, in symbols: every way in which an attacker of given means can have an honest broker take an answer for
//! what it isn't, searched exhaustively, for the whole binding and for every one with parts left out.
//!
//! What it assumes and shows is told in `docs/binding-model.md`.

mod search;
mod world;

use claviger_attest::Binding;
use claviger_tests::programs::workspace;

use search::{Attack, attacks, minimal};
use world::{Means, Part, Parts};

use Part::{ClientLeaf, Exporter, NewSpki, Nonce, Policy, Purpose, Role, ServerLeaf};

const OTHER_DOMAIN: Means = Means::OTHER_DOMAIN;
const AGENT: Means = Means::LEAKED_AGENT_KEY;
const UNCHECKED: Means = Means::UNCHECKED_ROLE;
const MEMBER: Means = Means::LEAKED_MEMBER_KEY;
const BROKER: Means = Means::LEAKED_BROKER_KEY;
const SESSION: Means = Means::LEAKED_SESSION;

/// By the attacker's means: the smallest sets of parts that must all be missing for an attack.
const TABLE: [(Means, &[&[Part]]); 12] = [
    (Means::NONE, &[&[Role, Purpose, NewSpki]]),
    (OTHER_DOMAIN, &[&[Role, Purpose, NewSpki], &[Policy, ClientLeaf, ServerLeaf, NewSpki, Exporter]]),
    (AGENT, &[&[Role]]),
    (AGENT.and(UNCHECKED), &[&[Role], &[ClientLeaf, ServerLeaf, Exporter]]),
    (MEMBER, &[&[Role]]),
    (OTHER_DOMAIN.and(MEMBER), &[&[Role], &[Policy, ClientLeaf, ServerLeaf, Exporter]]),
    (AGENT.and(MEMBER), &[&[Role]]),
    (AGENT.and(UNCHECKED).and(MEMBER), &[&[Role], &[ServerLeaf, Exporter]]),
    (BROKER, &[&[Role, Purpose, NewSpki], &[ClientLeaf, NewSpki, Exporter]]),
    (AGENT.and(BROKER), &[&[Role], &[ClientLeaf, Exporter]]),
    (MEMBER.and(BROKER), &[&[Role], &[Exporter]]),
    (SESSION, &[&[Nonce], &[NewSpki]]),
];

#[test]
fn t01_with_the_whole_binding_no_attacker_gets_anything_unless_the_guest_itself_signs_for_it() {
    for means in Means::every() {
        let found = attacks(means, Parts::ALL);
        assert_eq!(found.is_empty(), !means.has(Means::REPORT_ORACLE), "{means:?}: {found:?}");
    }
}

#[test]
fn t40_the_model_finds_the_attack_where_a_part_is_left_out() {
    for (means, expected) in TABLE {
        let mut expected: Vec<Parts> = expected.iter().map(|parts| Parts::of(parts)).collect();
        expected.sort_by_key(|parts| (parts.len(), *parts));
        assert_eq!(minimal(means), expected, "{means:?}");
    }
}

#[test]
fn each_part_that_stands_alone_stands_against_an_attack_with_a_name() {
    for (means, part, attack) in [
        (AGENT, Role, Attack::MadeFresh),
        (MEMBER.and(BROKER), Exporter, Attack::MadeFresh),
        (MEMBER.and(BROKER), Exporter, Attack::MadePrincipal),
        (SESSION, Nonce, Attack::Stale),
        (SESSION, NewSpki, Attack::KeyCertified),
    ] {
        let found = attacks(means, Parts::ALL.without(Parts::of(&[part])));
        assert!(found.contains(&attack), "{means:?} without {part:?}: {found:?}");
    }
}

#[test]
fn the_model_has_the_parts_that_the_binding_has_and_the_book_the_table() {
    // A part more or less doesn't compile.
    let parts = |binding: &Binding<'_>| {
        let Binding {
            role: _,
            purpose: _,
            policy_digest: _,
            nonce: _,
            client_leaf: _,
            server_leaf: _,
            new_spki: _,
            exporter: _,
        } = binding;
        8
    };
    let _ = parts;
    assert_eq!(Part::ALL.len(), 8);
    let book = std::fs::read_to_string(workspace().join("docs/binding-model.md")).expect("the page");
    for (means, sets) in TABLE {
        let word = |part: &Part| format!("{part:?}");
        let set = |parts: &&[Part]| parts.iter().map(word).collect::<Vec<_>>().join(" + ");
        let row = format!("| {means:?} | {} |", sets.iter().map(set).collect::<Vec<_>>().join("; "));
        assert!(book.contains(&row), "the page lacks: {row}");
    }
}
