//! A domain's access rules, and the decision.

use std::collections::BTreeSet;

use claviger_attest::{Measurement, Peer, PrincipalName, Role};
use claviger_proto::{DomainName, ResourceName};

use crate::asker::{Asker, Known};
use crate::condition::Condition;
use crate::explain::{Explanation, Met, Notes};
use crate::index::{Index, Verdict};
use crate::oracle::Oracle;
use crate::policy::Policy;
use crate::{AclError, Action, Denied, Permit, Preset, Situation, Supposed};

/// A domain's access rules, compiled. Immutable: a change makes a new one, and whoever holds this one goes on
/// deciding by all of it, so that no decision mixes two versions.
pub struct Acl {
    policy: Policy,
    index: Index,
}

impl Acl {
    /// The rules of a preset. `labels` is what the domain's reference values call its measurements.
    pub fn compile(
        domain: &DomainName,
        preset: Preset,
        labels: &[(Measurement, String)],
    ) -> Result<Self, AclError> {
        Self::compile_with(domain, preset, "", labels)
    }

    /// The rules of a policy's text: casbin's CSV, one rule or role a line, validated strictly.
    pub fn compile_policy(
        domain: &DomainName,
        text: &str,
        labels: &[(Measurement, String)],
    ) -> Result<Self, AclError> {
        Self::compiled(Policy::parse(domain, text, labels)?)
    }

    fn compiled(policy: Policy) -> Result<Self, AclError> {
        // What casbin doesn't take must not take effect here.
        Oracle::load(&policy)?;
        Ok(Self { index: Index::build(&policy), policy })
    }

    /// The rules of a preset, and the owner's own after them.
    pub fn compile_with(
        domain: &DomainName,
        preset: Preset,
        rules: &str,
        labels: &[(Measurement, String)],
    ) -> Result<Self, AclError> {
        // Apart first, so that an error counts lines as the owner does.
        Policy::parse(domain, rules, &[])?;
        let text = [&preset.policy(domain), rules].concat();
        Self::compiled(Policy::parse(domain, &text, labels)?.beside(preset))
    }

    /// Decides whether the peer may do this, where nothing else is known of it than its certificate. Reserved names are refused before
    /// any rule is looked at.
    ///
    /// Whether the peer's certificate is within its dates is checked apart, for it depends on the time.
    pub fn decide(&self, peer: &Peer, action: Action, name: &ResourceName) -> Result<Permit, Denied> {
        self.decide_on(peer, &Situation::default(), action, name)
    }

    /// The same for a peer that asks in this situation.
    ///
    /// [`Denied::NeedsProof`] is decided by rules alone, never by what exists.
    pub fn decide_on(
        &self,
        peer: &Peer,
        situation: &Situation<'_>,
        action: Action,
        name: &ResourceName,
    ) -> Result<Permit, Denied> {
        self.check_member(peer)?;
        self.ask(peer.into(), situation, action, name, &mut ())?;
        Ok(Permit::new(self.policy.domain().clone(), name.clone(), action))
    }

    /// What [`Acl::decide_on`] decides, and which rules it comes from.
    pub fn explain(
        &self,
        peer: &Peer,
        situation: &Situation<'_>,
        action: Action,
        name: &ResourceName,
    ) -> Explanation {
        match self.check_member(peer) {
            Ok(()) => self.noted(peer.into(), situation, action, name),
            Err(denied) => Explanation::before_rules(denied),
        }
    }

    /// The same of a member that is only supposed.
    pub fn suppose(&self, who: &Supposed, action: Action, name: &ResourceName) -> Explanation {
        self.noted(who.asker(), who, action, name)
    }

    fn noted(
        &self,
        asker: Asker<'_>,
        known: &impl Known,
        action: Action,
        name: &ResourceName,
    ) -> Explanation {
        let mut met: Vec<Met> = Vec::new();
        let decision = self.ask(asker, known, action, name, &mut met);
        Explanation::of(decision, &met, &self.policy)
    }

    fn check_member(&self, peer: &Peer) -> Result<(), Denied> {
        if peer.domain() != self.policy.domain() {
            return Err(Denied::ForeignDomain);
        }
        if peer.role() != Role::Agent {
            return Err(Denied::NotAnAgent);
        }
        Ok(())
    }

    /// The one place where rules decide, with an explanation or without.
    fn ask(
        &self,
        asker: Asker<'_>,
        known: &impl Known,
        action: Action,
        name: &ResourceName,
        notes: &mut impl Notes,
    ) -> Result<(), Denied> {
        if name.is_reserved_in(self.policy.domain()) {
            return Err(Denied::ReservedName);
        }
        match self.index.decide(asker, known, action, name, notes) {
            Verdict::Allowed => Ok(()),
            Verdict::Lacks(needs) => Err(Denied::NeedsProof(needs)),
            Verdict::Denied => Err(Denied::NotAllowed),
        }
    }

    /// The permit of the broker's own operator to put an entry into the domain, whatever its rules say of
    /// machines. There is no counterpart that gets one: who runs the broker may carry secrets in, and reads none.
    /// The caller has made sure that it is the operator who asks.
    pub fn permit_import(&self, name: &ResourceName) -> Result<Permit, Denied> {
        let domain = self.policy.domain();
        if name.is_reserved_in(domain) {
            return Err(Denied::ReservedName);
        }
        Ok(Permit::new(domain.clone(), name.clone(), Action::Store))
    }

    /// Whose rules these are.
    pub fn domain(&self) -> &DomainName {
        self.policy.domain()
    }

    /// The principals that conditions of its rules ask for, each once, in the order of their names.
    pub fn principals(&self) -> impl Iterator<Item = &PrincipalName> {
        let named: BTreeSet<_> = self.policy.conditions().filter_map(Condition::principal).collect();
        named.into_iter()
    }

    /// The same rules in casbin itself, to ask it directly.
    pub fn oracle(&self) -> Result<Oracle, AclError> {
        Oracle::load(&self.policy)
    }
}
