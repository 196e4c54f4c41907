//! The router of a shard: a validated request in, an outcome out. The one way to a secret.

mod names;
mod reads;
mod writes;

use std::net::IpAddr;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, Response};
use claviger_acl::{Action, Denied, Permit, Situation};
use claviger_attest::{CertificateError, Moment, Peer, Proofs};
use claviger_proto::ResourceName;
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::{Needs, Outcome, Refusal, Request};
use claviger_store::{AuditFacts, StoreError};
use futures_util::future::LocalBoxFuture;
use rustls::pki_types::UnixTime;

use super::acl::View;
use super::audit::{self, Segments};
use super::recorder::{Held, Recorder};
use super::store::Desk;
use crate::domain::Domain;
use crate::net::permits::Permits;
use crate::net::proving;
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
    /// What it proved on its channel, if anything.
    pub proofs: Option<Arc<Proofs>>,
    /// From where.
    pub address: IpAddr,
    /// The same, as records have it.
    pub source: Arc<str>,
    /// What.
    pub request: Request,
    /// In which request.
    pub id: RequestId,
}

/// See the module.
pub struct Router {
    view: View,
    tools: Tools,
}

/// What a request is done with; cheap to clone into what goes on after the router's turn.
#[derive(Clone)]
struct Tools {
    recorder: Recorder,
    permits: Permits,
    desk: Desk,
}

impl Router {
    /// A router that decides by `view`, records in `segments`, and has its stores answered at `desk`.
    pub fn new(view: View, segments: Segments, permits: Permits, desk: Desk) -> Self {
        Self { view, tools: Tools { recorder: Recorder::new(segments), permits, desk } }
    }
}

impl Actor for Router {
    type Context = Context<Self>;
}

/// What became of a request's synchronous part.
enum Step {
    /// It is answered.
    Answered(Held),
    /// It goes on after the router's turn.
    Later(LocalBoxFuture<'static, Held>),
}

/// A request of a peer in a domain as it is now.
struct Asked {
    domain: Arc<Domain>,
    peer: Arc<Peer>,
    proofs: Option<Arc<Proofs>>,
    address: IpAddr,
    now: UnixTime,
    facts: AuditFacts,
    id: RequestId,
}

impl Handler<Route> for Router {
    /// What is answered at once needs no future and no task.
    type Result = Response<Held>;

    fn handle(&mut self, route: Route, _: &mut Context<Self>) -> Self::Result {
        let internal = || Step::Answered(Held::recorded(failed()));
        match panics::contain("router", || self.decide(route)).unwrap_or_else(internal) {
            Step::Answered(held) => Response::reply(held),
            Step::Later(future) => Response::fut(future),
        }
    }
}

impl Router {
    /// Membership, then the ACL, then the store; whatever the outcome, it is recorded before it can be sent.
    fn decide(&self, route: Route) -> Step {
        let Route { domain, peer, proofs, address, source, request, id } = route;
        let now = UnixTime::now();
        let mut facts = audit::event(&peer, &source, id, request.kind(), now);
        facts.name = request.name().map(ToString::to_string);
        // What the channel was opened under may have changed since: decide by what is in force now.
        let current = self.view.domains().current(&domain).cloned();
        let Some(domain) = current else { return Step::Answered(self.unserved()) };
        facts.policy_version = Some(domain.serial);
        if let Some(proofs) = &proofs {
            let standing = proofs.standing(&domain.principals, moment(now));
            facts.evidence_age = standing.age().map(|age| age.as_secs());
            facts.principals = standing.principals().map(ToString::to_string).collect();
        }
        let mut asked = Asked { domain, peer, proofs, address, now, facts, id };
        // Who is no member any longer is told nothing of what exists.
        if let Err(error) = asked.domain.agents.check(&asked.peer, now) {
            if let CertificateError::Revoked { .. } = error {
                asked.facts.reason = Some(error.to_string());
            }
            return asked.refused(&self.tools, Refusal::new(error.code(), error.to_string()));
        }
        if let Err(refusal) = asked.domain.access.check_suspended() {
            return asked.refused(&self.tools, refusal);
        }
        match request {
            Request::Retrieve(retrieve) => reads::retrieve(asked, &self.tools, &retrieve),
            Request::Describe(describe) => reads::describe(asked, &self.tools, &describe),
            Request::Versions(versions) => reads::versions(asked, &self.tools, &versions),
            Request::List(list) => names::list(asked, &self.tools, list),
            Request::Store(store) => writes::store(asked, &self.tools, store),
            Request::Generate(generate) => writes::generate(asked, &self.tools, generate),
            Request::Rotate(rotate) => writes::rotate(asked, &self.tools, rotate),
            Request::Delete(target) => {
                writes::change(asked, &self.tools, claviger_store::Change::Delete, target)
            }
            Request::Undelete(target) => {
                writes::change(asked, &self.tools, claviger_store::Change::Undelete, target)
            }
            Request::Destroy(target) => {
                writes::change(asked, &self.tools, claviger_store::Change::Destroy, target)
            }
        }
    }

