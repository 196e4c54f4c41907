//! A policy's text, validated: what casbin would silently skip, misread or never match is refused here, by line.
//!
//! ```text
//! # machines that run the deployment image may store, all may retrieve, but not what is old
//! p, label:deployment, web, **, store, allow
//! p, member, web, **, retrieve, allow
//! p, member, web, archive/**, retrieve, deny
//! g, fingerprint:…, role:rotation, web
//! # what opens disks is given only on fresh evidence, and only who is on duty destroys
//! p, member, web, disks/**, retrieve, deny, unless fresh-within 5m
//! p, member, web, **, destroy, allow, if principal ops and fresh-within 1h
//! # backups are written at night, from the backup network, and by machines whose firmware isn't old
//! p, label:backup, web, backups/**, store, allow, if source 10.9.0.0/16 and between 22:00-06:00 and tcb-at-least snp=22
//! ```

use std::collections::{HashMap, VecDeque};
use std::fmt;

use claviger_attest::Measurement;
use claviger_proto::DomainName;

use crate::condition::{Condition, Lacks, Texts};
use crate::explain::{Decider, RuleId};
use crate::pattern::Pattern;
use crate::subject::Subject;
use crate::{AclError, Action, LineError, Preset};

/// How many memberships may lie between a machine and a role. casbin stops looking at 10, without a word.
pub(crate) const MAX_DEPTH: usize = 8;

/// What a rule's subject begins with, where it is a principal.
const PRINCIPAL: &str = "principal:";

/// A domain's policy.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    domain: DomainName,
    rules: Vec<Rule>,
    memberships: Vec<Membership>,
    /// What it was read from; explanations show lines of it.
    text: String,
    /// A preset whose lines come first, and how many they are.
    preset: Option<(Preset, usize)>,
}

/// Whether a rule gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    /// Wins over every allow.
    Deny,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) subject: Subject,
    pub(crate) pattern: Pattern,
    pub(crate) action: Action,
    pub(crate) effect: Effect,
    /// What an allow asks for, and what a deny gives way to; empty is nothing.
    pub(crate) condition: Condition,
    /// From 0, in the policy's text.
    line: usize,
}

/// Whoever is `of` is also `is`.
#[derive(Clone, Debug)]
struct Membership {
    of: Subject,
    is: Subject,
}

impl Policy {
    /// Reads a policy of `domain`, and joins it with what the domain calls its measurements.
    pub(crate) fn parse(
        domain: &DomainName,
        text: &str,
        labels: &[(Measurement, String)],
    ) -> Result<Self, AclError> {
        let (domain, own) = (domain.clone(), text.to_owned());
        let mut policy = Self { domain, rules: Vec::new(), memberships: Vec::new(), text: own, preset: None };
        for (i, line) in text.lines().enumerate() {
            policy.line(i, line).map_err(|error| AclError::Line { line: i + 1, error })?;
        }
        for (measurement, label) in labels {
            let label = label.parse().map(Subject::Label).map_err(|_| AclError::Label)?;
            policy.memberships.push(Membership { of: Subject::Measurement(*measurement), is: label });
        }
        policy.check_depth()?;
        Ok(policy)
    }

    /// Its first lines are this preset's, and only those after them the owner's.
    pub(crate) fn beside(mut self, preset: Preset) -> Self {
        self.preset = Some((preset, preset.policy(&self.domain).lines().count()));
        self
    }

    /// A rule of it, for people. It is one that the index was built from.
    pub(crate) fn decider(&self, rule: RuleId, lacks: Lacks) -> Decider {
        let rule = &self.rules[usize::try_from(rule).expect("a place in memory")];
        let text = self.text.lines().nth(rule.line).unwrap_or_default().trim().to_owned();
        let (preset, before) = match self.preset {
            Some((preset, lines)) if rule.line < lines => (Some(preset), 0),
            Some((_, lines)) => (None, lines),
            None => (None, 0),
        };
        Decider { preset, line: rule.line - before + 1, text, allows: rule.effect == Effect::Allow, lacks }
    }

