//! The audit actor of a shard: owns the shard's segments, and sees that they reach the disk, in time or before an answer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext as _, Context, Handler, Message};
use claviger_attest::Peer;
use claviger_store::{AuditFacts, BlockNumber, SegmentHead, SegmentWriter, audit::AuditError};
use rustls::pki_types::UnixTime;
use tokio::sync::Mutex;

use super::attestor::{Admitted, Granted};
use crate::domain::Domain;
use crate::request_id::RequestId;
use crate::runtime::stack;

/// The shard's segments, one per domain, appended to before an answer leaves.
///
/// What the router decides in one turn of the event loop shares a block: it enters records, and the first
/// connection that is about to answer settles them all.
#[derive(Clone)]
pub struct Segments(Rc<RefCell<Open>>);

struct Open {
    shard: u16,
    /// By generation, for a domain that is made anew under an old name is another.
    writers: HashMap<[u8; 16], SegmentWriter>,
    /// How far what had to be on the disk before its answer is there. Whoever waits for the disk holds the lock; who came
    /// meanwhile finds that the next flush was for all of them.
    synced: HashMap<[u8; 16], Rc<Mutex<Option<BlockNumber>>>>,
}

impl Segments {
    /// No segments yet; each is opened at its first record.
    pub fn new(shard: u16) -> Self {
        Self(Rc::new(RefCell::new(Open { shard, writers: HashMap::new(), synced: HashMap::new() })))
    }

    /// Enters one record of `domain`. What it is about may leave once the receipt is settled.
    pub fn enter(&self, domain: &Domain, facts: &AuditFacts) -> Result<Receipt, AuditError> {
        let Open { shard, writers, .. } = &mut *self.0.borrow_mut();
        let generation = *domain.keys.generation();
        let writer = match writers.entry(generation) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let audit_dir = &domain.storage.audit_dir;
                entry.insert(SegmentWriter::open(audit_dir, Arc::clone(&domain.keys), *shard)?)
            }
        };
        Ok(Receipt { generation, block: writer.enter(facts)?, durable: domain.access.durable_audit })
    }

    /// Sees to it that the record is in its file, and on the disk where the domain wants that.
    pub async fn settle(&self, Receipt { generation, block, durable }: Receipt) -> Result<(), AuditError> {
        // The domain was deleted meanwhile, and its trail with it.
        self.0.borrow_mut().writers.get_mut(&generation).ok_or(AuditError::Deleted)?.settle(block)?;
        if durable { self.sync(generation, block).await } else { Ok(()) }
    }

    /// Waits until a block that was written is on the disk.
    async fn sync(&self, generation: [u8; 16], block: BlockNumber) -> Result<(), AuditError> {
        let synced = Rc::clone(self.0.borrow_mut().synced.entry(generation).or_default());
        let mut synced = synced.lock().await;
        if synced.is_some_and(|synced| synced >= block) {
            return Ok(());
        }
        let (sync, all) = {
            let writers = &mut self.0.borrow_mut().writers;
            let writer = writers.get_mut(&generation).ok_or(AuditError::Deleted)?;
            (writer.begin_sync()?, writer.last_block())
        };
        let run = actix_rt::task::spawn_blocking(move || sync.run());
        run.await.unwrap_or(Err(AuditError::Stopped))?;
        *synced = Some(all);
        Ok(())
    }

    /// Appends one record of `domain`.
    pub async fn append(&self, domain: &Domain, facts: &AuditFacts) -> Result<(), AuditError> {
        let receipt = self.enter(domain, facts)?;
        self.settle(receipt).await
    }
}

/// A record that was entered and isn't settled yet.
#[derive(Debug)]
#[must_use = "nothing may leave before its record is settled"]
pub struct Receipt {
    generation: [u8; 16],
    block: BlockNumber,
    durable: bool,
}

/// Who asks, from where, in which request: the part of a record that is known before its outcome.
pub fn event(
    peer: &Peer,
    source: &Arc<str>,
    id: RequestId,
    action: &'static str,
    now: UnixTime,
) -> AuditFacts {
    AuditFacts {
        time: seconds(now),
        request_id: id.as_str().to_owned(),
        action: action.into(),
        peer_fingerprint: Some(*peer.fingerprint()),
        measurement: peer.measurement().map(|m| m.as_bytes().to_vec()),
        role: peer.role().as_str().into(),
        source: Arc::clone(source),
        ..AuditFacts::default()
    }
}

