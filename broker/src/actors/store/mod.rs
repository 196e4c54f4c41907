//! The store actor owns writing: what waits is committed at once, with one flush, then all are answered.
//!
//! It owns the committer, the thread that may wait for the disk. What is to be written goes to the committer
//! straight from the threads that ask, and the answers go straight back (docs/adr/0008).

mod answers;
mod pace;
mod queue;

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use actix::{Actor, Addr, Context};
use actix_rt::ArbiterHandle;
use claviger_store::{Command, Done, StoreError, Writer};
use tokio::sync::oneshot;

use crate::net::tenant::SharedPlace;
use crate::runtime::failure::Failure;
use answers::Outbox;
use pace::Pace;
use queue::{Putter, Taken, Taker, queue};

pub use answers::{AnswerDesk, Desk};

/// Most commands of one commit: bounds how long the first of them waits for the last.
const MAX_BATCH: usize = 1024;

/// Commit this, durably, and say so.
struct Commit {
    command: Command,
    /// Where the answer goes.
    reply: oneshot::Sender<Result<Done, StoreError>>,
    /// Through which desk; `None` for what is rare.
    desk: Option<Desk>,
    /// The place in the queue, taken at the edge and given back with the answer.
    place: Option<SharedPlace>,
}

/// The way to the committer. When the last of these is gone the store actor ends, and with it the committer, once
/// it has done what waits.
#[derive(Clone)]
pub struct Commits {
    queue: Putter<Commit>,
    _owner: Addr<StoreActor>,
}

impl Commits {
    /// Has a command committed, durably. `desk` belongs to the thread that this is awaited on.
    pub async fn commit(
        &self,
        command: Command,
        place: Option<SharedPlace>,
        desk: Option<&Desk>,
    ) -> Result<Done, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.put(Commit { command, reply, desk: desk.cloned(), place });
        // The committer answers everything it takes, so no answer means that it is gone.
        answer.await.unwrap_or(Err(StoreError::Stopped))
    }
}

/// See the module.
pub struct StoreActor {
    queue: Putter<Commit>,
    start: Option<(Writer, Taker<Commit>)>,
    failure: Arc<Failure>,
}

impl StoreActor {
    /// Starts one over `writer`, on `arbiter`. `failure` is told when storage breaks; the process stops then.
    pub fn start_on(arbiter: &ArbiterHandle, writer: Writer, failure: Arc<Failure>) -> Commits {
        let (putter, taker) = queue();
        let queue = putter.clone();
        let actor = move |_: &mut Context<Self>| Self { queue, start: Some((writer, taker)), failure };
        Commits { queue: putter, _owner: Self::start_in_arbiter(arbiter, actor) }
    }
}

impl Actor for StoreActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        let Some((writer, waiting)) = self.start.take() else { return };
        let failure = Arc::clone(&self.failure);
        let thread = thread::Builder::new().name("committer".to_owned());
        if let Err(error) = thread.spawn(move || commit_batches(writer, &waiting, &failure)) {
            tracing::error!(%error, "the committer thread could not be started");
            self.failure.report("the committer thread could not be started");
        }
    }
}

