//! Writers in this process, and the one committer that they wait for: the same batching for whatever commits.
//!
//! 64 tasks hand a job each to the committer and wait; the committer commits whatever waits in one call, as the
//! broker's does: one flush and one fdatasync for all of them.

use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::Plan;
use crate::error::BenchError;
use crate::load::Run;
use crate::serve::control::process_cpu;
use crate::setting::{MAX_BATCH, WRITERS};

/// Which store it is: a writer's next version of its current name, counted from 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Which {
    pub(super) writer: u64,
    pub(super) name: u32,
    pub(super) version: u32,
}

/// What stores are made of, and how they are committed.
pub(super) trait Stores {
    /// One store, ready to be committed.
    type Job: Send + 'static;

    /// Makes one, on the writers' thread.
    fn job(&self, which: Which) -> Result<Self::Job, BenchError>;

    /// What commits them, on a thread of its own.
    fn committer(&mut self) -> Result<impl Commit<Self::Job> + 'static, BenchError>;
}

/// Commits stores.
pub(super) trait Commit<J>: Send {
    /// All of these, durably, with one commit.
    fn commit(&mut self, jobs: Vec<J>) -> Result<(), BenchError>;
}

/// A job on its way to the committer.
struct Waiting<J> {
    job: J,
    done: oneshot::Sender<()>,
}

/// Stores for a while.
pub(super) fn run<S: Stores>(plan: Plan, mut stores: S) -> Result<Run, BenchError> {
    let mut committer = stores.committer()?;
    let (jobs, waiting) = mpsc::channel();
    let committer = thread::spawn(move || commit(&mut committer, &waiting));
    let (began, before) = (Instant::now(), process_cpu());
    let count = produce(&jobs, &stores, plan.versions, began + plan.window);
    let (elapsed, cpu) = (began.elapsed(), process_cpu().saturating_sub(before));
    drop(jobs);
    committer.join().map_err(|_| BenchError::Panicked)??;
    Ok(Run { operations: count?.into(), elapsed, cpu })
}

/// The committer: what waits is one commit.
fn commit<J>(committer: &mut impl Commit<J>, waiting: &mpsc::Receiver<Waiting<J>>) -> Result<(), BenchError> {
    while let Ok(first) = waiting.recv() {
        let batch = std::iter::once(first).chain(waiting.try_iter().take(MAX_BATCH - 1));
        let (jobs, done): (Vec<_>, Vec<_>) = batch.map(|one| (one.job, one.done)).unzip();
        committer.commit(jobs)?;
        for done in done {
            // A writer that is gone has counted what it needed.
            let _ = done.send(());
        }
    }
    Ok(())
}

/// All writers, on this thread.
fn produce<S: Stores>(
    jobs: &mpsc::Sender<Waiting<S::Job>>,
    stores: &S,
    versions: u32,
    until: Instant,
) -> Result<u32, BenchError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let writers = (0..WRITERS as u64).map(|writer| write(writer, jobs, stores, versions, until));
    let counts = runtime.block_on(LocalSet::new().run_until(futures_util::future::join_all(writers)));
    counts.into_iter().sum()
}

async fn write<S: Stores>(
    writer: u64,
    jobs: &mpsc::Sender<Waiting<S::Job>>,
    stores: &S,
    versions: u32,
    until: Instant,
) -> Result<u32, BenchError> {
    let mut count = 0;
    while Instant::now() < until {
        let (done, answer) = oneshot::channel();
        let gone = || BenchError::Answer("a committer ended");
        let job = stores.job(Which { writer, name: count / versions, version: count % versions })?;
        jobs.send(Waiting { job, done }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?;
        count += 1;
    }
    Ok(count)
}
