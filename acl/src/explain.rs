//! Which rule decided.

use std::fmt;

use crate::condition::Lacks;
use crate::policy::{Effect, Policy};
use crate::{Denied, Preset};

/// Most bytes of a rule in a record: the longest subject, domain, resource and condition.
const MAX_SHOWN: usize = 640;

/// What a decision leaves behind of the rules that it met. A decision that isn't explained leaves nothing.
pub(crate) trait Notes {
    /// A rule speaks of the asker and of what it asks for; `lacks` is what of its condition doesn't hold.
    fn met(&mut self, rule: RuleId, effect: Effect, lacks: Lacks);
}

/// A rule, by its place in the policy.
pub(crate) type RuleId = u32;

impl Notes for () {
    fn met(&mut self, _: RuleId, _: Effect, _: Lacks) {}
}

/// A rule that was met.
#[derive(Clone, Copy)]
pub(crate) struct Met {
    rule: RuleId,
    effect: Effect,
    lacks: Lacks,
}

impl Met {
    /// Whether it denies for good: it has no condition, or one that no proof could turn.
    fn denies(&self) -> bool {
        self.effect == Effect::Deny && (self.lacks.is_empty() || self.lacks.is_final())
    }
}

impl Notes for Vec<Met> {
    fn met(&mut self, rule: RuleId, effect: Effect, lacks: Lacks) {
        self.push(Met { rule, effect, lacks });
    }
}

/// What the rules say to a question, and which of them say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is decided.
    pub decision: Result<(), Denied>,
    /// The rules that it comes from: one that allows; one that denies; or all whose conditions don't hold and would have
    /// to, or that would allow it, did theirs hold. None where no rule would, or no rule is asked.
    pub rules: Vec<Decider>,
}

/// A rule that a decision comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decider {
    /// The preset that it is of; `None` for the owner's own.
    pub preset: Option<Preset>,
    /// Its line in the preset's text or in the owner's, from 1.
    pub line: usize,
    /// The line itself.
    pub text: String,
    /// Whether it allows; it denies otherwise.
    pub allows: bool,
    /// What of its condition doesn't hold.
    pub lacks: Lacks,
}

impl Explanation {
    /// Of a question that comes before any rule, and ended there.
    pub(crate) fn before_rules(denied: Denied) -> Self {
        Self { decision: Err(denied), rules: Vec::new() }
    }

    /// From the rules that were met on the way to a decision.
    pub(crate) fn of(decision: Result<(), Denied>, met: &[Met], policy: &Policy) -> Self {
        let holds = |met: &&Met| met.lacks.is_empty();
        let of = |effect| move |met: &&Met| met.effect == effect;
        let allows = met.iter().filter(of(Effect::Allow));
        let denies = met.iter().filter(of(Effect::Deny));
        let deciding: Vec<&Met> = match decision {
            Ok(()) => allows.filter(holds).take(1).collect(),
            // Rules whose conditions no proof could turn have no part in a challenge.
            Err(Denied::NeedsProof(_)) => {
                let wanting = allows.clone().filter(|met| !holds(met) && !met.lacks.is_final());
                let allowed = allows.clone().any(|met| holds(&met));
                wanting.filter(|_| !allowed).chain(denies.filter(|met| !holds(met))).collect()
            }
            Err(_) => match denies.clone().find(|met| met.denies()) {
                Some(met) => vec![met],
                None => allows.collect(),
            },
        };
        Self {
            decision,
            rules: deciding.into_iter().map(|met| policy.decider(met.rule, met.lacks)).collect(),
        }
    }
}

/// In one line of some hundred bytes, for records.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.decision, &self.rules[..]) {
            (Err(Denied::NotAllowed), []) => f.write_str("no rule allows it"),
            (Err(denied), []) => denied.fmt(f),
            (_, [rule]) => rule.fmt(f),
            (_, [rule, more @ ..]) => write!(f, "{rule}; and {} more", more.len()),
            (Ok(()), []) => f.write_str("a rule allows it"),
        }
    }
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Space between its fields is all that makes one long, and nothing but ASCII is in them.
        let text = self.text.get(..MAX_SHOWN).unwrap_or(&self.text);
        match self.preset {
            Some(preset) => write!(f, "preset {preset}, line {}: {text}", self.line),
            None => write!(f, "rules, line {}: {text}", self.line),
        }
    }
}
