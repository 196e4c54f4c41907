//! Challenges on an open channel, and their answers. Only `claviger/1` has them.

use crate::trust::{EvidencePackage, NONCE};

/// What a request lacks that the peer can still prove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Evidence on this channel that is fresh enough.
    pub freshness: bool,
    /// A principal behind this channel.
    pub principal: bool,
}

impl Needs {
    /// Whether it lacks nothing.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// What either of two lacks.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { freshness: self.freshness || other.freshness, principal: self.principal || other.principal }
    }

    /// As on the wire.
    pub(super) fn words(self) -> impl Iterator<Item = &'static str> {
        [(self.freshness, FRESHNESS), (self.principal, PRINCIPAL)]
            .into_iter()
            .filter_map(|(needed, word)| needed.then_some(word))
    }

    /// Words of later versions are left out: nothing here can prove what they ask for.
    pub(super) fn read<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        words.fold(Self::default(), |needs, word| Self {
            freshness: needs.freshness || word == FRESHNESS,
            principal: needs.principal || word == PRINCIPAL,
        })
    }
}

const FRESHNESS: &str = "freshness";
const PRINCIPAL: &str = "principal";

/// A challenge: good on its connection alone, and for one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What an answer has to be bound to.
    pub nonce: [u8; NONCE],
    /// What the request lacked; nothing where the challenge itself was asked for.
    pub needs: Needs,
}

/// An answer to the channel's challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Fresh evidence of the machine at this end.
    Freshness(FreshEvidence),
    /// Who is behind it.
    Principal(Credentials),
}

impl Proof {
    /// What it is called in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Freshness(_) => FRESHNESS,
            Self::Principal(_) => PRINCIPAL,
        }
    }
}

/// Evidence whose binding has the purpose `freshness`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreshEvidence {
    /// Its `submitted_evidence_type`, as at admission.
    pub submitted: String,
    /// The evidence.
    pub evidence: EvidencePackage,
}

/// A principal's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Certificates in DER, the principal's own first.
    pub chain: Vec<Vec<u8>>,
    /// Its key's signature over a binding of the purpose `principal`.
    pub signature: Vec<u8>,
}
