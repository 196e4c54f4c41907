//! What is recorded of a request, and the answer that waits for it.

use std::rc::Rc;

use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::{Outcome, Refusal, Request};
use claviger_store::AuditFacts;

use super::audit::{Receipt, Segments};
use crate::domain::Domain;
use crate::request_id::RequestId;

/// An outcome that is recorded only in memory yet. It can't be looked at or sent before [`Held::release`].
pub struct Held {
    outcome: Outcome,
    receipt: Option<Receipt>,
}

impl Held {
    /// An outcome that needs no record on this shard: the commit has it, or it is about no domain.
    pub(super) fn recorded(outcome: Outcome) -> Self {
        Self { outcome, receipt: None }
    }

    /// The outcome, once its record is in the file, or on the disk; if that fails, so does the request.
    pub async fn release(self, segments: &Segments) -> Outcome {
        let Some(receipt) = self.receipt else { return self.outcome };
        match segments.settle(receipt).await {
            Ok(()) => self.outcome,
            Err(error) => {
                tracing::error!(%error, "a request could not be recorded");
                unrecorded()
            }
        }
    }
}

/// Where outcomes are recorded: the audit, the log, the metrics.
#[derive(Clone)]
pub(super) struct Recorder {
    segments: Segments,
    counters: Counters,
}

impl Recorder {
    pub(super) fn new(segments: Segments) -> Self {
        Self { segments, counters: Counters::new() }
    }

    /// Enters the audit's record; if that fails, so does the request.
    pub(super) fn record(
        &self,
        domain: &Domain,
        mut facts: AuditFacts,
        id: RequestId,
        outcome: Outcome,
    ) -> Held {
        let result = match &outcome {
            Outcome::Refused(refusal) => refusal.code.as_str(),
            _ => "ok",
        };
        facts.outcome = result.into();
        self.counters.count(facts.action.as_ref(), result);
        if let Outcome::Refused(refusal) = &outcome {
            let peer = facts.peer_fingerprint.map(hex::encode).unwrap_or_default();
            let (request, code) = (facts.action.as_ref(), refusal.code);
            tracing::info!(%id, domain = %domain.name, request, peer, source = %facts.source, %code, "refused");
        }
        match self.segments.enter(domain, &facts) {
            Ok(receipt) => Held { outcome, receipt: Some(receipt) },
            Err(error) => {
                tracing::error!(%id, domain = %domain.name, %error, "a request could not be recorded");
                Held::recorded(unrecorded())
            }
        }
    }

    /// What the commit itself recorded.
    pub(super) fn committed(&self, facts: &AuditFacts, outcome: Outcome) -> Held {
        self.counters.count(facts.action.as_ref(), "ok");
        Held::recorded(outcome)
    }
}

fn unrecorded() -> Outcome {
    let text = "the broker can't keep its audit; try again later";
    Outcome::Refused(Refusal::new(ErrorCode::Unavailable, text))
}

/// The counters of what usually happens, looked up once: a look-up costs more than a decision.
#[derive(Clone)]
struct Counters(Rc<[(&'static str, metrics::Counter)]>);

impl Counters {
    fn new() -> Self {
        Self(Request::KINDS.iter().map(|kind| (*kind, Self::of(kind, "ok"))).collect())
    }

    fn of(kind: &'static str, outcome: &'static str) -> metrics::Counter {
        metrics::counter!("claviger_requests_total", "kind" => kind, "outcome" => outcome)
    }

    fn count(&self, kind: &str, outcome: &'static str) {
        match self.0.iter().find(|(known, _)| *known == kind) {
            Some((_, ok)) if outcome == "ok" => ok.increment(1),
            Some((kind, _)) => Self::of(kind, outcome).increment(1),
            // Every kind of request is there.
            None => {}
        }
    }
}
