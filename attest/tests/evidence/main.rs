//! Simulated-enclave evidence, good and bad: each bad one differs from the good one in exactly one thing.

#[path = "../fakes/mod.rs"]
mod fakes;
mod form;
mod signed;
mod trust;

use claviger_attest::AttestError;
use fakes::Fake;

/// Good evidence with one change is refused, with this error.
pub(crate) fn refused(what: &str, change: impl FnOnce(&mut Fake)) -> AttestError {
    let mut fake = Fake::good();
    change(&mut fake);
    fake.verify().map(|_| ()).expect_err(what)
}

pub(crate) fn statement(what: &str, change: impl FnOnce(&mut Fake)) {
    let error = refused(what, change);
    assert!(matches!(error, AttestError::Statement { .. }), "{what}: {error}");
}

pub(crate) fn malformed(what: &str, change: impl FnOnce(&mut Fake)) {
    let error = refused(what, change);
    assert!(matches!(error, AttestError::Malformed { .. }), "{what}: {error}");
}
