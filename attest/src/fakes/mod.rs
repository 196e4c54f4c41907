//! A SEV-SNP platform that doesn't exist, for tests: reports and certificates of every form, good or bad, each
//! signed anew after every change, so that nothing but that change is wrong.
//!
//! Only in builds with the feature `fakes`, which no program of ours has outside of tests. Its root is trusted by
//! domains that name it, and by nobody else; nothing here is a switch in the verifier.

#![expect(clippy::missing_panics_doc, reason = "a test that asks for what can't be made is to panic")]

mod certificate;
mod platform;
mod report;

pub use crate::simulated_snp::report::ReportForm as FakeReport;
pub use certificate::{FakeCertificate, FakeCrl, FakeExtension, FakeSignature};
pub use platform::{FakeKey, FakePlatform};
pub use report::sign_report;
