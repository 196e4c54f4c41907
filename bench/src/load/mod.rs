//! Load: loops that each do one thing after the other, on a thread for each core.

mod connection;
mod gates;

pub(crate) use connection::{Connection, client_tls, framed};

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::runtime::{self, Runtime};
use tokio::task::LocalSet;

use crate::error::BenchError;
use crate::server::Server;
use crate::setting::cores;
use gates::Gates;

/// What one loop does over and over.
pub(crate) trait Work: Send + Sync + 'static {
    /// What it works with.
    type State: 'static;

    /// Gets ready; not measured.
    fn open(&self, index: usize) -> impl Future<Output = Result<Self::State, BenchError>>;

    /// Does it once.
    fn step(&self, state: &mut Self::State) -> impl Future<Output = Result<(), BenchError>>;
}

/// How long a loop goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// Until so much time has passed; what is under way then is finished.
    Elapsed(Duration),
    /// So many times.
    Times(u64),
}

/// What the loops of one run did together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) operations: u64,
    pub(crate) elapsed: Duration,
    /// What it cost the server.
    pub(crate) cpu: Duration,
}

impl Run {
    /// Operations in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.count() / self.elapsed.as_secs_f64()
    }

    /// The server's processor time for one, in microseconds.
    pub(crate) fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.count()
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 operations")]
    fn count(&self) -> f64 {
        self.operations as f64
    }
}

/// Drives `loops` loops of `work` against `server`, all beginning together.
pub(crate) fn drive<W: Work>(
    work: &Arc<W>,
    loops: usize,
    until: Until,
    server: &mut Server,
) -> Result<Run, BenchError> {
    let threads = cores().min(loops);
    let gates = Arc::new(Gates::new(threads + 1));
    let mut workers = Vec::new();
    for thread in 0..threads {
        let (work, gates) = (Arc::clone(work), Arc::clone(&gates));
        let share = (thread..loops).step_by(threads).collect();
        workers.push(thread::spawn(move || worker(&work, share, until, &gates)));
    }
    gates.ready();
    // Everybody is connected and waits, so the server is at rest when its cost is read, here and below.
    let before = server.cpu();
    gates.begin();
    let began = Instant::now();
    gates.done();
    let elapsed = began.elapsed();
    thread::sleep(SETTLE);
    let after = server.cpu();
    gates.close();
    let mut operations = 0;
    for worker in workers {
        operations += worker.join().map_err(|_| BenchError::Panicked)??;
    }
    Ok(Run { operations, elapsed, cpu: after?.saturating_sub(before?) })
}

/// For the server to finish with connections that were closed a moment ago.
const SETTLE: Duration = Duration::from_millis(10);

/// One thread of the load. Whatever fails, it goes through every gate, so that nobody waits for it.
fn worker<W: Work>(work: &Arc<W>, share: Vec<usize>, until: Until, gates: &Gates) -> Result<u64, BenchError> {
    let opened = give_way().and_then(|()| open(work, share));
    gates.ready();
    gates.begin();
    let ran = opened.and_then(|(runtime, states)| {
        let done = run(&runtime, work, states, until)?;
        Ok((runtime, done))
    });
    gates.done();
    gates.close();
    // Connections are closed only now, for that costs the server something too.
    ran.map(|(_runtime, done)| done.iter().map(|(_state, count)| count).sum())
}

/// A niceness (-20 to 19) on the crate's scale of 0 to 99, of which each niceness has two or three.
fn on_the_crate_s_scale(niceness: i32) -> u8 {
    u8::try_from((99 * (37 - 2 * niceness) + 39) / 78).unwrap_or(0).min(99)
}

/// Keeps this thread from interrupting a server on the same core each time that an answer wakes it: load comes from other
/// machines, and doesn't. It has as much of the processor as before (`SCHED_BATCH`, sched(7)), for both servers alike.
pub(crate) fn give_way() -> Result<(), BenchError> {
    scheduled(NormalThreadSchedulePolicy::Batch)
}

/// Has this thread run only where nothing else wants a processor (`SCHED_IDLE`, sched(7)): what it sends is served, and the
/// work of sending it takes nothing from the server, as if another machine did it.
pub(crate) fn stand_back() -> Result<(), BenchError> {
    scheduled(NormalThreadSchedulePolicy::Idle)
}

fn scheduled(policy: NormalThreadSchedulePolicy) -> Result<(), BenchError> {
    let policy = ThreadSchedulePolicy::Normal(policy);
    let before = rustix::process::getpriority_process(None).unwrap_or(0);
    let same = ThreadPriority::Crossplatform(on_the_crate_s_scale(before).try_into().expect("at most 99"));
    set_thread_priority_and_policy(thread_native_id(), same, policy).map_err(BenchError::Scheduling)
}

fn open<W: Work>(work: &Arc<W>, share: Vec<usize>) -> Result<(Runtime, Vec<W::State>), BenchError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let states = runtime.block_on(async {
        let mut states = Vec::with_capacity(share.len());
        for index in share {
            states.push(work.open(index).await?);
        }
        Ok::<_, BenchError>(states)
    })?;
    Ok((runtime, states))
}

type Done<S> = Vec<(S, u64)>;

fn run<W: Work>(
    runtime: &Runtime,
    work: &Arc<W>,
    states: Vec<W::State>,
    until: Until,
) -> Result<Done<W::State>, BenchError> {
    let local = LocalSet::new();
    local.block_on(runtime, async {
        let tasks: Vec<_> = states
            .into_iter()
            .map(|state| tokio::task::spawn_local(repeat(Arc::clone(work), state, until)))
            .collect();
        let mut done = Vec::with_capacity(tasks.len());
        for task in tasks {
            done.push(task.await.map_err(|_| BenchError::Panicked)??);
        }
        Ok(done)
    })
}

async fn repeat<W: Work>(
    work: Arc<W>,
    mut state: W::State,
    until: Until,
) -> Result<(W::State, u64), BenchError> {
    let began = Instant::now();
    let mut count = 0;
    let goes_on = |count| match until {
        Until::Elapsed(time) => began.elapsed() < time,
        Until::Times(times) => count < times,
    };
    while goes_on(count) {
        work.step(&mut state).await?;
        count += 1;
    }
    Ok((state, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use thread_priority::thread_schedule_policy;

    #[test]
    fn load_gives_way_and_is_no_nicer_than_before() {
        thread::spawn(|| {
            let niceness = || rustix::process::getpriority_process(None).expect("a niceness");
            let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
            // As it was started, and then as `nice` would have; a thread may always become nicer.
            for nicer in [0, 1, 5] {
                let before = (niceness() + nicer).min(19);
                rustix::process::setpriority_process(None, before).expect("nicer");
                give_way().expect("allowed to everybody");
                assert_eq!((niceness(), thread_schedule_policy()), (before, Ok(batch)));
            }
        })
        .join()
        .expect("it ends well");
    }
}
