//! What a writer is told, and what it answers.

use std::sync::Arc;

use claviger_acl::Permit;
use claviger_proto::{DomainName, EntryType, Secret, Version};

use crate::audit::{AuditFacts, SegmentHead};
use crate::domain::{BrokerIdentity, DomainKeys, DomainRecord};

/// What a [`crate::Writer`] is told to do. Carries secrets: no `Debug`, no `Clone`.
pub enum Command {
    /// Store a version of a name.
    Put(PutEntry),
    /// Make a domain.
    CreateDomain(NewDomain),
    /// Change what describes a domain.
    UpdateDomain(UpdateDomain),
    /// Delete a domain, its key first.
    DeleteDomain(DeleteDomain),
    /// Join the heads of a domain's audit segments in a signed checkpoint.
    Checkpoint(CheckpointDomain),
}

/// Store a version of the name that the permit is for.
pub struct PutEntry {
    /// Whose.
    pub keys: Arc<DomainKeys>,
    /// The proof that it may be stored; says under which name.
    pub permit: Permit,
    /// Which version; `None` is the next.
    pub version: Option<Version>,
    /// What the blob is.
    pub entry_type: EntryType,
    /// Whether it may leave again.
    pub exportable: bool,
    /// The secret.
    pub blob: Secret,
    /// When, seconds since 1970.
    pub now: i64,
    /// Who asked. The name and the version are filled in by the writer.
    pub audit: AuditFacts,
}

/// Make a domain.
pub struct NewDomain {
    /// Its name.
    pub name: DomainName,
    /// What describes it.
    pub record: DomainRecord,
    /// Who asked: the first record of its trail.
    pub audit: AuditFacts,
}

/// Change what describes a domain.
pub struct UpdateDomain {
    /// Which.
    pub keys: Arc<DomainKeys>,
    /// What to change.
    pub change: DomainChange,
    /// Who asked.
    pub audit: AuditFacts,
}

/// One change of what describes a domain.
pub enum DomainChange {
    /// Another ACL preset.
    Preset(String),
    /// Other reference values.
    References(Vec<u8>),
    /// Another certificate of the broker's own.
    BrokerIdentity(BrokerIdentity),
}

/// Delete a domain. Its trail ends with it, so who asked is for the broker's log.
pub struct DeleteDomain {
    /// Which.
    pub keys: Arc<DomainKeys>,
}

/// Signs a checkpoint's bytes; `None` when it can't.
pub type CheckpointSigner = Box<dyn FnOnce(&[u8]) -> Option<Vec<u8>> + Send>;

/// Join the heads of a domain's audit segments in a signed checkpoint.
pub struct CheckpointDomain {
    /// Which domain.
    pub keys: Arc<DomainKeys>,
    /// When, seconds since 1970.
    pub now: i64,
    /// How far the shards' segments are on the disk. The trail in the engine is added.
    pub heads: Vec<SegmentHead>,
    /// Signs it.
    pub sign: CheckpointSigner,
}

/// What was done.
pub enum Done {
    /// A version is stored.
    Stored {
        /// Which.
        version: Version,
        /// Whether the same entry was there already, under that version.
        repeated: bool,
    },
    /// A domain is made.
    DomainCreated(Arc<DomainKeys>),
    /// A domain is changed.
    DomainUpdated,
    /// A domain's key is gone. [`crate::Writer::sweep`] removes what it sealed.
    DomainDeleted,
    /// A checkpoint is made.
    Checkpointed {
        /// Its number, from 1.
        sequence: u64,
        /// SHA-256 of what was signed: whoever keeps it can tell later that the trail went back.
        digest: [u8; 32],
    },
}
