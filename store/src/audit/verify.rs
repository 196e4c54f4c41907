//! Checking a domain's whole trail.

use std::path::Path;

use crate::audit::{AuditError, Report};
use crate::domain::DomainKeys;
use crate::store::Store;

/// Checks a domain's trail: every chain, every checkpoint, and the entries against the trail. `check_signature`
/// gets a checkpoint's bytes and its signature.
pub fn verify(
    store: &Store,
    audit_dir: &Path,
    keys: &DomainKeys,
    check_signature: &dyn Fn(&[u8], &[u8]) -> bool,
) -> Result<Report, AuditError> {
    todo!()
}
