//! The ACL actor of a shard: the only writer of what the shard decides by.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message};

use crate::domain::Domains;

/// A new snapshot of all domains: their ACLs, references, certificates.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct DomainsChanged(pub Arc<Domains>);

/// What a shard decides by, read synchronously by its router and its connections. One `Arc` is one
/// moment: a decision that holds it never mixes two versions.
#[derive(Clone, Default)]
pub struct View(Rc<RefCell<Arc<Domains>>>);

impl View {
    /// The snapshot of this moment.
    pub fn domains(&self) -> Arc<Domains> {
        Arc::clone(&self.0.borrow())
    }
}

/// Owns the shard's view.
pub struct AclActor {
    view: View,
}

impl AclActor {
    /// An actor over `view`, which starts with the snapshot that is there.
    pub fn new(view: View) -> Self {
        Self { view }
    }
}

impl Actor for AclActor {
    type Context = Context<Self>;
}

impl Handler<DomainsChanged> for AclActor {
    type Result = ();

    fn handle(&mut self, DomainsChanged(domains): DomainsChanged, _: &mut Context<Self>) {
        // Readers hold no borrow across an await, so this can't meet one.
        *self.view.0.borrow_mut() = domains;
    }
}
