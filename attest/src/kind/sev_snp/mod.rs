//! AMD SEV-SNP: a report, signed by a key that AMD's roots vouch for.

mod hex_bytes;
mod product;
mod requirements;
mod tcb;

pub use hex_bytes::{ChipId, HexBytes, HexError};
pub use product::{SnpProduct, UnknownProduct};
pub use requirements::{
    AliasCheck, GuestPolicyDemands, MinimumTcb, PlatformDemands, RequirementsError, SnpRequirements,
    Strength, Weakness,
};
pub use tcb::SnpTcb;