    /// What its rules ask of channels.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.rules.iter().map(|rule| &rule.condition)
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), LineError> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        match fields[..] {
            ["p", subject, domain, resource, action, effect, ref more @ ..] if more.len() <= 1 => {
                let effect: Effect = effect.parse()?;
                let condition =
                    more.first().map_or(Ok(Condition::default()), |text| effect.condition(text))?;
                // Who proved to be this principal is a member for whom that holds.
                let (subject, condition) = match subject.strip_prefix(PRINCIPAL) {
                    Some(_) if effect == Effect::Deny => return Err(LineError::PrincipalSubject),
                    Some(name) => (Subject::Member, condition.asking_for(name)?),
                    None => (subject.parse()?, condition),
                };
                let rule = Rule {
                    subject,
                    pattern: resource.parse()?,
                    action: action.parse()?,
                    effect,
                    condition,
                    line: number,
                };
                self.own(domain)?;
                self.rules.push(rule);
            }
            ["g", subject, role, domain] => {
                if subject.starts_with(PRINCIPAL) {
                    return Err(LineError::PrincipalSubject);
                }
                let membership = Membership { of: subject.parse()?, is: role.parse()? };
                self.own(domain)?;
                if !matches!(membership.is, Subject::Role(_)) {
                    return Err(LineError::NotARole);
                }
                self.memberships.push(membership);
            }
            _ => return Err(LineError::Shape),
        }
        Ok(())
    }

    fn own(&self, domain: &str) -> Result<(), LineError> {
        if domain == self.domain.as_str() { Ok(()) } else { Err(LineError::Domain) }
    }

    pub(crate) fn domain(&self) -> &DomainName {
        &self.domain
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The subjects that memberships start from.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Subject> {
        self.memberships.iter().map(|membership| &membership.of)
    }

    /// What each subject is at once, for [`closure`].
    pub(crate) fn roles(&self) -> Roles<'_> {
        let mut roles = Roles::new();
        for membership in &self.memberships {
            roles.entry(&membership.of).or_default().push(&membership.is);
        }
        roles
    }

    fn check_depth(&self) -> Result<(), AclError> {
        let roles = self.roles();
        let deep = |subject| closure(&roles, subject).into_iter().any(|(_, depth)| depth > MAX_DEPTH);
        if self.members().any(deep) { Err(AclError::TooDeep(MAX_DEPTH)) } else { Ok(()) }
    }
}

/// What each subject is at once.
pub(crate) type Roles<'a> = HashMap<&'a Subject, Vec<&'a Subject>>;

/// All that a subject is, itself first, each with the shortest way to it. Circles end where they begin.
pub(crate) fn closure<'a>(roles: &Roles<'a>, subject: &'a Subject) -> HashMap<&'a Subject, usize> {
    let mut found = HashMap::from([(subject, 0)]);
    let mut queue = VecDeque::from([(subject, 0)]);
    while let Some((subject, depth)) = queue.pop_front() {
        for role in roles.get(subject).into_iter().flatten() {
            if !found.contains_key(role) {
                found.insert(role, depth + 1);
                queue.push_back((role, depth + 1));
            }
        }
    }
    found
}

impl Effect {
    /// A deny gives way to what is proven; it can't begin to hold by it, for what isn't known must not let anybody in.
    fn condition(self, text: &str) -> Result<Condition, LineError> {
        let rest = text.strip_prefix(self.conjunction()).and_then(|rest| rest.strip_prefix(' '));
        rest.ok_or(LineError::Condition)?.parse()
    }

    fn conjunction(self) -> &'static str {
        match self {
            Self::Allow => "if",
            Self::Deny => "unless",
        }
    }
}

impl std::str::FromStr for Effect {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        match text {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            _ => Err(LineError::Effect),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

/// What casbin is given where a rule has no condition; it isn't one that anybody can write.
const ALWAYS: &str = "-";

/// Whether a rule takes part, by its condition as casbin has it, and what is known of who asks as text. What can't be
/// read takes no part in allowing and takes part in denying; there is none, for the policy was parsed.
pub(crate) fn takes_part(condition: &str, texts: &Texts<'_>) -> bool {
    let holds = |text: &str| text.parse::<Condition>().is_ok_and(|condition| condition.holds_by_text(texts));
    match condition.split_once(' ') {
        Some(("if", text)) => holds(text),
        Some(("unless", text)) => !holds(text),
        _ => condition == ALWAYS,
    }
}

/// The policy in one spelling, as casbin loads it.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = &self.domain;
        for Rule { subject, pattern, action, effect, condition, line: _ } in &self.rules {
            write!(f, "p, {subject}, {domain}, {pattern}, {action}, {effect}, ")?;
            if condition.is_empty() {
                writeln!(f, "{ALWAYS}")?;
            } else {
                writeln!(f, "{} {condition}", effect.conjunction())?;
            }
        }
        for Membership { of, is } in &self.memberships {
            writeln!(f, "g, {of}, {is}, {domain}")?;
        }
        Ok(())
    }
}
