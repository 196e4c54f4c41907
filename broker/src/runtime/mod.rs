//! What runs the actors: shards, the panic policy, what stops the process.

pub mod failure;
pub mod panics;
pub mod shard;
pub mod stack;

/// Runs a broker's whole life on an actor system of this thread, for programs that know no actors.
pub fn block_on<F: Future>(life: F) -> F::Output {
    actix_rt::System::new().block_on(life)
}
