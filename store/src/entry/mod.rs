//! Entries: how the versions of a name are kept.
//!
//! A sealed head says which versions a name has had and what they are; each version's secret is sealed for
//! itself, together with what the head says of it, so neither can be exchanged for another. The newest
//! version, if it is small, lies beside its head until the next one comes: one record to write for a name's
//! first version, one to read for its latest. The head keeps what is known of the newest versions only; older
//! ones go to pages, so that a name with thousands of versions costs no more to store to than one with two.
//!
//! A version that is deleted is sealed anew as such, one that is destroyed is replaced by a mark that it was. From
//! then on the newest version of that name has a record of its own.
//!
//! An older head put back is given away by the record of a version that it can't know of, or by one that is
//! sealed as something else than the head says. That a name is gone altogether a read can't tell from one that
//! never was; [`crate::audit::verify`] can.

mod cache;
mod head;
mod meta;
mod names;
mod read;

pub(crate) use cache::{HeadCache, Known};
pub(crate) use head::{Head, LARGEST_BESIDE, Whereabouts, find_on_page, open_page, page_of, seal_page};
pub(crate) use meta::{Stage, VersionMeta};
pub(crate) use names::NameIndex;
pub(crate) use read::{Loaded, current, describe, is_put_back, load, open, open_version, retrieve, versions};
