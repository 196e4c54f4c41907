//! Stock evidence as statements: every one of them was signed by who says it.
//!
//! Whether any of the signers is to be trusted is the proof's question, not the evidence's.

mod sev;
mod simulated;
mod x509;

use claviger_proto::ParseError;
use claviger_proto::trust::EvidencePackage;

use super::error::EvidenceFault;
use super::statement::{Entity, NamedKey, Quality, Statement};
use crate::measurement::Measurement;

/// The kinds of stock evidence that the proof knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockKind {
    /// `simulated-enclave`
    SimulatedEnclave,
    /// `sev-enclave`
    SevEnclave,
}

impl StockKind {
    const ALL: [Self; 2] = [Self::SimulatedEnclave, Self::SevEnclave];

    /// Its `enclave_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SimulatedEnclave => "simulated-enclave",
            Self::SevEnclave => "sev-enclave",
        }
    }

    /// The `submitted_evidence_type` that goes with it.
    pub fn submitted_evidence_type(self) -> &'static str {
        match self {
            Self::SimulatedEnclave => "vse-attestation-package",
            Self::SevEnclave => "sev-platform-package",
        }
    }

    /// The kind that was submitted as this.
    pub fn of_submitted(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.submitted_evidence_type() == name)
    }
}

/// What stock evidence proves, if its signers are trusted. Only [`StockFacts::read`] makes it.
#[derive(Clone, Debug)]
pub struct StockFacts {
    kind: StockKind,
    root: NamedKey,
    chain: Vec<Statement>,
    environment: Option<Statement>,
    speaks_for: Statement,
    enclave_key: NamedKey,
    measurement: Measurement,
}

impl StockFacts {
    /// Reads evidence as stock programs submit it, and verifies every signature and date in it. Freshness isn't looked
    /// at, since stock evidence has none.
    pub fn read(evidence: &EvidencePackage, now: i64) -> Result<Self, EvidenceFault> {
        match evidence.enclave_type.as_str() {
            "simulated-enclave" => simulated::read(&evidence.items, now),
            "sev-enclave" => sev::read(&evidence.items, now),
            other => Err(EvidenceFault::Kind(other.chars().filter(|c| !c.is_control()).take(64).collect())),
        }
    }

    /// Of which kind.
    pub fn kind(&self) -> StockKind {
        self.kind
    }

    /// The key at which the chain begins.
    pub fn root(&self) -> &NamedKey {
        &self.root
    }

    /// From the root on, which key says that the next is-trusted-for-attestation.
    pub fn chain(&self) -> &[Statement] {
        &self.chain
    }

    /// That the report's signer says what platform and measurement there are, where the evidence has platforms.
    pub fn is_environment(&self) -> Option<&Statement> {
        self.environment.as_ref()
    }

    /// That the report's signer says what the enclave's key speaks for.
    pub fn speaks_for(&self) -> &Statement {
        &self.speaks_for
    }

    /// The key that asks to be trusted.
    pub fn enclave_key(&self) -> &NamedKey {
        &self.enclave_key
    }

    /// What runs.
    pub fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    /// All statements, in the order in which stock programs print them.
    pub fn statements(&self) -> Vec<&Statement> {
        self.chain.iter().chain(self.environment.iter()).chain([&self.speaks_for]).collect()
    }
}

/// "one says other is-trusted-for-attestation"
fn link(one: &NamedKey, other: &NamedKey) -> Statement {
    Statement::Is(Entity::Key(other.clone()), Quality::TrustedForAttestation).said_by(one)
}

fn required<T>(part: &'static str, name: &'static str, field: Option<T>) -> Result<T, EvidenceFault> {
    field.ok_or(EvidenceFault::Malformed(part, ParseError::Missing(name)))
}
