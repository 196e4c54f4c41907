//! Entries: how the versions of a name are kept.
//!
//! A sealed head says which versions a name has had and what they are; each version's secret is a record of its
//! own, sealed together with what the head says of it. So a get is two reads, and neither can be exchanged
//! for another. The head keeps the newest versions only; older ones go to pages, so that a name with
//! thousands of versions costs no more to store to than one with two.

mod head;
mod read;

pub(crate) use head::{Head, VersionMeta, seal_page};
pub(crate) use read::{find, has_successor, load_head, open_version, retrieve};
