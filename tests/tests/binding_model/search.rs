//! All answers that the attacker can have, held against all challenges that it can meet.

use std::collections::HashSet;

use crate::world::{End, Leaf, Means, Part, Parts, Session};

/// What an honest broker believes though it isn't so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Attack {
    /// A key that the attacker has is admitted as a measured machine's.
    KeyCertified,
    /// The attacker's channel is taken for one that the measured machine is on.
    MadeFresh,
    /// The attacker's channel is taken for a principal's.
    MadePrincipal,
    /// An answer is taken that was made before its challenge.
    Stale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    Enroll,
    Renew,
    Freshness,
    Principal,
}

const PURPOSES: [Purpose; 4] = [Purpose::Enroll, Purpose::Renew, Purpose::Freshness, Purpose::Principal];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Agent,
    Broker,
}

/// The n-th challenge of the honest server of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Nonce(u16, u8);

/// A binding with some parts left out; the hash is injective, so this is the hash.
type Bound = [Option<u32>; 8];

fn bind(
    parts: Parts,
    role: Role,
    purpose: Purpose,
    session: Session,
    nonce: Nonce,
    spki: Option<Leaf>,
) -> Bound {
    let number = |nonce: Nonce| u32::from(nonce.0) << 8 | u32::from(nonce.1);
    // The exporter's label and context have role and nonce in them, as long as the binding has.
    let context = if parts.has(Part::Nonce) { number(nonce) } else { 0 };
    let label = if parts.has(Part::Role) { role as u32 } else { 0 };
    let exporter = u32::from(session.id) | context << 12 | label << 31;
    let of = |part| match part {
        Part::Role => role as u32,
        Part::Purpose => purpose as u32,
        Part::Policy => u32::from(session.elsewhere),
        Part::Nonce => number(nonce),
        Part::ClientLeaf => session.client_leaf as u32,
        Part::ServerLeaf => session.server_leaf as u32,
        Part::NewSpki => spki.map_or(u32::MAX, |leaf| leaf as u32),
        Part::Exporter => exporter,
    };
    Part::ALL.map(|part| parts.has(part).then(|| of(part)))
}

/// What an honest machine puts in as the key that an answer is about.
fn spki(purpose: Purpose, own: Leaf) -> Option<Leaf> {
    match purpose {
        Purpose::Enroll => Some(own),
        Purpose::Renew => Some(Leaf::VictimNext),
        Purpose::Freshness => None,
        Purpose::Principal => Some(Leaf::Person),
    }
}

/// An answer: what it is bound to, and by whom it is signed, a platform or a person.
type Answer = (Bound, bool);

/// Everything that the attacker learns that somebody honest signed.
fn learned(means: Means, sessions: &[Session], parts: Parts) -> HashSet<Answer> {
    let mut known = HashSet::new();
    // Challenges that it can pass on: of channels on which it is.
    let challenges = |session: &Session| [Nonce(session.id, 1), Nonce(session.id, 2)];
    let passed_on: Vec<Nonce> =
        sessions.iter().filter(|s| s.client == End::Attacker).flat_map(challenges).collect();
    for session in sessions {
        let nonces = match (session.client, session.server) {
            // The victim answers whatever the attacker's server asks.
            (End::Honest, End::Attacker) => passed_on.clone(),
            // What is taken over with the victim's end: the answer to the first challenge.
            (End::Honest, End::Honest) if means.has(Means::LEAKED_SESSION) => vec![Nonce(session.id, 1)],
            (End::Honest, End::Honest) => continue,
            // A broker that is measured itself answers whatever its client asks.
            (End::Attacker, _) => {
                for nonce in &passed_on {
                    let bound = bind(parts, Role::Broker, Purpose::Freshness, *session, *nonce, None);
                    known.insert((bound, false));
                }
                continue;
            }
        };
        for (nonce, purpose) in nonces.into_iter().flat_map(|nonce| PURPOSES.map(|purpose| (nonce, purpose)))
        {
            let about = spki(purpose, session.client_leaf);
            let bound = bind(parts, Role::Agent, purpose, *session, nonce, about);
            known.insert((bound, purpose == Purpose::Principal));
        }
    }
    known
}

/// Every attack that there is, with these parts in the binding.
pub(crate) fn attacks(means: Means, parts: Parts) -> HashSet<Attack> {
    let sessions = means.sessions();
    let known = learned(means, &sessions, parts);
    let mut found = HashSet::new();
    for session in sessions.iter().filter(|session| session.server == End::Honest) {
        let taken_over = session.client == End::Honest;
        if taken_over && !means.has(Means::LEAKED_SESSION) {
            continue;
        }
        for (nonce, purpose) in
            [1, 2].into_iter().flat_map(|n| PURPOSES.map(|purpose| (Nonce(session.id, n), purpose)))
        {
            for (about, attack) in goals(means, *session, purpose, nonce) {
                let expected = bind(parts, Role::Agent, purpose, *session, nonce, about);
                let person = purpose == Purpose::Principal;
                let had = known.contains(&(expected, person));
                if had || means.has(Means::REPORT_ORACLE) && !person {
                    found.insert(attack);
                }
            }
        }
    }
    found
}

/// What the attacker would want of an answer to this challenge: the key that it is about, and what that gives.
fn goals(means: Means, session: Session, purpose: Purpose, nonce: Nonce) -> Vec<(Option<Leaf>, Attack)> {
    let member = matches!(session.client_leaf, Leaf::Victim | Leaf::Agent);
    let taken_over = session.client == End::Honest;
    // On a channel that was taken over, the first challenge was the victim's to answer, and rightly.
    let late = taken_over && nonce.1 == 2;
    match purpose {
        Purpose::Enroll if means.owns(session.client_leaf) && !taken_over => {
            vec![(Some(session.client_leaf), Attack::KeyCertified)]
        }
        Purpose::Renew if member => vec![(Some(Leaf::AttackerNew), Attack::KeyCertified)],
        Purpose::Freshness if member && late => vec![(None, Attack::Stale)],
        Purpose::Freshness if member && !taken_over => vec![(None, Attack::MadeFresh)],
        Purpose::Principal if member && late => vec![(Some(Leaf::Person), Attack::Stale)],
        Purpose::Principal if member && !taken_over => vec![(Some(Leaf::Person), Attack::MadePrincipal)],
        _ => Vec::new(),
    }
}

/// The smallest sets of parts that must all be left out for there to be an attack. To leave out more never takes an
/// attack away, so what has such a set in it needs no look.
pub(crate) fn minimal(means: Means) -> Vec<Parts> {
    let mut sets: Vec<Parts> = Parts::every().collect();
    sets.sort_by_key(|set| (set.len(), *set));
    let mut smallest: Vec<Parts> = Vec::new();
    for set in sets {
        let needless = smallest.iter().any(|smaller| set.contains(*smaller));
        if !needless && !attacks(means, Parts::ALL.without(set)).is_empty() {
            smallest.push(set);
        }
    }
    smallest
}
