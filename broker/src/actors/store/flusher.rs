//! The flusher: waits for the disk, and answers.

use std::sync::mpsc::Receiver;
use std::time::Instant;

use claviger_store::{Done, InFlight, StoreError};
use tokio::sync::oneshot;

use super::Commit;
use super::answers::{Desk, Outbox};
use super::queue::Ender;
use crate::net::permits::Place;
use crate::runtime::failure::Failure;

/// Who waits for an outcome, through which desk, and holds which place.
pub(super) type Asker = (oneshot::Sender<Result<Done, StoreError>>, Option<Desk>, Option<Place>);

/// A batch that is applied, and who waits for it to be durable.
pub(super) struct Flight {
    pub(super) began: Instant,
    pub(super) commands: InFlight,
    pub(super) askers: Vec<Asker>,
}

/// Finishes flights in the order they come, until none will come.
pub(super) fn flush(flights: &Receiver<Flight>, done: &Ender<Commit>, failure: &Failure) {
    let _watch = failure.on_panic("the flusher thread panicked");
    let seconds = metrics::histogram!("claviger_commit_seconds");
    for Flight { began, commands, askers } in flights {
        let outcomes = commands.finish();
        // The next batch needn't wait for the answers of this one.
        done.end();
        seconds.record(began.elapsed().as_secs_f64());
        answer(askers, outcomes, failure);
    }
}

fn answer(askers: Vec<Asker>, outcomes: Vec<Result<Done, StoreError>>, failure: &Failure) {
    let mut outbox = Outbox::default();
    for ((reply, desk, place), outcome) in askers.into_iter().zip(outcomes) {
        if let Err(StoreError::Engine(error)) = &outcome {
            tracing::error!(%error, "storage is broken");
            failure.report("storage is broken; mend it and start again");
        }
        drop(place);
        outbox.add(desk, reply, outcome);
    }
    outbox.send();
}
