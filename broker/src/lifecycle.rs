//! Where the broker is in its life, as operators see it.

use std::sync::Arc;

use claviger_proto::admin::State;
use tokio::sync::watch;

/// The state, shared by the admin API, `/readyz`, systemd and whoever changes it.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<watch::Sender<State>>);

impl Lifecycle {
    /// Begins in `state`.
    pub fn new(state: State) -> Self {
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// The state of this moment.
    pub fn state(&self) -> State {
        *self.0.borrow()
    }

    /// Tells of changes.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    /// Goes on to `state`. A broker that drains does so to its end.
    pub fn set(&self, state: State) {
        self.0.send_if_modified(|now| {
            let changes = *now != State::Draining && *now != state;
            if changes {
                *now = state;
            }
            changes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_drains_does_so_to_its_end() {
        let life = Lifecycle::new(State::Sealed);
        let watch = life.watch();
        life.set(State::Ready);
        assert!(watch.has_changed().is_ok_and(|changed| changed));
        life.set(State::Draining);
        life.set(State::Sealed);
        assert_eq!(life.state(), State::Draining);
    }
}
