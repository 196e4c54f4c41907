//! The measurements, one file each.

mod engine;
pub(crate) mod full;
pub(crate) mod kept;
pub(crate) mod pair;
mod sealed;
pub(crate) mod store;
mod writers;

use std::time::Duration;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How often each side is measured, in turn.
    pub(crate) rounds: u32,
    /// How long each time.
    pub(crate) window: Duration,
    /// How many versions a writer stores under one name before it takes the next.
    pub(crate) versions: u32,
}
