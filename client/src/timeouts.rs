//! How long each phase may take.

use std::time::Duration;

use crate::error::Phase;

/// Limits on waiting, one for each phase: nothing in this library waits without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution and TCP, over all addresses of the name together. Default 5 s: a broker is in the
    /// same network, and a boot must not hang on a wrong address.
    pub connect: Duration,
    /// The TLS handshake. Default 10 s: about 1 ms of work, but a busy broker queues.
    pub handshake: Duration,
    /// One request and its whole answer, however many reads it takes, so that a dripping server gains
    /// nothing. Default 30 s: admission does slow public-key work, and a store waits for a disk.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            answer: Duration::from_secs(30),
        }
    }
}

impl Timeouts {
    /// The same limit for every phase.
    pub fn all(limit: Duration) -> Self {
        Self { connect: limit, handshake: limit, answer: limit }
    }

    /// The limit of one phase.
    pub fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Connect => self.connect,
            Phase::Handshake => self.handshake,
            Phase::Answer => self.answer,
        }
    }
}
