//! AMD SEV-SNP: a report, signed by a key that AMD's roots vouch for.
//!
//! A package is the report as the firmware gave it, then (if the machine has them) the certificates that its host
//! gave it, then (if it has something to say) user data. The report alone is looked at first: nothing is fetched
//! and no signature verified for a machine that the domain doesn't want anyway.

mod advice;
mod cache;
mod case;
mod certs;
mod chain;
mod crl;
mod demands;
mod examine;
mod form;
mod hex_bytes;
mod material;
mod package;
mod platform;
mod product;
mod report;
mod requirements;
mod revocation;
mod roots;
mod rules;
mod stock;
mod table;
mod tcb;
mod vek;
mod verify;

pub use cache::SnpChainCache;
pub use examine::{SnpExamination, SnpQuestion, examine_snp};
pub use hex_bytes::{ChipId, HexBytes, HexError};
pub use package::{ITEM_SNP_CERTIFICATES, ITEM_SNP_REPORT, ITEM_USER_DATA, snp_package, snp_report_data};
pub use product::{SnpProduct, UnknownProduct};
pub use report::{SNP_REPORT_LEN, SnpReport, SnpSigner};
pub use requirements::{
    AliasCheck, GuestPolicyDemands, MinimumTcb, PlatformDemands, RequirementsError, SnpRequirements,
    Strength, Weakness,
};
pub use revocation::{RevocationListError, SnpRevocationList};
pub use roots::amd_certificates;
pub use rules::{SnpOutcome, SnpRule, SnpVerdict};
pub use table::{MAX_CERTIFICATE_TABLE, TableEntry, read_certificate_table, write_certificate_table};
pub use tcb::SnpTcb;

pub(crate) use package::Pending;
pub(super) use package::screen;
pub(super) use stock::{StockItems, screen_stock};

pub(super) const SUBMITTED_TYPE: &str = "sev-snp-package";

/// AMD's roots are pinned; a reference value may name another, of a test platform.
pub(super) const NEEDS_ROOT: bool = false;

pub(super) const HAS_VMPL: bool = true;

/// Bytes of a launch digest, a SHA-384 (SEV-SNP ABI §8.17).
pub(super) const MEASUREMENT: usize = 48;
