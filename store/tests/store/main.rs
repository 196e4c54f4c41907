//! The store as a whole: entries, domains, the writer, what tampering does.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod changes;
mod common;
mod crash;
mod data_dir;
mod domains;
mod entries;
mod faults;
mod limits;
mod model;
mod once;
mod quotas;
mod secrecy;
mod tampering;
mod tickets;
mod trail;
