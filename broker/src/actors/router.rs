//! The router of a shard: a validated request in, an outcome out. The one way to a secret.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, Response};
use claviger_acl::{Action, Denied, Permit};
use claviger_attest::Peer;
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::{Outcome, Refusal, Request, Retrieve, Store};
use claviger_store::{AuditFacts, Command, Done, PutEntry, StoreError};
use rustls::pki_types::UnixTime;

use super::acl::View;
use super::audit::{self, Segments};
use super::recorder::{Held, Recorder};
use super::store::Desk;
use crate::domain::Domain;
use crate::net::permits::Permits;
use crate::request_id::RequestId;
use crate::runtime::panics;

/// Decide this request and, if it may be done, do it.
#[derive(Message)]
#[rtype(result = "Held")]
pub struct Route {
    /// The domain that the channel belongs to.
    pub domain: Arc<Domain>,
    /// Who asks.
    pub peer: Arc<Peer>,
    /// From where, as records have it.
    pub source: Arc<str>,
    /// What.
    pub request: Request,
    /// In which request.
    pub id: RequestId,
}

/// See the module.
pub struct Router {
    view: View,
    recorder: Recorder,
    permits: Permits,
    desk: Desk,
}

impl Router {
    /// A router that decides by `view`, records in `segments`, and has its stores answered at `desk`.
    pub fn new(view: View, segments: Segments, permits: Permits, desk: Desk) -> Self {
        Self { view, recorder: Recorder::new(segments), permits, desk }
    }
}

impl Actor for Router {
    type Context = Context<Self>;
}

/// What became of a request's synchronous part.
enum Step {
    /// It is answered.
    Answered(Held),
    /// It waits for its commit, which records it.
    Committing(Box<Pending>),
}

/// A store on its way to the committer.
struct Pending {
    domain: Arc<Domain>,
    command: Command,
    place: crate::net::permits::Place,
    facts: AuditFacts,
}

impl Handler<Route> for Router {
    /// What is answered at once needs no future and no task.
    type Result = Response<Held>;

    fn handle(&mut self, route: Route, _: &mut Context<Self>) -> Self::Result {
        let id = route.id;
        let internal = || Step::Answered(Held::recorded(failed()));
        let step = panics::contain("router", || self.decide(route)).unwrap_or_else(internal);
        match step {
            Step::Answered(held) => Response::reply(held),
            Step::Committing(pending) => {
                let (recorder, desk) = (self.recorder.clone(), self.desk.clone());
                Response::fut(async move { commit(*pending, &recorder, &desk, id).await })
            }
        }
    }
}

impl Router {
    /// Expiry, then the ACL, then the store; whatever the outcome, it is recorded before it can be sent.
    fn decide(&self, route: Route) -> Step {
        let Route { domain, peer, source, request, id } = route;
        let now = UnixTime::now();
        let mut facts = audit::event(&peer, &source, id, request.kind(), now);
        facts.name = Some(request.name().to_string());
        // What the channel was opened under may have changed since: decide by what is in force now.
        let Some(domain) = self.current(&domain) else {
            return Step::Answered(Held::recorded(self.unserved()));
        };
        let permit = match authorise(&domain, &peer, &request, now) {
            Ok(permit) => permit,
            Err(refusal) => {
                return Step::Answered(self.recorder.record(&domain, facts, id, Outcome::Refused(refusal)));
            }
        };
        match request {
            Request::Retrieve(retrieve) => {
                let outcome = open(&domain, permit, &retrieve, &mut facts);
                Step::Answered(self.recorder.record(&domain, facts, id, outcome))
            }
            Request::Store(store) => match self.permits.stores.take() {
                None => {
                    let busy = refuse(ErrorCode::Busy, "too many stores are waiting; try again in a second");
                    Step::Answered(self.recorder.record(&domain, facts, id, busy))
                }
                Some(place) => {
                    let command = put(&domain, permit, store, now, facts.clone());
                    Step::Committing(Box::new(Pending { domain, command, place, facts }))
                }
            },
        }
    }

