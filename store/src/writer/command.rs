//! What a writer is told, and what it answers.

use std::ops::RangeInclusive;
use std::sync::Arc;

use claviger_acl::{Action, Permit};
use claviger_proto::key_service::PutOptions;
use claviger_proto::{DomainName, EntryType, Secret, Version};

use crate::audit::{AuditFacts, SegmentHead};
use crate::domain::{BrokerIdentity, DomainKeys, DomainRecord, HomeMark};
use crate::entry::Stage;
use crate::ticket::{Ticket, TicketFault, TicketId};
use crate::usage::Quota;

/// What a [`crate::Writer`] is told to do. Carries secrets: no `Debug`, no `Clone`.
pub enum Command {
    /// Store a version of a name.
    Put(PutEntry),
    /// Delete, undelete or destroy versions of a name.
    Change(ChangeVersions),
    /// Make a domain.
    CreateDomain(NewDomain),
    /// Change what describes a domain.
    UpdateDomain(UpdateDomain),
    /// Delete a domain, its key first.
    DeleteDomain(DeleteDomain),
    /// Join the heads of a domain's audit segments in a signed checkpoint.
    Checkpoint(CheckpointDomain),
    /// Make, take back or use launch tickets.
    Tickets(Tickets),
    /// Do something that may be done once.
    Once(Once),
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
    /// What else is asked.
    pub options: PutOptions,
    /// How much the domain may take up, where that isn't what every domain may.
    pub quota: Quota,
    /// When, seconds since 1970.
    pub now: i64,
    /// Who asked. The name and the version are filled in by the writer.
    pub audit: AuditFacts,
}

/// Delete, undelete or destroy versions of the name that the permit is for.
pub struct ChangeVersions {
    /// Whose.
    pub keys: Arc<DomainKeys>,
    /// The proof that it may be done; says to which name.
    pub permit: Permit,
    /// What to do.
    pub change: Change,
    /// To which versions.
    pub span: Span,
    /// Who asked. The name and the version are filled in by the writer: one record for each version that changes.
    pub audit: AuditFacts,
}

/// What is done to a version that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It can't be got until that is undone.
    Delete,
    /// Undoes a deletion.
    Undelete,
    /// Its secret is replaced by a mark that there was one.
    Destroy,
}

impl Change {
    /// Where a version is after it, if that is somewhere else.
    pub(crate) fn next(self, stage: Stage) -> Option<Stage> {
        match (self, stage) {
            (Self::Delete, Stage::There) => Some(Stage::Deleted),
            (Self::Undelete, Stage::Deleted) => Some(Stage::There),
            (Self::Destroy, Stage::There | Stage::Deleted) => Some(Stage::Destroyed),
            _ => None,
        }
    }

    /// What is allowed to whoever may do it.
    pub fn action(self) -> Action {
        match self {
            Self::Delete | Self::Undelete => Action::Delete,
            Self::Destroy => Action::Destroy,
        }
    }
}

/// Which versions are changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// This one. One that was destroyed can't be anything else any more, which is an error.
    One(Version),
    /// All of these numbers, which are there, except those that were destroyed. Each is opened and sealed anew in
    /// one commit, so there should be few.
    Range(RangeInclusive<u32>),
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
    /// Other access rules of the owner's own, or principals.
    Access(Vec<u8>),
    /// Other quotas, by the operator's word; as the broker serializes them.
    Quotas(Vec<u8>),
    /// Another certificate of the broker's own.
    BrokerIdentity(BrokerIdentity),
    /// Other issuing keys, and the broker's own certificate where that is another as well.
    Issuing {
        /// As the broker serializes them.
        issuing: Secret,
        /// The broker's own.
        identity: Option<BrokerIdentity>,
    },
    /// All that another broker gave.
    Pulled(Box<PulledDomain>),
}

/// What another broker gave of a domain that was pulled from it before.
pub struct PulledDomain {
    /// How far that broker was. One that is behind the last isn't taken.
    pub home: HomeMark,
    /// The policy key, PKCS#8 DER, if this broker may have it; else it has none from now on.
    pub policy_key: Option<Secret>,
    /// The ACL preset's name.
    pub preset: String,
    /// The reference values, as the broker serializes them.
    pub references: Vec<u8>,
    /// The access rules and principals, as the broker serializes them.
    pub access: Vec<u8>,
    /// Another certificate of the broker's own, where there is one.
    pub identity: Option<BrokerIdentity>,
}

/// Make, take back or use launch tickets.
pub struct Tickets {
    /// Whose.
    pub keys: Arc<DomainKeys>,
    /// What to do.
    pub change: TicketChange,
    /// Who asked. The name is filled in by the writer, a ticket's id; the outcome too, where one is to be used.
    pub audit: AuditFacts,
}

/// What is done to launch tickets.
pub enum TicketChange {
    /// Make these; there is none of their ids.
    Create(Vec<Ticket>),
    /// Take one back that wasn't used. Doing so again changes nothing.
    Revoke {
        /// Which.
        id: TicketId,
        /// When, seconds since 1970.
        now: i64,
    },
    /// Somebody came with one that couldn't be used: write it down, and count it in the ticket, if there is one.
    Report {
        /// Which.
        id: TicketId,
        /// Why it couldn't be used.
        fault: TicketFault,
        /// When, seconds since 1970.
        now: i64,
    },
    /// Use one, which can be done once; that somebody tries it again is counted in it.
    Spend {
        /// Which.
        id: TicketId,
        /// SHA-256 of the admission certificate that it is for.
        certificate: [u8; 32],
        /// When, seconds since 1970.
        now: i64,
    },
}

/// Remember that something was done, and say whether it was for the first time.
pub struct Once {
    /// In which domain.
    pub keys: Arc<DomainKeys>,
    /// A digest of what was done.
    pub what: [u8; 32],
    /// Until when it has to be remembered, seconds since 1970: always the same for the same thing.
    pub until: i64,
    /// When, seconds since 1970.
    pub now: i64,
    /// Who did it. Where it isn't the first time, the outcome is filled in by the writer: `repeated`.
    pub audit: AuditFacts,
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
    /// These versions have changed; the others of the span were as they should be already.
    Changed(Vec<Version>),
    /// A domain is made.
    DomainCreated(Arc<DomainKeys>),
    /// A domain is changed.
    DomainUpdated,
    /// Tickets are made or taken back.
    TicketsChanged,
    /// A ticket was used, or why it couldn't be.
    TicketSpent(Result<(), TicketFault>),
    /// Whether it was the first time.
    Once(bool),
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
