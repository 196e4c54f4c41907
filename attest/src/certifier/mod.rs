//! The stock Certifier Framework's policies: signed claims in, our policy out, and the other way round; and the proof
//! by which its verifiers admit.
//!
//! Claims are read whole or not at all: what isn't understood is refused, never passed over.

mod claim;
mod demands;
mod error;
mod evidence;
mod export;
mod import;
mod losses;
mod proof;
mod property;
mod rules;
mod statement;

pub use claim::{PolicyClaim, StockPolicy};
pub use error::{ClaimFault, EvidenceFault, ExportError, ImportError, ProofError, StockPolicyError};
pub use evidence::{StockFacts, StockKind};
pub use export::{Export, ExportTerms, export};
pub use import::{Imported, Understood};
pub use losses::{Loss, beyond_import, losses};
pub use proof::{Goal, Proof, Step, policy_statements, prove};
pub use property::{Comparator, PlatformFacts, Property, PropertyName, PropertyValue};
pub use rules::Rule;
pub use statement::{Entity, Environment, NamedKey, Quality, Statement};
