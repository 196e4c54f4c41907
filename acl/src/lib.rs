//! Who may do what: a casbin model, presets, and decisions that yield a [`Permit`].
//!
//! A policy is text in casbin's own form (RBAC with domains, deny wins). It is validated by line, loaded into
//! casbin, and compiled into an index; decisions read the index, which tests hold equal to casbin. Pure: no
//! I/O, no clock, no async runtime.

mod acl;
mod action;
mod asker;
mod condition;
mod error;
mod explain;
mod index;
mod oracle;
mod pattern;
mod permit;
mod policy;
mod preset;
mod subject;

pub use acl::Acl;
pub use action::Action;
pub use asker::{Situation, Supposed};
pub use condition::Lacks;
pub use error::{AclError, LineError};
pub use explain::{Decider, Explanation};
pub use oracle::Oracle;
pub use permit::{Denied, Permit};
pub use preset::Preset;
