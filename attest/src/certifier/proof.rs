//! The proof by which a stock verifier admits: from "policyKey is-trusted", what the policy says and what the evidence
//! proves, that the enclave's key is trusted. Each step can be printed.

use std::fmt;

use super::demands::properties;
use super::error::ProofError;
use super::evidence::{StockFacts, StockKind};
use super::import::amd_root;
use super::rules::Rule;
use super::statement::{Entity, NamedKey, Quality, Statement};
use crate::kind::EvidenceKind;
use crate::measurement::Measurement;
use crate::reference::TrustPolicy;

/// What is to be proven of the enclave's key: the purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// `authentication`: an admission certificate.
    Authentication,
    /// `attestation`: a platform rule.
    Attestation,
}

/// One step of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// This,
    pub first: Statement,
    /// and this,
    pub second: Statement,
    /// imply by this rule
    pub rule: Rule,
    /// this.
    pub conclusion: Statement,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second, rule, conclusion } = self;
        write!(f, "{first}\n  and\n{second}\n  imply via {rule}\n{conclusion}")
    }
}

/// A proof, whose every step its rule gives. Only [`prove`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    steps: Vec<Step>,
    conclusion: Statement,
}

impl Proof {
    /// The steps, in order: each needs only premises, and what was concluded before it.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What is proven.
    pub fn conclusion(&self) -> &Statement {
        &self.conclusion
    }
}

/// Proves that the enclave's key of this evidence is trusted by who trusts the policy key, which says `policy`.
pub fn prove(
    policy_key: &NamedKey,
    policy: &[Statement],
    facts: &StockFacts,
    goal: Goal,
) -> Result<Proof, ProofError> {
    let axiom = Statement::Is(Entity::Key(policy_key.clone()), Quality::Trusted);
    let mut prover = Prover { policy_key, policy, axiom, steps: Vec::new() };
    let trusted = match facts.kind() {
        StockKind::SimulatedEnclave => prover.measurement(facts)?,
        StockKind::SevEnclave => prover.environment(facts)?,
    };
    let signer = prover.signer(facts)?;
    let speaks = prover.step(Rule::R6, &signer, facts.speaks_for())?;
    let rule = match goal {
        Goal::Authentication => Rule::R1,
        Goal::Attestation => Rule::R7,
    };
    let conclusion = prover.step(rule, &trusted, &speaks)?;
    Ok(Proof { steps: prover.steps, conclusion })
}

struct Prover<'a> {
    policy_key: &'a NamedKey,
    policy: &'a [Statement],
    axiom: Statement,
    steps: Vec<Step>,
}

impl Prover<'_> {
    fn step(&mut self, rule: Rule, first: &Statement, second: &Statement) -> Result<Statement, ProofError> {
        let conclusion = rule.apply(first, second)?;
        let step =
            Step { first: first.clone(), second: second.clone(), rule, conclusion: conclusion.clone() };
        // Trust that was derived once needs no second time.
        if !self.steps.contains(&step) {
            self.steps.push(step);
        }
        Ok(conclusion)
    }

    /// What the policy key says, if it says this; by the rule that the reference takes for it.
    fn policy_says(&mut self, rule: Rule, wanted: &Statement) -> Result<Statement, ProofError> {
        let said = self.policy.iter().find(|statement| match statement {
            Statement::Says(speaker, said) => speaker == self.policy_key && **said == *wanted,
            _ => false,
        });
        let said = said.ok_or_else(|| ProofError::Missing(wanted.to_string()))?.clone();
        let axiom = self.axiom.clone();
        self.step(rule, &axiom, &said)
    }

    fn measurement(&mut self, facts: &StockFacts) -> Result<Statement, ProofError> {
        let wanted = Statement::Is(Entity::Measurement(*facts.measurement()), Quality::Trusted);
        self.policy_says(Rule::R3, &wanted)
    }

    /// The key that signed the report: the policy trusts the root, and each says that the next is trusted.
    fn signer(&mut self, facts: &StockFacts) -> Result<Statement, ProofError> {
        let root = Statement::Is(Entity::Key(facts.root().clone()), Quality::TrustedForAttestation);
        let mut trusted = self.policy_says(Rule::R5, &root)?;
        for link in facts.chain() {
            trusted = self.step(Rule::R5, &trusted, link)?;
        }
        Ok(trusted)
    }

    fn environment(&mut self, facts: &StockFacts) -> Result<Statement, ProofError> {
        let measurement = self.measurement(facts)?;
        let signer = self.signer(facts)?;
        let says = facts
            .is_environment()
            .ok_or_else(|| ProofError::Rule("the evidence".to_owned(), "an environment".to_owned()))?;
        let environment = self.step(Rule::R6, &signer, says)?;
        let platform = self.policy.iter().find_map(|statement| match statement {
            Statement::Says(_, said) => match said.as_ref() {
                platform @ Statement::Is(Entity::Platform(_), Quality::TrustedPlatformProperty) => {
                    Some(platform)
                }
                _ => None,
            },
            _ => None,
        });
        let wanted = platform
            .cloned()
            .ok_or_else(|| ProofError::Missing("a platform has-trusted-platform-property".to_owned()))?;
        let platform = self.policy_says(Rule::R3, &wanted)?;
        let platform = self.step(Rule::R8, &environment, &platform)?;
        let measured = self.step(Rule::R9, &environment, &measurement)?;
        self.step(Rule::R10, &measured, &platform)
    }
}

/// What a policy of ours says of machines of a kind that run this, as sentences of the policy key: for a proof, where the
/// domain's policy is no stock one. Values that are trusted no longer at `now` say nothing.
pub fn policy_statements(
    policy: &TrustPolicy,
    policy_key: &NamedKey,
    kind: EvidenceKind,
    measurement: &Measurement,
    now: i64,
) -> Vec<Statement> {
    let mut said = Vec::new();
    for value in policy.references.find(kind, measurement).filter(|value| !value.is_expired(now)) {
        said.push(Statement::Is(Entity::Measurement(*measurement), Quality::Trusted));
        let amd = value.roots().is_empty() && kind == EvidenceKind::SevSnp;
        let amd = policy.references.snp().products.iter().filter(|_| amd).filter_map(|product| {
            Some(NamedKey::new(&format!("ARK-{}", product.certificate_name()), amd_root(*product)?))
        });
        let named = value.roots().iter().map(|root| NamedKey::new("root", root.clone()));
        said.extend(
            named.chain(amd).map(|root| Statement::Is(Entity::Key(root), Quality::TrustedForAttestation)),
        );
    }
    if kind != EvidenceKind::SimulatedEnclave && !said.is_empty() {
        let properties = properties(policy.references.snp());
        said.push(Statement::Is(Entity::Platform(properties), Quality::TrustedPlatformProperty));
    }
    said.into_iter().map(|statement| statement.said_by(policy_key)).collect()
}
