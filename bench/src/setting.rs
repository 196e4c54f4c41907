//! What is measured: sizes and numbers, each with its reason. All of them are told with the figures.

/// The domain that the bench makes.
pub(crate) const DOMAIN: &str = "bench";

/// Bytes of the entry that is retrieved, and of each that is stored: a disk key with its envelope.
pub(crate) const ENTRY_BYTES: usize = 256;

/// Agents, each with a certificate of its own. The broker remembers certificates that it verified, so with
/// these it verifies the first connection of each and remembers it on all later ones, as with a fleet that
/// comes back. What it costs when *none* is remembered is measured apart (`full_cold_cpu_vs_bare`).
pub(crate) const AGENTS: usize = 16;

/// Connections at a time, while connections are measured: one for each agent.
pub(crate) const CONNECTING: usize = AGENTS;

/// Connections that a round opens with certificates that the broker has never seen.
pub(crate) const COLD_CONNECTIONS: usize = 15 * CONNECTING;

/// Kept-alive connections, each with one request under way: as many as there are writers.
pub(crate) const KEPT_CONNECTIONS: usize = 64;

/// Writers, each with one store under way.
pub(crate) const WRITERS: usize = 64;

/// Bytes of a request's whole frame in `full` and `kept`; the resource's name fills it up.
pub(crate) const REQUEST_FRAME: usize = 64;

/// Most stores of one commit of writers in this process: the broker's own bound, never reached by [`WRITERS`].
pub(crate) const MAX_BATCH: usize = 1024;

/// Threads of the load, and workers of each server: one for each core, as the broker has shards.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
