//! What is kept, and how: sealed, versioned entries over an [`engine`], the [`slot`]s that hold the root
//! key, the keys and records of domains, and the [`audit`] trail.
//!
//! Everything that reaches an engine or a file is sealed first (see [`seal`]), so whoever runs the engine
//! reads neither secrets nor names. Without the feature `engine` only seals and slots are built: that is
//! what an agent needs for its own cryptstore; with `audit`, what checks an exported trail ([`audit::export`]) as well.
//!
//! What sealing can't do: somebody who can write to the disk can delete what is there, or put back an older
//! state of *everything* at once. The first is seen at the next read or by [`audit::verify`], the second
//! only by whoever holds a newer checkpoint. Deleting a domain destroys its key in the engine; it doesn't
//! reach into back-ups, or into blocks of the disk that the engine has let go of but not overwritten.

#[cfg(feature = "audit")]
pub mod audit;
#[cfg(feature = "engine")]
mod data_dir;
#[cfg(feature = "engine")]
mod domain;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
mod entry;
#[cfg(feature = "engine")]
mod error;
mod files;
mod id;
#[cfg(feature = "engine")]
mod layout;
mod root_key;
pub mod seal;
pub mod slot;
#[cfg(feature = "engine")]
mod store;
#[cfg(feature = "engine")]
mod ticket;
#[cfg(feature = "engine")]
mod usage;
#[cfg(feature = "engine")]
mod writer;

pub use id::StoreId;
pub use root_key::RootKey;
pub use slot::{NewSlot, SlotSpec};

#[cfg(feature = "engine")]
pub use crate::{
    audit::{AuditFacts, BlockNumber, SegmentHead, SegmentWriter},
    data_dir::{DataDir, DataDirError},
    domain::{BrokerIdentity, DomainKeys, DomainRecord, HomeMark, StoredDomain},
    error::StoreError,
    store::{Store, Witness},
    ticket::{Ticket, TicketFault, TicketId, TicketState},
    usage::{Quota, Usage, VERSION_BYTES},
    writer::{
        Change, ChangeVersions, CheckpointDomain, CheckpointSigner, Command, DeleteDomain, DomainChange,
        Done, NewDomain, Once, PulledDomain, PutEntry, PutLimits, Span, TicketChange, Tickets, UpdateDomain,
        Writer,
    },
};
