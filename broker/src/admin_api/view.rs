//! What the admin API over the network knows of the domains: it learns of changes as a shard does, before they are
//! answered, and lets go of everything when the broker is sealed.

use std::sync::Arc;

use actix::{Actor, Context, Handler};
use claviger_store::audit::{AuditError, SegmentHead};
use parking_lot::RwLock;

use crate::actors::acl::DomainsChanged;
use crate::actors::audit::{DomainDeleted, SyncDomain};
use crate::actors::domains::ShardSeams;
use crate::domain::Domains;

/// The domains of this moment. Whoever takes them holds them for the decision about one call, never across a wait.
#[derive(Clone, Default)]
pub(crate) struct AdminView(Arc<RwLock<Arc<Domains>>>);

impl AdminView {
    /// The snapshot of this moment.
    pub(super) fn domains(&self) -> Arc<Domains> {
        Arc::clone(&self.0.read())
    }

    /// Where it is told of changes.
    pub(crate) fn seams(&self) -> ShardSeams {
        let learner = Learner(self.clone()).start();
        ShardSeams {
            acl: learner.clone().recipient(),
            sync: learner.clone().recipient(),
            deleted: learner.recipient(),
        }
    }
}

/// Puts what it is told into the view.
struct Learner(AdminView);

impl Actor for Learner {
    type Context = Context<Self>;
}

impl Handler<DomainsChanged> for Learner {
    type Result = ();

    fn handle(&mut self, DomainsChanged(domains): DomainsChanged, _: &mut Context<Self>) {
        *self.0.0.write() = domains;
    }
}

/// It appends nothing to any trail.
impl Handler<SyncDomain> for Learner {
    type Result = Result<Option<SegmentHead>, AuditError>;

    fn handle(&mut self, _: SyncDomain, _: &mut Context<Self>) -> Self::Result {
        Ok(None)
    }
}

impl Handler<DomainDeleted> for Learner {
    type Result = ();

    fn handle(&mut self, _: DomainDeleted, _: &mut Context<Self>) {}
}
