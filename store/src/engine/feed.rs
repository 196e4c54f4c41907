//! What changed: an engine's own feed, so that a slow watcher holds up nobody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::engine::{Key, Revision};

/// How many events are kept for watchers. At 36 000 stores a second that is two seconds' worth in the worst
/// case; a watcher further behind reads everything again, which costs it less than catching up.
const KEPT_EVENTS: usize = 1 << 16;

/// One key that a transaction changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Key,
    /// Whether its value is gone; else there is a new one, to be got.
    pub deleted: bool,
}

/// One transaction that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its revision.
    pub revision: Revision,
    /// What it changed.
    pub changes: Vec<Change>,
}

/// Why a watcher gets no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// Events were missed. The watch goes on after `resume`: read again what matters at that revision or later.
    #[error("events were missed; read everything again")]
    Lagged {
        /// The watch goes on after this revision.
        resume: Revision,
    },
    /// The engine is gone.
    #[error("the engine was closed")]
    Closed,
}

/// The engine's side: events go in here, after they are durable.
pub(super) struct Feed(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    /// Consecutive: the first has the revision after `forgotten`.
    events: VecDeque<Arc<Event>>,
    forgotten: Revision,
    closed: bool,
    kept: usize,
}

impl State {
    fn newest(&self) -> Revision {
        self.events.back().map_or(self.forgotten, |event| event.revision)
    }
}

impl Feed {
    /// A feed that knows nothing up to and including `revision`.
    pub(super) fn new(revision: Revision) -> Self {
        Self::keeping(revision, KEPT_EVENTS)
    }

    fn keeping(revision: Revision, kept: usize) -> Self {
        let state = State { events: VecDeque::new(), forgotten: revision, closed: false, kept };
        Self(Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new() }))
    }

    /// Adds events, whose revisions go on from the newest.
    pub(super) fn publish(&self, events: Vec<Event>) {
        let mut state = self.0.state.lock();
        for event in events {
            state.events.push_back(Arc::new(event));
            if state.events.len() > state.kept
                && let Some(oldest) = state.events.pop_front()
            {
                state.forgotten = oldest.revision;
            }
        }
        drop(state);
        self.0.wake.notify_all();
    }

    /// A watch of what comes after `from`.
    pub(super) fn watch(&self, from: Revision) -> Watch {
        Watch { shared: Arc::clone(&self.0), seen: from }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.wake.notify_all();
    }
}

/// A watcher's side.
pub struct Watch {
    shared: Arc<Shared>,
    seen: Revision,
}

impl Watch {
    /// The next event, waiting for it up to `wait`; `None` when there was none.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Arc<Event>>, WatchError> {
        let mut state = self.shared.state.lock();
        if self.seen >= state.newest() && !state.closed {
            self.shared.wake.wait_for(&mut state, wait);
        }
        if self.seen < state.forgotten {
            let resume = state.newest();
            self.seen = resume;
            return Err(WatchError::Lagged { resume });
        }
        // The same distance in revisions and in the queue, because they are consecutive.
        let at = usize::try_from(self.seen.0 - state.forgotten.0).unwrap_or(usize::MAX);
        match state.events.get(at) {
            Some(event) => {
                self.seen = event.revision;
                Ok(Some(Arc::clone(event)))
            }
            None if state.closed => Err(WatchError::Closed),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(revision: u64) -> Event {
        Event { revision: Revision(revision), changes: Vec::new() }
    }

    #[test]
    fn a_watcher_that_lags_is_told_and_goes_on_from_the_newest() {
        let feed = Feed::keeping(Revision(5), 3);
        let mut watch = feed.watch(Revision(5));
        feed.publish((6..=12).map(event).collect());
        assert_eq!(watch.next(Duration::ZERO), Err(WatchError::Lagged { resume: Revision(12) }));
        feed.publish(vec![event(13)]);
        assert_eq!(watch.next(Duration::ZERO).map(|e| e.map(|e| e.revision.0)), Ok(Some(13)));
        assert_eq!(watch.next(Duration::ZERO), Ok(None));
    }

    #[test]
    fn a_watcher_of_the_far_past_lags_and_one_of_the_future_waits() {
        let feed = Feed::keeping(Revision(5), 3);
        assert_eq!(
            feed.watch(Revision(1)).next(Duration::ZERO),
            Err(WatchError::Lagged { resume: Revision(5) })
        );
        let mut ahead = feed.watch(Revision(7));
        feed.publish(vec![event(6), event(7)]);
        assert_eq!(ahead.next(Duration::ZERO), Ok(None));
        feed.publish(vec![event(8)]);
        assert_eq!(ahead.next(Duration::ZERO).map(|e| e.map(|e| e.revision.0)), Ok(Some(8)));
        drop(feed);
        assert_eq!(ahead.next(Duration::from_mins(1)), Err(WatchError::Closed));
    }
}
