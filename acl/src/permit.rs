//! The proof value of a decision, and its opposite.

use claviger_proto::key_service::Needs;
use claviger_proto::{DomainName, ErrorCode, ResourceName};

use crate::Action;

/// The proof that the domain's policy allowed one peer this action on this resource, or that its operator puts
/// something there. Only the decision makes one; it isn't `Clone`, so one decision opens one thing once.
#[derive(Debug)]
pub struct Permit {
    domain: DomainName,
    name: ResourceName,
    action: Action,
}

impl Permit {
    pub(crate) fn new(domain: DomainName, name: ResourceName, action: Action) -> Self {
        Self { domain, name, action }
    }

    /// Whose domain.
    pub fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// Which resource.
    pub fn name(&self) -> &ResourceName {
        &self.name
    }

    /// What may be done to it.
    pub fn action(&self) -> Action {
        self.action
    }
}

/// Why a decision went against a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The name is reserved for the machines' own identity, whatever the policy says.
    #[error("this name is reserved for the machines' own identity; choose another")]
    ReservedName,
    /// The policy doesn't allow it.
    #[error("not found, or not allowed")]
    NotAllowed,
    /// The policy allows it to who proves this on its channel, and this peer hasn't, or too long ago.
    #[error("this needs a proof on this channel")]
    NeedsProof(Needs),
    /// The peer belongs to another domain.
    #[error("not found, or not allowed")]
    ForeignDomain,
    /// The peer's role isn't agent.
    #[error("not found, or not allowed")]
    NotAnAgent,
}

impl Denied {
    /// The code that the peer sees. All that could tell what exists share one.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::ReservedName => ErrorCode::ReservedName,
            Self::NeedsProof(_) => ErrorCode::ProofNeeded,
            Self::NotAllowed | Self::ForeignDomain | Self::NotAnAgent => ErrorCode::NotFound,
        }
    }
}
