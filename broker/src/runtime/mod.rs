//! What runs the actors: shards, the panic policy, what stops the process.

pub mod failure;
pub mod panics;
pub mod shard;
