//! Whole-system tests, one module per theme.
//!
//! Names that begin with `t` and two digits are rows of the threat list in `docs/threat-model.md`.

mod durability;
mod entries;
mod quickstart;
mod refusals;
mod scenario;
mod stock;
mod threats;
