//! Whole-system tests, one module per theme.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scenario;