impl Drop for StoreActor {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The committer: blocking work, on its own thread until the actor is gone.
fn commit_batches(mut writer: Writer, waiting: &Taker<Commit>, failure: &Failure) {
    let _watch = failure.on_panic("the committer thread panicked");
    let size = metrics::histogram!("claviger_commit_batch_size");
    let seconds = metrics::histogram!("claviger_commit_seconds");
    // A process that ended while a domain was being removed left something to sweep.
    let mut sweeping = true;
    let mut batch = Vec::new();
    let mut pace = Pace::default();
    while next_batch(&mut writer, waiting, &mut batch, &mut sweeping) {
        let began = Instant::now();
        let mut askers = Vec::with_capacity(batch.len());
        let commands = part(&mut batch, &mut askers, &mut sweeping);
        // What comes while this is planned, or soon, goes along.
        let outcomes = writer.commit_with(commands, || {
            let most = MAX_BATCH - askers.len();
            let missing = pace.missing(askers.len()).min(most);
            if let Taken::Some = waiting.take_by(&mut batch, most, missing, pace.until(began)) {
                part(&mut batch, &mut askers, &mut sweeping)
            } else {
                Vec::new()
            }
        });
        #[allow(clippy::cast_precision_loss, reason = "a batch has at most MAX_BATCH commands")]
        size.record(outcomes.len() as f64);
        let took = began.elapsed();
        seconds.record(took.as_secs_f64());
        pace = Pace::after(took, outcomes.len(), waiting.waiting());
        answer(askers, outcomes, failure);
    }
}

/// Who waits for an outcome, through which desk, and holds which place.
type Asker = (oneshot::Sender<Result<Done, StoreError>>, Option<Desk>, Option<SharedPlace>);

/// Takes commits apart: what is to be done, and who asks.
fn part(batch: &mut Vec<Commit>, askers: &mut Vec<Asker>, sweeping: &mut bool) -> Vec<Command> {
    let each = |Commit { command, reply, desk, place }| {
        // There will be something to sweep.
        *sweeping |= matches!(command, Command::DeleteDomain(_));
        askers.push((reply, desk, place));
        command
    };
    batch.drain(..).map(each).collect()
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

/// Waits for a batch. While nobody waits for a commit, records of deleted domains are removed; their keys are
/// gone already. False when no batch will come.
fn next_batch(
    writer: &mut Writer,
    waiting: &Taker<Commit>,
    batch: &mut Vec<Commit>,
    sweeping: &mut bool,
) -> bool {
    while *sweeping {
        match waiting.try_take(batch, MAX_BATCH) {
            Taken::Some => return true,
            Taken::Closed => return false,
            Taken::Nothing => {
                *sweeping = writer.sweep().unwrap_or_else(|error| {
                    tracing::error!(%error, "records of a deleted domain could not be removed");
                    false
                });
            }
        }
    }
    waiting.take(batch, MAX_BATCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::time::Duration;

    use actix_rt::Arbiter;
    use claviger_proto::ErrorCode;
    use claviger_store::engine::{AnyEngine, Faults, MemoryEngine};
    use claviger_store::{AuditFacts, DomainRecord, NewDomain, RootKey, Store, StoreId};

    fn store(faults: Faults) -> Store {
        let engine = Arc::new(AnyEngine::from(MemoryEngine::with_faults(faults)));
        let (root, id) = (RootKey::generate(), StoreId::generate());
        Store::create(engine, &root.expect("randomness"), id.expect("randomness")).expect("a store")
    }

    fn create(name: &str) -> Command {
        let record = DomainRecord {
            policy_certificate: vec![1],
            policy_key: None,
            issuing: None,
            broker_identity: None,
            preset: "closed".to_owned(),
            references: Vec::new(),
            access: Vec::new(),
            created: 0,
            home: None,
        };
        let name = name.parse().expect("a name");
        Command::CreateDomain(NewDomain { name, record, audit: AuditFacts::default() })
    }

    fn start(store: &Store) -> (Commits, tokio::sync::watch::Receiver<Option<&'static str>>) {
        let (failure, failed) = Failure::new();
        let writer = store.writer().expect("the writer");
        (StoreActor::start_on(&Arbiter::current(), writer, failure), failed)
    }

    #[actix_rt::test]
    async fn commands_are_done_and_answered_through_a_desk_or_without() {
        let (commits, failed) = start(&store(Faults::default()));
        let desk = AnswerDesk::open();
        for (name, desk) in [("a", None), ("b", Some(&desk))] {
            assert!(commits.commit(create(name), None, desk).await.is_ok());
            let again = commits.commit(create(name), None, desk).await;
            assert_eq!(again.map(|_| ()).map_err(|error| error.code()), Err(ErrorCode::Conflict));
        }
        assert!(failed.borrow().is_none());
    }

    #[actix_rt::test]
    async fn broken_storage_is_answered_and_reported() {
        let faults = Faults::default();
        let (commits, failed) = start(&store(faults.clone()));
        let desk = AnswerDesk::open();
        faults.fail_next_commit(ErrorKind::StorageFull);
        assert!(matches!(commits.commit(create("a"), None, Some(&desk)).await, Err(StoreError::Engine(_))));
        assert!(failed.borrow().is_some());
        assert!(matches!(commits.commit(create("b"), None, Some(&desk)).await, Err(StoreError::Stopped)));
    }

    #[actix_rt::test]
    async fn the_committer_ends_when_nobody_can_ask_it_any_more() {
        let store = store(Faults::default());
        let (commits, _failed) = start(&store);
        let (first, second) = (commits.clone(), commits);
        assert!(first.commit(create("a"), None, None).await.is_ok());
        drop(first);
        assert!(second.commit(create("b"), None, None).await.is_ok(), "somebody is left");
        drop(second);
        for _ in 0..1000 {
            if store.writer().is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the committer still has the writer");
    }

    #[actix_rt::test]
    async fn who_asks_a_stopped_actor_is_told_so() {
        let store = store(Faults::default());
        let arbiter = Arbiter::new();
        let commits =
            StoreActor::start_on(&arbiter.handle(), store.writer().expect("the writer"), Failure::new().0);
        assert!(commits.commit(create("a"), None, None).await.is_ok());
        arbiter.stop();
        arbiter.join().expect("it ends");
        assert!(matches!(commits.commit(create("b"), None, None).await, Err(StoreError::Stopped)));
    }
}
