//! TPMs: quotes as they come from swtpm and from stock programs, and with one thing changed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod activation;
mod made;
mod quotes;
mod stock;
