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

    /// Goes on to `state`.
    pub fn set(&self, state: State) {
        self.0.store(encode(state), Ordering::Release);
    }
}

fn encode(state: State) -> u8 {
    match state {
        State::Sealed => 0,
        State::Ready => 1,
        State::Draining => 2,
    }
}
