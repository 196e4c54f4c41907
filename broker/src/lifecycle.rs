//! Where the broker is in its life, as operators see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use claviger_proto::admin::State;

/// The state, shared by the admin API, `/readyz` and whoever changes it.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<AtomicU8>);

impl Lifecycle {
    /// Begins in `state`.
    pub fn new(state: State) -> Self {
        Self(Arc::new(AtomicU8::new(encode(state))))
    }

    /// The state of this moment.
    pub fn state(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            0 => State::Sealed,
            1 => State::Ready,
            _ => State::Draining,
        }
    }

    /// Goes on to `state`. A broker that drains does so to its end.
    pub fn set(&self, state: State) {
        let draining = encode(State::Draining);
        let next = |now| (now != draining).then(|| encode(state));
        // What it was before is of no interest.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }
}

fn encode(state: State) -> u8 {
    match state {
        State::Sealed => 0,
        State::Ready => 1,
        State::Draining => 2,
    }
}
