//! Whole-system tests, one module per theme.
//!
//! Names that begin with `t` and two digits are rows of the threat list in `docs/threat-model.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acl_nouns;
mod acl_test;
mod attest;
mod audit_export;
mod cryptstore;
mod docs;
mod durability;
mod ed25519;
mod elsewhere;
mod entries;
mod formats;
mod imports;
mod measure;
mod operations;
mod owner_key;
mod policy;
mod proving;
mod quickstart;
mod quotas;
mod refusals;
mod renewal;
mod requests;
mod revocation;
mod scenario;
mod sealing;
mod slots;
mod snp;
mod status;
mod stock;
mod stock_policy;
mod stock_servers;
mod suspend;
mod tenants;
mod threats;
mod tpm;
mod trace;
mod trail;