/// The record of an admission; `action` is `enroll` or `renew`.
pub fn admission_event(
    action: &'static str,
    id: RequestId,
    source: SocketAddr,
    admitted: Option<&Admitted>,
    outcome: &'static str,
) -> AuditFacts {
    AuditFacts {
        time: seconds(UnixTime::now()),
        request_id: id.as_str().to_owned(),
        action: action.into(),
        outcome: outcome.into(),
        peer_fingerprint: admitted.map(|admitted| claviger_attest::sha256(&admitted.certificate)),
        measurement: admitted.map(|admitted| admitted.measurement.as_bytes().to_vec()),
        role: "agent".into(),
        source: source.to_string().into(),
        reason: admitted
            .and_then(|admitted| admitted.enrolment)
            .map(|first| format!("of the enrolment {}", hex::encode(first))),
        ..AuditFacts::default()
    }
}

/// The record of what a broker elsewhere was given or refused; `action` is `broker-enroll` or `broker-state`. Whether the
/// policy key went along is its reason.
pub fn grant_event(
    action: &'static str,
    id: RequestId,
    source: SocketAddr,
    granted: Option<&Granted>,
    outcome: &'static str,
) -> AuditFacts {
    let with_key = granted.is_some_and(|granted| granted.state.policy_key.is_some());
    AuditFacts {
        time: seconds(UnixTime::now()),
        request_id: id.as_str().to_owned(),
        action: action.into(),
        outcome: outcome.into(),
        peer_fingerprint: granted.map(|granted| granted.fingerprint),
        measurement: granted.map(|granted| granted.measurement.as_bytes().to_vec()),
        role: "broker".into(),
        source: source.to_string().into(),
        reason: with_key.then(|| "it was given the policy key".to_owned()),
        ..AuditFacts::default()
    }
}

/// The record of a launch ticket that a machine came with. Which, and what became of it, is filled in by the writer.
pub fn ticket_event(id: RequestId, source: SocketAddr) -> AuditFacts {
    AuditFacts {
        time: seconds(UnixTime::now()),
        request_id: id.as_str().to_owned(),
        action: "ticket-use".into(),
        outcome: "ok".into(),
        role: "agent".into(),
        source: source.to_string().into(),
        ..AuditFacts::default()
    }
}

/// Seconds since 1970, as records have them.
pub fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// Make durable what was appended for this domain, and say how far that is; `None` if nothing ever was.
#[derive(Message)]
#[rtype(result = "Result<Option<SegmentHead>, AuditError>")]
pub struct SyncDomain(pub [u8; 16]);

/// This domain is deleted, or the broker sealed: let go of its segment, and so of its keys.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct DomainDeleted(pub [u8; 16]);

/// Syncs the shard's segments in time.
pub struct AuditActor {
    segments: Segments,
    every: Duration,
}

impl AuditActor {
    /// An actor over `segments` that lets no record wait longer than `every` for the disk.
    pub fn new(segments: Segments, every: Duration) -> Self {
        Self { segments, every }
    }

    /// Starts the syncs that are due, on threads that may block.
    fn sync_due(&mut self) {
        let due: Vec<_> = self
            .segments
            .0
            .borrow_mut()
            .writers
            .values_mut()
            .filter(|w| w.is_dirty())
            .filter_map(|w| w.begin_sync().ok())
            .collect();
        if due.is_empty() {
            return;
        }
        actix_rt::task::spawn_blocking(move || {
            for sync in due {
                if let Err(error) = sync.run() {
                    tracing::error!(%error, "an audit segment could not be synced");
                    metrics::counter!("claviger_audit_sync_failures_total").increment(1);
                }
            }
        });
    }
}

impl Actor for AuditActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_interval(self.every, |actor, _| actor.sync_due());
    }
}

impl Handler<SyncDomain> for AuditActor {
    type Result = actix::ResponseFuture<Result<Option<SegmentHead>, AuditError>>;

    fn handle(&mut self, SyncDomain(generation): SyncDomain, _: &mut Context<Self>) -> Self::Result {
        let sync = self.segments.0.borrow_mut().writers.get_mut(&generation).map(SegmentWriter::begin_sync);
        Box::pin(async move {
            let Some(sync) = sync else { return Ok(None) };
            let sync = sync?;
            let run = actix_rt::task::spawn_blocking(move || sync.run());
            run.await.unwrap_or(Err(AuditError::Stopped)).map(Some)
        })
    }
}

impl Handler<DomainDeleted> for AuditActor {
    type Result = ();

    fn handle(&mut self, DomainDeleted(generation): DomainDeleted, _: &mut Context<Self>) {
        let open = &mut *self.segments.0.borrow_mut();
        open.writers.remove(&generation);
        open.synced.remove(&generation);
        // Keys of single records are made where they are used.
        stack::scrub();
    }
}
