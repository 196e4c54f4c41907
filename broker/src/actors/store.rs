//! The store actor owns writing: it batches what is waiting, has it committed once, then all are answered.

use std::sync::{Arc, mpsc};
use std::thread;

use actix::{Actor, AsyncContext as _, Context, Handler, Message, Recipient};
use claviger_store::{Command, Done, StoreError, Writer};
use tokio::sync::oneshot;

use crate::net::permits::Place;
use crate::runtime::failure::Failure;

/// Most commands of one commit: bounds how long the first of them waits for the last.
const MAX_BATCH: usize = 1024;

/// Commit this, durably, and say so.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Commit {
    /// What to write.
    pub command: Command,
    /// Where the answer goes, straight from the committer.
    pub reply: oneshot::Sender<Result<Done, StoreError>>,
    /// The place in the queue, taken at the edge and given back with the answer.
    pub place: Option<Place>,
}

/// The committer is done with a batch.
#[derive(Message)]
#[rtype(result = "()")]
struct BatchCommitted;

/// See the module.
pub struct StoreActor {
    waiting: Vec<Commit>,
    committing: bool,
    committer: mpsc::Sender<Vec<Commit>>,
    start: Option<(Writer, mpsc::Receiver<Vec<Commit>>)>,
    failure: Arc<Failure>,
}

impl StoreActor {
    /// An actor over `writer`. `failure` is told when storage breaks; the process stops then.
    pub fn new(writer: Writer, failure: Arc<Failure>) -> Self {
        let (committer, batches) = mpsc::channel();
        Self { waiting: Vec::new(), committing: false, committer, start: Some((writer, batches)), failure }
    }

    fn commit_waiting(&mut self) {
        if self.committing || self.waiting.is_empty() {
            return;
        }
        let rest = self.waiting.split_off(self.waiting.len().min(MAX_BATCH));
        let batch = std::mem::replace(&mut self.waiting, rest);
        self.committing = self.committer.send(batch).is_ok();
        if !self.committing {
            self.failure.report("the committer thread is gone");
        }
    }
}

impl Actor for StoreActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let Some((writer, batches)) = self.start.take() else { return };
        let done = context.address().recipient();
        let failure = Arc::clone(&self.failure);
        let thread = thread::Builder::new().name("committer".to_owned());
        if let Err(error) = thread.spawn(move || commit_batches(writer, &batches, &done, &failure)) {
            tracing::error!(%error, "the committer thread could not be started");
            self.failure.report("the committer thread could not be started");
        }
    }
}

impl Handler<Commit> for StoreActor {
    type Result = ();

    fn handle(&mut self, commit: Commit, _: &mut Context<Self>) {
        self.waiting.push(commit);
        self.commit_waiting();
    }
}

impl Handler<BatchCommitted> for StoreActor {
    type Result = ();

    fn handle(&mut self, _: BatchCommitted, _: &mut Context<Self>) {
        self.committing = false;
        self.commit_waiting();
    }
}

/// The committer: blocking work, on its own thread until the actor is gone.
fn commit_batches(
    mut writer: Writer,
    batches: &mpsc::Receiver<Vec<Commit>>,
    done: &Recipient<BatchCommitted>,
    failure: &Failure,
) {
    let _watch = failure.on_panic("the committer thread panicked");
    let size = metrics::histogram!("claviger_commit_batch_size");
    // A process that ended while a domain was being removed left something to sweep.
    let mut sweeping = true;
    while let Some(batch) = next_batch(&mut writer, batches, &mut sweeping) {
        sweeping |= batch.iter().any(|commit| matches!(commit.command, Command::DeleteDomain(_)));
        #[allow(clippy::cast_precision_loss, reason = "a batch has at most MAX_BATCH commands")]
        size.record(batch.len() as f64);
        let mut commands = Vec::with_capacity(batch.len());
        let mut replies = Vec::with_capacity(batch.len());
        for Commit { command, reply, place } in batch {
            commands.push(command);
            replies.push((reply, place));
        }
        let results = writer.commit(commands);
        // The next batch can be collected while these are answered.
        done.do_send(BatchCommitted);
        for ((reply, place), result) in replies.into_iter().zip(results) {
            if let Err(StoreError::Engine(error)) = &result {
                tracing::error!(%error, "storage is broken");
                failure.report("storage is broken; mend it and start again");
            }
            drop(place);
            // The peer may have gone; what it asked for is committed all the same.
            drop(reply.send(result));
        }
    }
}

/// Waits for a batch. While nobody waits for a commit, records of deleted domains are removed; their keys are
/// gone already.
fn next_batch(
    writer: &mut Writer,
    batches: &mpsc::Receiver<Vec<Commit>>,
    sweeping: &mut bool,
) -> Option<Vec<Commit>> {
    while *sweeping {
        match batches.try_recv() {
            Ok(batch) => return Some(batch),
            Err(mpsc::TryRecvError::Disconnected) => return None,
            Err(mpsc::TryRecvError::Empty) => {
                *sweeping = writer.sweep().unwrap_or_else(|error| {
                    tracing::error!(%error, "records of a deleted domain could not be removed");
                    false
                });
            }
        }
    }
    batches.recv().ok()
}