    /// Why there is nothing in the place of a channel's domain.
    fn unserved(&self) -> Outcome {
        if self.view.domains().is_sealed() {
            let why = "the broker is sealed; try again when its operator has unsealed it";
            return refuse(ErrorCode::Sealed, why);
        }
        refuse(ErrorCode::CertificateRefused, "this domain is no longer served here")
    }

    /// The domain as it is now, if it is still the one that the channel was opened in.
    fn current(&self, channel: &Domain) -> Option<Arc<Domain>> {
        let domains = self.view.domains();
        let now = domains.get(&channel.name)?;
        (now.keys.generation() == channel.keys.generation()).then(|| Arc::clone(now))
    }
}

/// Dates first (an expired certificate decides nothing), then the ACL.
fn authorise(domain: &Domain, peer: &Peer, request: &Request, now: UnixTime) -> Result<Permit, Refusal> {
    let dates = domain.policy.check_dates(now).and_then(|()| peer.check_dates(now));
    dates.map_err(|error| Refusal::new(ErrorCode::CertificateRefused, error.to_string()))?;
    let action = match request {
        Request::Store(_) => Action::Store,
        Request::Retrieve(_) => Action::Retrieve,
    };
    domain.acl.decide(peer, action, request.name()).map_err(|denied| match denied {
        Denied::ReservedName => {
            Refusal::new(ErrorCode::ReservedName, "this name is reserved for a machine's own identity")
        }
        _ => not_found(),
    })
}

/// The one answer for "there is none" and "not for you".
fn not_found() -> Refusal {
    Refusal::new(
        ErrorCode::NotFound,
        "not found, or not allowed: ask the domain's owner whether it exists and who may have it",
    )
}

fn open(domain: &Domain, permit: Permit, retrieve: &Retrieve, facts: &mut AuditFacts) -> Outcome {
    match domain.storage.store.retrieve(&domain.keys, permit, retrieve.version) {
        Ok(mut entry) => {
            // As the peer has to send it, should it store it again.
            entry.tag = retrieve.name.to_wire(&domain.name);
            facts.version = entry.version.map(claviger_proto::Version::get);
            Outcome::Retrieved(entry)
        }
        Err(error) => Outcome::Refused(refusal(&error)),
    }
}

fn put(domain: &Domain, permit: Permit, store: Store, now: UnixTime, audit: AuditFacts) -> Command {
    let Store { name: _, version, entry_type, exportable, blob } = store;
    Command::Put(PutEntry {
        keys: Arc::clone(&domain.keys),
        permit,
        version,
        entry_type,
        exportable,
        blob,
        now: audit::seconds(now),
        audit,
    })
}

/// The commit itself records a store that succeeds; one that doesn't is recorded here.
async fn commit(pending: Pending, recorder: &Recorder, desk: &Desk, id: RequestId) -> Held {
    let Pending { domain, command, place, facts } = pending;
    match domain.storage.commit_for(desk, command, place).await {
        Ok(Done::Stored { version, .. }) => {
            recorder.stored();
            tracing::debug!(%id, domain = %domain.name, %version, "stored");
            Held::recorded(Outcome::Stored(version))
        }
        Ok(_) => Held::recorded(failed()),
        Err(error) => recorder.record(&domain, facts, id, Outcome::Refused(refusal(&error))),
    }
}

fn refusal(error: &StoreError) -> Refusal {
    match error.code() {
        ErrorCode::NotFound => not_found(),
        ErrorCode::Unavailable => {
            // What is wrong inside is for the operator, not for peers.
            tracing::error!(%error, "the store failed");
            Refusal::new(
                ErrorCode::Unavailable,
                "the broker's store failed; nothing was changed; try again later",
            )
        }
        code => Refusal::new(code, error.to_string()),
    }
}

fn failed() -> Outcome {
    refuse(ErrorCode::Unavailable, "the broker failed on this request")
}

fn refuse(code: ErrorCode, message: &str) -> Outcome {
    Outcome::Refused(Refusal::new(code, message))
}
