//! Verification of SEV-SNP reports: AMD's own, where they are, and fakes that are signed anew after each change.
#![allow(clippy::unwrap_used, reason = "a test that can't go on is to fail")]

mod genuine;
mod support;
