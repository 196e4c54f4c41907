//! The limit of stores: the engine itself, with as many writers, committed in the same way.
//!
//! 64 tasks hand a put each to one committer and wait; the committer commits whatever waits in one call of
//! [`Engine::commit`], as the broker's does: one flush and one fdatasync for all of them. Nothing is sealed,
//! named, decided, audited or sent.

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use claviger_store::engine::{Engine, Key, SledEngine, Tree, Txn};
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::error::BenchError;
use crate::setting::{ENTRY_BYTES, MAX_BATCH, VERSIONS_PER_NAME, WRITERS};

/// What one store writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value of the entry's size.
    OneRecord,
    /// As many records as the broker's store writes, about as large: the version, the name's head, the record of
    /// the trail.
    AsTheBroker,
}

/// A store on its way to the committer.
struct Put {
    txn: Txn,
    done: oneshot::Sender<()>,
}

/// Stores in a second.
pub(super) fn rate(window: Duration, shape: Shape, dir: &Path) -> Result<f64, BenchError> {
    let dir = tempfile::tempdir_in(dir)?;
    let engine = SledEngine::open(&dir.path().join("store"))?;
    let (puts, waiting) = mpsc::channel();
    let committer = thread::spawn(move || commit(&engine, &waiting));
    let began = Instant::now();
    let count = produce(puts, shape, began + window);
    let elapsed = began.elapsed();
    committer.join().map_err(|_| BenchError::Panicked)??;
    Ok(f64::from(count?) / elapsed.as_secs_f64())
}

/// The committer: what waits is one commit.
fn commit(engine: &SledEngine, waiting: &mpsc::Receiver<Put>) -> Result<(), BenchError> {
    while let Ok(first) = waiting.recv() {
        let batch = std::iter::once(first).chain(waiting.try_iter().take(MAX_BATCH - 1));
        let (txns, done): (Vec<_>, Vec<_>) = batch.map(|put| (put.txn, put.done)).unzip();
        for outcome in engine.commit(txns)? {
            outcome.map_err(|_| BenchError::Answer("a put of the bare engine met a conflict"))?;
        }
        for done in done {
            // A writer that is gone has counted what it needed.
            drop(done.send(()));
        }
    }
    Ok(())
}

fn produce(puts: mpsc::Sender<Put>, shape: Shape, until: Instant) -> Result<u32, BenchError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            writers.push(tokio::task::spawn_local(write(writer as u64, puts.clone(), shape, until)));
        }
        drop(puts);
        let mut count = 0;
        for writer in writers {
            count += writer.await.map_err(|_| BenchError::Panicked)??;
        }
        Ok(count)
    })
}

async fn write(writer: u64, puts: mpsc::Sender<Put>, shape: Shape, until: Instant) -> Result<u32, BenchError> {
    let mut count = 0;
    while Instant::now() < until {
        let (done, answer) = oneshot::channel();
        let gone = || BenchError::Answer("the bare engine's committer ended");
        puts.send(Put { txn: txn(writer, count, shape), done }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?;
        count += 1;
    }
    Ok(count)
}

fn txn(writer: u64, count: u32, shape: Shape) -> Txn {
    todo!("{writer} {count} {shape:?} {ENTRY_BYTES} {VERSIONS_PER_NAME}")
}
