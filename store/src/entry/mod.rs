//! Entries: how the versions of a name are kept.
//!
//! A sealed head says which versions a name has had and what they are; each version's secret is sealed for
//! itself, together with what the head says of it, so neither can be exchanged for another. The newest
//! version, if it is small, lies beside its head until the next one comes: one record to write for a name's
//! first version, one to read for its latest. The head keeps what is known of the newest versions only; older
//! ones go to pages, so that a name with thousands of versions costs no more to store to than one with two.
//!
//! An older head put back is given away by the record of a version that it can't know of. That a name is gone
//! altogether a read can't tell from one that never was; [`crate::audit::verify`] can.

mod cache;
mod head;
mod read;

pub(crate) use cache::HeadCache;
pub(crate) use head::{Head, LARGEST_BESIDE, VersionMeta, seal_page};
pub(crate) use read::{Loaded, find, is_put_back, load, open_version, retrieve};
