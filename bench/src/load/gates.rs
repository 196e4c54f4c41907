//! Where the threads of a run wait for each other.

use std::sync::Barrier;

/// The moments of a run that all of its threads reach together.
pub(super) struct Gates {
    ready: Barrier,
    begin: Barrier,
    done: Barrier,
    close: Barrier,
}

impl Gates {
    pub(super) fn new(threads: usize) -> Self {
        let barrier = || Barrier::new(threads);
        Self { ready: barrier(), begin: barrier(), done: barrier(), close: barrier() }
    }

    /// Everybody is connected.
    pub(super) fn ready(&self) {
        self.ready.wait();
    }

    /// The server's cost was read; everybody begins.
    pub(super) fn begin(&self) {
        self.begin.wait();
    }

    /// Everybody has done its last.
    pub(super) fn done(&self) {
        self.done.wait();
    }

    /// The server's cost was read; connections may go.
    pub(super) fn close(&self) {
        self.close.wait();
    }
}
