//! A policy compiled for the hot path: a tree of segments, at whose nodes it is written who may do what.

use std::collections::{BTreeMap, HashMap};

use claviger_attest::{Measurement, SnpTcb};
use claviger_proto::ResourceName;
use claviger_proto::key_service::Needs;

use crate::Action;
use crate::asker::{Asker, Known};
use crate::condition::{Condition, Lacks};
use crate::explain::{Notes, RuleId};
use crate::pattern::{Piece, is_id};
use crate::policy::{Effect, Policy, Rule, closure};
use crate::subject::Subject;

/// A subject that rules speak of.
type Id = u32;

/// A compiled policy. Roles are resolved when it is built; a decision looks at what the peer is, and walks
/// the name once.
#[derive(Default)]
pub(crate) struct Index {
    /// What every member is.
    member: Box<[Id]>,
    measurements: HashMap<Measurement, Box<[Id]>>,
    fingerprints: HashMap<[u8; 32], Box<[Id]>>,
    instances: HashMap<[u8; 32], Box<[Id]>>,
    instance_labels: HashMap<Box<str>, Box<[Id]>>,
    root: Node,
}

#[derive(Default)]
struct Node {
    /// The next segment, by its text.
    literal: HashMap<Box<str>, Node>,
    /// The next segment, whatever it is.
    any: Option<Box<Node>>,
    /// The next segment, where it is the asker's instance.
    own: Option<Box<Node>>,
    /// For the name that ends here.
    here: Grants,
    /// For every name that goes on from here.
    below: Grants,
}

/// Whom rules allow and deny, by action.
#[derive(Default)]
struct Grants([Grant; Action::ALL.len()]);

#[derive(Default)]
struct Grant {
    /// By whom, the first rule that says so.
    allow: BTreeMap<Id, RuleId>,
    deny: BTreeMap<Id, RuleId>,
    /// Rules with conditions. Few policies have any, and then few nodes.
    conditional: Vec<Conditional>,
}

struct Conditional {
    id: Id,
    rule: RuleId,
    effect: Effect,
    condition: Condition,
}

/// What the rules come to.
pub(crate) enum Verdict {
    Allowed,
    /// It would be allowed, were this proven as well.
    Lacks(Needs),
    Denied,
}

impl Index {
    pub(crate) fn build(policy: &Policy) -> Self {
        let mut ids: HashMap<&Subject, Id> = HashMap::new();
        let mut index = Self::default();
        for (place, rule) in policy.rules().iter().enumerate() {
            let number = |count| Id::try_from(count).expect("a policy's text is far below 2^32 lines");
            let next = number(ids.len());
            let id = *ids.entry(&rule.subject).or_insert(next);
            index.root.add(rule, id, number(place));
        }
        let roles = policy.roles();
        let spoken_of = policy.members().chain(policy.rules().iter().map(|rule| &rule.subject));
        for subject in spoken_of.chain([&Subject::Member]) {
            let is = closure(&roles, subject)
                .into_keys()
                .filter_map(|subject| ids.get(subject).copied())
                .collect();
            match subject {
                Subject::Member => index.member = is,
                Subject::Measurement(measurement) => _ = index.measurements.insert(*measurement, is),
                Subject::Fingerprint(digest) => _ = index.fingerprints.insert(*digest, is),
                Subject::Instance(id) => _ = index.instances.insert(*id, is),
                Subject::InstanceLabel(name) => _ = index.instance_labels.insert(name.as_str().into(), is),
                // What only a policy says of somebody is nobody by itself.
                Subject::Label(_) | Subject::Role(_) => {}
            }
        }
        index
    }

    /// Whether a rule allows it and none denies it; `notes` are taken of the rules on the way there.
    pub(crate) fn decide(
        &self,
        asker: Asker<'_>,
        known: &impl Known,
        action: Action,
        name: &ResourceName,
        notes: &mut impl Notes,
    ) -> Verdict {
        let by_measurement = asker.measurement.and_then(|m| self.measurements.get(m));
        let by_fingerprint = asker.fingerprint.and_then(|digest| self.fingerprints.get(digest));
        let instance = asker.instance;
        let id = instance.and_then(|id| <&[u8; 32]>::try_from(id).ok());
        let by_instance = id.and_then(|id| self.instances.get(id));
        let by_instance_label = asker.instance_label.and_then(|label| self.instance_labels.get(label));
        let also = [by_measurement, by_fingerprint, by_instance, by_instance_label];
        let [measurement, fingerprint, own, label] = also.map(|ids| ids.map_or(&[][..], AsRef::as_ref));
        let mut question = Question {
            asker: [&*self.member, measurement, fingerprint, own, label],
            instance,
            known,
            tcb: asker.tcb,
            action: action.number(),
            allowed: false,
            denied: false,
            wanting: None,
            held_back: Needs::default(),
            notes,
        };
        self.root.ask(name.as_str(), &mut question);
        question.verdict()
    }
}

