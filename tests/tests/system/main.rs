//! Whole-system tests, one module per theme.
//!
//! Names that begin with `t` and two digits are rows of the threat list in `docs/threat-model.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod docs;
mod durability;
mod entries;
mod imports;
mod quickstart;
mod refusals;
mod scenario;
mod sealing;
mod slots;
mod stock;
mod threats;
