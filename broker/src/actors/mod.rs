//! The actors, each the owner of one thing, and the only place besides `runtime` that knows actix.
//!
//! ```text
//!            connection task ──ask──▶ router ──queue──▶ committer (owned by store) ──▶ desk
//!  (shard)        │                     │ calls
//!                 │                     ├──▶ view (domains, ACLs)   ◀── acl    ◀── DomainsChanged
//!                 │                     ├──▶ store's read side
//!                 │                     └──▶ segments               ◀── audit  (timer: fdatasync)
//!                 └──ask──▶ attestor (own threads)
//!  (main)     admin API ──ask──▶ domains ──queue──▶ committer, then ──ask──▶ every shard's acl and audit
//!                 │
//!                 └──ask──▶ keeper ──ask──▶ domains, every shard's acl and audit
//! ```
//!
//! The graph of asks has no cycle. A retrieve never leaves its core; a store does once, for its commit.

pub mod acl;
pub mod attestor;
pub mod audit;
pub mod domains;
pub mod keeper;
pub mod recorder;
pub mod router;
pub mod store;
