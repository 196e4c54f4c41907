//! What waits for the committer: any thread puts a commit in, the committer takes all there are.
//!
//! A lock that is held for a push costs a shard less than a message to another actor's thread, which is a system
//! call and, when that thread sleeps, its waking. Here only a committer that has nothing to do is woken.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// A new queue: where to put, and where to take from.
pub(super) fn queue<T>() -> (Putter<T>, Taker<T>) {
    let shared = Arc::new(Shared { state: Mutex::new(State::default()), wake: Condvar::new() });
    (Putter(Arc::clone(&shared)), Taker(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
}

struct State<T> {
    waiting: Vec<T>,
    /// With how many waiting a taker that sleeps is woken; 0 while none sleeps.
    wake_at: usize,
    closed: bool,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self { waiting: Vec::new(), wake_at: 0, closed: false }
    }
}

/// Puts.
pub(super) struct Putter<T>(Arc<Shared<T>>);

impl<T> Clone for Putter<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Putter<T> {
    /// Puts `item` behind what waits; drops it when the queue is closed.
    pub(super) fn put(&self, item: T) {
        let mut state = self.0.state.lock();
        if state.closed {
            // Whatever dropping it does, it does without the lock.
            drop(state);
            drop(item);
            return;
        }
        state.waiting.push(item);
        let wake = state.wake_at > 0 && state.waiting.len() >= state.wake_at;
        if wake {
            state.wake_at = 0;
        }
        drop(state);
        if wake {
            self.0.wake.notify_one();
        }
    }

    /// Takes nothing more. What waits is still to be taken.
    pub(super) fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.wake.notify_one();
    }
}

/// Takes. When it is dropped the queue is closed, and what waits is dropped.
pub(super) struct Taker<T>(Arc<Shared<T>>);

/// What there was to take.
pub(super) enum Taken {
    /// Something.
    Some,
    /// Nothing, now.
    Nothing,
    /// Nothing, ever again.
    Closed,
}

impl<T> Taker<T> {
    /// Takes what waits, the oldest first and at most `most`, into `batch`, which is empty.
    pub(super) fn try_take(&self, batch: &mut Vec<T>, most: usize) -> Taken {
        take(&mut self.0.state.lock(), batch, most)
    }

    /// The same, but waits for something. False when the queue is closed and nothing is left.
    pub(super) fn take(&self, batch: &mut Vec<T>, most: usize) -> bool {
        let mut state = self.0.state.lock();
        loop {
            match take(&mut state, batch, most) {
                Taken::Some => return true,
                Taken::Closed => return false,
                Taken::Nothing => {
                    state.wake_at = 1;
                    self.0.wake.wait(&mut state);
                    state.wake_at = 0;
                }
            }
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.state.lock().waiting.len()
    }

    /// As [`Taker::try_take`], but first waits until `wanted` are there, or until then.
    pub(super) fn take_by(&self, batch: &mut Vec<T>, most: usize, wanted: usize, until: Instant) -> Taken {
        let mut state = self.0.state.lock();
        while state.waiting.len() < wanted && !state.closed {
            state.wake_at = wanted;
            let late = self.0.wake.wait_until(&mut state, until).timed_out();
            state.wake_at = 0;
            if late {
                break;
            }
        }
        take(&mut state, batch, most)
    }
}

fn take<T>(state: &mut State<T>, batch: &mut Vec<T>, most: usize) -> Taken {
    match state.waiting.len() {
        0 if state.closed => return Taken::Closed,
        0 => return Taken::Nothing,
        // The two buffers change places, so that neither is ever allocated anew.
        _ if most == 0 => return Taken::Nothing,
        some if some <= most => mem::swap(&mut state.waiting, batch),
        _ => batch.extend(state.waiting.drain(..most)),
    }
    Taken::Some
}

impl<T> Drop for Taker<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        let left = mem::take(&mut state.waiting);
        drop(state);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn what_is_put_is_taken_in_order_and_no_more_than_asked_for() {
        let (putter, taker) = queue();
        (0..5).for_each(|n| putter.put(n));
        let mut batch = Vec::new();
        assert!(taker.take(&mut batch, 3));
        assert_eq!(batch, [0, 1, 2]);
        batch.clear();
        assert!(matches!(taker.try_take(&mut batch, 3), Taken::Some));
        assert_eq!(batch, [3, 4]);
        batch.clear();
        assert!(matches!(taker.try_take(&mut batch, 3), Taken::Nothing));
    }

    #[test]
    fn one_that_waits_is_woken_by_a_put_and_by_the_close() {
        let (putter, taker) = queue();
        let taking = thread::spawn(move || {
            let mut batch = Vec::new();
            let mut all = Vec::new();
            while taker.take(&mut batch, 8) {
                all.append(&mut batch);
            }
            all
        });
        for n in 0..100 {
            if n % 10 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            putter.put(n);
        }
        putter.close();
        putter.put(100);
        assert_eq!(
            taking.join().expect("it ends"),
            (0..100).collect::<Vec<_>>(),
            "and nothing after the close"
        );
    }

    #[test]
    fn company_is_waited_for_until_it_is_there_or_the_time_is_over() {
        let (putter, taker) = queue();
        let mut batch = Vec::new();
        let soon = || Instant::now() + Duration::from_millis(20);
        putter.put(1);
        assert!(
            matches!(taker.take_by(&mut batch, 8, 2, soon()), Taken::Some),
            "what is there, when it is over"
        );
        assert_eq!(mem::take(&mut batch), [1]);
        assert!(matches!(taker.take_by(&mut batch, 8, 2, soon()), Taken::Nothing));
        let putting = thread::spawn(move || {
            (0..3).for_each(|n| putter.put(n));
            putter
        });
        let never = Instant::now() + Duration::from_mins(10);
        assert!(matches!(taker.take_by(&mut batch, 8, 3, never), Taken::Some), "as soon as they are there");
        assert_eq!(mem::take(&mut batch), [0, 1, 2]);
        putting.join().expect("it ends").close();
        assert!(
            matches!(taker.take_by(&mut batch, 8, 1, never), Taken::Closed),
            "nobody comes after the close"
        );
    }

    #[test]
    fn when_the_taker_is_gone_whatever_waits_is_dropped_and_whatever_comes() {
        let (putter, taker) = queue();
        let item = Arc::new(());
        putter.put(Arc::clone(&item));
        drop(taker);
        putter.put(Arc::clone(&item));
        assert_eq!(Arc::strong_count(&item), 1);
    }
}