    /// Why there is nothing to decide by. What isn't any domain's is in no domain's trail.
    fn unserved(&self) -> Held {
        Held::recorded(if self.view.domains().is_sealed() {
            refuse(ErrorCode::Sealed, "the broker is sealed; try again when its operator has unsealed it")
        } else {
            refuse(ErrorCode::CertificateRefused, "this domain is no longer served here")
        })
    }
}

impl Asked {
    /// What the domain's rules say.
    fn decide(&self, action: Action, name: &ResourceName) -> Result<Permit, Denied> {
        self.domain.acl.decide_on(&self.peer, &self.situation(), action, name)
    }

    /// All that conditions can ask about, as it is now.
    fn situation(&self) -> Situation<'_> {
        let standing =
            self.proofs.as_ref().map(|proofs| proofs.standing(&self.domain.principals, moment(self.now)));
        Situation {
            standing: standing.unwrap_or_default(),
            source: Some(self.address),
            time: Some(self.now.as_secs()),
        }
    }

    /// Which rule denied it, for the domain's own trail: decided again, and only where something was denied. What comes
    /// before rules has its own code.
    fn explain(&self, denied: Denied, action: Action, name: &ResourceName) -> Option<String> {
        if !matches!(denied, Denied::NotAllowed | Denied::NeedsProof(_)) {
            return None;
        }
        Some(self.domain.acl.explain(&self.peer, &self.situation(), action, name).to_string())
    }

    /// The same, as the peer is told.
    fn may(&mut self, action: Action, name: &ResourceName) -> Result<Permit, Refusal> {
        let decided = self.decide(action, name);
        if let Err(denied) = &decided {
            self.facts.reason = self.explain(*denied, action, name);
        }
        decided.map_err(|denied| match denied {
            // By the rules alone: it says nothing of what exists.
            Denied::NeedsProof(needs) => proving::challenge(needs, lacking(needs)),
            // For the operator only: the peer is told the same as if there were nothing.
            Denied::NotAllowed if action != Action::List => {
                tracing::info!(id = %self.id, %action, "the domain's access rules don't allow this to this machine");
                not_found()
            }
            Denied::ReservedName => {
                Refusal::new(ErrorCode::ReservedName, "this name is reserved for a machine's own identity")
            }
            _ => not_found(),
        })
    }

    /// Now, as records have it.
    fn seconds(&self) -> i64 {
        audit::seconds(self.now)
    }

    fn answered(self, tools: &Tools, outcome: Outcome) -> Step {
        Step::Answered(self.record(tools, outcome))
    }

    fn refused(self, tools: &Tools, refusal: Refusal) -> Step {
        self.answered(tools, Outcome::Refused(refusal))
    }

    fn record(self, tools: &Tools, outcome: Outcome) -> Held {
        tools.recorder.record(&self.domain, self.facts, self.id, outcome)
    }
}

/// This moment, which is `wall` on the clock.
fn moment(wall: UnixTime) -> Moment {
    Moment { steady: std::time::Instant::now(), wall }
}

/// What is missing, for people.
fn lacking(needs: Needs) -> &'static str {
    match needs {
        Needs { principal: false, .. } => "this is given only on fresh evidence on this channel",
        Needs { freshness: false, .. } => {
            "this is given only to a principal who proved itself on this channel"
        }
        _ => "this is given only on fresh evidence, or to a principal who proved itself, on this channel",
    }
}

/// The one answer for "there is none" and "not for you".
fn not_found() -> Refusal {
    Refusal::new(
        ErrorCode::NotFound,
        "not found, or not allowed: ask the domain's owner whether it exists and who may have it",
    )
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
        code => {
            count_over_quota(error);
            Refusal::new(code, error.to_string())
        }
    }
}

fn count_over_quota(error: &StoreError) {
    let quota = match error {
        StoreError::NamesQuota { .. } => "names",
        StoreError::BytesQuota { .. } => "bytes",
        StoreError::VersionsLimit { .. } => "versions",
        _ => return,
    };
    metrics::counter!("claviger_over_quota_total", "quota" => quota).increment(1);
}

fn failed() -> Outcome {
    refuse(ErrorCode::Unavailable, "the broker failed on this request")
}

fn refuse(code: ErrorCode, message: &str) -> Outcome {
    Outcome::Refused(Refusal::new(code, message))
}