/// A question on its way through the tree.
struct Question<'a, P, N> {
    asker: [&'a [Id]; 5],
    instance: Option<&'a [u8]>,
    known: &'a P,
    tcb: Option<SnpTcb>,
    action: usize,
    allowed: bool,
    denied: bool,
    /// What rules that would allow it ask for, if there are any.
    wanting: Option<Needs>,
    /// What rules that deny it would give way to.
    held_back: Needs,
    notes: &'a mut N,
}

impl<P: Known, N: Notes> Question<'_, P, N> {
    fn is_asked_by(&self, id: Id) -> bool {
        self.asker.iter().copied().flatten().any(|own| *own == id)
    }

    fn ask(&mut self, rule: &Conditional) {
        if !self.is_asked_by(rule.id) {
            return;
        }
        let lacks = rule.condition.lacks(self.known, self.tcb);
        if rule.effect == Effect::Allow || !lacks.is_empty() {
            // A denial that gives way has no part in any decision.
            self.notes.met(rule.rule, rule.effect, lacks);
        }
        match rule.effect {
            Effect::Allow if lacks.is_empty() => self.allowed = true,
            // What can't be proven is no challenge: such a rule gives nothing, and such a denial is one.
            Effect::Allow if lacks.is_final() => {}
            Effect::Allow => self.wanting = Some(self.wanting.unwrap_or_default().and(lacks.needs)),
            Effect::Deny if lacks.is_final() => self.denied = true,
            Effect::Deny => self.held_back = self.held_back.and(lacks.needs),
        }
    }

    /// Only what a proof could turn is said to lack one.
    fn verdict(&self) -> Verdict {
        match (self.denied, self.allowed, self.wanting) {
            (true, ..) | (false, false, None) => Verdict::Denied,
            (false, true, _) if self.held_back.is_empty() => Verdict::Allowed,
            (false, true, _) => Verdict::Lacks(self.held_back),
            (false, false, Some(wanting)) => Verdict::Lacks(wanting.and(self.held_back)),
        }
    }
}

impl Node {
    fn add(&mut self, rule: &Rule, id: Id, place: RuleId) {
        let mut node = self;
        for piece in rule.pattern.pieces() {
            node = match piece {
                Piece::Literal(segment) => node.literal.entry(segment.into()).or_default(),
                Piece::Any => node.any.get_or_insert_default(),
                Piece::Instance => node.own.get_or_insert_default(),
                Piece::Rest => return node.below.add(rule, id, place),
            };
        }
        node.here.add(rule, id, place);
    }

    /// `rest` is what of the name goes on from here; never empty.
    fn ask<P: Known, N: Notes>(&self, rest: &str, question: &mut Question<'_, P, N>) {
        self.below.ask(question);
        let (segment, rest) =
            rest.split_once('/').map_or((rest, None), |(segment, rest)| (segment, Some(rest)));
        let is_own = |_: &&Node| question.instance.is_some_and(|instance| is_id(segment, instance));
        let own = self.own.as_deref().filter(is_own);
        for next in [self.literal.get(segment), self.any.as_deref(), own].into_iter().flatten() {
            if question.denied {
                return;
            }
            match rest {
                Some(rest) => next.ask(rest, question),
                None => next.here.ask(question),
            }
        }
    }
}

impl Grants {
    fn add(&mut self, rule: &Rule, id: Id, place: RuleId) {
        let grant = &mut self.0[rule.action.number()];
        if !rule.condition.is_empty() {
            let (effect, condition) = (rule.effect, rule.condition.clone());
            grant.conditional.push(Conditional { id, rule: place, effect, condition });
            return;
        }
        let grants = match rule.effect {
            Effect::Allow => &mut grant.allow,
            Effect::Deny => &mut grant.deny,
        };
        grants.entry(id).or_insert(place);
    }

    fn ask<P: Known, N: Notes>(&self, question: &mut Question<'_, P, N>) {
        let grant = &self.0[question.action];
        let named = |ids: &BTreeMap<Id, RuleId>| {
            let mut asker = question.asker.iter().copied().flatten();
            if ids.is_empty() { None } else { asker.find_map(|id| ids.get(id).copied()) }
        };
        let (denied, allowed) = (named(&grant.deny), named(&grant.allow));
        if let Some(rule) = denied {
            question.denied = true;
            question.notes.met(rule, Effect::Deny, Lacks::default());
        }
        if let Some(rule) = allowed {
            question.allowed = true;
            question.notes.met(rule, Effect::Allow, Lacks::default());
        }
        for rule in &grant.conditional {
            question.ask(rule);
        }
    }
}
